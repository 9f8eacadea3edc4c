use std::fmt::Write as _;

use super::svg::{self, COLOURS, escaped};
use super::{Comparison, Ranking};

/// Pixels between two ranks, and between two methods.
const STEP: f64 = 44.0;
/// Radius of the circle of a rank that a method always has.
const LARGEST: f64 = 19.0;
/// Room for the numbers of the ranks and for the heading of a panel.
const LEFT: f64 = 40.0;
const TOP: f64 = 44.0;
/// Pixels per letter of a method's name, which is written upwards at a slant.
const LETTER: f64 = 4.8;
const PANELS_PER_ROW: usize = 4;

/// A standalone SVG document with the ranks of the methods, in the manner of the paper's Figure
/// 6: a panel per dataset and one over all. The area of a circle is the share of the draws in
/// which the method had the rank; the line spans the middle 95 % of the draws, and the cross is
/// the rank on the real validation set.
///
/// The same comparison gives the same text.
#[must_use]
pub fn figure(comparison: &Comparison) -> String {
    let mut panels: Vec<(String, &Ranking)> = (comparison.datasets.iter())
        .map(|dataset| {
            let heading = format!("{} ({} cases)", dataset.dataset, dataset.cases);
            (heading, &dataset.ranking)
        })
        .collect();
    if let Some(overall) = &comparison.overall {
        panels.push((format!("all {} datasets", panels.len()), overall));
    }
    let names = comparison.methods.iter().map(|m| m.chars().count());
    let longest = names.max().unwrap_or(0) as f64 * LETTER;
    let span = comparison.methods.len() as f64 * STEP;
    let headings = panels.iter().map(|(h, _)| h.chars().count());
    let heading = headings.max().unwrap_or(0) as f64 * 7.0;
    let panel_width = LEFT + span.max(heading) + longest;
    let panel_height = TOP + span + 30.0 + longest;
    let columns = panels.len().clamp(1, PANELS_PER_ROW);
    let (width, height) = (
        panel_width * columns as f64 + 20.0,
        panel_height * panels.len().div_ceil(columns) as f64 + 20.0,
    );

    let mut body = String::new();
    for (number, (heading, ranking)) in panels.iter().enumerate() {
        let left = 10.0 + panel_width * (number % columns) as f64;
        let top = 10.0 + panel_height * (number / columns) as f64;
        // Writing to a string cannot fail.
        let _ = writeln!(body, r#"<g transform="translate({left:.1} {top:.1})">"#);
        panel(&mut body, heading, ranking);
        body.push_str("</g>\n");
    }
    let (methods, draws) = (comparison.methods.len(), comparison.draws);
    let title = format!("Ranks of {methods} methods in {draws} draws");
    svg::document([width, height], &title, &body)
}

fn panel(body: &mut String, heading: &str, ranking: &Ranking) {
    let count = ranking.methods.len();
    let across = |method: usize| LEFT + (method as f64 + 0.5) * STEP;
    let down = |rank: f64| TOP + (rank - 0.5) * STEP;
    let right = LEFT + count as f64 * STEP;
    let _ = writeln!(
        body,
        r#"<text x="0" y="16" font-size="14" font-weight="bold">{}</text>"#,
        escaped(heading)
    );
    for rank in 1..=count {
        let y = down(rank as f64);
        let _ = writeln!(
            body,
            r##"<line x1="{LEFT}" y1="{y:.1}" x2="{right:.1}" y2="{y:.1}" stroke="#dddddd"/><text x="{:.1}" y="{:.1}" text-anchor="end">{rank}</text>"##,
            LEFT - 8.0,
            y + 4.0,
        );
    }
    for (number, method) in ranking.methods.iter().enumerate() {
        let (x, colour) = (across(number), COLOURS[number % COLOURS.len()]);
        for (rank, share) in (1_u32..)
            .zip(&method.shares)
            .filter(|(_, share)| **share > 0.0)
        {
            let _ = writeln!(
                body,
                r#"<circle cx="{x:.1}" cy="{:.1}" r="{:.2}" fill="{colour}" fill-opacity="0.75"/>"#,
                down(f64::from(rank)),
                LARGEST * share.sqrt(),
            );
        }
        let ([low, high], rank) = (method.interval.map(down), down(method.rank));
        let _ = writeln!(
            body,
            r##"<path d="M{x:.1} {low:.1}V{high:.1}M{:.1} {:.1}l8 8m0 -8l-8 8" stroke="#222222" stroke-width="1.5" fill="none"/>"##,
            x - 4.0,
            rank - 4.0,
        );
        let below = TOP + count as f64 * STEP + 14.0;
        let _ = writeln!(
            body,
            r#"<text transform="translate({:.1} {below:.1}) rotate(45)">{}</text>"#,
            x - 4.0,
            escaped(&method.method)
        );
    }
}
