use std::ops::Range;

use ndarray::{Array2, ArrayView2};

use crate::DrawError;
use crate::overlay::legend::Legend;
use crate::overlay::panel::Panel;
use crate::overlay::{BACKGROUND, GAP, TEXT};
use crate::picture::{Colour, Picture, text_width};

/// Pixels per dot of the letters of captions.
const SMALL: usize = 1;
/// Height of a line of a caption.
const CAPTION_LINE: usize = 7 * SMALL + 5;
/// The frame around a part of a slice.
const FRAME: Colour = [255, 255, 255];
/// More than this in one picture is a mistake: 100 megapixels.
const MOST_PIXELS: usize = 100_000_000;

/// One slice in a table of slices.
#[derive(Clone, Debug)]
pub struct GridCell {
    /// Lines of text above it; they are broken where they are broader than the slice.
    pub caption: Vec<String>,
    /// Intensities (row, column).
    pub image: Array2<f32>,
    /// The intensities that are black and white.
    pub window: [f32; 2],
    /// Labels of the same shape, drawn over it.
    pub labels: Option<Array2<i16>>,
    /// A part of it, in voxels, that gets a frame. It may reach beyond the slice.
    pub frame: Option<[Range<i64>; 2]>,
}

/// Draws a table of slices, row by row, with the names of the labels below. All slices of the
/// table have the same spacing (row, column) and get `panel_pixels` rows.
///
/// # Errors
/// [`DrawError::Arguments`] if a slice is empty, labels have another shape than their slice, or
/// the picture would be too large.
pub fn draw_grid(
    rows: &[Vec<GridCell>],
    spacing: [f64; 2],
    names: &[(i16, String)],
    panel_pixels: usize,
) -> Result<Picture, DrawError> {
    let problem = |problem: String| DrawError::Arguments { problem };
    for cell in rows.iter().flatten() {
        let found = cell.labels.as_ref().map(Array2::dim);
        if cell.image.is_empty() || found.is_some_and(|dim| dim != cell.image.dim()) {
            return Err(problem(format!(
                "a slice is {:?} voxels, its labels {found:?}",
                cell.image.dim()
            )));
        }
    }
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let width = |cell| panel(cell, spacing, panel_pixels)[1];
            cells.map(width).max().unwrap_or(0)
        })
        .collect();
    let caption_of = |cell: &GridCell| {
        let width = panel(cell, spacing, panel_pixels)[1];
        broken(&cell.caption, width / text_width("x", SMALL))
    };
    let lines = rows
        .iter()
        .flatten()
        .map(|cell| caption_of(cell).len())
        .max();
    let caption = lines.unwrap_or(0) * CAPTION_LINE;
    let row_height = caption + panel_pixels + GAP;
    let width = GAP + widths.iter().map(|width| width + GAP).sum::<usize>();
    let legend = Legend::of_names(names, width);
    let height = GAP + rows.len() * row_height + legend.height() + GAP;
    if width.saturating_mul(height) > MOST_PIXELS {
        return Err(problem(format!(
            "the picture would have {width} × {height} pixels"
        )));
    }
    let mut picture = Picture::new(width, height, BACKGROUND);
    for (number, row) in rows.iter().enumerate() {
        let top = GAP + number * row_height;
        let mut left = GAP;
        for (cell, width) in row.iter().zip(&widths) {
            for (line, text) in caption_of(cell).iter().enumerate() {
                let corner = [top + line * CAPTION_LINE, left];
                picture.text(corner, text, SMALL, TEXT);
            }
            let corner = [top + caption, left];
            draw_cell(
                cell,
                corner,
                panel(cell, spacing, panel_pixels),
                names,
                &mut picture,
            );
            left += width + GAP;
        }
    }
    legend.draw(&mut picture, GAP + rows.len() * row_height);
    Ok(picture)
}

/// Lines of at most so many letters, if their words are not longer.
fn broken(lines: &[String], letters: usize) -> Vec<String> {
    let mut all = Vec::new();
    for line in lines {
        let mut current = String::new();
        for word in line.split(' ') {
            let length = current.chars().count() + 1 + word.chars().count();
            if !current.is_empty() && length > letters {
                all.push(std::mem::take(&mut current));
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(word);
        }
        all.push(current);
    }
    all
}

/// Height and width of a slice in pixels.
fn panel(cell: &GridCell, [dy, dx]: [f64; 2], rows: usize) -> [usize; 2] {
    let (ny, nx) = cell.image.dim();
    let width = rows as f64 * (nx as f64 * dx) / (ny as f64 * dy);
    // A sliver gets a few pixels, and a broad one is not broader than it is useful.
    [rows, (width.round() as usize).clamp(8, 4 * rows.max(2))]
}

fn draw_cell(
    cell: &GridCell,
    corner: [usize; 2],
    size: [usize; 2],
    names: &[(i16, String)],
    picture: &mut Picture,
) {
    let [black, white] = cell.window;
    let range = (white - black).max(f32::MIN_POSITIVE);
    let grey = cell.image.mapv(|v| ((v - black) / range).clamp(0.0, 1.0));
    Panel {
        corner,
        size,
        grey: grey.view(),
        labels: cell.labels.as_ref().map(|labels| labels.view()),
        names,
        fill: 0.2,
    }
    .draw(picture);
    if let Some(frame) = &cell.frame {
        draw_frame(frame, cell.image.view(), corner, size, picture);
    }
}

fn draw_frame(
    frame: &[Range<i64>; 2],
    image: ArrayView2<'_, f32>,
    corner: [usize; 2],
    size: [usize; 2],
    picture: &mut Picture,
) {
    let voxels = [image.dim().0, image.dim().1];
    let edge = |axis: usize, voxel: i64| {
        let inside = voxel.clamp(0, voxels[axis] as i64) as usize;
        corner[axis] + (inside * size[axis] / voxels[axis]).min(size[axis].saturating_sub(1))
    };
    let [top, bottom] = [edge(0, frame[0].start), edge(0, frame[0].end)];
    let [left, right] = [edge(1, frame[1].start), edge(1, frame[1].end)];
    for x in left..=right {
        picture.set([top, x], FRAME);
        picture.set([bottom, x], FRAME);
    }
    for y in top..=bottom {
        picture.set([y, left], FRAME);
        picture.set([y, right], FRAME);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::palette::colour;

    fn cell(ny: usize, nx: usize) -> GridCell {
        GridCell {
            caption: vec!["A".to_owned()],
            image: Array2::from_shape_fn((ny, nx), |(y, x)| (y + x) as f32),
            window: [0.0, 10.0],
            labels: None,
            frame: None,
        }
    }

    #[test]
    fn slices_stand_in_rows_and_columns() {
        let mut labelled = cell(20, 20);
        labelled.labels = Some(Array2::from_elem((20, 20), 1));
        let rows = [
            vec![cell(20, 40), labelled.clone()],
            vec![cell(20, 20), labelled],
        ];
        let names = [(1, "one".to_owned())];
        let picture = draw_grid(&rows, [1.0, 1.0], &names, 60).unwrap();
        assert_eq!(picture.width(), GAP + 120 + GAP + 60 + GAP);
        let first = GAP + CAPTION_LINE;
        let second = first + 60 + GAP + CAPTION_LINE;
        // The outline of a label that fills the slice is nowhere; its colour is everywhere.
        for top in [first, second] {
            let pixel = picture.get([top + 30, GAP + 120 + GAP + 30]).unwrap();
            let grey = picture.get([top + 30, GAP + 30]).unwrap();
            assert!(grey[0] == grey[1] && grey[1] == grey[2], "{grey:?}");
            assert_ne!(pixel[0], pixel[2], "{:?}", colour(0));
        }
    }

    #[test]
    fn captions_are_broken_between_words() {
        let lines = ["turned 3 -25 3, mirrored zyx".to_owned(), "-".to_owned()];
        let wanted = ["turned 3 -25", "3, mirrored", "zyx", "-"];
        assert_eq!(broken(&lines, 12), wanted);
        assert_eq!(broken(&lines, 100), lines);
        assert_eq!(broken(&["abcdef".to_owned()], 2), ["abcdef"]);
    }

    #[test]
    fn a_frame_is_drawn_where_it_lies_and_cut_where_it_does_not() {
        let mut framed = cell(30, 30);
        framed.window = [100.0, 200.0];
        framed.frame = Some([10..20, -5..15]);
        let picture = draw_grid(&[vec![framed]], [1.0, 1.0], &[], 60).unwrap();
        let top = GAP + CAPTION_LINE;
        let white = |y: usize, x: usize| picture.get([top + y, GAP + x]) == Some(FRAME);
        assert!(white(20, 10) && white(40, 10) && white(30, 30) && white(30, 0));
        assert!(!white(30, 10) && !white(20, 31) && !white(50, 30));
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error() {
        assert!(draw_grid(&[vec![cell(0, 4)]], [1.0; 2], &[], 60).is_err());
        let mut bad = cell(4, 4);
        bad.labels = Some(Array2::zeros((4, 5)));
        assert!(draw_grid(&[vec![bad]], [1.0; 2], &[], 60).is_err());
        assert!(draw_grid(&[vec![cell(4, 4)]], [1.0; 2], &[], 60_000).is_err());
    }
}
