//! Rotation and scaling of a crop about its centre, in one interpolation.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::bspline::{self, Extension};
use super::interpolation::{
    cubic_slice_row, cubic_volume_row, linear_slice_row, linear_volume_row,
};
use super::labels::{vote_slice_row, vote_volume_row};
use super::motion::{Motion, Window};
use super::sampling::Volume;
use crate::augmentation::{Interpolation, LabelVote};
use crate::setup::PatchGeometry;
use crate::simd::wide;

/// Samples beyond those under the kernel from which spline coefficients are found: what lies
/// further away weighs less than 10⁻⁵.
const FILTER_MARGIN: i64 = 9;
/// So many channels are interpolated together: what is known of a point serves all of them.
pub(crate) const GROUP: usize = 4;
/// The patch is worked on in tiles of this shape, so that the oblique box of the crop under a
/// tile fits the nearest caches and comes from memory once.
const TILE: [usize; 3] = [16, 16, 32];
/// Labels in smaller ones, so that many are of one label.
const LABEL_TILE: [usize; 3] = [8, 8, 16];

/// A rotation and scaling as drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpatialDraw {
    /// Angles in radians about the axes `(z, y, x)`, right-handed; the rotation about `z` of the
    /// array, `angles[0]`, turns the plane `(y, x)`. Slices and stacks use only that one.
    pub angles: [f64; 3],
    /// Multiplies sampling coordinates: above 1, objects shrink.
    pub scale: f64,
    /// How intensities are interpolated.
    pub interpolation: Interpolation,
    /// How labels are interpolated.
    pub labels: LabelVote,
}

impl SpatialDraw {
    /// The matrix `A` that takes the position of an output voxel to where its value is read,
    /// both `(z, y, x)` from the respective centre: rotations about the first axis, the second
    /// and the third, one after the other, of the scaled position.
    #[must_use]
    pub fn matrix(&self, geometry: PatchGeometry) -> [[f64; 3]; 3] {
        let s = self.scale;
        let (sin, cos) = self.angles[0].sin_cos();
        if geometry != PatchGeometry::Volume {
            return [
                [1.0, 0.0, 0.0],
                [0.0, cos * s, -sin * s],
                [0.0, sin * s, cos * s],
            ];
        }
        let first = [[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]];
        let (sin, cos) = self.angles[1].sin_cos();
        let second = [[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]];
        let (sin, cos) = self.angles[2].sin_cos();
        let third = [[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]];
        multiply(third, multiply(second, first)).map(|row| row.map(|v| v * s))
    }

    /// The part of the crop that the image is interpolated from.
    pub(crate) fn image_window(&self, motion: &Motion) -> Window {
        match self.interpolation {
            Interpolation::Linear => motion.window(1, 0),
            Interpolation::Cubic => motion.window(0, FILTER_MARGIN + 2),
        }
    }

    /// The part of the crop that the labels are interpolated from.
    pub(crate) fn label_window(motion: &Motion) -> Window {
        motion.window(1, 0)
    }

    /// Interpolates up to [`GROUP`] channels. `values` are those of the
    /// [`image_window`](Self::image_window), with the channels of a voxel side by side, and are
    /// spoilt; `out` has one channel after the other.
    pub(crate) fn resample_image(
        &self,
        motion: &Motion,
        window: &Window,
        values: &mut [f32],
        out: &mut [f32],
    ) {
        match values.len() / window.volume().max(1) {
            1 => self.resample_channels::<1>(motion, window, values, out),
            2 => self.resample_channels::<2>(motion, window, values, out),
            3 => self.resample_channels::<3>(motion, window, values, out),
            _ => self.resample_channels::<GROUP>(motion, window, values, out),
        }
    }

    fn resample_channels<const C: usize>(
        &self,
        motion: &Motion,
        window: &Window,
        values: &mut [f32],
        out: &mut [f32],
    ) {
        let planar = motion.is_planar();
        let shape = window.shape;
        if self.interpolation == Interpolation::Cubic {
            to_coefficients::<C>(values, shape, planar);
        }
        let (values, _) = values.as_chunks::<C>();
        let volume = Volume { values, shape };
        let (offset, border) = match self.interpolation {
            Interpolation::Linear => (0.0, 1.0),
            // A cubic kernel begins a voxel before the one below the point.
            Interpolation::Cubic => (1.0, 0.0),
        };
        let length = out.len() / C;
        let mut row_out = [[0.0; C]; TILE[2]];
        motion.for_each_row(window, TILE, (offset, border), |row, z, path| {
            let found = &mut row_out[..row.len()];
            wide(
                #[inline(always)]
                || match (self.interpolation, z) {
                    (Interpolation::Linear, None) => linear_volume_row(volume, path, found),
                    (Interpolation::Linear, Some(z)) => linear_slice_row(volume, z, path, found),
                    (Interpolation::Cubic, None) => cubic_volume_row(volume, path, found),
                    (Interpolation::Cubic, Some(z)) => cubic_slice_row(volume, z, path, found),
                },
            );
            for (c, channel) in out.chunks_exact_mut(length).enumerate() {
                let row = &mut channel[row.clone()];
                row.iter_mut()
                    .zip(&*found)
                    .for_each(|(to, from)| *to = from[c]);
            }
        });
    }

    /// Interpolates labels. `values` are those of the [`label_window`](Self::label_window).
    pub(crate) fn resample_labels(
        &self,
        motion: &Motion,
        window: &Window,
        values: &[i16],
        out: &mut [i16],
    ) {
        let volume = Volume {
            values,
            shape: window.shape,
        };
        for tile in motion.tiles(window, LABEL_TILE, 1.0) {
            let label = (tile.reached.as_ref())
                .and_then(|reached| common_label(values, window.shape, reached));
            if let Some(label) = label {
                fill_box(out, motion.patch(), &tile.voxels, label);
                continue;
            }
            motion.for_each_row_of(&tile, window, (0.0, 1.0), |row, z, path| match z {
                None => wide(
                    #[inline(always)]
                    || vote_volume_row(volume, path, self.labels, &mut out[row]),
                ),
                Some(z) => vote_slice_row(volume, z, path, self.labels, &mut out[row]),
            });
        }
    }
}

/// The label of all voxels of a box, if it is the same.
fn common_label(values: &[i16], shape: [usize; 3], voxels: &[Range<usize>; 3]) -> Option<i16> {
    let [slices, rows, x] = voxels;
    let row = |z: usize, y: usize| {
        let start = (z * shape[1] + y) * shape[2];
        values.get(start + x.start..start + x.end)
    };
    let label = *row(slices.start, rows.start)?.first()?;
    for z in slices.clone() {
        for y in rows.clone() {
            let different = row(z, y)?.iter().fold(0, |found, v| found | (v ^ label));
            if different != 0 {
                return None;
            }
        }
    }
    Some(label)
}

fn fill_box(out: &mut [i16], shape: [usize; 3], voxels: &[Range<usize>; 3], label: i16) {
    let [slices, rows, x] = voxels;
    for z in slices.clone() {
        for y in rows.clone() {
            let start = (z * shape[1] + y) * shape[2];
            out[start + x.start..start + x.end].fill(label);
        }
    }
}

/// Turns samples into spline coefficients inside the halo, and mirrors them into it.
fn to_coefficients<const C: usize>(values: &mut [f32], shape: [usize; 3], planar: bool) {
    let axes = [!planar, true, true];
    let low = axes.map(usize::from);
    let size = [0, 1, 2].map(|a| shape[a] - 3 * low[a]);
    bspline::prefilter::<C>(values, shape, (low, size), axes, Extension::Mirror);
    let (row, plane) = (shape[2] * C, shape[1] * shape[2] * C);
    // The positions of the halo of one axis, and those that they mirror.
    let mirrored = |axis: usize| {
        let last = size[axis] as i64 - 1;
        [-1, last + 1, last + 2].map(|at: i64| {
            let period = (2 * last).max(1);
            let folded = at.rem_euclid(period);
            let source = if folded > last {
                period - folded
            } else {
                folded
            };
            ((at + 1) as usize, (source.min(last) + 1) as usize)
        })
    };
    for line in values.chunks_exact_mut(row) {
        for (to, from) in mirrored(2) {
            line.copy_within(from * C..(from + 1) * C, to * C);
        }
    }
    for slice in values.chunks_exact_mut(plane) {
        for (to, from) in mirrored(1) {
            slice.copy_within(from * row..(from + 1) * row, to * row);
        }
    }
    if !planar {
        for (to, from) in mirrored(0) {
            values.copy_within(from * plane..(from + 1) * plane, to * plane);
        }
    }
}

fn multiply(a: [[f64; 3]; 3], b: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    a.map(|row| std::array::from_fn(|j| (0..3).map(|k| row[k] * b[k][j]).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_turns_the_planes_in_the_references_order() {
        let draw = SpatialDraw {
            angles: [0.3, -0.2, 0.5],
            scale: 1.0,
            interpolation: Interpolation::Linear,
            labels: LabelVote::Most,
        };
        let expected = [
            [0.860_089_338_205, -0.509_536_286_608, -0.024_881_779_183],
            [0.469_868_946_949, 0.810_239_185_870, -0.350_336_458_811],
            [0.198_669_330_795, 0.289_629_477_625, 0.936_293_363_584],
        ];
        let found = draw.matrix(PatchGeometry::Volume);
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            assert!((found - expected).abs() < 1e-11);
        }
    }
}
