//! Many properties of several things: a line for each over columns.

use crate::chart::curve::{self, line};
use crate::picture::{Colour, Picture, text_width};
use crate::{DrawError, Stroke, bubbles};

const PAPER: Colour = [255, 255, 255];
const INK: Colour = [40, 44, 52];
const RULES: Colour = [214, 217, 222];
const BAND: Colour = [238, 242, 246];
/// Pixels per dot of the letters.
const LETTERS: usize = 2;
const LETTER_HEIGHT: usize = 7 * LETTERS;
/// Pixels between two columns, and per unit of the values.
const STEP: usize = 56;
const UNIT: f64 = 62.0;
const LEFT: usize = 66;
const TOP: usize = 24;
const LEGEND_LINE: usize = LETTER_HEIGHT + 8;
/// Units above and below zero that there is room for at least.
const LEAST: f64 = 2.0;
const MOST_PIXELS: usize = 100_000_000;

/// Lines over columns, with a band from −1 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParallelPlot {
    /// Names of the columns, written upwards below them.
    pub columns: Vec<String>,
    /// The lines, with their names for the legend. A value per column; one that is not finite
    /// leaves a gap.
    pub lines: Vec<(String, Vec<f64>)>,
}

impl ParallelPlot {
    /// Draws it.
    ///
    /// # Errors
    /// [`DrawError::Arguments`] if there are no columns or no lines, a line has another number of
    /// values than there are columns, or the picture would be too large.
    pub fn draw(&self) -> Result<Picture, DrawError> {
        let problem = |problem: String| Err(DrawError::Arguments { problem });
        if self.columns.is_empty() || self.lines.is_empty() {
            return problem("a parallel plot has no columns or no lines".to_owned());
        }
        if let Some((name, values)) =
            (self.lines.iter()).find(|(_, v)| v.len() != self.columns.len())
        {
            return problem(format!(
                "the line `{name}` has {} values, expected {}, one per column",
                values.len(),
                self.columns.len()
            ));
        }
        let values = self.lines.iter().flat_map(|(_, values)| values);
        let finite = values.copied().filter(|value| value.is_finite());
        let extent = finite.map(f64::abs).fold(LEAST, f64::max).ceil();
        let widest = |names: &mut dyn Iterator<Item = &String>| {
            names
                .map(|name| text_width(name, LETTERS))
                .max()
                .unwrap_or(0)
        };
        let below = widest(&mut self.columns.iter());
        let beside = widest(&mut self.lines.iter().map(|(name, _)| name));
        let span = (self.columns.len() - 1) * STEP;
        let width = LEFT + span + 80 + beside;
        let rows = TOP + self.lines.len() * LEGEND_LINE;
        // A line so far out is too large for a picture anyway.
        let depth = (2.0 * extent * UNIT).min(MOST_PIXELS as f64) as usize;
        let height = (TOP + depth + 20 + below).max(rows) + 20;
        if width.saturating_mul(height) > MOST_PIXELS {
            return problem(format!("the picture would have {width} × {height} pixels"));
        }
        let mut picture = Picture::new(width, height, PAPER);
        let frame = Frame {
            extent,
            span,
            depth,
        };
        frame.draw(self, &mut picture);
        for (number, (name, values)) in self.lines.iter().enumerate() {
            let colour = bubbles::COLOURS[number % bubbles::COLOURS.len()];
            let stroke = match number / bubbles::COLOURS.len() {
                0 => Stroke::Line,
                _ => Stroke::Dashed,
            };
            let points: Vec<Option<[f64; 2]>> = (values.iter().enumerate())
                .map(|(i, value)| {
                    value
                        .is_finite()
                        .then(|| [frame.down(*value), frame.across(i)])
                })
                .collect();
            curve::draw(&points, stroke, colour, &mut picture);
            for point in points.into_iter().flatten() {
                line(point, point, 3.5, colour, &mut picture);
            }
            let (x, y) = (LEFT + span + 30, TOP + number * LEGEND_LINE);
            let sample = [0.0, 28.0].map(|dx| Some([y as f64 + 7.0, x as f64 + dx]));
            curve::draw(&sample, stroke, colour, &mut picture);
            picture.text([y, x + 38], name, LETTERS, INK);
        }
        Ok(picture)
    }
}

/// Where things are.
struct Frame {
    extent: f64,
    span: usize,
    depth: usize,
}

impl Frame {
    fn down(&self, value: f64) -> f64 {
        TOP as f64 + (self.extent - value) * UNIT
    }

    fn across(&self, column: usize) -> f64 {
        (LEFT + column * STEP) as f64
    }

    /// The band, the rules and the names of the columns.
    fn draw(&self, plot: &ParallelPlot, picture: &mut Picture) {
        let band = [self.down(1.0) as usize, LEFT];
        picture.fill(band, [(2.0 * UNIT) as usize, self.span], BAND);
        let mut value = -self.extent;
        while value <= self.extent {
            let y = self.down(value).round() as usize;
            picture.fill([y, LEFT], [1, self.span], RULES);
            let text = if value == 0.0 {
                "0".to_owned()
            } else {
                format!("{value:+}")
            };
            let x = LEFT - 12 - text_width(&text, LETTERS);
            picture.text(
                [y.saturating_sub(LETTER_HEIGHT / 2), x],
                &text,
                LETTERS,
                INK,
            );
            value += 1.0;
        }
        for (number, name) in plot.columns.iter().enumerate() {
            let x = self.across(number) as usize;
            picture.fill([TOP, x], [self.depth, 1], RULES);
            let bottom = TOP + self.depth + 16 + text_width(name, LETTERS);
            let corner = [bottom, x.saturating_sub(LETTER_HEIGHT / 2)];
            picture.text_upwards(corner, name, LETTERS, INK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(values: Vec<f64>) -> ParallelPlot {
        ParallelPlot {
            columns: vec!["a".to_owned(), "b".to_owned(), "c".to_owned()],
            lines: vec![("first".to_owned(), values)],
        }
    }

    /// Whether the colour of the first line is seen near a value in a column.
    fn is_seen(picture: &Picture, value: f64, column: f64) -> bool {
        let y = TOP as f64 + (LEAST - value) * UNIT;
        let x = LEFT as f64 + column * STEP as f64;
        picture.get([y as usize, x as usize]) == Some(bubbles::COLOURS[0])
    }

    #[test]
    fn a_line_goes_through_its_values_and_leaves_gaps() {
        let picture = plot(vec![1.0, 0.0, -2.0]).draw().unwrap();
        assert!(is_seen(&picture, 1.0, 0.0) && is_seen(&picture, -2.0, 2.0));
        assert!(is_seen(&picture, 0.5, 0.5) && !is_seen(&picture, -0.5, 0.5));
        let gap = plot(vec![1.0, f64::NAN, 1.0]).draw().unwrap();
        assert!(is_seen(&gap, 1.0, 0.0) && is_seen(&gap, 1.0, 2.0));
        assert!(!is_seen(&gap, 1.0, 1.0));
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        assert!(ParallelPlot::default().draw().is_err());
        assert!(plot(vec![1.0]).draw().is_err());
        assert!(plot(vec![1.0, 0.0, 1e12]).draw().is_err());
    }
}
