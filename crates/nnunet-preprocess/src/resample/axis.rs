//! Where the output voxels of one axis lie among the input voxels.

use super::SplineOrder;

/// Rows of edge values that a line is extended by on both sides, so that no tap leaves it.
pub(super) const PADDING: usize = 2;

/// The input coordinates of the `to` output voxels of an axis with `from` input voxels.
fn coordinates(from: usize, to: usize) -> impl Iterator<Item = f64> {
    // In this order of operations, because label ties depend on the last bit.
    let zoom = from as f64 / to as f64;
    (0..to).map(move |k| (k as f64 + 0.5) * zoom - 0.5)
}

/// For each output voxel the index of the nearest input voxel; halves go up.
pub(super) fn nearest_indices(from: usize, to: usize) -> Vec<usize> {
    coordinates(from, to)
        .map(|u| ((u + 0.5).floor().max(0.0) as usize).min(from.saturating_sub(1)))
        .collect()
}

/// The neighbours of one output voxel along an axis, for linear interpolation: indices clamped
/// to the axis, weights in the precision in which ties between labels are decided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Neighbours {
    /// The two input voxels around; the same twice if the output voxel lies on an input voxel.
    pub(super) index: [usize; 2],
    /// Their weights.
    pub(super) weight: [f64; 2],
    /// The nearer of them.
    pub(super) nearest: usize,
}

/// The neighbours of all output voxels of an axis.
///
/// With [`SplineOrder::Nearest`] the nearest voxel stands alone with weight 1.
pub(super) fn neighbours(from: usize, to: usize, order: SplineOrder) -> Vec<Neighbours> {
    let last = from.saturating_sub(1);
    (coordinates(from, to).zip(nearest_indices(from, to)))
        .map(|(u, nearest)| {
            let u = u.clamp(0.0, last as f64);
            let low = u.floor();
            let t = u - low;
            let low = low as usize;
            match order {
                SplineOrder::Nearest => Neighbours {
                    index: [nearest; 2],
                    weight: [1.0, 0.0],
                    nearest,
                },
                _ if t == 0.0 => Neighbours {
                    index: [low; 2],
                    weight: [1.0, 0.0],
                    nearest,
                },
                _ => Neighbours {
                    index: [low, (low + 1).min(last)],
                    weight: [1.0 - t, t],
                    nearest,
                },
            }
        })
        .collect()
}

/// The taps of one output voxel in a line that is extended by [`PADDING`] on both sides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taps<const N: usize> {
    /// Index of the first tap in the extended line.
    pub(super) start: usize,
    /// Weights of the taps from there on.
    pub(super) weight: [f32; N],
}

/// Linear taps for all output voxels of an axis.
pub(super) fn linear_taps(from: usize, to: usize) -> Vec<Taps<2>> {
    coordinates(from, to)
        .map(|u| {
            let low = u.floor();
            let t = u - low;
            Taps {
                start: first_tap(low),
                weight: [(1.0 - t) as f32, t as f32],
            }
        })
        .collect()
}

/// Cubic B-spline taps for all output voxels of an axis. The gain 6 of the prefilter is part of
/// the weights.
pub(super) fn cubic_taps(from: usize, to: usize) -> Vec<Taps<4>> {
    coordinates(from, to)
        .map(|u| {
            let low = u.floor();
            let t = u - low;
            let s = 1.0 - t;
            let weight = [
                s * s * s,
                t * t * (t - 2.0) * 3.0 + 4.0,
                s * s * (s - 2.0) * 3.0 + 4.0,
                t * t * t,
            ];
            Taps {
                start: first_tap(low - 1.0),
                weight: weight.map(|w| w as f32),
            }
        })
        .collect()
}

/// Coordinates are above −0.5, so that the first tap is at −2 or later.
fn first_tap(index: f64) -> usize {
    (index + PADDING as f64).max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn doubling_and_halving_take_the_expected_slices() {
        assert_eq!(nearest_indices(6, 3), [1, 3, 5]);
        assert_eq!(nearest_indices(2, 4), [0, 0, 1, 1]);
        assert_eq!(nearest_indices(1, 3), [0, 0, 0]);
    }

    proptest! {
        #[test]
        fn taps_stay_in_the_extended_line_and_sum_to_one(from in 1_usize..50, to in 1_usize..50) {
            for taps in linear_taps(from, to) {
                prop_assert!(taps.start + 2 <= from + 2 * PADDING);
                prop_assert!((taps.weight.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            }
            for taps in cubic_taps(from, to) {
                prop_assert!(taps.start + 4 <= from + 2 * PADDING);
                prop_assert!((taps.weight.iter().sum::<f32>() - 6.0).abs() < 1e-5);
            }
            for n in neighbours(from, to, SplineOrder::Linear) {
                prop_assert!(n.index[0] < from && n.index[1] < from && n.nearest < from);
            }
        }
    }
}
