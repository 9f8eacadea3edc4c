//! Figures as SVG, drawn with the page's own colours: they follow its light and its dark style.
//!
//! All are about as wide as a telephone's screen, so that their letters are as large as the text
//! around them there, and stand side by side on a desk's.

mod boxes;
mod lines;
mod profile;
mod scale;

pub(crate) use boxes::{BoxRow, MOST_DOTS, boxes};
pub(crate) use lines::{Curve, Lines, Stroke, lines};
pub(crate) use profile::{class as profile_class, profile};

/// Width of every figure, in the units of its drawing.
const WIDTH: f64 = 360.0;

/// Colours of series that the style sheet has; the next ones have gaps in their lines.
pub(crate) const COLOURS: usize = 8;

/// A coordinate with one digit behind the point: finer is not seen.
fn at(value: f64) -> String {
    let text = format!("{value:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".to_owned(),
        Some(whole) => whole.to_owned(),
        None => text,
    }
}
