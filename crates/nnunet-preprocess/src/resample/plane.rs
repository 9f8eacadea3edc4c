//! Resampling of one slice, or of one axis of a matrix.

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis};
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

    /// Does all the work; each thread has scratch space.
    fn for_each<T: Send>(self, work: Vec<T>, run: impl Fn(&mut Vec<Lanes>, T) + Sync + Send) {
        match self {
            Self::Parallel => work.into_par_iter().for_each_init(Vec::new, run),
            Self::InTurn => {
                let mut buffer = Vec::new();
                work.into_iter().for_each(|part| run(&mut buffer, part));
            }
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
                let width = self.from[1];
                rows_of(rows, source, target, width, range, blocks);
            }
            (None, Some(columns)) => along_rows(columns, source, target, range, blocks),
            // The axis that shrinks first leaves less to do for the other.
            (Some(rows), Some(columns)) if self.to[0] <= self.from[0] => {
                let width = self.from[1];
                let mut between = vec![0.0; self.to[0] * width];
                let unlimited = Range::UNLIMITED;
                rows_of(rows, source, &mut between, width, unlimited, blocks);
                along_rows(columns, &between, target, range, blocks);
            }
            (Some(rows), Some(columns)) => {
                let mut between = vec![0.0; self.from[0] * self.to[1]];
                along_rows(columns, source, &mut between, Range::UNLIMITED, blocks);
                rows_of(rows, &between, target, self.to[1], range, blocks);
            }
        }
    }
}

/// [`across_rows`] of contiguous matrices with rows of `width` numbers.
fn rows_of(
    filter: &AxisFilter,
    source: &[f32],
    target: &mut [f32],
    width: usize,
    range: Range,
    blocks: Blocks,
) {
    let source = ArrayView2::from_shape((filter.from(), width), source);
    let target = ArrayViewMut2::from_shape((filter.to(), width), target);
    if let (Ok(source), Ok(target)) = (source, target) {
        across_rows(filter, source, target, range, blocks);
    }
}

/// The columns of a matrix in blocks that are filtered together.
fn column_blocks(matrix: ArrayViewMut2<'_, f32>) -> Vec<ArrayViewMut2<'_, f32>> {
    let mut left = matrix.dim().1;
    let mut blocks = Vec::with_capacity(left.div_ceil(LANES));
    let mut rest = matrix;
    while left > 0 {
        let width = LANES.min(left);
        let (block, after) = rest.split_at(Axis(1), width);
        blocks.push(block);
        rest = after;
        left -= width;
    }
    blocks
}

/// Copies part of a row.
fn load(row: ArrayView1<'_, f32>, lanes: &mut Lanes) {
    // Whole blocks are copied without a loop.
    match row.to_slice().map(<&Lanes>::try_from) {
        Some(Ok(row)) => *lanes = *row,
        _ => lanes.iter_mut().zip(row).for_each(|(lane, v)| *lane = *v),
    }
}

fn store(mut row: ArrayViewMut1<'_, f32>, lanes: &Lanes, range: Range) {
    match row.as_slice_mut() {
        Some(row) => (row.iter_mut().zip(lanes)).for_each(|(out, v)| *out = range.clip(*v)),
        None => (row.iter_mut().zip(lanes)).for_each(|(out, v)| *out = range.clip(*v)),
    }
}

/// Resamples the first axis of a matrix into that of another.
pub(super) fn across_rows(
    filter: &AxisFilter,
    source: ArrayView2<'_, f32>,
    target: ArrayViewMut2<'_, f32>,
    range: Range,
    blocks: Blocks,
) {
    let sources = source.axis_chunks_iter(Axis(1), LANES);
    let pairs: Vec<_> = sources.zip(column_blocks(target)).collect();
    let run = |buffer: &mut Vec<Lanes>,
               (source, mut target): (ArrayView2<'_, f32>, ArrayViewMut2<'_, f32>)| {
        filter.load(buffer, |i, lanes| {
            load(source.index_axis_move(Axis(0), i), lanes)
        });
        filter.resample(buffer, |k, lanes| store(target.row_mut(k), lanes, range));
    };
    blocks.for_each(pairs, run);
}

/// Resamples the first axis of a matrix in its own memory: of as many rows as the longer of the
/// two takes, the first hold the input and then the output.
pub(super) fn across_rows_in_place(
    filter: &AxisFilter,
    matrix: ArrayViewMut2<'_, f32>,
    range: Range,
    blocks: Blocks,
) {
    let run = |buffer: &mut Vec<Lanes>, mut block: ArrayViewMut2<'_, f32>| {
        filter.load(buffer, |i, lanes| load(block.row(i), lanes));
        filter.resample(buffer, |k, lanes| store(block.row_mut(k), lanes, range));
    };
    blocks.for_each(column_blocks(matrix), run);
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
        filter.load(buffer, |i, lanes| {
            let column = source.iter().skip(i).step_by(from);
            let pairs = lanes.iter_mut().zip(column);
            pairs.for_each(|(lane, v)| *lane = *v);
        });
        filter.resample(buffer, |k, lanes| {
            let column = target.iter_mut().skip(k).step_by(to);
            column.zip(lanes).for_each(|(out, v)| *out = range.clip(*v));
        });
    };
    let sources = source.chunks(from * LANES);
    let pairs: Vec<_> = sources.zip(target.chunks_mut(to * LANES)).collect();
    blocks.for_each(pairs, run);
}
