//! Simulated low resolution: down by the nearest voxel, up by interpolation.

use super::axis::{AxisView, Taps, interpolate};
use super::bspline::{self, Extension};
use super::{Scratch, moments};
use crate::augmentation::Interpolation;
use crate::targets::nearest_exact;

/// Edge voxels that a spline needs beyond the border.
const SPLINE_BORDER: usize = 2;

/// Keeps only a fraction of the edges `(z, y, x)` and interpolates the rest.
pub(super) fn simulate(
    channel: &mut [f32],
    shape: [usize; 3],
    fractions: [f64; 3],
    upsampling: Interpolation,
    scratch: &mut Scratch,
) {
    let small: [usize; 3] = std::array::from_fn(|a| {
        let edge = (shape[a] as f64 * fractions[a]).round_ties_even() as usize;
        edge.clamp(1, shape[a])
    });
    let reduced = [0, 1, 2].map(|a| small[a] < shape[a]);
    if reduced == [false; 3] {
        return;
    }
    let border = match upsampling {
        Interpolation::Linear => 0,
        Interpolation::Cubic => SPLINE_BORDER,
    };
    let sources: [Vec<usize>; 3] = std::array::from_fn(|a| {
        if reduced[a] {
            bordered_sources(shape[a], small[a], border)
        } else {
            (0..shape[a]).collect()
        }
    });
    gather(channel, shape, &sources, &mut scratch.one);
    let bordered = [0, 1, 2].map(|a| sources[a].len());
    match upsampling {
        Interpolation::Linear => {
            enlarge(channel, shape, bordered, small, linear_taps, scratch);
        }
        Interpolation::Cubic => {
            let (min, max) = moments::range(&scratch.one);
            let whole = ([0; 3], bordered);
            let values = &mut scratch.one;
            bspline::prefilter::<1>(values, bordered, whole, reduced, Extension::Constant);
            enlarge(channel, shape, bordered, small, cubic_taps, scratch);
            // A spline overshoots; the reference clips.
            for value in channel {
                *value = value.max(min).min(max);
            }
        }
    }
}

/// Source positions of the small edge, with `border` copies of the outermost on either side; at
/// least two positions, so that linear interpolation always finds two neighbours.
fn bordered_sources(edge: usize, small: usize, border: usize) -> Vec<usize> {
    let positions = (small + 2 * border).max(2);
    (0..positions)
        .map(|at| {
            let inside = at.saturating_sub(border).min(small - 1);
            nearest_exact(inside, edge, small)
        })
        .collect()
}

fn gather(channel: &[f32], shape: [usize; 3], sources: &[Vec<usize>; 3], out: &mut Vec<f32>) {
    out.clear();
    for z in &sources[0] {
        for y in &sources[1] {
            let row = &channel[(z * shape[1] + y) * shape[2]..][..shape[2]];
            out.extend(sources[2].iter().map(|x| row[*x]));
        }
    }
}

/// Interpolates `scratch.one` along each axis whose edge is not that of the channel, the
/// contiguous axis first because it gains least from long rows.
fn enlarge<const T: usize>(
    channel: &mut [f32],
    shape: [usize; 3],
    mut current: [usize; 3],
    small: [usize; 3],
    taps: fn(usize, usize) -> Vec<Taps<T>>,
    scratch: &mut Scratch,
) {
    let Scratch { one, two, .. } = scratch;
    for axis in [2, 1, 0] {
        if small[axis] == shape[axis] {
            continue;
        }
        let view = AxisView::of(current, axis);
        current[axis] = shape[axis];
        two.clear();
        two.resize(current.iter().product(), 0.0);
        interpolate(one, view, &taps(shape[axis], small[axis]), two);
        std::mem::swap(one, two);
    }
    channel.copy_from_slice(one);
}

/// Where an output voxel lies between those of the small edge: voxel centres are at halves.
fn coordinate(at: usize, edge: usize, small: usize) -> f64 {
    (at as f64 + 0.5) * small as f64 / edge as f64 - 0.5
}

fn linear_taps(edge: usize, small: usize) -> Vec<Taps<2>> {
    let last = small.saturating_sub(1);
    (0..edge)
        .map(|at| {
            let u = coordinate(at, edge, small).clamp(0.0, last as f64);
            let first = (u as usize).min(last.saturating_sub(1));
            let t = (u - first as f64) as f32;
            Taps {
                first,
                weights: [1.0 - t, t],
            }
        })
        .collect()
}

fn cubic_taps(edge: usize, small: usize) -> Vec<Taps<4>> {
    (0..edge)
        .map(|at| {
            let u = coordinate(at, edge, small) + SPLINE_BORDER as f64;
            let floor = u.floor();
            Taps {
                first: floor as usize - 1,
                weights: bspline::weights((u - floor) as f32).map(|w| w * bspline::GAIN),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(shape: [usize; 3]) -> Vec<f32> {
        let [z, y, x] = shape;
        (0..z * y * x)
            .map(|i| (i / (y * x) + i / x % y + i % x) as f32)
            .collect()
    }

    #[test]
    fn a_constant_stays_at_any_size() {
        for upsampling in [Interpolation::Linear, Interpolation::Cubic] {
            for shape in [[1, 7, 9], [5, 1, 2], [8, 8, 8]] {
                for fraction in [0.1, 0.5, 0.73, 1.0] {
                    let mut channel = vec![2.5_f32; shape.iter().product()];
                    let mut scratch = Scratch::default();
                    simulate(&mut channel, shape, [fraction; 3], upsampling, &mut scratch);
                    assert!(channel.iter().all(|v| (v - 2.5).abs() < 1e-5));
                }
            }
        }
    }

    #[test]
    fn a_ramp_is_roughly_kept_and_never_overshot() {
        let shape = [12, 16, 20];
        for upsampling in [Interpolation::Linear, Interpolation::Cubic] {
            let original = ramp(shape);
            let mut channel = original.clone();
            let mut scratch = Scratch::default();
            simulate(&mut channel, shape, [0.5; 3], upsampling, &mut scratch);
            let worst = (original.iter().zip(&channel))
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(worst < 3.5, "{upsampling:?}: {worst}");
            assert!(channel.iter().all(|v| (0.0..=45.0).contains(v)));
        }
    }

    #[test]
    fn a_kept_axis_is_not_mixed() {
        let shape = [3, 8, 8];
        let mut channel: Vec<f32> = (0..3 * 64).map(|i| (i / 64) as f32).collect();
        let original = channel.clone();
        let mut scratch = Scratch::default();
        let fractions = [1.0, 0.5, 0.5];
        simulate(
            &mut channel,
            shape,
            fractions,
            Interpolation::Cubic,
            &mut scratch,
        );
        assert!((original.iter().zip(&channel)).all(|(a, b)| (a - b).abs() < 1e-5));
    }
}
