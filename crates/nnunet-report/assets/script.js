"use strict";

// Shows the slice that the slider is at.
function show(stack, layers, slices, place) {
    const slice = slices.slices[place];
    const address = (layer) => "data:image/png;base64," + slice[layer];
    for (const { name, image, labels } of layers) {
        image.src = address("image");
        image.alt = `${stack.dataset.case}, ${name}, slice ${slice.number + 1}`;
        if (labels) {
            labels.src = address(name);
        }
    }
    const text = `${slice.number + 1} of ${slices.of}`;
    stack.querySelector("output").textContent = text;
    stack.querySelector("input").setAttribute("aria-valuetext", "slice " + text);
}

for (const stack of document.querySelectorAll(".stack")) {
    const slices = JSON.parse(stack.querySelector("script").textContent);
    const layers = Array.from(stack.querySelectorAll("[data-layer]"), (panel) => ({
        name: panel.dataset.layer,
        image: panel.querySelector(".image"),
        labels: panel.querySelector(".labels"),
    }));
    const slider = stack.querySelector("input");
    slider.addEventListener("input", () => show(stack, layers, slices, Number(slider.value)));
    // A browser may remember where the slider was when the page was left.
    show(stack, layers, slices, Number(slider.value));
}

// On paper nothing can be opened.
let opened = [];
window.addEventListener("beforeprint", () => {
    opened = Array.from(document.querySelectorAll("details:not([open])"));
    opened.forEach((details) => (details.open = true));
});
window.addEventListener("afterprint", () => {
    opened.forEach((details) => (details.open = false));
    opened = [];
});
