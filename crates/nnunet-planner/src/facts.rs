//! What the rules need to know of a dataset, drawn from its fingerprint and checked.

use nnunet_schema::plans::{NormalizationScheme, PlanOverrides, TranspositionChoice};
use nnunet_schema::{AxisPermutation, DatasetDescription, DatasetFingerprint, Shape, Spacing};

use crate::statistics::{first_maximum, median, per_axis};
use crate::target::TargetSpacing;
use crate::{CaseCount, EstimateEnds, PlanError, ResampledShapes, Rules, normalization};

/// No axis of a median case may be longer: far above any image, far below overflow.
const LONGEST_EDGE: usize = 1 << 30;

/// A dataset as the planner sees it; axes as transposed by the plan.
#[derive(Clone, Debug)]
pub(crate) struct DatasetFacts {
    /// The target spacing and what led to it.
    pub(crate) target: TargetSpacing,
    /// Puts the coarsest axis of the target spacing first.
    pub(crate) transposition: AxisPermutation,
    /// The median case at the target spacing of the volumes.
    pub(crate) volumes: MedianCase,
    /// The median case at the target spacing of the slices, which lie across axis 0.
    pub(crate) slices: MedianCase,
    /// Per-axis median of the spacings as acquired.
    pub(crate) original_spacing: Spacing,
    /// Per-axis median of the shapes as acquired.
    pub(crate) original_shape: Shape,
    /// Number of training cases.
    pub(crate) cases: usize,
    /// Input and output channels, as far as the rules count them.
    pub(crate) ends: usize,
    /// Names of the channels, in order.
    pub(crate) channel_names: Vec<String>,
    /// Median part of a case that cropping to nonzero leaves.
    pub(crate) relative_size: f64,
    /// One per channel.
    pub(crate) normalization: Vec<NormalizationScheme>,
    /// One per channel.
    pub(crate) use_mask: Vec<bool>,
}

/// The median case of a dataset at some spacing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MedianCase {
    /// The spacing, millimetres.
    pub(crate) spacing: [f64; 3],
    /// Per-axis median of the shapes at that spacing, as calculated.
    pub(crate) voxels: [f64; 3],
    /// The same as the rules round it: the median shape. At least one along each axis.
    pub(crate) shape: [f64; 3],
}

impl MedianCase {
    fn new(spacing: [f64; 3], voxels: [f64; 3], shapes: ResampledShapes) -> Self {
        let shape = match shapes {
            ResampledShapes::Exact => voxels.map(whole),
            // The median of whole numbers already.
            ResampledShapes::Whole => voxels,
        };
        Self {
            spacing,
            voxels,
            shape,
        }
    }

    /// The same case at a coarser spacing.
    pub(crate) fn at(&self, spacing: [f64; 3]) -> Self {
        let voxels = std::array::from_fn(|a| self.spacing[a] / spacing[a] * self.voxels[a]);
        Self {
            spacing,
            voxels,
            shape: voxels.map(whole),
        }
    }

    /// The number of voxels, not rounded.
    pub(crate) fn volume(&self) -> f64 {
        self.voxels.iter().product()
    }
}

fn whole(voxels: f64) -> f64 {
    voxels.round_ties_even().max(1.0)
}

impl DatasetFacts {
    /// Collects the facts, as far as they are not fixed by hand.
    pub(crate) fn collect(
        rules: &Rules,
        fingerprint: &DatasetFingerprint,
        description: &DatasetDescription,
        overrides: &PlanOverrides,
    ) -> Result<Self, PlanError> {
        check(fingerprint)?;
        let channel_names = description.ordered_channel_names();
        if channel_names.is_empty() || channel_names.len() != description.channels() {
            return Err(PlanError::Channels {
                found: description.channels(),
                numbered: channel_names.len(),
            });
        }
        let spacings: Vec<[f64; 3]> = fingerprint.spacings.iter().map(|s| s.mm()).collect();
        let shapes: Vec<[f64; 3]> = (fingerprint.shapes_after_crop.iter())
            .map(|shape| shape.voxels().map(|v| v as f64))
            .collect();

        let target = TargetSpacing::choose(rules, &spacings, &shapes, overrides.target_spacing);
        let volumes = median_case(rules, &spacings, &shapes, target.volumes)?;
        let slices = median_case(rules, &spacings, &shapes, target.slices)?;
        let first = match overrides.transposition {
            TranspositionChoice::CoarsestFirst => slice_axis(rules, &volumes),
            TranspositionChoice::AsInFiles => 0,
        };
        let transposition = AxisPermutation::axis_first(first)?;
        let transposed = |case: MedianCase| MedianCase {
            spacing: transposition.apply(case.spacing),
            voxels: transposition.apply(case.voxels),
            shape: transposition.apply(case.shape),
        };
        let original_spacing = Spacing::new(per_axis(&spacings, median))?;
        let original_shape = per_axis(&shapes, median).map(|v| v.round_ties_even() as usize);
        let (normalization, use_mask) = normalization::choose(
            rules,
            &channel_names,
            fingerprint.median_relative_size_after_cropping,
        );
        Ok(Self {
            target,
            transposition,
            volumes: transposed(volumes),
            slices: transposed(slices),
            original_spacing: transposition.apply_spacing(original_spacing),
            original_shape: transposition.apply_shape(Shape::new(original_shape)),
            cases: match rules.case_count {
                CaseCount::Fingerprint => spacings.len(),
                CaseCount::Description => description.num_training,
            },
            ends: match rules.estimate_ends {
                EstimateEnds::ChannelsAndClasses => {
                    channel_names.len() + description.label_scheme()?.foreground_labels().len() + 1
                }
                EstimateEnds::LabelEntries => description.labels.len(),
            },
            channel_names: channel_names.iter().map(ToString::to_string).collect(),
            relative_size: fingerprint.median_relative_size_after_cropping,
            normalization,
            use_mask,
        })
    }
}

fn check(fingerprint: &DatasetFingerprint) -> Result<(), PlanError> {
    let (shapes, spacings) = (&fingerprint.shapes_after_crop, &fingerprint.spacings);
    if shapes.len() != spacings.len() {
        return Err(PlanError::UnequalCases {
            shapes: shapes.len(),
            spacings: spacings.len(),
        });
    }
    if shapes.is_empty() {
        return Err(PlanError::NoCases);
    }
    match shapes.iter().position(|shape| shape.voxels().contains(&0)) {
        Some(case) => Err(PlanError::EmptyCase {
            case,
            shape: shapes[case],
        }),
        None => Ok(()),
    }
}

fn median_case(
    rules: &Rules,
    spacings: &[[f64; 3]],
    shapes: &[[f64; 3]],
    target: [f64; 3],
) -> Result<MedianCase, PlanError> {
    let resampled: Vec<[f64; 3]> = (spacings.iter().zip(shapes))
        .map(|(spacing, shape)| {
            std::array::from_fn(|a| {
                let voxels = spacing[a] / target[a] * shape[a];
                match rules.resampled_shapes {
                    ResampledShapes::Exact => voxels,
                    ResampledShapes::Whole => whole(voxels),
                }
            })
        })
        .collect();
    let voxels = per_axis(&resampled, median);
    if voxels.iter().all(|v| *v <= LONGEST_EDGE as f64) {
        Ok(MedianCase::new(target, voxels, rules.resampled_shapes))
    } else {
        Err(PlanError::Implausible {
            spacing: target,
            voxels,
            limit: LONGEST_EDGE,
        })
    }
}

/// The axis that becomes axis 0: the coarsest, or the one along which there is a single slice.
fn slice_axis(rules: &Rules, case: &MedianCase) -> usize {
    let single = case.shape.iter().position(|edge| *edge == 1.0);
    match single {
        Some(axis) if rules.single_slice_axis_first => axis,
        _ => first_maximum(&case.spacing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_slice_is_the_slice_axis() {
        let case = MedianCase::new([1.0, 2.0, 2.0], [1.0, 100.0, 100.0], ResampledShapes::Exact);
        assert_eq!(slice_axis(&Rules::paper(), &case), 0);
        let mut rules = Rules::paper();
        rules.single_slice_axis_first = false;
        assert_eq!(slice_axis(&rules, &case), 1);
    }
}
