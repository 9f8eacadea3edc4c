//! Resampling of label maps.

use ndarray::{Array3, ArrayView3, ArrayViewMut3};
use nnunet_schema::Shape;
use rayon::prelude::*;

use super::axis::{Neighbours, neighbours};
use super::{ResampleMethod, SplineOrder, check_shapes, check_target, shape_of};
use crate::PreprocessError;
use crate::memory::zeros;

/// Rows of the result that one task makes.
const ROWS_PER_TASK: usize = 16;

/// Resamples a label map `(z, y, x)` to the shape `to`; `-1` is a label like any other.
///
/// Each voxel gets the label whose indicator, linearly interpolated, is largest. If several are
/// exactly equal, it gets the nearest voxel's label if that is one of them, otherwise the lowest
/// of them (batchgenerators 0.25.4 and later). The indicators are never built: an output voxel
/// whose eight neighbours agree has their label, and only at the seams are the neighbours'
/// weights added up by label. The sums are in the precision and the order of the reference, so
/// that its ties are ties here too.
///
/// With a separate axis the nearest slice is taken along it.
///
/// Runs on the current rayon pool.
///
/// # Errors
/// [`PreprocessError::Resample`] if a side has no voxels, the separate axis is not 0, 1 or 2, or
/// the order is cubic; [`PreprocessError::OutOfMemory`] if there is no memory for the result.
pub fn resample_labels(
    labels: ArrayView3<'_, i16>,
    to: Shape,
    method: &ResampleMethod,
) -> Result<Array3<i16>, PreprocessError> {
    check_shapes(shape_of(&labels), to, method)?;
    let mut result = zeros(to.voxels())?;
    resample_labels_into(labels, result.view_mut(), method)?;
    Ok(result)
}

/// As [`resample_labels`], into memory of the caller's: the target shape is that of `target`,
/// which must be contiguous in C order.
///
/// # Errors
/// As [`resample_labels`], and [`PreprocessError::Resample`] if `target` is not contiguous.
pub fn resample_labels_into(
    labels: ArrayView3<'_, i16>,
    mut target: ArrayViewMut3<'_, i16>,
    method: &ResampleMethod,
) -> Result<(), PreprocessError> {
    let (from, to) = (shape_of(&labels), shape_of(&target.view()));
    check_shapes(from, to, method)?;
    check_target(from, &target.view())?;
    if method.order == SplineOrder::Cubic {
        return Err(PreprocessError::Resample {
            from,
            to,
            problem: "labels are resampled by order 0 or 1, not 3".to_owned(),
        });
    }
    if from == to {
        target.assign(&labels);
        return Ok(());
    }
    let labels = labels.as_standard_layout();
    let axes: [Vec<Neighbours>; 3] = std::array::from_fn(|axis| {
        let order = match method.separate {
            Some(separate) if separate == axis => SplineOrder::Nearest,
            _ => method.order,
        };
        neighbours(from[axis], to[axis], order)
    });
    let [depth, rows, columns] = &axes;
    let source = Source {
        labels: labels.as_slice().unwrap_or_default(),
        rows: from[1],
        columns: from[2],
    };
    (target.as_slice_mut().unwrap_or_default())
        .par_chunks_mut(ROWS_PER_TASK * columns.len())
        .enumerate()
        .for_each_init(Vec::new, |agreed, (task, part)| {
            let targets = part.chunks_mut(columns.len());
            for (i, target) in targets.enumerate() {
                let row = task * ROWS_PER_TASK + i;
                if let (Some(z), Some(y)) =
                    (depth.get(row / rows.len()), rows.get(row % rows.len()))
                {
                    source.resample_row(z, y, columns, agreed, target);
                }
            }
        });
    Ok(())
}

/// Stands for "the rows around differ here"; outside the range of labels.
const SEAM: i32 = i32::MAX;

/// A contiguous label map.
struct Source<'a> {
    labels: &'a [i16],
    rows: usize,
    columns: usize,
}

impl Source<'_> {
    fn row(&self, z: usize, y: usize) -> &[i16] {
        let start = (z * self.rows + y) * self.columns;
        self.labels
            .get(start..start + self.columns)
            .unwrap_or_default()
    }

    /// Makes one row of the result; `agreed` is scratch space.
    fn resample_row(
        &self,
        z: &Neighbours,
        y: &Neighbours,
        columns: &[Neighbours],
        agreed: &mut Vec<i32>,
        target: &mut [i16],
    ) {
        let around = [
            self.row(z.index[0], y.index[0]),
            self.row(z.index[0], y.index[1]),
            self.row(z.index[1], y.index[0]),
            self.row(z.index[1], y.index[1]),
        ];
        agree(around, agreed);
        let weights = [
            z.weight[0] * y.weight[0],
            z.weight[0] * y.weight[1],
            z.weight[1] * y.weight[0],
            z.weight[1] * y.weight[1],
        ];
        let nearest = self.row(z.nearest, y.nearest);
        for (out, x) in target.iter_mut().zip(columns) {
            let at = |i: usize| agreed.get(i).copied().unwrap_or(SEAM);
            let label = at(x.index[0]);
            *out = if label != SEAM && label == at(x.index[1]) {
                label as i16
            } else {
                let nearest = nearest.get(x.nearest).copied().unwrap_or(0);
                heaviest(around, weights, x, nearest)
            };
        }
    }
}

/// For each column the label that the four rows share, or [`SEAM`].
fn agree(rows: [&[i16]; 4], agreed: &mut Vec<i32>) {
    agreed.clear();
    let [a, b, c, d] = rows;
    let columns = a.iter().zip(b).zip(c.iter().zip(d));
    agreed.extend(columns.map(|((a, b), (c, d))| {
        if a == b && a == c && a == d {
            i32::from(*a)
        } else {
            SEAM
        }
    }));
}

/// The label with the largest sum of weights among the eight voxels around.
fn heaviest(rows: [&[i16]; 4], weights: [f64; 4], x: &Neighbours, nearest: i16) -> i16 {
    let mut labels = [0_i16; 8];
    let mut sums = [0.0_f64; 8];
    let mut known = 0;
    for (row, weight) in rows.iter().zip(weights) {
        for (index, along) in x.index.iter().zip(x.weight) {
            let label = row.get(*index).copied().unwrap_or(0);
            let weight = weight * along;
            let found = labels.iter().take(known).position(|l| *l == label);
            let slot = found.unwrap_or(known);
            if let (Some(l), Some(s)) = (labels.get_mut(slot), sums.get_mut(slot)) {
                *l = label;
                *s += weight;
            }
            known = known.max(slot + 1);
        }
    }
    let best = sums.iter().copied().fold(0.0, f64::max);
    let mut tied = (labels.iter().zip(sums).take(known))
        .filter(|(_, sum)| *sum == best)
        .map(|(label, _)| *label);
    let lowest = tied.clone().min().unwrap_or(nearest);
    if tied.any(|label| label == nearest) {
        nearest
    } else {
        lowest
    }
}
