//! The three passes over a volume.

use ndarray::{Array3, ArrayView3};
use nnunet_schema::Spacing;

use super::Real;
use super::envelope::Envelope;
use crate::rows::{for_each_row, for_each_run};

/// Columns taken together: enough to use whole cache lines, few enough to stay in the cache.
const COLUMNS: usize = 64;
/// Keeps the columns of a block apart in the cache when their length is a power of two.
const PADDING: usize = 8;

/// The squared distance of each voxel to the nearest one that `is_site` is true for.
pub(super) fn transform<R: Real>(
    mask: ArrayView3<'_, bool>,
    is_site: impl Fn(bool) -> bool,
    spacing: Spacing,
) -> Array3<R> {
    let (nz, ny, nx) = mask.dim();
    let [dz, dy, dx] = spacing.mm();
    let mut squares = Vec::with_capacity(mask.len());
    for_each_row(mask, |_, row| append_row(&mut squares, row, &is_site, dx));
    if ny > 1 && nx > 0 {
        let mut block = Block::new(ny, dy);
        for slice in squares.chunks_mut(ny * nx) {
            block.along_rows(slice, nx);
        }
    }
    if nz > 1 && ny * nx > 0 {
        Block::new(nz, dz).along_rows(&mut squares, ny * nx);
    }
    Array3::from_shape_vec((nz, ny, nx), squares)
        .unwrap_or_else(|_| Array3::from_elem((nz, ny, nx), R::INFINITY))
}

/// Appends the squared distances along a row.
fn append_row<R: Real>(
    squares: &mut Vec<R>,
    row: &[bool],
    is_site: impl Fn(bool) -> bool,
    step_mm: f64,
) {
    let square = |steps: usize| {
        let way = steps as f64 * step_mm;
        R::from_f64(way * way)
    };
    for_each_run(row, |range, value| {
        let length = range.len();
        if is_site(value) {
            squares.resize(squares.len() + length, R::ZERO);
            return;
        }
        // Steps to the last site before the run and to the first one after it.
        match (range.start > 0, range.end < row.len()) {
            (false, false) => squares.resize(squares.len() + length, R::INFINITY),
            (true, false) => squares.extend((1..=length).map(square)),
            (false, true) => squares.extend((1..=length).rev().map(square)),
            (true, true) => {
                let half = length.div_ceil(2);
                squares.extend((1..=half).map(square));
                squares.extend((1..=length - half).rev().map(square));
            }
        }
    });
}

/// A few neighbouring columns, each of them contiguous.
#[derive(Debug)]
struct Block {
    length: usize,
    envelope: Envelope,
    lines: Vec<f64>,
}

impl Block {
    fn new(length: usize, step_mm: f64) -> Self {
        Self {
            length,
            envelope: Envelope::new(length, step_mm),
            lines: vec![0.0; (length + PADDING) * COLUMNS],
        }
    }

    /// Applies the envelope to every column of `length` rows of `width` values.
    fn along_rows<R: Real>(&mut self, values: &mut [R], width: usize) {
        for first in (0..width).step_by(COLUMNS) {
            let columns = COLUMNS.min(width - first);
            if !self.gather(values, width, first, columns) {
                continue;
            }
            let stride = self.length + PADDING;
            for line in self.lines.chunks_mut(stride).take(columns) {
                self.envelope.apply(&mut line[..self.length]);
            }
            self.scatter(values, width, first, columns);
        }
    }

    /// Whether there is anything but zeros.
    fn gather<R: Real>(
        &mut self,
        values: &[R],
        width: usize,
        first: usize,
        columns: usize,
    ) -> bool {
        let stride = self.length + PADDING;
        let mut any = false;
        for (i, row) in values.chunks(width).enumerate() {
            for (line, value) in row[first..first + columns].iter().enumerate() {
                any |= *value != R::ZERO;
                self.lines[line * stride + i] = value.to_f64();
            }
        }
        any
    }

    fn scatter<R: Real>(&self, values: &mut [R], width: usize, first: usize, columns: usize) {
        let stride = self.length + PADDING;
        for (i, row) in values.chunks_mut(width).enumerate() {
            for (line, value) in row[first..first + columns].iter_mut().enumerate() {
                *value = R::from_f64(self.lines[line * stride + i]);
            }
        }
    }
}
