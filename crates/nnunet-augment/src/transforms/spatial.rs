//! Rotation and scaling of a crop about its centre, in one interpolation.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::bspline::{self, Extension, GAIN};
use super::labels::{vote_slice_row, vote_volume_row};
use super::sampling::{Cubic, Linear, RowPath, Volume, sample_slice_row, sample_volume_row};
use crate::augmentation::{Interpolation, LabelVote};
use crate::setup::PatchGeometry;

/// Samples beyond those under the kernel from which spline coefficients are found: what lies
/// further away weighs less than 10⁻⁵.
const FILTER_MARGIN: i64 = 9;
/// Points that rounding puts just outside the image still count as inside.
const EDGE_TOLERANCE: f64 = 1e-6;

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

/// A box of a crop, in voxels of the crop; it may reach beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) low: [i64; 3],
    pub(crate) shape: [usize; 3],
}

impl Window {
    pub(crate) fn volume(&self) -> usize {
        self.shape.iter().product()
    }
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

    /// Interpolates one channel. `values` are those of the [`image_window`](Self::image_window)
    /// and are spoilt.
    pub(crate) fn resample_image(
        &self,
        motion: &Motion,
        window: &Window,
        values: &mut [f32],
        out: &mut [f32],
    ) {
        let planar = motion.geometry != PatchGeometry::Volume;
        let shape = window.shape;
        if self.interpolation == Interpolation::Cubic {
            to_coefficients(values, shape, planar);
        }
        let volume = Volume { values, shape };
        let border = match self.interpolation {
            Interpolation::Linear => 1.0,
            Interpolation::Cubic => 0.0,
        };
        motion.for_each_row(window, self.kernel_offset(), border, |row, z, path| {
            let out = &mut out[row];
            match (self.interpolation, z) {
                (Interpolation::Linear, None) => {
                    sample_volume_row::<2, Linear>(volume, path, 1.0, out);
                }
                (Interpolation::Cubic, None) => {
                    sample_volume_row::<4, Cubic>(volume, path, GAIN * GAIN * GAIN, out);
                }
                (Interpolation::Linear, Some(z)) => {
                    sample_slice_row::<2, Linear>(volume, z, path, 1.0, out);
                }
                (Interpolation::Cubic, Some(z)) => {
                    sample_slice_row::<4, Cubic>(volume, z, path, GAIN * GAIN, out);
                }
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
        motion.for_each_row(window, 0.0, 1.0, |row, z, path| match z {
            None => vote_volume_row(volume, path, self.labels, &mut out[row]),
            Some(z) => vote_slice_row(volume, z, path, self.labels, &mut out[row]),
        });
    }

    /// How far before a point, beyond the voxel below it, its kernel begins.
    fn kernel_offset(&self) -> f64 {
        match self.interpolation {
            Interpolation::Linear => 0.0,
            Interpolation::Cubic => 1.0,
        }
    }
}

/// Where the voxels of a patch come from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Motion {
    matrix: [[f64; 3]; 3],
    patch: [usize; 3],
    crop: [usize; 3],
    geometry: PatchGeometry,
}

impl Motion {
    pub(crate) fn new(
        draw: &SpatialDraw,
        patch: [usize; 3],
        crop: [usize; 3],
        geometry: PatchGeometry,
    ) -> Self {
        Self {
            matrix: draw.matrix(geometry),
            patch,
            crop,
            geometry,
        }
    }

    /// The box of the crop under all output voxels, at most `border` voxels beyond the crop, and
    /// with a `margin` inside it.
    fn window(&self, border: i64, margin: i64) -> Window {
        let mut low = [0; 3];
        let mut shape = [0; 3];
        for axis in 0..3 {
            if axis == 0 && self.geometry != PatchGeometry::Volume {
                low[0] = self.first_slice();
                shape[0] = self.patch[0];
                continue;
            }
            let crop = self.crop[axis] as i64;
            let centre = (crop - 1) as f64 / 2.0;
            let reach: f64 = (0..3)
                .map(|k| self.matrix[axis][k].abs() * half(self.patch[k]))
                .sum();
            let first = (centre - reach - EDGE_TOLERANCE).floor() as i64 - margin;
            let last = (centre + reach + EDGE_TOLERANCE).floor() as i64 + 1 + margin;
            let first = first.max(-border);
            let last = last.min(crop - 1 + border);
            low[axis] = first;
            shape[axis] = (last - first + 1).max(0) as usize;
        }
        if margin > 0 {
            add_halo(&mut low, &mut shape, self.geometry);
        }
        Window { low, shape }
    }

    /// The slice of the crop that becomes the first one of the patch.
    fn first_slice(&self) -> i64 {
        (self.crop[0] / 2) as i64 - (self.patch[0] / 2) as i64
    }

    /// Calls `work` for each row of the patch with its voxels, the slice of the window that it
    /// is read from (`None` if from all), and the path of its points. Points more than `border`
    /// outside the crop are left out.
    fn for_each_row(
        &self,
        window: &Window,
        kernel_offset: f64,
        border: f64,
        mut work: impl FnMut(Range<usize>, Option<usize>, &RowPath),
    ) {
        let [nz, ny, nx] = self.patch;
        let step = [0, 1, 2].map(|axis| self.matrix[axis][2]);
        let planar = self.geometry != PatchGeometry::Volume;
        for z in 0..nz {
            for y in 0..ny {
                let position = [z as f64 - half(nz), y as f64 - half(ny), -half(nx)];
                let start: [f64; 3] = std::array::from_fn(|axis| {
                    let moved: f64 = (0..3).map(|k| self.matrix[axis][k] * position[k]).sum();
                    moved + half(self.crop[axis])
                });
                let mut inside = 0..nx;
                for axis in usize::from(planar)..3 {
                    let limits = (-border, half(self.crop[axis]) * 2.0 + border);
                    inside = steps_within(inside, start[axis], step[axis], limits);
                }
                let path = RowPath {
                    start: std::array::from_fn(|axis| {
                        (start[axis] - window.low[axis] as f64 - kernel_offset) as f32
                    }),
                    step: step.map(|v| v as f32),
                    inside,
                };
                let row = (z * ny + y) * nx;
                work(row..row + nx, planar.then_some(z), &path);
            }
        }
    }
}

/// Half the distance between the first and the last voxel of an edge.
fn half(edge: usize) -> f64 {
    (edge as f64 - 1.0) / 2.0
}

/// Makes room for the one coefficient before and the two after the box that a kernel at its
/// border needs.
fn add_halo(low: &mut [i64; 3], shape: &mut [usize; 3], geometry: PatchGeometry) {
    for axis in usize::from(geometry != PatchGeometry::Volume)..3 {
        low[axis] -= 1;
        shape[axis] += 3;
    }
}

/// Turns samples into spline coefficients inside the halo, and mirrors them into it.
fn to_coefficients(values: &mut [f32], shape: [usize; 3], planar: bool) {
    let axes = [!planar, true, true];
    let low = axes.map(usize::from);
    let size = [0, 1, 2].map(|a| shape[a] - 3 * low[a]);
    bspline::prefilter(values, shape, (low, size), axes, Extension::Mirror);
    let (row, plane) = (shape[2], shape[1] * shape[2]);
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
            line[to] = line[from];
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

/// The part of a range of steps for which `start + step · j` lies within the limits.
fn steps_within(
    range: Range<usize>,
    start: f64,
    step: f64,
    (low, high): (f64, f64),
) -> Range<usize> {
    let (low, high) = (low - EDGE_TOLERANCE, high + EDGE_TOLERANCE);
    if step.abs() < 1e-12 {
        return if (low..=high).contains(&start) {
            range
        } else {
            0..0
        };
    }
    let (a, b) = ((low - start) / step, (high - start) / step);
    let first = a.min(b).ceil().max(range.start as f64) as usize;
    let end = (a.max(b).floor() + 1.0).clamp(0.0, range.end as f64) as usize;
    first..end.max(first)
}

fn multiply(a: [[f64; 3]; 3], b: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    a.map(|row| std::array::from_fn(|j| (0..3).map(|k| row[k] * b[k][j]).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_within_are_those_inside() {
        assert_eq!(steps_within(0..10, -2.0, 1.0, (0.0, 3.0)), 2..6);
        assert_eq!(steps_within(0..10, 5.0, -1.0, (0.0, 3.0)), 2..6);
        assert_eq!(steps_within(0..10, 1.0, 0.0, (0.0, 3.0)), 0..10);
        assert!(steps_within(0..10, 4.0, 0.0, (0.0, 3.0)).is_empty());
        assert!(steps_within(0..10, 4.0, 1.0, (0.0, 3.0)).is_empty());
        assert!(steps_within(0..10, -40.0, 1.0, (0.0, 3.0)).is_empty());
    }

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
