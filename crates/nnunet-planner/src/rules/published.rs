//! The published rule sets.

use nnunet_schema::RuleSet;

use super::{
    BatchRounding, CaseCount, DimensionRules, Encoder, EstimateEnds, InitialPatch,
    LowresComparison, MaskRule, ResampledShapes, Rules, SliceSpacing, TopologyRule,
};
use crate::PlanError;

impl Rules {
    /// The rules of the paper (arXiv 1904.08128v2, online methods and supplement), with
    /// the constants of the planners that its results were made with.
    #[must_use]
    pub fn paper() -> Self {
        Self {
            set: RuleSet::Paper,
            plans_name: "nnUNetPlans".to_owned(),
            planner_name: "ExperimentPlanner".to_owned(),
            preprocessor_name: "DefaultPreprocessor".to_owned(),
            reference_gpu_memory_gb: 8.0,
            max_dataset_fraction: 0.05,
            base_features: 32,
            encoder: Encoder::Plain,
            encoder_depths: vec![2],
            decoder_convolutions: 2,
            topology: TopologyRule::LargestGroup,
            min_stages: 2,
            min_feature_map_edge: 4,
            like_spacing_ratio: 2.0,
            target_spacing_percentile: 50.0,
            anisotropy_threshold: 3.0,
            coarse_axis_percentile: 10.0,
            coarse_axis_margin_mm: 1e-5,
            single_slice_axis_first: true,
            resampled_shapes: ResampledShapes::Exact,
            slice_spacing: SliceSpacing::Median,
            case_count: CaseCount::Fingerprint,
            estimate_ends: EstimateEnds::ChannelsAndClasses,
            slice_wise_augmentation_ratio: Some(3.0),
            lowres_trigger: 4.0,
            lowres_spacing_step: 1.01,
            lowres_lagging_ratio: 2.0,
            lowres_min_reduction: 2.0,
            lowres_comparison: LowresComparison::WholeVoxelsAbove,
            mask_rule: MaskRule::NotNamedCt,
            mask_threshold: 0.75,
            shared_data_plans: None,
            two_d: DimensionRules {
                initial_patch: InitialPatch::MedianCase,
                // Measured for 30 features and a batch of 50; half of the batch stays free.
                reference_estimate: 19_739_648.0 * 50.0 / 2.0,
                reference_batch_size: 2,
                patch_batch_size: 2,
                feature_cap: 512,
                first_estimate_base_features: 30,
                batch_rounding: BatchRounding::ReferenceBatches,
                min_batch_size: 1,
            },
            three_d: DimensionRules {
                initial_patch: InitialPatch::CoarsestEdge(512.0),
                // Measured for 30 features; the networks have 32.
                reference_estimate: 520_000_000.0 * 32.0 / 30.0,
                reference_batch_size: 2,
                patch_batch_size: 2,
                feature_cap: 320,
                first_estimate_base_features: 32,
                batch_rounding: BatchRounding::Samples,
                min_batch_size: 2,
            },
        }
    }

    /// The default rules of the Python program, nnU-Net v2.
    #[must_use]
    pub fn v2() -> Self {
        let dimension = |initial_patch, reference_estimate, batch, feature_cap| DimensionRules {
            initial_patch,
            reference_estimate,
            reference_batch_size: batch,
            patch_batch_size: 2,
            feature_cap,
            first_estimate_base_features: 32,
            batch_rounding: BatchRounding::Nearest,
            min_batch_size: 2,
        };
        Self {
            set: RuleSet::V2,
            topology: TopologyRule::Sticky,
            min_stages: 1,
            single_slice_axis_first: false,
            resampled_shapes: ResampledShapes::Whole,
            slice_spacing: SliceSpacing::OfVolumes,
            case_count: CaseCount::Description,
            estimate_ends: EstimateEnds::LabelEntries,
            slice_wise_augmentation_ratio: None,
            lowres_spacing_step: 1.03,
            lowres_comparison: LowresComparison::ExactVoxelsAtLeast,
            mask_rule: MaskRule::ZScore,
            two_d: dimension(InitialPatch::Extent(2048.0), 85e6, 12, 512),
            three_d: dimension(InitialPatch::Extent(256.0), 560e6, 2, 320),
            ..Self::paper()
        }
    }

    /// nnU-Net v2's residual encoder for GPUs of 8 GB.
    #[must_use]
    pub fn resenc_m() -> Self {
        Self::residual(RuleSet::ResencM, "M", 8.0, [135e6, 680e6])
    }

    /// nnU-Net v2's residual encoder for GPUs of 24 GB.
    #[must_use]
    pub fn resenc_l() -> Self {
        Self::residual(RuleSet::ResencL, "L", 24.0, [380e6, 2_100e6])
    }

    /// nnU-Net v2's residual encoder for GPUs of 40 GB.
    #[must_use]
    pub fn resenc_xl() -> Self {
        Self::residual(RuleSet::ResencXl, "XL", 40.0, [560e6, 3_600e6])
    }

    fn residual(set: RuleSet, size: &str, gpu_memory_gb: f64, [slices, volumes]: [f64; 2]) -> Self {
        let plain = Self::v2();
        let dimension = |plain: DimensionRules, reference_estimate| DimensionRules {
            reference_estimate,
            patch_batch_size: plain.reference_batch_size,
            ..plain
        };
        Self {
            set,
            plans_name: format!("nnUNetResEncUNet{size}Plans"),
            planner_name: format!("nnUNetPlannerResEnc{size}"),
            shared_data_plans: Some(plain.plans_name.clone()),
            reference_gpu_memory_gb: gpu_memory_gb,
            max_dataset_fraction: 1.0,
            encoder: Encoder::Residual,
            encoder_depths: vec![1, 3, 4, 6],
            decoder_convolutions: 1,
            two_d: dimension(plain.two_d.clone(), slices),
            three_d: dimension(plain.three_d.clone(), volumes),
            ..plain
        }
    }

    /// The published rules of this name.
    ///
    /// # Errors
    /// [`PlanError::UnknownRules`] for a set that this version does not know.
    pub fn of(set: RuleSet) -> Result<Self, PlanError> {
        Ok(match set {
            RuleSet::Paper => Self::paper(),
            RuleSet::V2 => Self::v2(),
            RuleSet::ResencM => Self::resenc_m(),
            RuleSet::ResencL => Self::resenc_l(),
            RuleSet::ResencXl => Self::resenc_xl(),
            other => return Err(PlanError::UnknownRules { set: other }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_references_are_the_published_ones() {
        let rules = Rules::paper();
        assert_eq!(rules.two_d.reference_estimate, 493_491_200.0);
        assert!((rules.three_d.reference_estimate - 554_666_666.67).abs() < 0.01);
        assert!(rules.check().is_ok());
    }

    #[test]
    fn every_published_set_can_be_followed_and_names_itself() {
        for set in [
            RuleSet::Paper,
            RuleSet::V2,
            RuleSet::ResencM,
            RuleSet::ResencL,
            RuleSet::ResencXl,
        ] {
            let rules = Rules::of(set).unwrap();
            assert_eq!(rules.set, set);
            assert!(rules.check().is_ok(), "{set}");
        }
        let depths = |stage| Rules::resenc_l().encoder_depth(stage);
        assert_eq!([0, 1, 2, 3, 4, 9].map(depths), [1, 3, 4, 6, 6, 6]);
    }
}
