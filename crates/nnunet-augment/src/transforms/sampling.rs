//! Reading intensities between voxels along a straight path, row by row.
//!
//! A row is worked on a few voxels at a time: where they lie and how their neighbours weigh is
//! computed for all of them at once, which the compiler turns into vector instructions.
#![expect(
    clippy::needless_range_loop,
    reason = "loops over lanes become vector instructions"
)]

use std::ops::Range;

use super::bspline;

/// Voxels that are worked on at a time.
pub(super) const LANES: usize = 16;

/// The points under a part of a row of output voxels: that of voxel `j` of the row is
/// `start + j · step`, counted in voxels from the first one that a kernel at that place touches.
#[derive(Clone, Debug)]
pub(super) struct RowPath {
    pub(super) start: [f32; 3],
    pub(super) step: [f32; 3],
    /// The voxels of the row that the part consists of.
    pub(super) part: Range<usize>,
    /// Those of them whose points lie inside the image.
    pub(super) inside: Range<usize>,
}

impl RowPath {
    /// The voxels inside, in groups: the first one, and where the group lies in the part.
    #[inline(always)]
    pub(super) fn groups(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let (first, end) = (self.part.start, self.inside.end);
        self.inside.clone().step_by(LANES).map(move |j| {
            let last = end.min(j + LANES);
            (j, j - first..last - first)
        })
    }

    /// Coordinates along an axis from voxel `j` on, each split into the first voxel of a kernel,
    /// at most `last`, and the rest.
    #[inline(always)]
    fn split(&self, axis: usize, j: usize, last: usize) -> Split {
        let (start, step) = (self.start[axis], self.step[axis]);
        let (first, last) = (j as f32, last as f32);
        let mut split = Split {
            floor: [0.0; LANES],
            rest: [0.0; LANES],
        };
        for lane in 0..LANES {
            let at = start + (first + LANE[lane]) * step;
            let rounded = (at + WHOLE) - WHOLE;
            let floor = if rounded > at { rounded - 1.0 } else { rounded };
            let floor = if floor > 0.0 { floor } else { 0.0 };
            let floor = if floor < last { floor } else { last };
            split.floor[lane] = floor;
            split.rest[lane] = at - floor;
        }
        split
    }
}

/// Numbers from here to twice this have no fraction, and their lowest bits are that of the
/// whole number above it.
const WHOLE: f32 = 8_388_608.0; // 2²³
/// The number of each lane.
const LANE: [f32; LANES] = {
    let mut lanes = [0.0; LANES];
    let mut lane = 0;
    while lane < LANES {
        lanes[lane] = lane as f32;
        lane += 1;
    }
    lanes
};

/// Coordinates along one axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    /// First voxels of kernels.
    floor: [f32; LANES],
    /// How far the points are beyond them.
    pub(super) rest: [f32; LANES],
}

impl Split {
    /// The first voxel of one lane's kernel.
    #[inline(always)]
    pub(super) fn index(&self, lane: usize) -> u32 {
        (self.floor[lane] + WHOLE).to_bits() & 0x007f_ffff
    }
}

/// A contiguous volume.
#[derive(Clone, Copy, Debug)]
pub(super) struct Volume<'a, T> {
    pub(super) values: &'a [T],
    pub(super) shape: [usize; 3],
}

/// The kernels along a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Points {
    /// The first voxel of each, counted through the volume.
    pub(super) corner: [u32; LANES],
    pub(super) z: Split,
    pub(super) y: Split,
    pub(super) x: Split,
}

impl Points {
    /// Points of a volume from voxel `j` of a row on, for kernels of `taps` voxels.
    #[inline(always)]
    pub(super) fn in_volume(shape: [usize; 3], path: &RowPath, j: usize, taps: usize) -> Self {
        let last = shape.map(|n| n.saturating_sub(taps));
        let z = path.split(0, j, last[0]);
        Self::at(shape, z, path, j, last)
    }

    /// Points of slice `z`, likewise.
    #[inline(always)]
    pub(super) fn in_slice(
        shape: [usize; 3],
        z: usize,
        path: &RowPath,
        j: usize,
        taps: usize,
    ) -> Self {
        let last = shape.map(|n| n.saturating_sub(taps));
        let z = Split {
            floor: [z as f32; LANES],
            rest: [0.0; LANES],
        };
        Self::at(shape, z, path, j, last)
    }

    #[inline(always)]
    fn at(shape: [usize; 3], z: Split, path: &RowPath, j: usize, last: [usize; 3]) -> Self {
        let y = path.split(1, j, last[1]);
        let x = path.split(2, j, last[2]);
        // A window of 2³² voxels would not fit into memory.
        let (ny, nx) = (shape[1] as u32, shape[2] as u32);
        let mut corner = [0; LANES];
        for lane in 0..LANES {
            let row = z.index(lane).wrapping_mul(ny).wrapping_add(y.index(lane));
            corner[lane] = row.wrapping_mul(nx).wrapping_add(x.index(lane));
        }
        Self { corner, z, y, x }
    }
}

/// Interpolates linearly along all three axes. Voxels whose points lie outside become 0.
pub(super) fn linear_volume_row(volume: Volume<'_, f32>, path: &RowPath, out: &mut [f32]) {
    let Volume { values, shape } = volume;
    let (row, plane) = (shape[2], shape[1] * shape[2]);
    if path.inside != path.part {
        out.fill(0.0);
    }
    let Some(length) = values.len().checked_sub(plane + row + 1) else {
        out.fill(0.0);
        return;
    };
    // The volume from each of the four pairs of neighbours on.
    let [v0, v1, v2, v3] = [0, row, plane, plane + row].map(|at| &values[at..=at + length]);
    for (j, place) in path.groups() {
        let points = Points::in_volume(shape, path, j, 2);
        let mut found = [[[0.0_f32; 2]; LANES]; 4];
        for lane in 0..LANES {
            let at = points.corner[lane] as usize;
            if at < length {
                found[0][lane] = [v0[at], v0[at + 1]];
                found[1][lane] = [v1[at], v1[at + 1]];
                found[2][lane] = [v2[at], v2[at + 1]];
                found[3][lane] = [v3[at], v3[at + 1]];
            }
        }
        let mut result = [0.0; LANES];
        for lane in 0..LANES {
            let tx = points.x.rest[lane];
            let a = mix(found[0][lane][0], found[0][lane][1], tx);
            let b = mix(found[1][lane][0], found[1][lane][1], tx);
            let c = mix(found[2][lane][0], found[2][lane][1], tx);
            let d = mix(found[3][lane][0], found[3][lane][1], tx);
            let ty = points.y.rest[lane];
            result[lane] = mix(mix(a, b, ty), mix(c, d, ty), points.z.rest[lane]);
        }
        let count = place.len();
        out[place].copy_from_slice(&result[..count]);
    }
}

/// Interpolates linearly within slice `z`. Voxels whose points lie outside become 0.
pub(super) fn linear_slice_row(volume: Volume<'_, f32>, z: usize, path: &RowPath, out: &mut [f32]) {
    let Volume { values, shape } = volume;
    let row = shape[2];
    if path.inside != path.part {
        out.fill(0.0);
    }
    let Some(length) = values.len().checked_sub(row + 1) else {
        out.fill(0.0);
        return;
    };
    let [v0, v1] = [0, 1].map(|at| &values[at..at + length]);
    let [v2, v3] = [row, row + 1].map(|at| &values[at..at + length]);
    for (j, place) in path.groups() {
        let points = Points::in_slice(shape, z, path, j, 2);
        let mut found = [[0.0_f32; LANES]; 4];
        for lane in 0..LANES {
            let at = points.corner[lane] as usize;
            if at < length {
                found[0][lane] = v0[at];
                found[1][lane] = v1[at];
                found[2][lane] = v2[at];
                found[3][lane] = v3[at];
            }
        }
        let mut result = [0.0; LANES];
        for lane in 0..LANES {
            let tx = points.x.rest[lane];
            let a = mix(found[0][lane], found[1][lane], tx);
            let b = mix(found[2][lane], found[3][lane], tx);
            result[lane] = mix(a, b, points.y.rest[lane]);
        }
        let count = place.len();
        out[place].copy_from_slice(&result[..count]);
    }
}

#[inline(always)]
fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// Interpolates along all three axes with coefficients of cubic splines. Voxels whose points lie
/// outside become 0.
pub(super) fn cubic_volume_row(
    volume: Volume<'_, f32>,
    path: &RowPath,
    gain: f32,
    out: &mut [f32],
) {
    let Volume { values, shape } = volume;
    let (row, plane) = (shape[2], shape[1] * shape[2]);
    let span = 3 * (plane + row + 1) + 1;
    if path.inside != path.part {
        out.fill(0.0);
    }
    for (j, place) in path.groups() {
        let points = Points::in_volume(shape, path, j, 4);
        let wz = spline_weights(&points.z);
        let wy = spline_weights(&points.y);
        let wx = spline_weights(&points.x);
        for (lane, out) in out[place].iter_mut().enumerate() {
            let Some(block) = values
                .get(points.corner[lane] as usize..)
                .and_then(|v| v.get(..span))
            else {
                *out = 0.0;
                continue;
            };
            let mut sums = [0.0_f32; 4];
            for (a, wz) in wz[lane].into_iter().enumerate() {
                let in_plane = weighted_rows(&block[a * plane..], row, wy[lane]);
                for t in 0..4 {
                    sums[t] += wz * in_plane[t];
                }
            }
            *out = gain * weigh(sums, wx[lane]);
        }
    }
}

/// Interpolates within slice `z`, likewise.
pub(super) fn cubic_slice_row(
    volume: Volume<'_, f32>,
    z: usize,
    path: &RowPath,
    gain: f32,
    out: &mut [f32],
) {
    let Volume { values, shape } = volume;
    let row = shape[2];
    if path.inside != path.part {
        out.fill(0.0);
    }
    for (j, place) in path.groups() {
        let points = Points::in_slice(shape, z, path, j, 4);
        let wy = spline_weights(&points.y);
        let wx = spline_weights(&points.x);
        for (lane, out) in out[place].iter_mut().enumerate() {
            let block = values
                .get(points.corner[lane] as usize..)
                .unwrap_or_default();
            *out = gain * weigh(weighted_rows(block, row, wy[lane]), wx[lane]);
        }
    }
}

#[inline(always)]
fn spline_weights(split: &Split) -> [[f32; 4]; LANES] {
    let mut weights = [[0.0; 4]; LANES];
    for (weights, rest) in weights.iter_mut().zip(&split.rest) {
        *weights = bspline::weights(*rest);
    }
    weights
}

/// The weighted sum of the first four voxels of four rows; zeros if they are not there.
#[inline(always)]
fn weighted_rows(block: &[f32], row: usize, weights: [f32; 4]) -> [f32; 4] {
    let Some(block) = block.get(..3 * row + 4) else {
        return [0.0; 4];
    };
    let first = |at: usize| (block[at..].first_chunk::<4>()).map_or([0.0; 4], |found| *found);
    let (a, b, c, d) = (first(0), first(row), first(2 * row), first(3 * row));
    let [wa, wb, wc, wd] = weights;
    std::array::from_fn(|t| (wa * a[t] + wb * b[t]) + (wc * c[t] + wd * d[t]))
}

#[inline(always)]
fn weigh(sums: [f32; 4], weights: [f32; 4]) -> f32 {
    let [a, b, c, d] = std::array::from_fn(|t| sums[t] * weights[t]);
    (a + b) + (c + d)
}
