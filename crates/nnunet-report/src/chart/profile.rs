use maud::{Markup, html};

use super::scale::Scale;
use super::{COLOURS, WIDTH, at};
use crate::data::Comparison;

const LEFT: f64 = 122.0;
const RIGHT: f64 = 12.0;
const ROW: f64 = 24.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 38.0;
/// Standard deviations that there is room for at least.
const LEAST: f64 = 2.0;

/// Draws a line per dataset through its properties, in standard deviations from their mean; the
/// band is one around it (in the manner of the paper's Figure 5, turned upright).
pub(crate) fn profile(comparison: &Comparison) -> Markup {
    let rows = &comparison.properties;
    let known = rows.iter().flat_map(|property| &property.z_scores).copied();
    let farthest = (known.filter(|z| z.is_finite()).map(f64::abs)).fold(LEAST, f64::max);
    let scale = Scale {
        low: -farthest,
        high: farthest,
    };
    let bottom = TOP + rows.len() as f64 * ROW;
    let height = bottom + BOTTOM;
    let across = |z: f64| LEFT + scale.place(z) * (WIDTH - RIGHT - LEFT);
    let down = |row: usize| TOP + (row as f64 + 0.5) * ROW;
    let description = format!(
        "{} properties of {} datasets in standard deviations from their mean; the table has the \
         numbers",
        rows.len(),
        comparison.datasets.len()
    );
    // Its own line is drawn last, over the others.
    let mut order: Vec<usize> = (0..comparison.datasets.len()).collect();
    order.sort_by_key(|dataset| *dataset == comparison.own);
    html! {
        svg.chart viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(description) {
            rect.band x=(at(across(-1.0))) width=(at(across(1.0) - across(-1.0)))
                y=(TOP) height=(bottom - TOP) {}
            @for (value, text) in scale.ticks(4) {
                line.rule x1=(at(across(value))) x2=(at(across(value))) y1=(TOP) y2=(bottom) {}
                text x=(at(across(value))) y=(bottom + 14.0) text-anchor="middle" { (text) }
            }
            text.name x=(WIDTH - RIGHT) y=(height - 6.0) text-anchor="end" {
                "standard deviations from the mean"
            }
            @for (row, property) in rows.iter().enumerate() {
                text x=(LEFT - 8.0) y=(at(down(row) + 4.0)) text-anchor="end" { (property.name) }
            }
            @for dataset in order {
                g.profile.(class(comparison, dataset)) {
                    title { (comparison.datasets[dataset]) }
                    path.line d=(path(comparison, dataset, &across, &down)) {}
                    @for (row, property) in rows.iter().enumerate() {
                        @if let Some(z) = known_score(&property.z_scores, dataset) {
                            circle cx=(at(across(z))) cy=(at(down(row))) r="2.6" {}
                        }
                    }
                }
            }
        }
    }
}

/// The colour of a dataset, and whether it is the one that the page is about.
pub(crate) fn class(comparison: &Comparison, dataset: usize) -> String {
    let own = if dataset == comparison.own {
        " own"
    } else {
        ""
    };
    let again = if dataset >= COLOURS { " again" } else { "" };
    format!("c{}{own}{again}", dataset % COLOURS)
}

fn path(
    comparison: &Comparison,
    dataset: usize,
    across: &impl Fn(f64) -> f64,
    down: &impl Fn(usize) -> f64,
) -> String {
    let (mut path, mut pen) = (String::new(), 'M');
    for (row, property) in comparison.properties.iter().enumerate() {
        match known_score(&property.z_scores, dataset) {
            None => pen = 'M',
            Some(z) => {
                path.push_str(&format!("{pen}{} {}", at(across(z)), at(down(row))));
                pen = 'L';
            }
        }
    }
    path
}

fn known_score(scores: &[f64], dataset: usize) -> Option<f64> {
    scores.get(dataset).copied().filter(|z| z.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Property;

    #[test]
    fn a_line_per_dataset_with_a_gap_where_nothing_is_known() {
        let property = |name: &str, z_scores: [f64; 2]| Property {
            name: name.to_owned(),
            values: z_scores.into(),
            z_scores: z_scores.into(),
        };
        let comparison = Comparison {
            datasets: vec!["A & B".to_owned(), "C".to_owned()],
            own: 0,
            properties: vec![
                property("cases", [1.0, -1.0]),
                property("classes", [f64::NAN, 2.5]),
                property("voxels", [0.0, 0.0]),
            ],
        };
        let svg = profile(&comparison).into_string();
        assert!(svg.contains("<title>A &amp; B</title>"), "{svg}");
        assert!(svg.contains("class=\"profile c0 own\""), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 5);
        let paths: Vec<&str> = svg.split("d=\"").skip(1).collect();
        let pieces = |path: &str| path.split('"').next().unwrap().matches('M').count();
        // The other one first.
        assert_eq!((pieces(paths[0]), pieces(paths[1])), (1, 2));
    }
}
