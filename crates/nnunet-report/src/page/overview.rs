use maud::{Markup, html};

use super::words;
use crate::data::{Fact, Overview};

/// Title, what came of the work, facts.
pub(super) fn header(overview: &Overview) -> Markup {
    html! {
        h1 { (overview.dataset) }
        @match &overview.outcome {
            Some(outcome) => {
                p.outcome {
                    "Selected: " strong { (outcome.selected) }
                    ", mean Dice " strong { (words::dice(outcome.dice)) }
                    " on the " (outcome.cases) " cases that " (words::folds(&outcome.folds))
                    " held out"
                    @if outcome.dice != outcome.dice_before_postprocessing {
                        " (" (words::dice(outcome.dice_before_postprocessing))
                        " before postprocessing)"
                    }
                    "."
                }
            }
            None => p.outcome { "Nothing is selected yet." }
        }
        (facts(&overview.facts))
    }
}

/// When and by what the page was made.
pub(super) fn footer(overview: &Overview) -> Markup {
    html! {
        p {
            "Made " (overview.made) " by "
            @for (number, version) in overview.versions.iter().enumerate() {
                @if number > 0 { ", " }
                (version.name) " " (version.value)
            }
            ". Cross-validation judges each case by a network that has not seen it."
        }
    }
}

/// Names with their values.
pub(super) fn facts(facts: &[Fact]) -> Markup {
    html! {
        dl.facts {
            @for fact in facts {
                div { dt { (fact.name) } dd { (fact.value) } }
            }
        }
    }
}
