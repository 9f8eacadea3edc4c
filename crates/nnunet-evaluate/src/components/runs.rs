//! Rows of voxels as runs.

use std::ops::Range;

use ndarray::ArrayView3;

use crate::rows::{for_each_row, for_each_run};
use crate::{EvaluateError, Label};

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
        let mut fits = true;
        for_each_row(labels, |_, row| {
            let first = runs.len();
            for_each_run(row, |range, label| {
                let id = u32::from(class(label));
                let (start, end) = (range.start as u32, range.end as u32);
                match runs[first..].last_mut() {
                    _ if id == 0 => {}
                    Some(last) if last.end == start && last.id == id => last.end = end,
                    _ => runs.push(Run { start, end, id }),
                }
            });
            fits &= u32::try_from(runs.len()).is_ok();
            offsets.push(runs.len() as u32);
        });
        if !fits {
            return Err(too_many());
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
