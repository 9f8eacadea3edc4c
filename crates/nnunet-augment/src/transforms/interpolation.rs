//! Intensities between voxels, row by row, for voxels of several channels side by side: the place
//! of a point and the weights of its neighbours serve all of them.
#![expect(
    clippy::needless_range_loop,
    reason = "loops over lanes and channels become vector instructions"
)]

use super::bspline::{self, GAIN};
use super::sampling::{LANES, Points, RowPath, Split, Volume};

/// Interpolates linearly along all three axes. Voxels whose points lie outside become 0.
#[inline(always)]
pub(super) fn linear_volume_row<const C: usize>(
    volume: Volume<'_, [f32; C]>,
    path: &RowPath,
    out: &mut [[f32; C]],
) {
    let Volume { values, shape } = volume;
    let (row, plane) = (shape[2], shape[1] * shape[2]);
    clear_outside(path, out);
    let Some(length) = values.len().checked_sub(plane + row + 1) else {
        out.fill([0.0; C]);
        return;
    };
    // The volume from each of the four pairs of neighbours on.
    let [v0, v1, v2, v3] = [0, row, plane, plane + row].map(|at| &values[at..=at + length]);
    for (j, place) in path.groups() {
        let points = Points::in_volume(shape, path, j, 2);
        let out = &mut out[place];
        if C > 1 {
            // The channels of a voxel side by side make a vector.
            for (lane, out) in out.iter_mut().enumerate() {
                let at = points.corner[lane] as usize;
                if at < length {
                    let pairs = [
                        [v0[at], v0[at + 1]],
                        [v1[at], v1[at + 1]],
                        [v2[at], v2[at + 1]],
                        [v3[at], v3[at + 1]],
                    ];
                    for c in 0..C {
                        out[c] = along_axes(&pairs, c, &points, lane);
                    }
                }
            }
            continue;
        }
        // Else the voxels do, once their neighbours have been gathered.
        let mut found = [[[[0.0_f32; C]; 2]; LANES]; 4];
        for lane in 0..LANES {
            let at = points.corner[lane] as usize;
            if at < length {
                found[0][lane] = [v0[at], v0[at + 1]];
                found[1][lane] = [v1[at], v1[at + 1]];
                found[2][lane] = [v2[at], v2[at + 1]];
                found[3][lane] = [v3[at], v3[at + 1]];
            }
        }
        let mut result = [[0.0; C]; LANES];
        for lane in 0..LANES {
            let tx = points.x.rest[lane];
            let ty = points.y.rest[lane];
            let tz = points.z.rest[lane];
            for c in 0..C {
                let along_x = |n: usize| mix(found[n][lane][0][c], found[n][lane][1][c], tx);
                let (a, b) = (along_x(0), along_x(1));
                let (d, e) = (along_x(2), along_x(3));
                result[lane][c] = mix(mix(a, b, ty), mix(d, e, ty), tz);
            }
        }
        out.copy_from_slice(&result[..out.len()]);
    }
}

/// Channel `c` between four pairs of neighbours.
#[inline(always)]
fn along_axes<const C: usize>(
    pairs: &[[[f32; C]; 2]; 4],
    c: usize,
    points: &Points,
    lane: usize,
) -> f32 {
    let along_x = |n: usize| mix(pairs[n][0][c], pairs[n][1][c], points.x.rest[lane]);
    let along_y = |n: usize| mix(along_x(n), along_x(n + 1), points.y.rest[lane]);
    mix(along_y(0), along_y(2), points.z.rest[lane])
}

/// Interpolates linearly within slice `z`. Voxels whose points lie outside become 0.
#[inline(always)]
pub(super) fn linear_slice_row<const C: usize>(
    volume: Volume<'_, [f32; C]>,
    z: usize,
    path: &RowPath,
    out: &mut [[f32; C]],
) {
    let Volume { values, shape } = volume;
    let row = shape[2];
    clear_outside(path, out);
    let Some(length) = values.len().checked_sub(row + 1) else {
        out.fill([0.0; C]);
        return;
    };
    let [v0, v1] = [0, row].map(|at| &values[at..=at + length]);
    for (j, place) in path.groups() {
        let points = Points::in_slice(shape, z, path, j, 2);
        let mut found = [[[[0.0_f32; C]; 2]; LANES]; 2];
        for lane in 0..LANES {
            let at = points.corner[lane] as usize;
            if at < length {
                found[0][lane] = [v0[at], v0[at + 1]];
                found[1][lane] = [v1[at], v1[at + 1]];
            }
        }
        let mut result = [[0.0; C]; LANES];
        for lane in 0..LANES {
            let tx = points.x.rest[lane];
            for c in 0..C {
                let along_x = |n: usize| mix(found[n][lane][0][c], found[n][lane][1][c], tx);
                result[lane][c] = mix(along_x(0), along_x(1), points.y.rest[lane]);
            }
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
#[inline(always)]
pub(super) fn cubic_volume_row<const C: usize>(
    volume: Volume<'_, [f32; C]>,
    path: &RowPath,
    out: &mut [[f32; C]],
) {
    let Volume { values, shape } = volume;
    let (row, plane) = (shape[2], shape[1] * shape[2]);
    let span = 3 * (plane + row + 1) + 1;
    clear_outside(path, out);
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
                *out = [0.0; C];
                continue;
            };
            let mut sums = [[0.0_f32; C]; 4];
            for (a, wz) in wz[lane].into_iter().enumerate() {
                let in_plane = weighted_rows(&block[a * plane..], row, wy[lane]);
                for t in 0..4 {
                    for c in 0..C {
                        sums[t][c] += wz * in_plane[t][c];
                    }
                }
            }
            *out = weigh(sums, wx[lane], GAIN * GAIN * GAIN);
        }
    }
}

/// Interpolates within slice `z`, likewise.
#[inline(always)]
pub(super) fn cubic_slice_row<const C: usize>(
    volume: Volume<'_, [f32; C]>,
    z: usize,
    path: &RowPath,
    out: &mut [[f32; C]],
) {
    let Volume { values, shape } = volume;
    let row = shape[2];
    clear_outside(path, out);
    for (j, place) in path.groups() {
        let points = Points::in_slice(shape, z, path, j, 4);
        let wy = spline_weights(&points.y);
        let wx = spline_weights(&points.x);
        for (lane, out) in out[place].iter_mut().enumerate() {
            let block = values
                .get(points.corner[lane] as usize..)
                .unwrap_or_default();
            *out = weigh(weighted_rows(block, row, wy[lane]), wx[lane], GAIN * GAIN);
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
fn weighted_rows<const C: usize>(
    block: &[[f32; C]],
    row: usize,
    weights: [f32; 4],
) -> [[f32; C]; 4] {
    let mut sums = [[0.0; C]; 4];
    let Some(block) = block.get(..3 * row + 4) else {
        return sums;
    };
    let first = |at: usize| (block[at..].first_chunk::<4>()).map_or([[0.0; C]; 4], |found| *found);
    let (r0, r1, r2, r3) = (first(0), first(row), first(2 * row), first(3 * row));
    let [w0, w1, w2, w3] = weights;
    for t in 0..4 {
        for c in 0..C {
            sums[t][c] = (w0 * r0[t][c] + w1 * r1[t][c]) + (w2 * r2[t][c] + w3 * r3[t][c]);
        }
    }
    sums
}

#[inline(always)]
fn weigh<const C: usize>(sums: [[f32; C]; 4], weights: [f32; 4], gain: f32) -> [f32; C] {
    let mut weighted = sums;
    for t in 0..4 {
        for c in 0..C {
            weighted[t][c] *= weights[t];
        }
    }
    let [a, b, d, e] = weighted;
    let mut result = [0.0; C];
    for c in 0..C {
        result[c] = gain * ((a[c] + b[c]) + (d[c] + e[c]));
    }
    result
}

/// Zeros for the voxels of a part of a row whose points lie outside.
#[inline(always)]
fn clear_outside<const C: usize>(path: &RowPath, out: &mut [[f32; C]]) {
    if path.inside.is_empty() {
        out.fill([0.0; C]);
        return;
    }
    let first = path.part.start;
    out[..path.inside.start - first].fill([0.0; C]);
    out[path.inside.end - first..].fill([0.0; C]);
}
