//! Cubic B-splines: from samples to coefficients, and the weights of the basis.
//!
//! The filter leaves out the gain of 6 per axis; whoever evaluates multiplies it in
//! ([`GAIN`]), which saves a pass over the volume.

use crate::simd::wide;

/// What coefficients have to be multiplied with, per filtered axis.
pub(super) const GAIN: f32 = 6.0;

/// The pole of the filter, √3 − 2.
const POLE: f32 = -0.267_949_2;
/// After so many samples the filter has forgotten (pole¹⁶ < 10⁻⁹).
const HORIZON: usize = 16;
/// Rows that are filtered side by side along the contiguous axis.
const LANES: usize = 16;

/// How the samples go on beyond the border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extension {
    /// Mirrored about the outermost sample.
    Mirror,
    /// Constant; the two outermost samples must be equal.
    Constant,
}

/// The weights of the four samples around a point at `t` (0 … 1) beyond the second.
#[inline(always)]
pub(super) fn weights(t: f32) -> [f32; 4] {
    let s = 1.0 - t;
    let (tt, ss) = (t * t, s * s);
    const SIXTH: f32 = 1.0 / 6.0;
    [
        ss * s * SIXTH,
        (4.0 - 3.0 * tt * (2.0 - t)) * SIXTH,
        (4.0 - 3.0 * ss * (2.0 - s)) * SIXTH,
        tt * t * SIXTH,
    ]
}

/// Turns the samples in the box `low .. low + size` of a volume into coefficients, along the
/// chosen axes; voxels outside the box are neither read nor written. A voxel has `C` channels,
/// side by side.
pub(super) fn prefilter<const C: usize>(
    volume: &mut [f32],
    shape: [usize; 3],
    (low, size): ([usize; 3], [usize; 3]),
    axes: [bool; 3],
    extension: Extension,
) {
    let (row, plane) = (shape[2] * C, shape[1] * shape[2] * C);
    let corner = low[0] * plane + low[1] * row + low[2] * C;
    let width = size[2] * C;
    if axes[0] {
        for y in 0..size[1] {
            filter(volume, corner + y * row, (size[0], plane, width), extension);
        }
    }
    // Both axes of a slice while it is in the caches.
    let mut interleaved = vec![[0.0; C]; size[2] * side_by_side::<C>()];
    for z in 0..size[0] {
        let slice = corner + z * plane;
        if axes[1] {
            filter(volume, slice, (size[1], row, width), extension);
        }
        if axes[2] {
            let rows = (size[1], row, size[2]);
            filter_rows(volume, slice, rows, extension, &mut interleaved);
        }
    }
}

/// So many rows are filtered side by side.
const fn side_by_side<const C: usize>() -> usize {
    if C < LANES { LANES / C } else { 1 }
}

/// Filters `count` rows of `length` voxels, `step` apart, along themselves: several at a time,
/// interleaved so that the recursion of one does not wait for itself.
fn filter_rows<const C: usize>(
    volume: &mut [f32],
    start: usize,
    (count, step, length): (usize, usize, usize),
    extension: Extension,
    interleaved: &mut [[f32; C]],
) {
    let side_by_side = side_by_side::<C>();
    for first in (0..count).step_by(side_by_side) {
        let last = count.min(first + side_by_side);
        let starts = (first..last).map(|k| start + k * step);
        for (lane, start) in starts.clone().enumerate() {
            let row = volume[start..start + length * C].as_chunks::<C>().0;
            let slots = interleaved.iter_mut().skip(lane).step_by(side_by_side);
            slots.zip(row).for_each(|(slot, voxel)| *slot = *voxel);
        }
        let width = side_by_side * C;
        let rows = (length, width, width);
        filter(interleaved.as_flattened_mut(), 0, rows, extension);
        for (lane, start) in starts.enumerate() {
            let row = volume[start..start + length * C].as_chunks_mut::<C>().0;
            let slots = interleaved.iter().skip(lane).step_by(side_by_side);
            row.iter_mut()
                .zip(slots)
                .for_each(|(voxel, slot)| *voxel = *slot);
        }
    }
}

/// Filters `count` rows of `width` voxels, `step` apart, along their sequence.
fn filter(volume: &mut [f32], start: usize, rows: (usize, usize, usize), extension: Extension) {
    wide(
        #[inline(always)]
        || filter_inlined(volume, start, rows, extension),
    );
}

#[inline(always)]
fn filter_inlined(
    volume: &mut [f32],
    start: usize,
    (count, step, width): (usize, usize, usize),
    extension: Extension,
) {
    let at = |k: usize| start + k * step;
    if count < 2 {
        let row = &mut volume[start..start + width];
        row.iter_mut().for_each(|v| *v /= GAIN);
        return;
    }
    match extension {
        Extension::Constant => {
            let row = &mut volume[start..start + width];
            row.iter_mut().for_each(|v| *v /= 1.0 - POLE);
        }
        Extension::Mirror => {
            // The mirrored sequence has period 2(count − 1).
            let period = 2 * (count - 1);
            let mut factor = 1.0;
            let mut sum: Vec<f32> = volume[start..start + width].to_vec();
            for k in 1..HORIZON {
                factor *= POLE;
                let folded = (k % period).min(period - k % period);
                let row = &volume[at(folded)..][..width];
                sum.iter_mut().zip(row).for_each(|(s, v)| *s += factor * v);
            }
            volume[start..start + width].copy_from_slice(&sum);
        }
    }
    for k in 1..count {
        let (before, row) = volume.split_at_mut(at(k));
        let before = &before[at(k - 1)..][..width];
        let row = &mut row[..width];
        row.iter_mut().zip(before).for_each(|(v, b)| *v += POLE * b);
    }
    let (before, last) = volume.split_at_mut(at(count - 1));
    let before = &before[at(count - 2)..][..width];
    for (value, before) in last[..width].iter_mut().zip(before) {
        *value = match extension {
            Extension::Mirror => POLE / (POLE * POLE - 1.0) * (*value + POLE * before),
            Extension::Constant => {
                let sample = *value - POLE * before;
                let limit = sample / (1.0 - POLE);
                -POLE * (limit / (1.0 - POLE) + (*value - limit) / (1.0 - POLE * POLE))
            }
        };
    }
    for k in (0..count - 1).rev() {
        let (row, after) = volume.split_at_mut(at(k + 1));
        let row = &mut row[at(k)..][..width];
        row.iter_mut()
            .zip(&after[..width])
            .for_each(|(v, a)| *v = POLE * (a - *v));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(n: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * i) as f32 * 0.37).sin()).collect()
    }

    #[test]
    fn the_spline_passes_through_mirrored_samples() {
        for n in [2, 3, 5, 40] {
            let original = samples(n);
            let mut line = original.clone();
            prefilter::<1>(
                &mut line,
                [1, 1, n],
                ([0; 3], [1, 1, n]),
                [false, false, true],
                Extension::Mirror,
            );
            for i in 0..n {
                let left = line[if i == 0 { 1 } else { i - 1 }];
                let right = line[if i + 1 == n { n - 2 } else { i + 1 }];
                let value = GAIN * (left + 4.0 * line[i] + right) / 6.0;
                assert!((value - original[i]).abs() < 2e-6, "{n} {i}");
            }
        }
    }

    #[test]
    fn the_spline_passes_through_samples_that_go_on_for_ever() {
        let mut original = samples(9);
        original[1] = original[0];
        original[7] = original[8];
        let mut line = original.clone();
        prefilter::<1>(
            &mut line,
            [1, 9, 1],
            ([0; 3], [1, 9, 1]),
            [false, true, false],
            Extension::Constant,
        );
        for i in 1..8 {
            let value = line[i - 1] + 4.0 * line[i] + line[i + 1];
            assert!((value - original[i]).abs() < 2e-6, "{i}");
        }
    }

    #[test]
    fn weights_are_those_of_the_basis() {
        assert_eq!(
            weights(0.0).map(|w| (w * 6.0).round()),
            [1.0, 4.0, 1.0, 0.0]
        );
        for t in [0.0, 0.2, 0.5, 0.9] {
            assert!((weights(t).iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn only_the_box_is_touched() {
        let shape = [4, 5, 6];
        let mut volume: Vec<f32> = samples(120);
        let before = volume.clone();
        let bounds = ([1, 1, 1], [2, 3, 3]);
        prefilter::<1>(&mut volume, shape, bounds, [true; 3], Extension::Mirror);
        for (i, (a, b)) in before.iter().zip(&volume).enumerate() {
            let at = [i / 30, i / 6 % 5, i % 6];
            let inside = (0..3).all(|d| at[d] >= 1 && at[d] < 1 + bounds.1[d]);
            assert_eq!(a != b, inside, "{at:?}");
        }
    }
}
