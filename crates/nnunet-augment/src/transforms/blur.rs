//! Gaussian blur, axis by axis.

use super::Scratch;
use super::axis::AxisView;
use crate::simd::wide;

/// Voxels that are worked on at a time across an axis, so that the rows under a kernel stay in
/// the nearest cache.
const STRIP: usize = 512;

/// Blurs a channel with standard deviations along `(z, y, x)`, in voxels; the border reflects
/// without repeating the edge. An axis of one voxel is left alone.
pub(super) fn gaussian(
    channel: &mut [f32],
    shape: [usize; 3],
    widths: [f64; 3],
    scratch: &mut Scratch,
) {
    if shape[2] > 1 {
        let kernel = half_kernel(widths[2]);
        wide(
            #[inline(always)]
            || blur_rows(channel, shape[2], &kernel, &mut scratch.one),
        );
    }
    for axis in [1, 0] {
        if shape[axis] > 1 {
            scratch.one.clear();
            scratch.one.extend_from_slice(channel);
            let view = AxisView::of(shape, axis);
            let kernel = half_kernel(widths[axis]);
            wide(
                #[inline(always)]
                || blur_axis(&scratch.one, view, &kernel, channel),
            );
        }
    }
}

/// The weights at distance 0, 1, … of a sampled, normalised Gaussian that spans about six
/// standard deviations.
fn half_kernel(width: f64) -> Vec<f32> {
    let radius = kernel_size(width) / 2;
    let weight = |distance: usize| (-0.5 * (distance as f64 / width).powi(2)).exp();
    let total = 1.0 + 2.0 * (1..=radius).map(weight).sum::<f64>();
    (0..=radius).map(|d| (weight(d) / total) as f32).collect()
}

/// The odd number nearest to `6 · width + 0.5`.
fn kernel_size(width: f64) -> usize {
    let wanted = 6.0 * width + 0.5;
    let rounded = wanted.round_ties_even();
    let odd = if rounded % 2.0 == 1.0 {
        rounded
    } else if wanted >= rounded {
        rounded + 1.0
    } else {
        rounded - 1.0
    };
    odd.max(1.0) as usize
}

#[inline(always)]
fn blur_rows(channel: &mut [f32], length: usize, kernel: &[f32], padded: &mut Vec<f32>) {
    let radius = kernel.len() - 1;
    let sources: Vec<usize> = (0..length + 2 * radius)
        .map(|at| reflect(at as isize - radius as isize, length))
        .collect();
    padded.clear();
    padded.resize(length + 2 * radius, 0.0);
    for row in channel.chunks_exact_mut(length) {
        padded[radius..radius + length].copy_from_slice(row);
        for at in (0..radius).chain(radius + length..length + 2 * radius) {
            padded[at] = row[sources[at]];
        }
        let centre = &padded[radius..radius + length];
        row.iter_mut()
            .zip(centre)
            .for_each(|(o, v)| *o = kernel[0] * v);
        for (distance, weight) in kernel.iter().enumerate().skip(1) {
            let before = &padded[radius - distance..][..length];
            let after = &padded[radius + distance..][..length];
            for (out, (a, b)) in row.iter_mut().zip(before.iter().zip(after)) {
                *out += weight * (a + b);
            }
        }
    }
}

#[inline(always)]
fn blur_axis(input: &[f32], view: AxisView, kernel: &[f32], output: &mut [f32]) {
    let AxisView { length, inner, .. } = view;
    let blocks = input.chunks_exact(length * inner);
    for (block, out) in blocks.zip(output.chunks_exact_mut(length * inner)) {
        for start in (0..inner).step_by(STRIP) {
            let width = STRIP.min(inner - start);
            for at in 0..length {
                let row = |at: isize| &block[reflect(at, length) * inner + start..][..width];
                let at = at as isize;
                let out = &mut out[at as usize * inner + start..][..width];
                for (out, v) in out.iter_mut().zip(row(at)) {
                    *out = kernel[0] * v;
                }
                for (distance, weight) in kernel.iter().enumerate().skip(1) {
                    let (before, after) =
                        (row(at - distance as isize), row(at + distance as isize));
                    for (out, (a, b)) in out.iter_mut().zip(before.iter().zip(after)) {
                        *out += weight * (a + b);
                    }
                }
            }
        }
    }
}

/// The position inside `0..length` that a position outside is the mirror image of, as often as
/// it takes.
fn reflect(at: isize, length: usize) -> usize {
    let last = length as isize - 1;
    if last == 0 {
        return 0;
    }
    let folded = at.rem_euclid(2 * last);
    (if folded > last {
        2 * last - folded
    } else {
        folded
    }) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_odd_and_span_six_deviations() {
        let sizes = [0.5, 0.7, 1.0, 1.25, 1.5].map(kernel_size);
        assert_eq!(sizes, [3, 5, 7, 9, 9]);
    }

    #[test]
    fn a_kernel_longer_than_the_axis_reflects_more_than_once() {
        assert_eq!(
            [-3, -2, -1, 0, 1, 2, 3].map(|at| reflect(at, 2)),
            [1, 0, 1, 0, 1, 0, 1]
        );
        let mut channel = vec![1.0_f32; 2 * 3 * 2];
        gaussian(&mut channel, [2, 3, 2], [1.5; 3], &mut Scratch::default());
        assert!(channel.iter().all(|v| (v - 1.0).abs() < 1e-6));
    }

    #[test]
    fn an_impulse_becomes_a_gaussian() {
        let shape = [15, 15, 15];
        let mut channel = vec![0.0_f32; 15 * 15 * 15];
        channel[(7 * 15 + 7) * 15 + 7] = 1.0;
        gaussian(&mut channel, shape, [1.0; 3], &mut Scratch::default());
        let at = |z: usize, y: usize, x: usize| channel[(z * 15 + y) * 15 + x];
        assert!((channel.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        let ratio = (-0.5_f32).exp();
        assert!((at(6, 7, 7) / at(7, 7, 7) - ratio).abs() < 1e-5);
        assert!((at(7, 7, 8) / at(7, 7, 7) - ratio).abs() < 1e-5);
        assert!((at(7, 5, 7) / at(7, 7, 7) - ratio.powi(4)).abs() < 1e-5);
    }
}
