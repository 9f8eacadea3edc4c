//! The page about a dataset: what is in it, and what a browser makes of it.

use std::fs;
use std::path::Path;

use nnunet::pipeline::{Pipeline, ReportRequest};
use nnunet::report::data::{Part, Rank, Verdict};
use nnunet::schema::DatasetId;
use serde_json::Value;

use crate::browser::{self, Browser};
use crate::pipeline::{phantoms, pipeline, tiny_plan};

/// The report on phantoms of which two configurations are trained and an ensemble is selected.
pub(crate) fn tells_all_of_a_selected_model(pipeline: &Pipeline, id: &DatasetId) {
    let request = ReportRequest::new(id.clone());
    let report = pipeline.report(&request).unwrap();
    let fingerprint = report.fingerprint.present().unwrap();
    assert_eq!((fingerprint.cases, fingerprint.geometry.len()), (5, 6));
    let volumes = fingerprint.volumes.present().unwrap();
    assert_eq!(volumes.len(), 3);
    assert!(
        volumes
            .iter()
            .all(|v| v.millilitres.len() + v.cases_without == 1)
    );
    let Part::Missing(alone) = &fingerprint.comparison else {
        panic!("there is no other dataset");
    };
    assert!(alone.contains("no other dataset"), "{alone}");

    let plan = report.plan.present().unwrap();
    assert_eq!(plan.configurations, ["2d", "3d_fullres"]);
    assert_eq!(plan.reasons.present().unwrap().len(), 3);
    assert_eq!(plan.drawings.len(), 2);

    let trainings = report.trainings.present().unwrap();
    let lengths: Vec<usize> = trainings.iter().map(|t| t.epochs.len()).collect();
    assert_eq!(lengths, [2, 2]);

    let validation = report.validation.present().unwrap();
    let names: Vec<&str> = validation
        .candidates
        .iter()
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(names, ["2d", "3d_fullres", "2d + 3d_fullres"]);
    let selected = (validation.candidates.iter()).find(|c| c.verdict == Verdict::Selected);
    let outcome = report.overview.outcome.as_ref().unwrap();
    assert_eq!(selected.unwrap().name, outcome.selected);
    let highest = (validation.candidates.iter())
        .map(|c| c.dice)
        .fold(0.0, f64::max);
    assert_eq!(outcome.dice_before_postprocessing, highest);

    let gallery = report.cases.present().unwrap();
    assert_eq!(gallery.cases.len(), 1);
    assert_eq!(gallery.cases[0].rank, Rank::Best(1));
    let stack = gallery.cases[0].stack.present().unwrap();
    assert_eq!(stack.slices.len(), stack.slices_in_case);
    assert!(report.selection.present().unwrap().instructions.is_some());
    assert_eq!(report.jobs.present().unwrap().len(), 2);

    let path = pipeline.save_report(&request, None).unwrap();
    assert_eq!(path, pipeline.report_path(&report.overview.dataset));
    match browser::installed() {
        Some(program) => a_browser_shows_it(&program, &path),
        None => println!(
            "skipped: a_browser_shows_it, as neither chromium nor a browser of its kin is in PATH"
        ),
    }
}

/// What is shown of the first case, pixels included.
const SHOWN: &str = r#"(async () => {
    const stack = document.querySelector(".stack");
    const seen = [];
    for (const image of stack.querySelectorAll("img")) {
        await image.decode();
        const canvas = document.createElement("canvas");
        canvas.width = image.naturalWidth;
        canvas.height = image.naturalHeight;
        canvas.getContext("2d").drawImage(image, 0, 0);
        seen.push(canvas.toDataURL());
    }
    return {
        text: stack.querySelector("output").textContent,
        alt: stack.querySelector("img").alt,
        place: Number(stack.querySelector("input").value),
        last: Number(stack.querySelector("input").max),
        images: seen,
    };
})()"#;

fn a_browser_shows_it(program: &Path, page: &Path) {
    let mut browser = Browser::start(program);
    browser.show_as("light", 1200);
    browser.open(page);
    let before = browser.value(SHOWN);
    let place = before["place"].as_u64().unwrap();
    assert_eq!(before["images"].as_array().unwrap().len(), 5);

    // With the keyboard, and then as the mouse leaves it.
    browser.value("document.querySelector('.stack input').focus()");
    browser.press("ArrowRight", 39);
    let after = browser.value(SHOWN);
    assert_eq!(after["place"], place + 1);
    assert_eq!(
        after["text"],
        format!("{} of {}", place + 2, after["last"].as_u64().unwrap() + 1)
    );
    assert_ne!(after["images"][0], before["images"][0]);
    assert!(
        after["alt"]
            .as_str()
            .unwrap()
            .ends_with(&format!("slice {}", place + 2))
    );
    browser.press("Home", 36);
    let first = browser.value(SHOWN);
    assert_eq!(first["place"], 0);
    browser.value(
        "{ const slider = document.querySelector('.stack input'); slider.value = slider.max;
           slider.dispatchEvent(new Event('input')); }",
    );
    let last = browser.value(SHOWN);
    assert_eq!(last["place"], last["last"]);
    assert_ne!(last["images"], after["images"]);

    let mut papers = Vec::new();
    for scheme in ["light", "dark"] {
        for width in [1200, 400] {
            browser.show_as(scheme, width);
            // What is too wide scrolls in its own place.
            let found = browser.value("document.documentElement.scrollWidth");
            assert!(
                found.as_u64() <= Some(u64::from(width)),
                "{found} of {width} pixels"
            );
        }
        assert!(contrast(&mut browser) >= 4.5, "{scheme}");
        papers.push(browser.value("getComputedStyle(document.body).backgroundColor"));
    }
    assert_ne!(papers[0], papers[1]);
    assert_eq!(browser.complaints(), [""; 0]);
}

/// The least contrast of text with the paper behind it, as the Web Content Accessibility
/// Guidelines compute it; they want 4.5.
fn contrast(browser: &mut Browser) -> f64 {
    let expression = r#"(() => {
        const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
        const luminance = (colour) => {
            const [r, g, b] = numbers(colour).map((v) => v / 255)
                .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const paper = (element) => {
            const colour = getComputedStyle(element).backgroundColor;
            return numbers(colour)[3] === 0 ? paper(element.parentElement) : colour;
        };
        const lowest = [];
        for (const element of document.querySelectorAll(
            "h1, h2, h3, h4, p, li, a, th, td, dt, dd, caption, figcaption, summary, .badge"
        )) {
            const both = [getComputedStyle(element).color, paper(element)].map(luminance);
            lowest.push((Math.max(...both) + 0.05) / (Math.min(...both) + 0.05));
        }
        return Math.min(...lowest);
    })()"#;
    browser.value(expression).as_f64().unwrap()
}

#[test]
fn a_dataset_that_is_only_planned_has_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(folder.path());
    let (_, id) = phantoms(&pipeline);
    let request = ReportRequest::new(id.clone());
    let missing = |value: &Value, part: &str| value[part]["missing"].as_str().map(str::to_owned);
    let of =
        |pipeline: &Pipeline| serde_json::to_value(pipeline.report(&request).unwrap()).unwrap();

    let raw = of(&pipeline);
    assert!(
        missing(&raw, "fingerprint")
            .unwrap()
            .contains("nnunet fingerprint")
    );
    assert!(missing(&raw, "plan").unwrap().contains("nnunet plan"));
    pipeline.plan(&id, &tiny_plan()).unwrap();
    let planned = of(&pipeline);
    assert_eq!(missing(&planned, "fingerprint"), None);
    assert_eq!(missing(&planned, "plan"), None);
    assert_eq!(
        planned["plan"]["present"]["reasons"]["missing"],
        Value::Null
    );
    for part in ["trainings", "validation", "selection", "jobs"] {
        let reason = missing(&planned, part).unwrap();
        assert!(reason.contains("nnunet "), "{part}: {reason}");
    }
    let elsewhere = folder.path().join("elsewhere/report.html");
    let path = pipeline
        .save_report(&request, Some(elsewhere.clone()))
        .unwrap();
    assert_eq!(path, elsewhere);
    let html = fs::read_to_string(path).unwrap();
    assert!(html.contains("base features 4"));

    // Plans that somebody edited have no reasons any more.
    let path = pipeline.layout.plans("Dataset900_Phantom", "nnUNetPlans");
    let text = fs::read_to_string(&path).unwrap();
    let edited = text.replace("\"batch_dice\": true", "\"batch_dice\": false");
    assert_ne!(edited, text);
    fs::write(&path, edited).unwrap();
    let reasons = &of(&pipeline)["plan"]["present"]["reasons"];
    assert!(
        reasons["missing"].as_str().unwrap().contains("edited"),
        "{reasons}"
    );
}
