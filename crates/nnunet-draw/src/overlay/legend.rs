use super::slice::dice;
use super::{GAP, LETTERS, LINE, Overlay, TEXT};
use crate::palette::colour;
use crate::picture::{Colour, Picture, text_width};

/// Side of the coloured square before a name, and the space up to the name, in pixels.
const SWATCH: usize = 7 * LETTERS;
const INDENT: usize = 10 * LETTERS;

/// The names of the labels in their colours, with the Dice where there are two maps.
#[derive(Debug)]
pub(crate) struct Legend {
    lines: Vec<Vec<(Colour, String)>>,
}

impl Legend {
    /// The legend of a picture, broken into lines of at most `width` pixels.
    pub(crate) fn new(overlay: &Overlay<'_>, width: usize) -> Self {
        let entries = (overlay.labels.iter().enumerate()).map(|(i, (label, name))| {
            let text = match (overlay.reference, overlay.prediction) {
                (Some(reference), Some(prediction)) => {
                    let dice = dice(reference.labels.view(), prediction.labels.view(), *label);
                    format!("{name} {dice:.3}")
                }
                _ => name.clone(),
            };
            (colour(i), text)
        });
        Self::broken(entries, width)
    }

    /// The legend of a picture without a comparison.
    pub(crate) fn of_names(names: &[(i16, String)], width: usize) -> Self {
        let entries = (names.iter().enumerate()).map(|(i, (_, name))| (colour(i), name.clone()));
        Self::broken(entries, width)
    }

    fn broken(entries: impl Iterator<Item = (Colour, String)>, width: usize) -> Self {
        let mut lines: Vec<Vec<(Colour, String)>> = Vec::new();
        let mut used = 0;
        for entry in entries {
            let wanted = entry_width(&entry.1);
            match lines.last_mut() {
                Some(line) if used + wanted <= width => line.push(entry),
                _ => {
                    lines.push(vec![entry]);
                    used = GAP;
                }
            }
            used += wanted;
        }
        Self { lines }
    }

    /// Pixels from top to bottom.
    pub(crate) fn height(&self) -> usize {
        self.lines.len() * LINE
    }

    /// Draws the legend with its upper edge at `top`.
    pub(crate) fn draw(&self, picture: &mut Picture, top: usize) {
        for (i, line) in self.lines.iter().enumerate() {
            let y = top + i * LINE + 4;
            let mut x = GAP;
            for (colour, text) in line {
                picture.fill([y, x], [SWATCH, SWATCH], *colour);
                picture.text([y, x + INDENT], text, LETTERS, TEXT);
                x += entry_width(text);
            }
        }
    }
}

fn entry_width(text: &str) -> usize {
    INDENT + text_width(text, LETTERS) + 3 * GAP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_legend_breaks_into_lines() {
        let entries = (0..30).map(|i| (colour(i), format!("label {i}")));
        let legend = Legend::broken(entries, 700);
        assert!(legend.lines.len() > 1);
        assert_eq!(legend.height(), legend.lines.len() * LINE);
        assert_eq!(legend.lines.iter().map(Vec::len).sum::<usize>(), 30);
        let widest = |line: &Vec<(Colour, String)>| -> usize {
            line.iter().map(|(_, text)| entry_width(text)).sum()
        };
        assert!(legend.lines.iter().all(|line| GAP + widest(line) <= 700));
    }
}
