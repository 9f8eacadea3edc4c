//! Volumes row by row, and rows as stretches of equal voxels.

use std::ops::Range;

use ndarray::ArrayView3;

/// Voxels compared at once where a run is long.
const BLOCK: usize = 32;

/// Calls `found` with `(z, y)` and the voxels of each row, whatever their order in memory.
pub(crate) fn for_each_row<T: Copy>(
    volume: ArrayView3<'_, T>,
    mut found: impl FnMut([usize; 2], &[T]),
) {
    let ny = volume.dim().1.max(1);
    let mut copy = Vec::new();
    for (i, row) in volume.rows().into_iter().enumerate() {
        let place = [i / ny, i % ny];
        match row.to_slice() {
            Some(row) => found(place, row),
            None => {
                copy.clear();
                copy.extend(row.iter().copied());
                found(place, &copy);
            }
        }
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
