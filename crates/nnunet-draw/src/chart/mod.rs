//! Curves in a coordinate system.

pub(crate) mod curve;
mod scale;

use crate::DrawError;
use crate::picture::{Colour, Picture, text_width};
use scale::Scale;

const PAPER: Colour = [255, 255, 255];
const INK: Colour = [40, 44, 52];
const RULES: Colour = [226, 228, 232];
/// Pixels per dot of the letters.
const LETTERS: usize = 2;
const LETTER_HEIGHT: usize = 7 * LETTERS;
/// Around the coordinate system: for the numbers of the axes, the title and the legend.
const LEFT: usize = 110;
const RIGHT: usize = 110;
const TOP: usize = 2 * LETTER_HEIGHT + 30;
const BOTTOM: usize = LETTER_HEIGHT + 22;
const MOST_PIXELS: usize = 100_000_000;

/// The axis that a curve belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// With its numbers on the left.
    Left,
    /// With its numbers on the right.
    Right,
}

/// How a curve is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stroke {
    /// A line from point to point.
    Line,
    /// The same with gaps.
    Dashed,
    /// The points alone.
    Dots,
}

/// A curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// For the legend, which it is left out of if it is empty.
    pub name: String,
    /// Of the line.
    pub colour: Colour,
    /// Line or points.
    pub stroke: Stroke,
    /// Whose numbers it is read by.
    pub axis: Axis,
    /// `[x, y]`. A point that is not finite leaves a gap.
    pub points: Vec<[f64; 2]>,
}

/// A coordinate system with its curves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panel {
    /// Above it.
    pub title: String,
    /// The curves, drawn in this order.
    pub series: Vec<Series>,
}

/// Coordinate systems below each other, with the same x.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// From top to bottom.
    pub panels: Vec<Panel>,
    /// What x is, below the last one.
    pub x: String,
    /// Pixels of the picture from left to right.
    pub width: usize,
    /// Pixels of each panel from top to bottom.
    pub panel_height: usize,
}

impl Chart {
    /// Draws it.
    ///
    /// # Errors
    /// [`DrawError::Arguments`] if the picture would be too small or too large for the axes.
    pub fn draw(&self) -> Result<Picture, DrawError> {
        let height = self.panels.len() * self.panel_height + LETTER_HEIGHT + 10;
        let is_large_enough =
            self.width >= LEFT + RIGHT + 100 && self.panel_height >= TOP + BOTTOM + 40;
        if !is_large_enough || self.width.saturating_mul(height) > MOST_PIXELS {
            return Err(DrawError::Arguments {
                problem: format!(
                    "a chart of {} panels with {} × {} pixels each is too small or too large",
                    self.panels.len(),
                    self.width,
                    self.panel_height
                ),
            });
        }
        let mut picture = Picture::new(self.width, height, PAPER);
        let x = Scale::of(self.points().map(|[x, _]| x));
        for (number, panel) in self.panels.iter().enumerate() {
            let frame = Frame {
                top: number * self.panel_height + TOP,
                left: LEFT,
                height: self.panel_height - TOP - BOTTOM,
                width: self.width - LEFT - RIGHT,
            };
            frame.draw(panel, &x, &mut picture);
        }
        let middle = (self.width.saturating_sub(text_width(&self.x, LETTERS))) / 2;
        picture.text([height - LETTER_HEIGHT - 6, middle], &self.x, LETTERS, INK);
        Ok(picture)
    }

    fn points(&self) -> impl Iterator<Item = [f64; 2]> {
        let series = self.panels.iter().flat_map(|panel| &panel.series);
        series.flat_map(|series| series.points.iter().copied())
    }
}

/// Where the curves of a panel are.
struct Frame {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

impl Frame {
    fn draw(&self, panel: &Panel, x: &Scale, picture: &mut Picture) {
        let of_axis = |axis: Axis| {
            let series = panel
                .series
                .iter()
                .filter(move |series| series.axis == axis);
            series.flat_map(|series| series.points.iter().map(|[_, y]| *y))
        };
        let [left, right] = [Axis::Left, Axis::Right].map(|axis| Scale::of(of_axis(axis)));
        let has = |axis: Axis| panel.series.iter().any(|series| series.axis == axis);
        self.legend(panel, picture);
        self.columns(x, picture);
        if has(Axis::Left) {
            self.rows(&left, Axis::Left, picture);
        }
        if has(Axis::Right) {
            self.rows(&right, Axis::Right, picture);
        }
        self.border(picture);
        for series in &panel.series {
            let y = match series.axis {
                Axis::Left => &left,
                Axis::Right => &right,
            };
            let points: Vec<Option<[f64; 2]>> = (series.points.iter())
                .map(|[px, py]| {
                    let place = [
                        self.top as f64 + (1.0 - y.place(*py)) * self.height as f64,
                        self.left as f64 + x.place(*px) * self.width as f64,
                    ];
                    place.iter().all(|v| v.is_finite()).then_some(place)
                })
                .collect();
            curve::draw(&points, series.stroke, series.colour, picture);
        }
    }

    /// Title and names, above the frame.
    fn legend(&self, panel: &Panel, picture: &mut Picture) {
        let title = self.top - TOP + 8;
        picture.text([title, self.left], &panel.title, LETTERS, INK);
        let mut x = self.left;
        let y = title + LETTER_HEIGHT + 8;
        for series in panel.series.iter().filter(|series| !series.name.is_empty()) {
            let sample = [0.0, 26.0].map(|dx| Some([y as f64 + 7.0, x as f64 + dx]));
            curve::draw(&sample, series.stroke, series.colour, picture);
            picture.text([y, x + 34], &series.name, LETTERS, INK);
            x += 34 + text_width(&series.name, LETTERS) + 24;
        }
    }

    /// The vertical rules and their numbers.
    fn columns(&self, x: &Scale, picture: &mut Picture) {
        for (value, text) in x.ticks(self.width / 90) {
            let at = self.left + (x.place(value) * self.width as f64).round() as usize;
            picture.fill([self.top, at], [self.height, 1], RULES);
            let corner = at.saturating_sub(text_width(&text, LETTERS) / 2);
            picture.text([self.top + self.height + 8, corner], &text, LETTERS, INK);
        }
    }

    /// The horizontal rules of an axis and their numbers.
    fn rows(&self, y: &Scale, axis: Axis, picture: &mut Picture) {
        for (value, text) in y.ticks(self.height / 32) {
            let down = ((1.0 - y.place(value)) * self.height as f64).round() as usize;
            let at = self.top + down;
            let x = match axis {
                Axis::Left => {
                    picture.fill([at, self.left], [1, self.width], RULES);
                    self.left.saturating_sub(text_width(&text, LETTERS) + 8)
                }
                Axis::Right => {
                    picture.fill([at, self.left + self.width - 6], [1, 6], INK);
                    self.left + self.width + 10
                }
            };
            picture.text(
                [at.saturating_sub(LETTER_HEIGHT / 2), x],
                &text,
                LETTERS,
                INK,
            );
        }
    }

    fn border(&self, picture: &mut Picture) {
        let bottom = self.top + self.height;
        let right = self.left + self.width;
        picture.fill([self.top, self.left], [1, self.width + 1], INK);
        picture.fill([bottom, self.left], [1, self.width + 1], INK);
        picture.fill([self.top, self.left], [self.height, 1], INK);
        picture.fill([self.top, right], [self.height, 1], INK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(axis: Axis, points: Vec<[f64; 2]>) -> Series {
        Series {
            name: "loss".to_owned(),
            colour: [200, 0, 0],
            stroke: Stroke::Line,
            axis,
            points,
        }
    }

    fn chart(series: Vec<Series>) -> Chart {
        Chart {
            panels: vec![Panel {
                title: "a".to_owned(),
                series,
            }],
            x: "epoch".to_owned(),
            width: 420,
            panel_height: 220,
        }
    }

    /// The rows of the curve's colour in a column of the picture.
    fn rows(picture: &Picture, x: usize) -> Vec<usize> {
        let is_red = |y: &usize| {
            picture
                .get([*y, x])
                .is_some_and(|[r, g, b]| r > 150 && g < 120 && b < 120)
        };
        (TOP..picture.height()).filter(is_red).collect()
    }

    #[test]
    fn a_rising_line_rises() {
        let points = (0..=10).map(|i| [f64::from(i), f64::from(i * i)]).collect();
        let picture = chart(vec![series(Axis::Left, points)]).draw().unwrap();
        let heights: Vec<usize> = [130, 200, 270].map(|x| rows(&picture, x)[0]).into();
        assert!(heights.is_sorted_by(|a, b| a > b), "{heights:?}");
    }

    #[test]
    fn what_is_not_a_number_leaves_a_gap() {
        let points = vec![
            [0.0, 1.0],
            [1.0, f64::NAN],
            [2.0, f64::INFINITY],
            [3.0, 1.0],
            [4.0, 2.0],
        ];
        let picture = chart(vec![series(Axis::Right, points)]).draw().unwrap();
        // From LEFT for 200 pixels; the second and third quarter are empty.
        assert_eq!(rows(&picture, LEFT + 100), [] as [usize; 0]);
        assert!(!rows(&picture, LEFT + 180).is_empty());
    }

    #[test]
    fn nothing_and_a_single_point_are_charts_too() {
        assert!(chart(Vec::new()).draw().is_ok());
        assert!(
            chart(vec![series(Axis::Left, vec![[0.0, 0.0]])])
                .draw()
                .is_ok()
        );
        assert!(
            chart(vec![series(Axis::Left, vec![[0.0, f64::NAN]])])
                .draw()
                .is_ok()
        );
    }

    #[test]
    fn a_chart_without_room_is_refused() {
        let mut small = chart(Vec::new());
        small.width = 200;
        assert!(small.draw().is_err());
        small.width = usize::MAX;
        assert!(small.draw().is_err());
    }
}
