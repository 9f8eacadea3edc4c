use std::fmt::Write as _;

use super::FingerprintComparison;
use super::svg::{self, COLOURS, escaped};

/// Pixels between two properties, and per standard deviation.
const STEP: f64 = 78.0;
const DEVIATION: f64 = 60.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 24.0;
/// Room for the names of the properties, which are slanted, and of the datasets.
const BELOW: f64 = 110.0;
const LEGEND: f64 = 240.0;
/// Standard deviations that there is room for at least.
const LEAST: f64 = 2.0;

/// A standalone SVG document with a line per dataset over all properties, in the manner of the
/// paper's Figure 5; the band is one standard deviation around the mean.
///
/// The same comparison gives the same text.
#[must_use]
pub fn fingerprint_figure(comparison: &FingerprintComparison) -> String {
    let scores = comparison.properties.iter().flat_map(|p| &p.z_scores);
    let extent = scores.copied().filter(|z| z.is_finite()).map(f64::abs);
    let extent = extent.fold(LEAST, f64::max).ceil();
    let span = (comparison.properties.len().max(1) - 1) as f64 * STEP;
    let across = |property: usize| LEFT + property as f64 * STEP;
    let down = |z: f64| TOP + (extent - z) * DEVIATION;
    let (right, bottom) = (LEFT + span, down(-extent));
    let rows = comparison.datasets.len() as f64 * 18.0 + TOP;
    let (width, height) = (right + LEGEND, (bottom + BELOW).max(rows + 20.0));

    let mut body = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        body,
        r##"<rect x="{LEFT}" y="{:.1}" width="{span:.1}" height="{:.1}" fill="#eef2f6"/>"##,
        down(1.0),
        2.0 * DEVIATION,
    );
    let mut z = -extent;
    while z <= extent {
        let y = down(z);
        let number = match z == 0.0 {
            true => "0".to_owned(),
            false => format!("{z:+}"),
        };
        let _ = writeln!(
            body,
            r##"<line x1="{LEFT}" y1="{y:.1}" x2="{right:.1}" y2="{y:.1}" stroke="#dddddd"/><text x="{:.1}" y="{:.1}" text-anchor="end">{number}</text>"##,
            LEFT - 8.0,
            y + 4.0,
        );
        z += 1.0;
    }
    for (number, property) in comparison.properties.iter().enumerate() {
        let x = across(number);
        let _ = writeln!(
            body,
            r##"<line x1="{x:.1}" y1="{TOP}" x2="{x:.1}" y2="{bottom:.1}" stroke="#bbbbbb"/><text transform="translate({x:.1} {:.1}) rotate(35)">{}</text>"##,
            bottom + 16.0,
            escaped(property.property.name()),
        );
    }
    for (number, dataset) in comparison.datasets.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        // Beyond the colours, lines with gaps.
        let dashes = match number / COLOURS.len() {
            0 => String::new(),
            more => format!(r#" stroke-dasharray="{} 3""#, 3 * more),
        };
        let mut path = String::new();
        let mut pen = 'M';
        for (property, scores) in comparison.properties.iter().enumerate() {
            match scores.z_scores.get(number).filter(|z| z.is_finite()) {
                None => pen = 'M',
                Some(z) => {
                    let (x, y) = (across(property), down(*z));
                    let _ = write!(path, "{pen}{x:.1} {y:.1}");
                    let _ = writeln!(
                        body,
                        r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="{colour}"/>"#
                    );
                    pen = 'L';
                }
            }
        }
        let (x, y) = (right + 30.0, TOP + 18.0 * number as f64 + 6.0);
        let _ = writeln!(
            body,
            r#"<path d="{path}M{x:.1} {y:.1}h24" fill="none" stroke="{colour}" stroke-width="1.8"{dashes}/><text x="{:.1}" y="{:.1}">{}</text>"#,
            x + 32.0,
            y + 4.0,
            escaped(dataset)
        );
    }
    let title = format!(
        "Fingerprints of {} datasets in standard deviations from their mean",
        comparison.datasets.len()
    );
    svg::document([width, height], &title, &body)
}

#[cfg(test)]
mod tests {
    use super::super::{Property, PropertyScores};
    use super::*;

    #[test]
    fn a_line_per_dataset_with_a_gap_where_nothing_is_known() {
        let row = |property, z_scores: [f64; 2]| PropertyScores {
            property,
            values: z_scores.into(),
            z_scores: z_scores.into(),
        };
        let comparison = FingerprintComparison {
            datasets: vec!["A & B".to_owned(), "C".to_owned()],
            properties: vec![
                row(Property::Cases, [1.0, -1.0]),
                row(Property::Classes, [f64::NAN, 2.5]),
                row(Property::Voxels, [0.0, 0.0]),
            ],
        };
        let svg = fingerprint_figure(&comparison);
        assert_eq!(svg, fingerprint_figure(&comparison));
        assert!(svg.contains("A &amp; B"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 5);
        let paths: Vec<&str> = svg
            .lines()
            .filter(|line| line.starts_with("<path"))
            .collect();
        // Two pieces and the legend, one piece and the legend.
        let pieces = |path: &str| path.matches('M').count();
        assert_eq!((pieces(paths[0]), pieces(paths[1])), (3, 2));
        // Room for 2.5 deviations: rules from -3 to +3.
        assert_eq!(svg.matches("<line").count(), 7 + 3);
    }
}
