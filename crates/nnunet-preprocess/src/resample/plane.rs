//! Resampling of one slice, or of one axis of a matrix.

use ndarray::{ArrayViewMut2, Axis};
use rayon::prelude::*;

use super::SplineOrder;
use super::lines::{AxisFilter, LANES, Lanes};

/// The smallest and the largest value that may come out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    low: f32,
    high: f32,
}

impl Range {
    /// Anything may come out.
    pub(super) const UNLIMITED: Self = Self {
        low: f32::NEG_INFINITY,
        high: f32::INFINITY,
    };

    /// The range of some values.
    pub(super) fn of<'a>(values: impl Iterator<Item = &'a f32>) -> Self {
        // The other way round, so that the first value sets both.
        let empty = Self {
            low: f32::INFINITY,
            high: f32::NEG_INFINITY,
        };
        values.fold(empty, |range, v| Self {
            low: range.low.min(*v),
            high: range.high.max(*v),
        })
    }

    /// The range of both.
    pub(super) fn join(self, other: Self) -> Self {
        Self {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
        }
    }

    fn clip(self, value: f32) -> f32 {
        value.max(self.low).min(self.high)
    }
}

/// Whether the blocks of one slice are shared out among threads, or taken one after the other
/// because the slices are shared out already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocks {
    Parallel,
    InTurn,
}

impl Blocks {
    /// For work on one of so many slices that are shared out.
    pub(super) fn for_slices(slices: usize) -> Self {
        if slices >= 2 * rayon::current_num_threads() {
            Self::InTurn
        } else {
            Self::Parallel
        }
    }
}

/// The filters of two axes; `None` where the axis keeps its voxels.
pub(super) struct PlaneFilter {
    rows: Option<AxisFilter>,
    columns: Option<AxisFilter>,
    /// Voxels of an input slice.
    pub(super) from: [usize; 2],
    /// Voxels of an output slice.
    pub(super) to: [usize; 2],
}

/// The filter of one axis; `None` if it keeps its voxels.
pub(super) fn filter(order: SplineOrder, from: usize, to: usize) -> Option<AxisFilter> {
    // An interpolating spline passes through its samples: nothing to do if all stay.
    match order {
        _ if from == to => None,
        SplineOrder::Cubic => Some(AxisFilter::cubic(from, to)),
        SplineOrder::Linear | SplineOrder::Nearest => Some(AxisFilter::linear(from, to)),
    }
}

impl PlaneFilter {
    pub(super) fn new(order: SplineOrder, from: [usize; 2], to: [usize; 2]) -> Self {
        Self {
            rows: filter(order, from[0], to[0]),
            columns: filter(order, from[1], to[1]),
            from,
            to,
        }
    }

    /// Whether slices stay as they are.
    pub(super) const fn is_identity(&self) -> bool {
        self.rows.is_none() && self.columns.is_none()
    }

    /// Resamples one contiguous slice into another.
    pub(super) fn run(&self, source: &[f32], target: &mut [f32], range: Range, blocks: Blocks) {
        match (&self.rows, &self.columns) {
            (None, None) => {
                let pairs = target.iter_mut().zip(source);
                pairs.for_each(|(out, value)| *out = range.clip(*value));
            }
            (Some(rows), None) => {
                across_rows(rows, source, self.from[1], target, range, blocks);
            }
            (None, Some(columns)) => along_rows(columns, source, target, range, blocks),
            // The axis that shrinks first leaves less to do for the other.
            (Some(rows), Some(columns)) if self.to[0] <= self.from[0] => {
                let mut between = vec![0.0; self.to[0] * self.from[1]];
                let unlimited = Range::UNLIMITED;
                across_rows(rows, source, self.from[1], &mut between, unlimited, blocks);
                along_rows(columns, &between, target, range, blocks);
            }
            (Some(rows), Some(columns)) => {
                let mut between = vec![0.0; self.from[0] * self.to[1]];
                along_rows(columns, source, &mut between, Range::UNLIMITED, blocks);
                across_rows(rows, &between, self.to[1], target, range, blocks);
            }
        }
    }
}

/// Resamples the first axis of a contiguous matrix with rows of `width` numbers.
pub(super) fn across_rows(
    filter: &AxisFilter,
    source: &[f32],
    width: usize,
    target: &mut [f32],
    range: Range,
    blocks: Blocks,
) {
    let Ok(mut target) = ArrayViewMut2::from_shape((filter.to(), width), target) else {
        return;
    };
    let bands: Vec<_> = (target.axis_chunks_iter_mut(Axis(1), LANES))
        .zip((0..width).step_by(LANES))
        .collect();
    let run = |buffer: &mut Vec<Lanes>, (mut band, first): (ArrayViewMut2<'_, f32>, usize)| {
        let lanes_used = band.dim().1;
        filter.run(
            buffer,
            |i, lanes| {
                let start = i * width + first;
                let row = source.get(start..start + lanes_used).unwrap_or_default();
                // Whole blocks are copied without a loop.
                match <&Lanes>::try_from(row) {
                    Ok(row) => *lanes = *row,
                    Err(_) => lanes.iter_mut().zip(row).for_each(|(lane, v)| *lane = *v),
                }
            },
            |k, lanes| {
                if let Some(row) = band.row_mut(k).as_slice_mut() {
                    let row = row.iter_mut().zip(lanes);
                    row.for_each(|(out, value)| *out = range.clip(*value));
                }
            },
        );
    };
    match blocks {
        Blocks::Parallel => bands.into_par_iter().for_each_init(Vec::new, run),
        Blocks::InTurn => {
            let mut buffer = Vec::new();
            bands.into_iter().for_each(|band| run(&mut buffer, band));
        }
    }
}

/// Resamples the second axis of a contiguous matrix.
fn along_rows(
    filter: &AxisFilter,
    source: &[f32],
    target: &mut [f32],
    range: Range,
    blocks: Blocks,
) {
    let (from, to) = (filter.from(), filter.to());
    let run = |buffer: &mut Vec<Lanes>, (source, target): (&[f32], &mut [f32])| {
        filter.run(
            buffer,
            |i, lanes| {
                let column = source.iter().skip(i).step_by(from);
                lanes
                    .iter_mut()
                    .zip(column)
                    .for_each(|(lane, v)| *lane = *v);
            },
            |k, lanes| {
                let column = target.iter_mut().skip(k).step_by(to);
                column.zip(lanes).for_each(|(out, v)| *out = range.clip(*v));
            },
        );
    };
    match blocks {
        Blocks::Parallel => (source.par_chunks(from * LANES))
            .zip(target.par_chunks_mut(to * LANES))
            .for_each_init(Vec::new, run),
        Blocks::InTurn => {
            let mut buffer = Vec::new();
            (source.chunks(from * LANES))
                .zip(target.chunks_mut(to * LANES))
                .for_each(|pair| run(&mut buffer, pair));
        }
    }
}
