use maud::{Markup, html};

use super::words::{self, cell, dice};
use crate::chart::{BoxRow, MOST_DOTS, boxes};
use crate::data::{Candidate, CrossValidation, Members, Verdict};

pub(super) fn section(validation: &CrossValidation) -> Markup {
    let mut heads = vec!["model", "folds", "cases"];
    heads.extend(validation.classes.iter().map(String::as_str));
    heads.push("mean Dice");
    let rows = validation.candidates.iter().map(|candidate| {
        let mut cells = vec![
            name(candidate),
            cell(&candidate.folds),
            cell(candidate.cases.len().to_string()),
        ];
        cells.extend(candidate.class_dice.iter().map(|value| cell(dice(*value))));
        cells.push(html! { b { (dice(candidate.dice)) } });
        cells
    });
    let axis = axis(&validation.candidates);
    let has_crowds = (validation.candidates.iter()).any(|one| one.cases.len() > MOST_DOTS);
    html! {
        p {
            "The Dice of every case by the network that did not see it in training. "
            @if validation.candidates.iter().any(|c| c.members == Members::Pair) {
                "A name with + is an ensemble: the probabilities of both models are averaged."
            }
        }
        @if have_other_cases(&validation.candidates) {
            p.missing {
                "The models are not all validated on the same cases: their numbers cannot be compared \
                 with each other yet."
            }
        }
        (words::table("Mean Dice over the cases, before postprocessing", &heads, &rows.collect::<Vec<_>>()))
        h3 { "Case by case" }
        p {
            "Boxes reach from quartile to quartile with the median, whiskers to the farthest case \
             within 1.5 times that; every dot is a case. "
            @if has_crowds { "Where there are many, only those beyond the whiskers are dots." }
        }
        div.figures {
            @for (number, class) in validation.classes.iter().enumerate() {
                figure {
                    h4 { (class) }
                    (class_boxes(class, number, &validation.candidates, axis))
                }
            }
            figure {
                h4 { "Mean of the classes" }
                (mean_boxes(&validation.candidates, axis))
            }
        }
        details {
            summary { "All cases as a table" }
            @for candidate in &validation.candidates { (case_table(candidate, &validation.classes)) }
        }
    }
}

fn name(candidate: &Candidate) -> Markup {
    match candidate.verdict {
        Verdict::Selected => html! { (candidate.name) " " span.badge { "selected" } },
        Verdict::Outdone | Verdict::Undecided => cell(&candidate.name),
    }
}

/// All figures share an axis that shows the worst case, so that they can be compared.
fn axis(candidates: &[Candidate]) -> [f64; 2] {
    let cases = candidates.iter().flat_map(|candidate| &candidate.cases);
    let all = cases.flat_map(|case| case.dice.iter().copied());
    let lowest = all.filter(|dice| !dice.is_nan()).fold(1.0, f64::min);
    [lowest, 1.0]
}

fn class_boxes(class: &str, number: usize, candidates: &[Candidate], axis: [f64; 2]) -> Markup {
    let description = format!("Dice of {class} case by case, for each model");
    let dice = |dice: &[f64]| dice.get(number).copied().unwrap_or(f64::NAN);
    let rows: Vec<BoxRow<'_>> = (candidates.iter().enumerate())
        .map(|(colour, candidate)| BoxRow {
            name: &candidate.name,
            colour,
            values: (candidate.cases.iter())
                .map(|case| (case.case.as_str(), dice(&case.dice)))
                .collect(),
        })
        .collect();
    boxes(&description, "Dice", &rows, Some(axis))
}

fn mean_boxes(candidates: &[Candidate], axis: [f64; 2]) -> Markup {
    let rows: Vec<BoxRow<'_>> = (candidates.iter().enumerate())
        .map(|(colour, candidate)| BoxRow {
            name: &candidate.name,
            colour,
            values: (candidate.cases.iter())
                .map(|case| (case.case.as_str(), case.mean()))
                .collect(),
        })
        .collect();
    let description = "Mean Dice over the classes case by case, for each model";
    boxes(description, "Dice", &rows, Some(axis))
}

fn have_other_cases(candidates: &[Candidate]) -> bool {
    let names = |candidate: &Candidate| -> Vec<String> {
        let mut names: Vec<String> = (candidate.cases.iter())
            .map(|case| case.case.clone())
            .collect();
        names.sort_unstable();
        names
    };
    candidates
        .windows(2)
        .any(|two| names(&two[0]) != names(&two[1]))
}

fn case_table(candidate: &Candidate, classes: &[String]) -> Markup {
    let mut heads = vec!["case"];
    heads.extend(classes.iter().map(String::as_str));
    heads.push("mean");
    let rows = candidate.cases.iter().map(|case| {
        let mut cells = vec![cell(&case.case)];
        cells.extend(case.dice.iter().map(|value| cell(dice(*value))));
        cells.push(cell(dice(case.mean())));
        cells
    });
    let caption = format!("Dice of {}", candidate.name);
    words::table(&caption, &heads, &rows.collect::<Vec<_>>())
}
