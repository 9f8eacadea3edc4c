//! How often something had which rank: bubbles in columns.

use crate::DrawError;
use crate::chart::curve::line;
use crate::picture::{Colour, Picture, text_width};

const PAPER: Colour = [255, 255, 255];
const INK: Colour = [40, 44, 52];
const RULES: Colour = [226, 228, 232];
/// Pixels per dot of the letters.
const LETTERS: usize = 2;
const LETTER_HEIGHT: usize = 7 * LETTERS;
/// Pixels between two ranks, and between two columns.
const STEP: usize = 48;
/// Radius of the bubble of a rank that is always the same.
const LARGEST: f64 = 21.0;
/// Around the bubbles: for the title and the numbers of the ranks.
const TOP: usize = LETTER_HEIGHT + 22;
const LEFT: usize = 46;
const GAP: usize = 24;
const MOST_PIXELS: usize = 100_000_000;
/// Told apart in grey and by the colour-blind as well.
pub(crate) const COLOURS: [Colour; 8] = [
    [0, 114, 178],
    [230, 159, 0],
    [0, 158, 115],
    [204, 121, 167],
    [86, 180, 233],
    [213, 94, 0],
    [102, 102, 102],
    [184, 169, 0],
];

/// Panels of bubbles side by side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BubbleChart {
    /// The panels, row by row.
    pub panels: Vec<BubblePanel>,
    /// Panels in a row; at least one.
    pub panels_per_row: usize,
}

/// Columns of bubbles below a title.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BubblePanel {
    /// Above them.
    pub title: String,
    /// From left to right.
    pub columns: Vec<BubbleColumn>,
}

/// The ranks of one thing, 1 at the top.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BubbleColumn {
    /// Written upwards below the column.
    pub name: String,
    /// How often it had rank 1, 2, …, as a share of all; the area of the bubble.
    pub shares: Vec<f64>,
    /// The ranks between which a line is drawn.
    pub interval: [f64; 2],
    /// The rank at which a cross is drawn.
    pub rank: f64,
}

impl BubbleChart {
    /// Draws it.
    ///
    /// # Errors
    /// [`DrawError::Arguments`] if there is nothing to draw or the picture would be too large.
    pub fn draw(&self) -> Result<Picture, DrawError> {
        let columns = self.panels.iter().map(|panel| panel.columns.len()).max();
        let Some(columns) = columns.filter(|columns| *columns > 0) else {
            return Err(DrawError::Arguments {
                problem: "a chart of ranks has no columns".to_owned(),
            });
        };
        let ranks = (self.panels.iter().flat_map(|panel| &panel.columns))
            .map(|column| column.shares.len())
            .max()
            .unwrap_or(0);
        let names = self.panels.iter().flat_map(|panel| &panel.columns);
        let names = names.map(|column| text_width(&column.name, LETTERS)).max();
        let titles = self
            .panels
            .iter()
            .map(|panel| text_width(&panel.title, LETTERS));
        let title = titles.max().unwrap_or(0);
        let size = [
            TOP + ranks * STEP + 14 + names.unwrap_or(0) + GAP,
            (LEFT + columns * STEP).max(title) + GAP,
        ];
        let per_row = self.panels_per_row.clamp(1, self.panels.len());
        let rows = self.panels.len().div_ceil(per_row);
        let (height, width) = (GAP + rows * size[0], GAP + per_row * size[1]);
        if width.saturating_mul(height) > MOST_PIXELS {
            return Err(DrawError::Arguments {
                problem: format!("the picture would have {width} × {height} pixels"),
            });
        }
        let mut picture = Picture::new(width, height, PAPER);
        for (number, panel) in self.panels.iter().enumerate() {
            let corner = [
                GAP + number / per_row * size[0],
                GAP + number % per_row * size[1],
            ];
            panel.draw(corner, ranks, &mut picture);
        }
        Ok(picture)
    }
}

impl BubblePanel {
    fn draw(&self, [top, left]: [usize; 2], ranks: usize, picture: &mut Picture) {
        picture.text([top, left], &self.title, LETTERS, INK);
        let down = |rank: f64| top as f64 + TOP as f64 + (rank - 0.5) * STEP as f64;
        let across = |column: usize| (left + LEFT + column * STEP + STEP / 2) as f64;
        for rank in 1..=ranks {
            let y = down(rank as f64).round() as usize;
            let text = rank.to_string();
            let x = left + LEFT - 10 - text_width(&text, LETTERS);
            picture.text([y - LETTER_HEIGHT / 2, x], &text, LETTERS, INK);
            picture.fill([y, left + LEFT], [1, self.columns.len() * STEP], RULES);
        }
        for (number, column) in self.columns.iter().enumerate() {
            let x = across(number);
            let colour = COLOURS[number % COLOURS.len()];
            for (rank, share) in (1_u32..).zip(&column.shares) {
                if *share > 0.0 {
                    let at = [down(f64::from(rank)), x];
                    line(at, at, LARGEST * share.min(1.0).sqrt(), colour, picture);
                }
            }
            let [low, high] = column.interval.map(|rank| [down(rank), x]);
            line(low, high, 0.8, INK, picture);
            let y = down(column.rank);
            for slope in [-1.0, 1.0] {
                let ends = [-5.0, 5.0].map(|d| [y + slope * d, x + d]);
                line(ends[0], ends[1], 0.9, INK, picture);
            }
            let below = top + TOP + ranks * STEP + 14 + text_width(&column.name, LETTERS);
            let start = [below, x as usize - LETTER_HEIGHT / 2];
            picture.text_upwards(start, &column.name, LETTERS, INK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, shares: &[f64]) -> BubbleColumn {
        BubbleColumn {
            name: name.to_owned(),
            shares: shares.to_vec(),
            interval: [1.0, 1.0],
            rank: 1.0,
        }
    }

    fn chart(columns: Vec<BubbleColumn>) -> BubbleChart {
        let panel = BubblePanel {
            title: "A".to_owned(),
            columns,
        };
        BubbleChart {
            panels: vec![panel],
            panels_per_row: 3,
        }
    }

    fn count(picture: &Picture, colour: Colour) -> usize {
        let all = (0..picture.height()).flat_map(|y| (0..picture.width()).map(move |x| [y, x]));
        all.filter(|at| picture.get(*at) == Some(colour)).count()
    }

    #[test]
    fn the_area_of_a_bubble_is_its_share() {
        let picture = chart(vec![column("a", &[0.0, 1.0]), column("b", &[0.0, 0.25])])
            .draw()
            .unwrap();
        let [whole, quarter] = [COLOURS[0], COLOURS[1]].map(|c| count(&picture, c) as f64);
        let ratio = whole / quarter;
        assert!((3.6..4.8).contains(&ratio), "{whole} {quarter}");
    }

    #[test]
    fn nothing_to_draw_is_an_error() {
        assert!(BubbleChart::default().draw().is_err());
        assert!(chart(Vec::new()).draw().is_err());
        let mut huge = chart(vec![column("a", &[1.0]); 3]);
        huge.panels[0].columns[0].shares = vec![0.1; 1_000_000];
        assert!(huge.draw().is_err());
    }
}
