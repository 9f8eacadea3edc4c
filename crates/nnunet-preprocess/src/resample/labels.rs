//! Resampling of label maps.

use half::f16;
use ndarray::{Array3, ArrayView3, ArrayViewMut3, Axis, Zip};
use nnunet_schema::Shape;
use rayon::prelude::*;

use super::axis::{Neighbours, neighbours};
use super::{LabelRule, ResampleMethod, SplineOrder, check_shapes, check_target, shape_of};
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
/// that its ties are ties here too. Other rules than this one: [`LabelRule`].
///
/// With a separate axis the nearest slice is taken along it. Where it is interpolated linearly
/// that is the nearest slice too, but halfway between two slices with different labels there is
/// background (as in nnU-Net v2, which wants more than one half).
///
/// Runs on the current rayon pool.
///
/// # Errors
/// [`PreprocessError::Resample`] if a side has no voxels, the separate axis is not 0, 1 or 2, or
/// an order is cubic; [`PreprocessError::OutOfMemory`] if there is no memory for the result.
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
    if (0..3).any(|axis| method.order_along(axis) == SplineOrder::Cubic) {
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
    if let Some(apart) = method.separate
        && apart.order == SplineOrder::Linear
    {
        return majority_slices(labels, target, apart.axis, method);
    }
    let labels = labels.as_standard_layout();
    let axes: [Vec<Neighbours>; 3] =
        std::array::from_fn(|axis| neighbours(from[axis], to[axis], method.order_along(axis)));
    let [depth, rows, columns] = &axes;
    let source = Source {
        labels: labels.as_slice().unwrap_or_default(),
        rows: from[1],
        columns: from[2],
        rule: method.rule,
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

/// Slices along `axis` are resampled in plane; along the axis the one with more than half of the
/// weight wins, and where both have half of it, what they have in common.
fn majority_slices(
    labels: ArrayView3<'_, i16>,
    mut target: ArrayViewMut3<'_, i16>,
    axis: usize,
    method: &ResampleMethod,
) -> Result<(), PreprocessError> {
    let (from, mut to) = (shape_of(&labels), shape_of(&target.view()).voxels());
    let places = neighbours(from[axis], to[axis], SplineOrder::Linear);
    to[axis] = from[axis];
    let in_plane = ResampleMethod {
        rule: method.rule,
        ..ResampleMethod::by_slices(method.order, Some(axis))
    };
    let between = resample_labels(labels, Shape::new(to), &in_plane)?;
    for (mut out, place) in target.axis_iter_mut(Axis(axis)).zip(places) {
        let slice = |index: usize| between.index_axis(Axis(axis), index);
        out.assign(&slice(place.nearest));
        if place.weight[0] == place.weight[1] {
            let [low, high] = place.index.map(slice);
            let common = |out: &mut i16, low: &i16, high: &i16| {
                *out = if low == high { *low } else { 0 };
            };
            Zip::from(&mut out).and(&low).and(&high).for_each(common);
        }
    }
    Ok(())
}

/// Stands for "the rows around differ here"; outside the range of labels.
const SEAM: i32 = i32::MAX;

/// A contiguous label map.
struct Source<'a> {
    labels: &'a [i16],
    rows: usize,
    columns: usize,
    rule: LabelRule,
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
                Votes::of(around, weights, x).winner(self.rule, nearest)
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

/// The labels around a voxel with the sums of their weights.
struct Votes {
    labels: [i16; 8],
    sums: [f64; 8],
    known: usize,
}

impl Votes {
    /// Of the eight voxels around.
    fn of(rows: [&[i16]; 4], weights: [f64; 4], x: &Neighbours) -> Self {
        let mut votes = Self {
            labels: [0; 8],
            sums: [0.0; 8],
            known: 0,
        };
        for (row, weight) in rows.iter().zip(weights) {
            for (index, along) in x.index.iter().zip(x.weight) {
                votes.add(row.get(*index).copied().unwrap_or(0), weight * along);
            }
        }
        votes
    }

    fn add(&mut self, label: i16, weight: f64) {
        let found = self.labels.iter().take(self.known);
        let slot = (found.clone().position(|l| *l == label)).unwrap_or(self.known);
        if let (Some(l), Some(s)) = (self.labels.get_mut(slot), self.sums.get_mut(slot)) {
            *l = label;
            *s += weight;
        }
        self.known = self.known.max(slot + 1);
    }

    /// The label that wins; `nearest` is the nearest voxel's.
    fn winner(mut self, rule: LabelRule, nearest: i16) -> i16 {
        if rule == LabelRule::HeaviestInHalf {
            self.sums = self.sums.map(in_half);
        }
        let best = self.sums.iter().copied().fold(0.0, f64::max);
        let mut tied = (self.labels.iter().zip(self.sums).take(self.known))
            .filter(|(_, sum)| *sum == best)
            .map(|(label, _)| *label);
        let lowest = tied.clone().min().unwrap_or(nearest);
        match rule {
            LabelRule::Heaviest if tied.any(|label| label == nearest) => nearest,
            LabelRule::Heaviest | LabelRule::HeaviestInHalf => lowest,
            // In the precision in which torch sums up.
            LabelRule::Majority if best as f32 > 0.5 => lowest,
            LabelRule::Majority => 0,
        }
    }
}

/// A sum of weights as resampling by torch keeps it.
fn in_half(sum: f64) -> f64 {
    f16::from_f32((1000.0 * sum) as f32).to_f64()
}
