use maud::{Markup, PreEscaped, html};

use super::missing;
use super::overview::facts;
use super::words::{self, cell};
use crate::data::{Decision, Drawing, Part, Plan};

pub(super) fn section(plan: &Plan) -> Markup {
    let mut heads = vec![""];
    heads.extend(plan.configurations.iter().map(String::as_str));
    let rows = plan.quantities.iter().map(|(name, values)| {
        let cells = std::iter::once(name).chain(values);
        cells.map(cell).collect::<Vec<_>>()
    });
    html! {
        p { "The plans " code { (plan.name) } "." }
        (facts(&plan.made_by))
        @if !plan.notes.is_empty() {
            ul.notes { @for note in &plan.notes { li { (note) } } }
        }
        (words::table("The configurations", &heads, &rows.collect::<Vec<_>>()))
        h3 { "Why" }
        @match &plan.reasons {
            Part::Missing(reason) => (missing(reason)),
            Part::Present(groups) => {
                p { "Every inferred value with its rule, where the rule comes from, and the facts \
                     that went into it." }
                @for group in groups {
                    details {
                        summary { (group.about) " " small { "(" (group.decisions.len()) " decisions)" } }
                        dl.reasons { @for decision in &group.decisions { (reason(decision)) } }
                    }
                }
            }
        }
        h3 { "Networks" }
        div.networks { @for figure in &plan.drawings { (network(figure)) } }
    }
}

fn reason(decision: &Decision) -> Markup {
    html! {
        dt { (decision.subject) ": " b { (decision.value) } }
        dd {
            p { (decision.rule) " " cite { (decision.source) } }
            @if !decision.inputs.is_empty() {
                ul { @for input in &decision.inputs { li { (input.name) ": " (input.value) } } }
            }
        }
    }
}

fn network(drawing: &Drawing) -> Markup {
    // A document of its own has a declaration, which the middle of a page cannot have.
    let svg = drawing
        .svg
        .find("<svg")
        .map_or("", |start| &drawing.svg[start..]);
    html! {
        figure {
            h4 { (drawing.configuration) }
            div.wide.drawing tabindex="0" role="region"
                aria-label=(format!("Figure of the network {}", drawing.configuration)) {
                (PreEscaped(svg))
            }
            figcaption { details { summary { "In words" } pre { (drawing.description) } } }
        }
    }
}
