use ndarray::{Array2, ArrayView2};

use crate::palette::colour;
use crate::picture::Picture;

/// One slice, with or without labels, at its place in the picture.
#[derive(Debug)]
pub(crate) struct Panel<'a> {
    /// Upper left corner in the picture, (row, column).
    pub(crate) corner: [usize; 2],
    /// Height and width in pixels.
    pub(crate) size: [usize; 2],
    /// The slice, 0 black and 1 white.
    pub(crate) grey: ArrayView2<'a, f32>,
    /// The labels of the slice.
    pub(crate) labels: Option<ArrayView2<'a, i16>>,
    /// The labels to draw; their places choose the colours.
    pub(crate) names: &'a [(i16, String)],
    /// Share of the label's colour inside its outline.
    pub(crate) fill: f64,
}

impl Panel<'_> {
    /// Draws the panel.
    pub(crate) fn draw(&self, picture: &mut Picture) {
        let [height, width] = self.size;
        let shown = shown_labels(self.labels, self.grey.dim(), self.names, self.size);
        for y in 0..height {
            for x in 0..width {
                let grey = self.smooth([y, x]);
                let mut pixel = [grey; 3];
                if let Some(entry) = shown[[y, x]] {
                    let share = if on_outline(shown.view(), y, x) {
                        1.0
                    } else {
                        self.fill
                    };
                    let over = colour(entry);
                    pixel = std::array::from_fn(|c| {
                        pixel[c] * (1.0 - share) + f64::from(over[c]) * share
                    });
                }
                let at = [self.corner[0] + y, self.corner[1] + x];
                picture.set(at, pixel.map(|v| v.round() as u8));
            }
        }
    }

    /// The grey value of a pixel, interpolated linearly between voxels, 0 to 255.
    fn smooth(&self, pixel: [usize; 2]) -> f64 {
        let (ny, nx) = self.grey.dim();
        let counts = [ny, nx];
        let place: [(usize, usize, f64); 2] = std::array::from_fn(|a| {
            let at = (pixel[a] as f64 + 0.5) * counts[a] as f64 / self.size[a] as f64 - 0.5;
            let at = at.clamp(0.0, counts[a] as f64 - 1.0);
            let low = at.floor() as usize;
            (low, (low + 1).min(counts[a] - 1), at - at.floor())
        });
        let [(y0, y1, ty), (x0, x1, tx)] = place;
        let value = |y, x| f64::from(self.grey.get([y, x]).copied().unwrap_or(0.0));
        let row = |y| value(y, x0) * (1.0 - tx) + value(y, x1) * tx;
        255.0 * (row(y0) * (1.0 - ty) + row(y1) * ty)
    }
}

/// For each pixel the entry of the label there, not smoothed: what is drawn is what is in the map.
/// The slice has so many rows and columns of voxels.
pub(super) fn shown_labels(
    labels: Option<ArrayView2<'_, i16>>,
    (ny, nx): (usize, usize),
    names: &[(i16, String)],
    [height, width]: [usize; 2],
) -> Array2<Option<usize>> {
    Array2::from_shape_fn((height, width), |(y, x)| {
        let voxel = [y * ny / height, x * nx / width];
        let label = *labels.as_ref()?.get(voxel)?;
        names.iter().position(|(known, _)| *known == label)
    })
}

/// Whether a pixel of a label has another label, or none, within two pixels.
pub(super) fn on_outline(shown: ArrayView2<'_, Option<usize>>, y: usize, x: usize) -> bool {
    let own = shown.get([y, x]).copied().flatten();
    (1..=2_usize).any(|reach| {
        [
            [y.wrapping_sub(reach), x],
            [y + reach, x],
            [y, x.wrapping_sub(reach)],
            [y, x + reach],
        ]
        .into_iter()
        .any(|at| shown.get(at).is_some_and(|other| *other != own))
    })
}
