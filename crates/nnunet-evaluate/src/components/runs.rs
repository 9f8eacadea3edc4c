//! Rows of voxels as runs.

use std::ops::Range;

use ndarray::ArrayView3;

use crate::{EvaluateError, Label};

/// Voxels compared at once where a run is long.
const BLOCK: usize = 32;

/// Voxels of one class that follow each other in a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// The class at first, the component once that is known.
    pub(crate) id: u32,
}

/// The runs of all rows, background left out.
#[derive(Clone, Debug)]
pub(crate) struct RunRows {
    pub(crate) shape: [usize; 3],
    pub(crate) runs: Vec<Run>,
    /// Where the runs of each row begin, and the number of runs at the end.
    offsets: Vec<u32>,
}

impl RunRows {
    /// The runs of a map; class 0 is background.
    pub(crate) fn scan<T: Label>(
        labels: ArrayView3<'_, T>,
        class: impl Fn(T) -> u16,
    ) -> Result<Self, EvaluateError> {
        let (nz, ny, nx) = labels.dim();
        let too_many = || EvaluateError::TooManyRuns {
            shape: [nz, ny, nx].into(),
        };
        if nx >= u32::MAX as usize {
            return Err(too_many());
        }
        let mut runs: Vec<Run> = Vec::new();
        let mut offsets = Vec::with_capacity(nz * ny + 1);
        offsets.push(0);
        let mut copy = Vec::new();
        for row in labels.rows() {
            let first = runs.len();
            let row = match row.to_slice() {
                Some(row) => row,
                None => {
                    copy.clear();
                    copy.extend(row.iter().copied());
                    &copy
                }
            };
            for_each_run(row, |range, label| {
                let id = u32::from(class(label));
                let (start, end) = (range.start as u32, range.end as u32);
                match runs[first..].last_mut() {
                    _ if id == 0 => {}
                    Some(last) if last.end == start && last.id == id => last.end = end,
                    _ => runs.push(Run { start, end, id }),
                }
            });
            offsets.push(u32::try_from(runs.len()).map_err(|_| too_many())?);
        }
        Ok(Self {
            shape: [nz, ny, nx],
            runs,
            offsets,
        })
    }

    /// The runs of one row, as indices.
    pub(crate) fn row(&self, z: usize, y: usize) -> Range<usize> {
        let row = z * self.shape[1] + y;
        self.offsets[row] as usize..self.offsets[row + 1] as usize
    }

    /// `(z, y)` of each row with the indices of its runs.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = (usize, usize, Range<usize>)> + use<> {
        let ny = self.shape[1].max(1);
        let offsets = self.offsets.clone();
        (0..offsets.len() - 1).map(move |row| {
            let range = offsets[row] as usize..offsets[row + 1] as usize;
            (row / ny, row % ny, range)
        })
    }
}

/// Calls `found` for each stretch of equal values.
pub(crate) fn for_each_run<T: Copy + PartialEq>(
    values: &[T],
    mut found: impl FnMut(Range<usize>, T),
) {
    let mut start = 0;
    while let Some(first) = values.get(start) {
        let end = start + run_length(&values[start..], *first);
        found(start..end, *first);
        start = end;
    }
}

/// How many of the first values are `first`.
fn run_length<T: Copy + PartialEq>(values: &[T], first: T) -> usize {
    let mut length = 0;
    for block in values.chunks_exact(BLOCK) {
        // `&` rather than `all`: no early exit, so that it becomes vector instructions.
        if !block.iter().fold(true, |same, v| same & (*v == first)) {
            break;
        }
        length += BLOCK;
    }
    let rest = values[length..].iter();
    length + rest.take_while(|v| **v == first).count()
}
