//! Reading intensities between voxels along a straight path, row by row.

use std::ops::Range;

use super::bspline;

/// The points under one row of output voxels: `start + j · step`, counted in voxels from the
/// first one that a kernel at that place touches.
#[derive(Clone, Debug)]
pub(super) struct RowPath {
    pub(super) start: [f32; 3],
    pub(super) step: [f32; 3],
    /// The output voxels whose points lie inside the image.
    pub(super) inside: Range<usize>,
}

/// A contiguous volume.
#[derive(Clone, Copy, Debug)]
pub(super) struct Volume<'a, T> {
    pub(super) values: &'a [T],
    pub(super) shape: [usize; 3],
}

/// The weights of `T` neighbouring voxels at a point `t` (0 … 1) beyond the middle ones' first.
pub(super) trait Kernel<const T: usize> {
    fn weights(t: f32) -> [f32; T];
}

#[derive(Debug)]
pub(super) struct Linear;

impl Kernel<2> for Linear {
    #[inline(always)]
    fn weights(t: f32) -> [f32; 2] {
        [1.0 - t, t]
    }
}

#[derive(Debug)]
pub(super) struct Cubic;

impl Kernel<4> for Cubic {
    #[inline(always)]
    fn weights(t: f32) -> [f32; 4] {
        bspline::weights(t)
    }
}

/// Splits a coordinate into the first voxel of a kernel, at most `last`, and the rest.
#[inline(always)]
pub(super) fn split(at: f32, last: usize) -> (usize, f32) {
    // The cast saturates, so that rounding just below 0 is harmless.
    let index = (at as i32).max(0).min(last as i32);
    (index as usize, at - index as f32)
}

/// Interpolates along all three axes. Voxels whose points lie outside become 0.
pub(super) fn sample_volume_row<const T: usize, K: Kernel<T>>(
    volume: Volume<'_, f32>,
    path: &RowPath,
    gain: f32,
    out: &mut [f32],
) {
    let Volume { values, shape } = volume;
    let (row, plane) = (shape[2], shape[1] * shape[2]);
    let last = shape.map(|n| n.saturating_sub(T));
    out.fill(0.0);
    for j in path.inside.clone() {
        let step = j as f32;
        let (z, tz) = split(path.start[0] + step * path.step[0], last[0]);
        let (y, ty) = split(path.start[1] + step * path.step[1], last[1]);
        let (x, tx) = split(path.start[2] + step * path.step[2], last[2]);
        let (wz, wy) = (K::weights(tz), K::weights(ty));
        let corner = z * plane + y * row + x;
        let mut sums = [0.0_f32; T];
        for (a, wz) in wz.into_iter().enumerate() {
            let mut in_plane = [0.0_f32; T];
            for (b, wy) in wy.into_iter().enumerate() {
                add_neighbours(values, corner + a * plane + b * row, wy, &mut in_plane);
            }
            for (sum, value) in sums.iter_mut().zip(in_plane) {
                *sum += wz * value;
            }
        }
        out[j] = gain * weigh(sums, K::weights(tx));
    }
}

/// Interpolates within slice `z`. Voxels whose points lie outside become 0.
pub(super) fn sample_slice_row<const T: usize, K: Kernel<T>>(
    volume: Volume<'_, f32>,
    z: usize,
    path: &RowPath,
    gain: f32,
    out: &mut [f32],
) {
    let Volume { values, shape } = volume;
    let row = shape[2];
    let slice = z * shape[1] * row;
    let last = shape.map(|n| n.saturating_sub(T));
    out.fill(0.0);
    for j in path.inside.clone() {
        let step = j as f32;
        let (y, ty) = split(path.start[1] + step * path.step[1], last[1]);
        let (x, tx) = split(path.start[2] + step * path.step[2], last[2]);
        let wy = K::weights(ty);
        let corner = slice + y * row + x;
        let mut sums = [0.0_f32; T];
        for (b, wy) in wy.into_iter().enumerate() {
            add_neighbours(values, corner + b * row, wy, &mut sums);
        }
        out[j] = gain * weigh(sums, K::weights(tx));
    }
}

#[inline(always)]
fn add_neighbours<const T: usize>(values: &[f32], at: usize, weight: f32, sums: &mut [f32; T]) {
    if let Some(neighbours) = values.get(at..).and_then(|rest| rest.first_chunk::<T>()) {
        for t in 0..T {
            sums[t] += weight * neighbours[t];
        }
    }
}

#[inline(always)]
fn weigh<const T: usize>(sums: [f32; T], weights: [f32; T]) -> f32 {
    sums.iter().zip(weights).map(|(s, w)| s * w).sum()
}
