use super::*;
use crate::data::*;

/// A name that would break out of any place in a page that it is not escaped in.
const EVIL: &str = r#"<b>"x"&'</script><img src=x onerror=alert(1)>"#;

fn evil() -> String {
    EVIL.to_owned()
}

fn slice(number: usize) -> Slice {
    Slice {
        number,
        image: Png(vec![1, 2, number as u8]),
        reference: Png(vec![3, 4, number as u8]),
        prediction: Png(vec![5, 6, number as u8]),
    }
}

fn case(name: String) -> CaseView {
    CaseView {
        case: name,
        rank: Rank::Best(2),
        dice: 0.75,
        classes: vec![ClassDice {
            class: evil(),
            dice: f64::NAN,
        }],
        stack: Part::Present(SliceStack {
            extent_mm: [20.0, 30.0],
            slices_in_case: 9,
            slices: vec![slice(2), slice(5)],
            first_shown: 1,
        }),
    }
}

/// A report in which every text is [`EVIL`], and nothing is missing.
fn report() -> Report {
    let scores = |dice: f64| CaseScores {
        case: evil(),
        dice: vec![dice, f64::NAN],
    };
    let candidate = |name: &str, verdict| Candidate {
        name: name.to_owned(),
        members: Members::Pair,
        folds: "0 1".to_owned(),
        dice: 0.5,
        class_dice: vec![0.5, f64::NAN],
        cases: vec![scores(0.25), scores(0.75)],
        verdict,
    };
    let epoch = |number: usize| Epoch {
        number,
        training_loss: f64::NAN,
        validation_loss: 0.5,
        dice: 0.5,
        dice_average: 0.25,
        seconds: 2.0,
    };
    Report {
        overview: Overview {
            dataset: evil(),
            made: evil(),
            facts: vec![Fact::new(EVIL, EVIL)],
            versions: vec![Fact::new(EVIL, EVIL)],
            outcome: Some(Outcome {
                selected: evil(),
                folds: "0".to_owned(),
                cases: 2,
                dice: 0.5,
                dice_before_postprocessing: 0.25,
            }),
        },
        fingerprint: Part::Present(Fingerprint {
            cases: 2,
            kept_by_cropping: 0.5,
            geometry: vec![Spread {
                name: evil(),
                unit: evil(),
                values: vec![1.0, 2.0],
            }],
            intensities: vec![ChannelIntensities {
                channel: evil(),
                mean: 1.0,
                deviation: f64::NAN,
                lowest: 0.0,
                percentile_00_5: 0.0,
                median: 1.0,
                percentile_99_5: 2.0,
                highest: 3.0,
            }],
            volumes: Part::Present(vec![ClassVolumes {
                class: evil(),
                millilitres: vec![1.0, 4.0],
                cases_without: 1,
            }]),
            comparison: Part::Present(Comparison {
                datasets: vec![evil(), "other".to_owned()],
                own: 0,
                properties: vec![Property {
                    name: evil(),
                    values: vec![1.0, f64::NAN],
                    z_scores: vec![0.5, f64::NAN],
                }],
            }),
        }),
        plan: Part::Present(Plan {
            name: evil(),
            made_by: vec![Fact::new(EVIL, EVIL)],
            notes: vec![evil()],
            configurations: vec![evil()],
            quantities: vec![(evil(), vec![evil()])],
            reasons: Part::Present(vec![Reasons {
                about: evil(),
                decisions: vec![Decision {
                    subject: evil(),
                    value: evil(),
                    rule: evil(),
                    source: evil(),
                    inputs: vec![Fact::new(EVIL, EVIL)],
                }],
            }]),
            drawings: vec![Drawing {
                configuration: evil(),
                svg: "<?xml version=\"1.0\"?>\n<svg id=\"drawn\"></svg>".to_owned(),
                description: evil(),
            }],
        }),
        trainings: Part::Present(vec![Training {
            model: evil(),
            fold: evil(),
            epochs: vec![epoch(0), epoch(1)],
        }]),
        validation: Part::Present(CrossValidation {
            classes: vec![evil(), "b".to_owned()],
            candidates: vec![
                candidate(EVIL, Verdict::Selected),
                candidate("second", Verdict::Outdone),
            ],
        }),
        cases: Part::Present(CaseGallery {
            predicted_by: evil(),
            channel: evil(),
            labels: vec![LabelColour {
                label: evil(),
                colour: [1, 2, 3],
            }],
            cases: vec![case(evil()), case("other".to_owned())],
        }),
        selection: Part::Present(Selection {
            ranking: vec![Ranked {
                name: evil(),
                dice: 0.5,
                verdict: Verdict::Selected,
            }],
            folds: "0".to_owned(),
            steps: vec![PostprocessingStep {
                of: evil(),
                dice: [0.5, 0.75],
                classes: vec![(evil(), [0.5, f64::NAN])],
                accepted: true,
            }],
            connectivity: evil(),
            dice: [0.5, 0.75],
            instructions: Some(evil()),
        }),
        jobs: Part::Present(vec![JobRecord {
            job: evil(),
            state: evil(),
            begun: Some(evil()),
            seconds: Some(61.0),
            attempts: Some(1),
            memory_bytes: Some(1_500_000_000),
        }]),
    }
}

#[test]
fn whatever_a_dataset_is_called_stays_text() {
    let html = page(&report());
    assert!(!html.contains("<b>\""), "an element came from a name");
    assert!(!html.contains("<img src=x"), "an image came from a name");
    let escaped = "&lt;b&gt;&quot;x&quot;&amp;'&lt;/script&gt;";
    assert!(html.matches(escaped).count() > 40);
    // One script of the page and one list of slices per case, all closed by the page itself.
    assert_eq!(html.matches("<script").count(), 3);
    assert_eq!(html.matches("</script>").count(), 3);
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    let html = page(&report());
    assert!(html.contains("default-src 'none'"));
    for address in html.split("src=\"").skip(1) {
        assert!(
            address.starts_with("data:image/png;base64,"),
            "{}",
            &address[..40]
        );
    }
    for address in html.split("href=\"").skip(1) {
        assert!(address.starts_with('#'), "{}", &address[..40]);
    }
    assert!(!html.contains("url(") && !html.contains("@import"));
}

#[test]
fn figures_of_the_planner_go_in_without_their_declaration() {
    let html = page(&report());
    assert!(html.contains("<svg id=\"drawn\"></svg>"));
    assert!(!html.contains("<?xml"));
}

#[test]
fn numbers_that_are_not_known_are_dashes() {
    let html = page(&report());
    let start = html.find("<main>").unwrap();
    let end = html.find("</main>").unwrap();
    let main = &html[start..end];
    assert!(!main.contains("NaN") && !main.contains(">inf"), "{main}");
    assert!(main.contains('–'));
}

#[test]
fn the_shown_slice_is_there_before_any_script_runs() {
    let html = page(&report());
    let shown = slice(5);
    assert!(html.contains(&format!("src=\"{}\"", shown.image.data_uri())));
    assert!(html.contains("6 of 9"));
    assert!(
        html.contains("2 of the 9 slices"),
        "slices are left out unsaid"
    );
    assert!(html.contains(&format!(
        "\"number\":2,\"image\":\"{}\"",
        slice(2).image.base64()
    )));
}

/// The levels of the headings and the targets of links, in the order of the page.
fn headings(html: &str) -> Vec<u8> {
    let opened = html.split("<h").skip(1);
    let levels = opened.filter_map(|rest| rest.as_bytes().first().copied());
    levels
        .filter(u8::is_ascii_digit)
        .map(|level| level - b'0')
        .collect()
}

#[test]
fn headings_go_down_one_level_at_a_time_and_links_have_their_targets() {
    let html = page(&report());
    let levels = headings(&html);
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    assert!(
        levels.windows(2).all(|two| two[1] <= two[0] + 1),
        "{levels:?}"
    );
    for target in html.split("href=\"#").skip(1) {
        let id = target.split('"').next().unwrap();
        assert!(html.contains(&format!("id=\"{id}\"")), "{id}");
    }
    assert_eq!(
        html.matches("<img ").count(),
        html.matches(" alt=\"").count()
    );
    assert_eq!(
        html.matches("<svg class=\"chart\"").count(),
        html.matches("role=\"img\"").count()
    );
}

#[test]
fn a_part_that_is_missing_says_why_in_its_place() {
    let mut report = report();
    report.fingerprint = Part::missing("no <fingerprint> yet");
    report.plan = Part::missing("no plan yet: `nnunet plan <4>` makes it");
    report.trainings = Part::missing("no training yet");
    report.validation = Part::missing("no validation yet");
    report.cases = Part::missing("no cases yet");
    report.selection = Part::missing("no selection yet");
    report.jobs = Part::missing("no jobs yet");
    report.overview.outcome = None;
    let html = page(&report);
    for reason in [
        "no &lt;fingerprint&gt;",
        "no plan",
        "no training",
        "no jobs",
        "Nothing is selected",
    ] {
        assert!(html.contains(reason), "{reason}");
    }
    assert!(html.contains("<code>nnunet plan &lt;4&gt;</code> makes it"));
    assert_eq!(html.matches("class=\"missing\"").count(), 7);
    assert_eq!(headings(&html), [1, 2, 2, 2, 2, 2, 2, 2]);
}

#[test]
fn a_report_is_a_document_for_programs_too() {
    let text = serde_json::to_string(&report()).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["cases"]["present"]["cases"][1]["case"], "other");
    assert_eq!(value["jobs"]["present"][0]["seconds"], 61.0);
    assert!(value["validation"]["present"]["candidates"][0]["class_dice"][1].is_null());
}
