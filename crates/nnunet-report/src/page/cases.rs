use maud::{Markup, PreEscaped, html};

use super::{missing, words};
use crate::data::{CaseGallery, CaseView, Part, Slice, SliceStack};

pub(super) fn section(gallery: &CaseGallery) -> Markup {
    html! {
        p {
            "References and the predictions of " (gallery.predicted_by)
            ", over the channel " (gallery.channel)
            "; the best cases by mean Dice come first. Move through the slices with the slider, or with \
             the arrow keys when it has the focus."
        }
        noscript { p.missing { "Without scripts only one slice of each case can be seen." } }
        ul.legend {
            @for label in &gallery.labels {
                @let [red, green, blue] = label.colour;
                li {
                    span.swatch style=(format!("background:rgb({red},{green},{blue})")) {}
                    (label.label)
                }
            }
        }
        @for (number, case) in gallery.cases.iter().enumerate() { (view(number, case)) }
    }
}

fn view(number: usize, case: &CaseView) -> Markup {
    let id = format!("case-{number}");
    html! {
        article.case aria-labelledby=(id) {
            h3 id=(id) {
                (case.case) " " span.badge { (case.rank) ", mean Dice " (words::dice(case.dice)) }
            }
            p {
                @for (number, class) in case.classes.iter().enumerate() {
                    @if number > 0 { ", " }
                    (class.class) " " (words::dice(class.dice))
                }
            }
            @match &case.stack {
                Part::Present(stack) => (slices(number, case, stack)),
                Part::Missing(reason) => (missing(reason)),
            }
        }
    }
}

/// Three panels, the slider, and what the script needs of the other slices.
fn slices(number: usize, case: &CaseView, stack: &SliceStack) -> Markup {
    let Some(shown) = stack.slices.get(stack.first_shown) else {
        return missing("There are no slices.");
    };
    let slider = format!("slice-{number}");
    let [height, width] = stack.extent_mm;
    let ratio = format!("--ratio:{:.4}", width / height);
    let last = stack.slices.len().saturating_sub(1);
    let left_out = stack.slices_in_case > stack.slices.len();
    html! {
        div.stack data-case=(case.case) {
            div.panels {
                (panel("image", &ratio, case, shown, None))
                (panel("reference", &ratio, case, shown, Some(&shown.reference.data_uri())))
                (panel("prediction", &ratio, case, shown, Some(&shown.prediction.data_uri())))
            }
            div.slider {
                label for=(slider) { "Slice" }
                input id=(slider) type="range" min="0" max=(last) step="1" value=(stack.first_shown)
                    aria-label=(format!("Slice of {}", case.case));
                output for=(slider) { (shown.number + 1) " of " (stack.slices_in_case) }
            }
            @if left_out {
                p.note {
                    (stack.slices.len()) " of the " (stack.slices_in_case) " slices are in the page."
                }
            }
            script type="application/json" { (PreEscaped(json(stack))) }
        }
    }
}

fn panel(what: &str, ratio: &str, case: &CaseView, slice: &Slice, labels: Option<&str>) -> Markup {
    let alt = format!("{}, {what}, slice {}", case.case, slice.number + 1);
    html! {
        figure.panel data-layer=(what) {
            div.pixels style=(ratio) {
                img.image src=(slice.image.data_uri()) alt=(alt);
                // The picture below it is described.
                @if let Some(labels) = labels { img.labels src=(labels) alt=""; }
            }
            figcaption { (what) }
        }
    }
}

/// Numbers and base64 only: nothing in it can end the element.
fn json(stack: &SliceStack) -> String {
    let slices: Vec<String> = (stack.slices.iter())
        .map(|slice| {
            format!(
                r#"{{"number":{},"image":"{}","reference":"{}","prediction":"{}"}}"#,
                slice.number,
                slice.image.base64(),
                slice.reference.base64(),
                slice.prediction.base64()
            )
        })
        .collect();
    format!(
        r#"{{"of":{},"slices":[{}]}}"#,
        stack.slices_in_case,
        slices.join(",")
    )
}
