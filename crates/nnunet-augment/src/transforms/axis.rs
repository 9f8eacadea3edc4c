//! Work along one axis of a volume, for transforms that go axis by axis.

use crate::simd::wide;

/// A volume seen from one axis: blocks of `length` rows of `inner` contiguous voxels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AxisView {
    pub(crate) length: usize,
    pub(crate) inner: usize,
}

impl AxisView {
    pub(crate) fn of(shape: [usize; 3], axis: usize) -> Self {
        let [z, y, x] = shape;
        match axis {
            0 => Self {
                length: z,
                inner: y * x,
            },
            1 => Self {
                length: y,
                inner: x,
            },
            _ => Self {
                length: x,
                inner: 1,
            },
        }
    }
}

/// Where an output position takes its value from: neighbours from `first` on, weighted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taps<const T: usize> {
    pub(super) first: usize,
    pub(super) weights: [f32; T],
}

/// Replaces one axis of `input` by `taps.len()` weighted sums of neighbours; `output` is
/// overwritten and has that many positions along the axis. All taps lie within the axis.
pub(super) fn interpolate<const T: usize>(
    input: &[f32],
    view: AxisView,
    taps: &[Taps<T>],
    output: &mut [f32],
) {
    let AxisView { length, inner, .. } = view;
    let blocks = input.chunks_exact(length * inner);
    let out_blocks = output.chunks_exact_mut(taps.len() * inner);
    wide(
        #[inline(always)]
        || {
            for (block, out) in blocks.zip(out_blocks) {
                if inner == 1 {
                    interpolate_row(block, taps, out);
                    continue;
                }
                for (taps, out) in taps.iter().zip(out.chunks_exact_mut(inner)) {
                    let rows = &block[taps.first * inner..(taps.first + T) * inner];
                    weighted_sum(rows, taps.weights, out);
                }
            }
        },
    );
}

#[inline(always)]
fn interpolate_row<const T: usize>(row: &[f32], taps: &[Taps<T>], out: &mut [f32]) {
    for (taps, out) in taps.iter().zip(out) {
        let neighbours = row[taps.first..].first_chunk::<T>();
        *out = neighbours.map_or(0.0, |neighbours| {
            (neighbours.iter().zip(taps.weights))
                .map(|(v, w)| v * w)
                .sum()
        });
    }
}

#[inline(always)]
fn weighted_sum<const T: usize>(rows: &[f32], weights: [f32; T], out: &mut [f32]) {
    let inner = out.len();
    let rows: [&[f32]; T] = std::array::from_fn(|n| &rows[n * inner..][..inner]);
    for (at, out) in out.iter_mut().enumerate() {
        let mut sum = weights[0] * rows[0][at];
        for n in 1..T {
            sum += weights[n] * rows[n][at];
        }
        *out = sum;
    }
}
