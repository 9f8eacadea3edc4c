//! Where the voxels of a rotated and scaled patch come from.

use std::ops::Range;

use super::sampling::RowPath;
use crate::setup::PatchGeometry;

/// Points that rounding puts just outside the image still count as inside.
const EDGE_TOLERANCE: f64 = 1e-6;
/// Points along a row are found in single precision, to better than this.
const PATH_TOLERANCE: f64 = 1e-3;

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

/// A part of the patch.
#[derive(Clone, Debug)]
pub(super) struct Tile {
    /// Its voxels `(z, y, x)`.
    pub(super) voxels: [Range<usize>; 3],
    /// The voxels of the window that its points lie between, if all lie inside the image.
    pub(super) reached: Option<[Range<usize>; 3]>,
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
        matrix: [[f64; 3]; 3],
        patch: [usize; 3],
        crop: [usize; 3],
        geometry: PatchGeometry,
    ) -> Self {
        Self {
            matrix,
            patch,
            crop,
            geometry,
        }
    }

    /// The box of the crop under all output voxels, at most `border` voxels beyond the crop, and
    /// with a `margin` inside it.
    pub(super) fn window(&self, border: i64, margin: i64) -> Window {
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

    /// Voxels of the patch along `(z, y, x)`.
    pub(super) fn patch(&self) -> [usize; 3] {
        self.patch
    }

    /// Cuts the patch into tiles.
    pub(super) fn tiles(
        &self,
        window: &Window,
        shape: [usize; 3],
        border: f64,
    ) -> impl Iterator<Item = Tile> {
        let cuts = move |axis: usize| {
            let (edge, tile) = (self.patch[axis], shape[axis]);
            let firsts = (0..edge).step_by(tile);
            firsts.map(move |first| first..edge.min(first + tile))
        };
        let voxels = cuts(0).flat_map(move |z| {
            cuts(1).flat_map(move |y| {
                let z = z.clone();
                cuts(2).map(move |x| [z.clone(), y.clone(), x])
            })
        });
        voxels.map(move |voxels| Tile {
            reached: self.reach(&voxels, window, border),
            voxels,
        })
    }

    /// The voxels of the window under a tile and around it, if all its points lie inside.
    fn reach(
        &self,
        tile: &[Range<usize>; 3],
        window: &Window,
        border: f64,
    ) -> Option<[Range<usize>; 3]> {
        let middle = |k: usize| (tile[k].start + tile[k].end - 1) as f64 / 2.0;
        let mut reached = tile.clone();
        let first_axis = usize::from(self.is_planar());
        for (axis, reached) in reached.iter_mut().enumerate().skip(first_axis) {
            let (mut centre, mut reach) = (half(self.crop[axis]), 0.0);
            for (k, along) in self.matrix[axis].into_iter().enumerate() {
                centre += along * (middle(k) - half(self.patch[k]));
                reach += along.abs() * half(tile[k].len());
            }
            let (low, high) = self.limits(axis, border);
            if centre - reach < low || centre + reach > high {
                return None;
            }
            let from = centre - window.low[axis] as f64;
            let first = (from - reach - PATH_TOLERANCE).floor().max(0.0) as usize;
            let last = (from + reach + PATH_TOLERANCE).floor() as usize + 1;
            *reached = first..(last + 1).min(window.shape[axis]);
        }
        Some(reached)
    }

    /// Between which coordinates of the crop points count as inside.
    fn limits(&self, axis: usize, border: f64) -> (f64, f64) {
        (-border, half(self.crop[axis]) * 2.0 + border)
    }

    pub(super) fn is_planar(&self) -> bool {
        self.geometry != PatchGeometry::Volume
    }

    /// Calls `work` for all rows of all tiles; see [`for_each_row_of`](Self::for_each_row_of).
    pub(super) fn for_each_row(
        &self,
        window: &Window,
        tile: [usize; 3],
        (kernel_offset, border): (f64, f64),
        mut work: impl FnMut(Range<usize>, Option<usize>, &RowPath),
    ) {
        for tile in self.tiles(window, tile, border) {
            self.for_each_row_of(&tile, window, (kernel_offset, border), &mut work);
        }
    }

    /// Calls `work` for each row of a tile with its voxels in the patch, the slice of the window
    /// that it is read from (`None` if from all), and the path of its points. Points more than
    /// `border` outside the crop are left out.
    pub(super) fn for_each_row_of(
        &self,
        tile: &Tile,
        window: &Window,
        (kernel_offset, border): (f64, f64),
        mut work: impl FnMut(Range<usize>, Option<usize>, &RowPath),
    ) {
        let [nz, ny, nx] = self.patch;
        let step = [0, 1, 2].map(|axis| self.matrix[axis][2]);
        let [slices, rows, part] = &tile.voxels;
        for (z, y) in slices
            .clone()
            .flat_map(|z| rows.clone().map(move |y| (z, y)))
        {
            let position = [z as f64 - half(nz), y as f64 - half(ny), -half(nx)];
            let start: [f64; 3] = std::array::from_fn(|axis| {
                let moved: f64 = (0..3).map(|k| self.matrix[axis][k] * position[k]).sum();
                moved + half(self.crop[axis])
            });
            let mut inside = part.clone();
            if tile.reached.is_none() {
                for axis in usize::from(self.is_planar())..3 {
                    let limits = self.limits(axis, border);
                    inside = steps_within(inside, start[axis], step[axis], limits);
                }
            }
            let path = RowPath {
                start: std::array::from_fn(|axis| {
                    (start[axis] - window.low[axis] as f64 - kernel_offset) as f32
                }),
                step: step.map(|v| v as f32),
                part: part.clone(),
                inside,
            };
            let row = (z * ny + y) * nx;
            let voxels = row + part.start..row + part.end;
            work(voxels, self.is_planar().then_some(z), &path);
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
}
