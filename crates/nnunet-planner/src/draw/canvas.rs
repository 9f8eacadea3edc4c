//! SVG elements, and how far they reach.

use std::fmt::Write as _;

use super::paint::Plate;
use super::text::{FONTS, Style, escaped, trimmed};

/// White around the figure, user units.
const MARGIN: f64 = 20.0;
const ARROW_LENGTH: f64 = 8.0;
const ARROW_HALF_WIDTH: f64 = 3.5;

/// A growing SVG document. Lengths are in user units (pixels at 100 %), y goes down.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    body: String,
    bounds: Option<Bounds>,
}

/// A rectangle along the axes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Bounds {
    pub(super) fn new(left: f64, top: f64, width: f64, height: f64) -> Self {
        Self {
            left,
            top,
            right: left + width,
            bottom: top + height,
        }
    }

    pub(super) fn width(self) -> f64 {
        self.right - self.left
    }

    pub(super) fn height(self) -> f64 {
        self.bottom - self.top
    }

    pub(super) fn middle(self) -> (f64, f64) {
        (
            f64::midpoint(self.left, self.right),
            f64::midpoint(self.top, self.bottom),
        )
    }

    fn union(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }
}

/// Which end of a text its position names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    End,
}

/// A point `(x, y)`.
pub(super) type Point = (f64, f64);

impl Canvas {
    /// The box around all that was drawn.
    pub(super) fn bounds(&self) -> Bounds {
        self.bounds.unwrap_or_default()
    }

    pub(super) fn plate(&mut self, plate: Plate, area: Bounds) {
        self.reach(area);
        let paint = plate.paint();
        self.element(format_args!(
            r#"<rect x="{}" y="{}" width="{}" height="{}" rx="1.5" fill="{}" stroke="{}"{}/>"#,
            decimal(area.left),
            decimal(area.top),
            decimal(area.width()),
            decimal(area.height()),
            paint.fill,
            paint.stroke,
            dashes(paint.dashed, "3 2"),
        ));
        if paint.halved {
            let x = area.middle().0;
            self.line(&[(x, area.top), (x, area.bottom)], paint.stroke, false);
        }
    }

    pub(super) fn line(&mut self, points: &[Point], colour: &str, dashed: bool) {
        for (x, y) in points {
            self.reach(Bounds::new(*x, *y, 0.0, 0.0));
        }
        self.element(format_args!(
            r#"<polyline points="{}" fill="none" stroke="{colour}"{}/>"#,
            coordinates(points),
            dashes(dashed, "5 3"),
        ));
    }

    /// A line through `points` that ends with a head at the last; its last part goes along an
    /// axis.
    pub(super) fn arrow(&mut self, points: &[Point], colour: &str, dashed: bool) {
        let [before @ .., from, tip] = points else {
            return;
        };
        let (dx, dy) = (tip.0 - from.0, tip.1 - from.1);
        let (x, y) = if dx.abs() > dy.abs() {
            (dx.signum(), 0.0)
        } else {
            (0.0, dy.signum())
        };
        let base = (tip.0 - x * ARROW_LENGTH, tip.1 - y * ARROW_LENGTH);
        self.line(&[before, &[*from, base]].concat(), colour, dashed);
        let (side_x, side_y) = (y * ARROW_HALF_WIDTH, x * ARROW_HALF_WIDTH);
        let head = [
            *tip,
            (base.0 + side_x, base.1 + side_y),
            (base.0 - side_x, base.1 - side_y),
        ];
        self.element(format_args!(
            r#"<polygon points="{}" fill="{colour}" stroke="none"/>"#,
            coordinates(&head),
        ));
    }

    /// Writes a text on the baseline through `at`.
    pub(super) fn text(&mut self, at: Point, anchor: Anchor, style: Style, text: &str) {
        let (x, baseline) = at;
        let width = style.width(text);
        let (left, anchor) = match anchor {
            Anchor::Start => (x, "start"),
            Anchor::End => (x - width, "end"),
        };
        let top = baseline - 0.8 * style.size;
        self.reach(Bounds::new(left, top, width, style.size));
        let weight = if style.bold {
            r#" font-weight="bold""#
        } else {
            ""
        };
        self.element(format_args!(
            r#"<text x="{}" y="{}" font-size="{}"{weight} text-anchor="{anchor}" fill="{}" stroke="none">{}</text>"#,
            decimal(x),
            decimal(baseline),
            decimal(style.size),
            style.colour,
            escaped(text),
        ));
    }

    /// The whole document, named `title` for those who cannot see it.
    pub(super) fn finish(self, title: &str) -> String {
        let bounds = self.bounds();
        let (left, top) = (bounds.left - MARGIN, bounds.top - MARGIN);
        let width = decimal((bounds.width() + 2.0 * MARGIN).ceil());
        let height = decimal((bounds.height() + 2.0 * MARGIN).ceil());
        let (x, y) = (decimal(-left), decimal(-top));
        format!(
            r##"<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">
<title>{}</title>
<rect width="{width}" height="{height}" fill="#ffffff"/>
<g transform="translate({x} {y})" font-family="{FONTS}" stroke-width="1">
{}</g>
</svg>
"##,
            escaped(title),
            self.body,
        )
    }

    fn reach(&mut self, area: Bounds) {
        self.bounds = Some(self.bounds.map_or(area, |bounds| bounds.union(area)));
    }

    fn element(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.body, "{element}");
    }
}

fn dashes(dashed: bool, pattern: &str) -> String {
    if dashed {
        format!(r#" stroke-dasharray="{pattern}""#)
    } else {
        String::new()
    }
}

fn coordinates(points: &[Point]) -> String {
    let points = points
        .iter()
        .map(|(x, y)| format!("{},{}", decimal(*x), decimal(*y)));
    points.collect::<Vec<_>>().join(" ")
}

fn decimal(number: f64) -> String {
    trimmed(format!("{number:.1}"))
}
