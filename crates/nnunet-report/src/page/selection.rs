use maud::{Markup, html};

use super::words::{self, cell, change, dice};
use crate::data::{PostprocessingStep, Ranked, Selection, Verdict};

pub(super) fn section(selection: &Selection) -> Markup {
    html! {
        h3 { "Selection" }
        (verdict(selection))
        (ranking(&selection.ranking))
        h3 { "Postprocessing" }
        (postprocessing(selection))
        @if let Some(instructions) = &selection.instructions {
            h3 { "How to go on" }
            pre.wide tabindex="0" { (instructions) }
        }
    }
}

fn verdict(selection: &Selection) -> Markup {
    let is_selected = |ranked: &&Ranked| ranked.verdict == Verdict::Selected;
    let selected = selection.ranking.iter().find(is_selected);
    let second = selection.ranking.iter().find(|ranked| !is_selected(ranked));
    html! {
        p {
            "The model, or the average of two, with the highest mean Dice over the cases that "
            (words::folds(&selection.folds)) " held out is selected; of equal ones the simpler. "
            @match (selected, second) {
                (Some(best), Some(second)) => {
                    "This is " b { (best.name) } " with " (dice(best.dice)) ", "
                    (words::number(best.dice - second.dice)) " before " (second.name) "."
                }
                (Some(best), None) => {
                    "Only " b { (best.name) } " took part, with " (dice(best.dice)) "."
                }
                (None, _) => "Which that was is not recorded.",
            }
        }
    }
}

fn ranking(ranking: &[Ranked]) -> Markup {
    let best = ranking
        .iter()
        .map(|ranked| ranked.dice)
        .fold(f64::NAN, f64::max);
    let rows = ranking.iter().map(|ranked| {
        let behind = match ranked.verdict {
            Verdict::Selected => html! { span.badge { "selected" } },
            _ => cell(dice(best - ranked.dice)),
        };
        vec![cell(&ranked.name), cell(dice(ranked.dice)), behind]
    });
    words::table(
        "All that took part",
        &["model", "mean Dice", "behind"],
        &rows.collect::<Vec<_>>(),
    )
}

fn postprocessing(selection: &Selection) -> Markup {
    let accepted: Vec<&PostprocessingStep> = (selection.steps.iter())
        .filter(|step| step.accepted)
        .collect();
    html! {
        p {
            "It was tried whether it helps to keep only the largest component of something and to \
             remove the rest. Voxels hang together over "
            (selection.connectivity) ". "
            @if accepted.is_empty() {
                "Nothing helped: the predictions stay as they are."
            } @else {
                "Carried out is: the largest component alone of "
                @for (number, step) in accepted.iter().enumerate() {
                    @if number > 0 { ", then of " }
                    b { (step.of) }
                }
                ". It takes the mean Dice from " (dice(selection.dice[0])) " to "
                (dice(selection.dice[1])) "."
            }
        }
        @if !selection.steps.is_empty() { (tried(&selection.steps)) }
    }
}

fn tried(steps: &[PostprocessingStep]) -> Markup {
    let mut heads = vec![
        "largest component of",
        "mean Dice without",
        "with",
        "change",
    ];
    let first = steps.first().map_or(&[][..], |step| &step.classes);
    let classes: Vec<String> = (first.iter())
        .map(|(class, _)| format!("{class}, change"))
        .collect();
    heads.extend(classes.iter().map(String::as_str));
    heads.push("");
    let rows = steps.iter().map(|step| {
        let mut cells = vec![
            cell(&step.of),
            cell(dice(step.dice[0])),
            cell(dice(step.dice[1])),
            cell(change(step.dice)),
        ];
        cells.extend(step.classes.iter().map(|(_, dice)| cell(change(*dice))));
        cells.push(match step.accepted {
            true => html! { span.badge { "accepted" } },
            false => cell("rejected"),
        });
        cells
    });
    words::table(
        "What was tried, in order",
        &heads,
        &rows.collect::<Vec<_>>(),
    )
}
