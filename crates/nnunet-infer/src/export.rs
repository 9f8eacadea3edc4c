//! From averaged network outputs back to a label map on the grid of the image.

use ndarray::{Array3, ArrayView4, Axis};
use nnunet_image::LabelMap;
use nnunet_preprocess::CaseProperties;
use nnunet_preprocess::resample::{ResampleMethod, SplineOrder, fold_outputs};
use rayon::prelude::*;

use crate::InferError;
use crate::accumulator::SliceSink;
use crate::averaging::Decision;
use crate::probabilities::ProbabilityStream;

/// Where one output slice lies among the input slices of axis 0.
#[derive(Clone, Copy, Debug, PartialEq)]
struct SlicePosition {
    low: usize,
    high: usize,
    /// Weights of the two.
    weight: [f32; 2],
}

/// The positions of all output slices: voxel `k` at `(k + 0.5) · from / to − 0.5`.
fn slice_positions(from: usize, to: usize, order: SplineOrder) -> Vec<SlicePosition> {
    let last = from.saturating_sub(1);
    let zoom = from as f64 / to as f64;
    (0..to)
        .map(|k| {
            let u = ((k as f64 + 0.5) * zoom - 0.5).clamp(0.0, last as f64);
            let alone = |z: f64| SlicePosition {
                low: z as usize,
                high: z as usize,
                weight: [1.0, 0.0],
            };
            match order {
                // Halves go up.
                SplineOrder::Nearest => alone((u + 0.5).floor().min(last as f64)),
                _ if u == u.floor() => alone(u),
                _ => SlicePosition {
                    low: u as usize,
                    high: u as usize + 1,
                    weight: [(1.0 - u.fract()) as f32, u.fract() as f32],
                },
            }
        })
        .collect()
}

/// Turns slices of network outputs into labels as they come.
///
/// Slices are interpolated along axis 0 here, from at most two at a time, and in plane by
/// [`fold_outputs`], which holds a band of rows; nothing holds all classes of a volume.
#[derive(Debug)]
pub(crate) struct LabelExport<'a> {
    case: &'a str,
    properties: &'a CaseProperties,
    decision: &'a Decision,
    in_plane: ResampleMethod,
    positions: Vec<SlicePosition>,
    /// Output slices that are done.
    done: usize,
    /// Input slices that came.
    received: usize,
    previous: Option<Vec<f32>>,
    /// Scratch space for an interpolated slice.
    between: Vec<f32>,
    /// Labels of the crop box, transposed.
    labels: Array3<i16>,
    /// Where the probabilities go, if anywhere.
    probabilities: Option<ProbabilityStream<'a>>,
}

impl<'a> LabelExport<'a> {
    pub(crate) fn new(
        case: &'a str,
        properties: &'a CaseProperties,
        decision: &'a Decision,
        method: ResampleMethod,
    ) -> Self {
        let from = properties.shape_after_resampling;
        let to = properties.shape_after_cropping_and_before_resampling;
        Self {
            case,
            properties,
            decision,
            in_plane: method,
            positions: slice_positions(from[0], to[0], method.order_along(0)),
            done: 0,
            received: 0,
            previous: None,
            between: Vec::new(),
            labels: Array3::zeros(to.voxels()),
            probabilities: None,
        }
    }

    /// Hands out probabilities as well.
    pub(crate) fn with_probabilities(mut self, stream: Option<ProbabilityStream<'a>>) -> Self {
        self.probabilities = stream;
        self
    }

    /// The label map of the whole image, once all slices have come.
    pub(crate) fn finish(self) -> Result<LabelMap, InferError> {
        if self.done != self.positions.len() {
            return Err(InferError::Internal {
                case: self.case.to_owned(),
                problem: format!("{} of {} slices exported", self.done, self.positions.len()),
            });
        }
        let properties = self.properties;
        let crop = properties.bbox_used_for_cropping;
        let whole = properties.shape_before_cropping;
        let labels = if crop.shape() == whole {
            self.labels
        } else {
            crop.embed(self.labels.view(), whole, 0)
        };
        let back = properties.transpose_forward.backward();
        let labels = labels.permuted_axes(back);
        Ok(LabelMap {
            labels: labels.as_standard_layout().into_owned(),
            geometry: properties.geometry,
        })
    }

    /// Decides one output slice from the values `(class, y, x)` at its place along axis 0.
    fn decide(&mut self, values: &[f32], k: usize) -> Result<(), InferError> {
        let [_, y, x] = self.properties.shape_after_resampling.voxels();
        let plane =
            ArrayView4::from_shape((self.decision.heads(), 1, y, x), values).map_err(|error| {
                InferError::Internal {
                    case: self.case.to_owned(),
                    problem: error.to_string(),
                }
            })?;
        let [_, to_y, to_x] = self
            .properties
            .shape_after_cropping_and_before_resampling
            .voxels();
        let decision = self.decision;
        let mut labels = self.labels.index_axis_mut(Axis(0), k);
        match labels.as_slice_mut() {
            // Nothing to resample in plane.
            Some(labels) if (y, x) == (to_y, to_x) => decision.decide_plane(values, labels),
            _ => {
                let mut decided = Array3::zeros((1, to_y, to_x));
                fold_outputs(plane, &self.in_plane, &mut decided, |channels, mut band| {
                    let mut best = Vec::new();
                    for (row, mut labels) in band.outer_iter_mut().enumerate() {
                        let rows = (channels.axis_iter(Axis(0)))
                            .map(|channel| channel.index_axis_move(Axis(0), row))
                            .filter_map(|row| row.to_slice());
                        if let Some(labels) = labels.as_slice_mut() {
                            decision.decide(rows, &mut best, labels);
                        }
                    }
                })?;
                labels.assign(&decided.index_axis(Axis(0), 0));
            }
        }
        if let Some(stream) = &mut self.probabilities {
            stream.slice(plane, &self.in_plane)?;
        }
        Ok(())
    }
}

impl SliceSink for LabelExport<'_> {
    fn take(&mut self, slice: Vec<f32>) -> Result<Option<Vec<f32>>, InferError> {
        let here = self.received;
        self.received += 1;
        while let Some(position) = self
            .positions
            .get(self.done)
            .filter(|p| p.high <= here)
            .copied()
        {
            let k = self.done;
            self.done += 1;
            match (&self.previous, position.low == position.high) {
                (Some(previous), false) => {
                    let mut between = std::mem::take(&mut self.between);
                    between.resize(slice.len(), 0.0);
                    mix(previous, &slice, position.weight, &mut between);
                    self.decide(&between, k)?;
                    self.between = between;
                }
                _ => self.decide(&slice, k)?,
            }
        }
        Ok(self.previous.replace(slice))
    }
}

/// The weighted sum of two slices.
fn mix(low: &[f32], high: &[f32], weight: [f32; 2], mixed: &mut [f32]) {
    const CHUNK: usize = 1 << 15;
    let sources = low.par_chunks(CHUNK).zip(high.par_chunks(CHUNK));
    mixed
        .par_chunks_mut(CHUNK)
        .zip(sources)
        .for_each(|(mixed, (low, high))| {
            for ((mixed, low), high) in mixed.iter_mut().zip(low).zip(high) {
                *mixed = weight[0] * low + weight[1] * high;
            }
        });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slices_lie_where_voxel_centres_do() {
        let doubled = slice_positions(2, 4, SplineOrder::Linear);
        let u: Vec<f32> = doubled.iter().map(|p| p.low as f32 + p.weight[1]).collect();
        assert_eq!(u, [0.0, 0.25, 0.75, 1.0]);
        let nearest = slice_positions(6, 3, SplineOrder::Nearest);
        let taken: Vec<usize> = nearest.iter().map(|p| p.high).collect();
        assert_eq!(taken, [1, 3, 5]);
    }

    proptest! {
        #[test]
        fn a_slice_needs_the_current_one_and_the_one_before(
            from in 1_usize..40, to in 1_usize..40, linear: bool
        ) {
            let order = if linear { SplineOrder::Linear } else { SplineOrder::Nearest };
            let positions = slice_positions(from, to, order);
            prop_assert!(positions.is_sorted_by_key(|p| p.high));
            for p in positions {
                prop_assert!(p.high < from && (p.low == p.high || p.low + 1 == p.high));
                prop_assert!((0.0..=1.0).contains(&p.weight[1]));
            }
        }
    }
}
