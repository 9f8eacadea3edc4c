//! From data to the page.

mod cases;
mod fingerprint;
mod overview;
mod plan;
mod selection;
mod training;
mod validation;
mod words;
mod work;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::data::{Part, Report};

const STYLE: &str = include_str!("../../assets/style.css");
const SCRIPT: &str = include_str!("../../assets/script.js");
/// Everything is in the page: nothing may be loaded, whatever slipped into it.
const POLICY: &str =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// The page of a report, a whole HTML document.
///
/// The same report gives the same text.
#[must_use]
pub fn page(report: &Report) -> String {
    let sections = sections(report);
    let dataset = &report.overview.dataset;
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="color-scheme" content="light dark";
                title { (dataset) " – report" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { (overview::header(&report.overview)) }
                nav aria-label="Contents" {
                    ol {
                        @for section in &sections {
                            li { a href=(format!("#{}", section.id)) { (section.title) } }
                        }
                    }
                }
                main {
                    @for section in &sections {
                        section aria-labelledby=(section.id) {
                            h2 id=(section.id) { (section.title) }
                            (section.content)
                        }
                    }
                }
                footer { (overview::footer(&report.overview)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    document.into_string()
}

/// A chapter of the page.
struct Section {
    /// The name of its heading as the target of links.
    id: &'static str,
    title: &'static str,
    content: Markup,
}

fn sections(report: &Report) -> Vec<Section> {
    vec![
        section("fingerprint", "Fingerprint", &report.fingerprint, |part| {
            fingerprint::section(part)
        }),
        section("plan", "Plan", &report.plan, plan::section),
        section("training", "Training", &report.trainings, |part| {
            training::section(part)
        }),
        section(
            "validation",
            "Cross-validation",
            &report.validation,
            validation::section,
        ),
        section("cases", "Best and worst cases", &report.cases, |part| {
            cases::section(part)
        }),
        section(
            "selection",
            "Selection and postprocessing",
            &report.selection,
            selection::section,
        ),
        section("work", "Time and memory", &report.jobs, |part| {
            work::section(part)
        }),
    ]
}

fn section<T>(
    id: &'static str,
    title: &'static str,
    part: &Part<T>,
    content: impl Fn(&T) -> Markup,
) -> Section {
    let content = match part {
        Part::Present(part) => content(part),
        Part::Missing(reason) => missing(reason),
    };
    Section { id, title, content }
}

/// What stands in the place of something that is not there; what is between backticks is a command.
fn missing(reason: &str) -> Markup {
    let parts: Vec<&str> = reason.split('`').collect();
    let are_paired = parts.len() % 2 == 1;
    html! {
        p.missing {
            @if are_paired {
                @for (number, part) in parts.iter().enumerate() {
                    @if number % 2 == 1 { code { (part) } } @else { (part) }
                }
            } @else { (reason) }
        }
    }
}

#[cfg(test)]
mod tests;
