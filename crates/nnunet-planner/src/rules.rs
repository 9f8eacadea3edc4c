//! The constants of a rule set, and the hardware that a plan is made for.

use nnunet_schema::RuleSet;

use crate::PlanError;

/// Every constant that the planner works with, by name.
///
/// Start from a published set, [`Rules::paper`], and change fields to try other heuristics.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rules {
    /// The set that these rules come from; the plans record it.
    pub set: RuleSet,
    /// Name of the plans, also of their file.
    pub plans_name: String,
    /// Class name of the planner that the plans carry for the Python program.
    pub planner_name: String,
    /// Class name of the preprocessor that the plans carry for the Python program.
    pub preprocessor_name: String,

    /// GPU memory that the reference estimates stand for, gigabytes.
    pub reference_gpu_memory_gb: f64,
    /// Samples per step that the reference estimates stand for.
    pub reference_batch_size: usize,
    /// Largest part of the voxels of the training set in one batch (paper: 5 %).
    pub max_dataset_fraction: f64,

    /// Features of the first stage; each stage doubles them up to the cap.
    pub base_features: usize,
    /// Convolutions per stage, in encoder and decoder.
    pub convolutions_per_stage: usize,
    /// An axis is pooled while this many voxels are left of it afterwards (paper: 4).
    pub min_feature_map_edge: usize,
    /// Axes are alike, so that they are pooled and convolved together, while their spacings
    /// differ by less than this factor.
    pub like_spacing_ratio: f64,

    /// Percentile of the spacings that becomes the target spacing: 50, the median.
    pub target_spacing_percentile: f64,
    /// An axis is anisotropic if it is more than this much coarser than the others and has
    /// this much fewer voxels.
    pub anisotropy_threshold: f64,
    /// Percentile of the spacings along an anisotropic axis that becomes its target.
    pub coarse_axis_percentile: f64,
    /// Added to the in-plane spacing where that percentile would fall below it, millimetres.
    pub coarse_axis_margin_mm: f64,
    /// Whether an axis with a single voxel becomes the slice axis even if another is coarser.
    pub single_slice_axis_first: bool,

    /// Edge of the first patch tried in 3D along its coarsest axis, voxels; the other axes get
    /// as many millimetres. The median shape limits it.
    pub initial_patch_edge: f64,
    /// Spatial augmentation is slice by slice where the longest edge of a patch is more than
    /// this many times its depth.
    pub slice_wise_augmentation_ratio: f64,

    /// A low resolution is looked for if the median case has at least this many times the
    /// voxels of the full-resolution patch.
    pub lowres_trigger: f64,
    /// Factor by which the spacing grows from one low resolution tried to the next.
    pub lowres_spacing_step: f64,
    /// Axes that are finer than the coarsest by more than this factor grow alone.
    pub lowres_lagging_ratio: f64,
    /// A low resolution is kept if its median case has fewer than one part in this many voxels.
    pub lowres_min_reduction: f64,

    /// Statistics are taken inside the nonzero mask if cropping leaves less than this part of
    /// the median case.
    pub mask_threshold: f64,

    /// What differs for slices.
    pub two_d: DimensionRules,
    /// What differs for volumes.
    pub three_d: DimensionRules,
}

/// The constants that differ between 2D and 3D.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DimensionRules {
    /// Largest memory estimate of a patch at the reference batch size on the reference GPU.
    pub reference_estimate: f64,
    /// No stage has more features.
    pub feature_cap: usize,
    /// The estimate of the first patch counts this many base features; later ones those of the
    /// network. (The published 2D reference was measured with 30.)
    pub first_estimate_base_features: usize,
    /// How the batch fills what the patch leaves of the budget.
    pub batch_rounding: BatchRounding,
    /// The 5 % limit does not push the batch below this.
    pub min_batch_size: usize,
}

/// How a batch size is rounded down to the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchRounding {
    /// To single samples.
    Samples,
    /// To multiples of the reference batch size.
    ReferenceBatches,
}

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
            reference_batch_size: 2,
            max_dataset_fraction: 0.05,
            base_features: 32,
            convolutions_per_stage: 2,
            min_feature_map_edge: 4,
            like_spacing_ratio: 2.0,
            target_spacing_percentile: 50.0,
            anisotropy_threshold: 3.0,
            coarse_axis_percentile: 10.0,
            coarse_axis_margin_mm: 1e-5,
            single_slice_axis_first: true,
            initial_patch_edge: 512.0,
            slice_wise_augmentation_ratio: 3.0,
            lowres_trigger: 4.0,
            lowres_spacing_step: 1.01,
            lowres_lagging_ratio: 2.0,
            lowres_min_reduction: 2.0,
            mask_threshold: 0.75,
            two_d: DimensionRules {
                // Measured for 30 features and a batch of 50; half of the batch stays free.
                reference_estimate: 19_739_648.0 * 50.0 / 2.0,
                feature_cap: 512,
                first_estimate_base_features: 30,
                batch_rounding: BatchRounding::ReferenceBatches,
                min_batch_size: 1,
            },
            three_d: DimensionRules {
                // Measured for 30 features; the networks have 32.
                reference_estimate: 520_000_000.0 * 32.0 / 30.0,
                feature_cap: 320,
                first_estimate_base_features: 32,
                batch_rounding: BatchRounding::Samples,
                min_batch_size: 2,
            },
        }
    }

    /// Refuses constants that no plan can follow.
    pub(crate) fn check(&self) -> Result<(), PlanError> {
        let dimensions = [&self.two_d, &self.three_d];
        let above = |value: f64, bound: f64| value.is_finite() && value > bound;
        let requirements = [
            (
                "reference_gpu_memory_gb",
                above(self.reference_gpu_memory_gb, 0.0),
            ),
            ("reference_batch_size", self.reference_batch_size > 0),
            ("base_features", self.base_features > 0),
            ("min_feature_map_edge", self.min_feature_map_edge > 0),
            ("like_spacing_ratio", above(self.like_spacing_ratio, 1.0)),
            (
                "target_spacing_percentile",
                (0.0..=100.0).contains(&self.target_spacing_percentile),
            ),
            (
                "coarse_axis_percentile",
                (0.0..=100.0).contains(&self.coarse_axis_percentile),
            ),
            ("lowres_trigger", above(self.lowres_trigger, 0.0)),
            ("lowres_spacing_step", above(self.lowres_spacing_step, 1.0)),
            (
                "reference_estimate",
                dimensions.iter().all(|d| above(d.reference_estimate, 0.0)),
            ),
            ("feature_cap", dimensions.iter().all(|d| d.feature_cap > 0)),
            (
                "min_batch_size",
                dimensions.iter().all(|d| d.min_batch_size > 0),
            ),
        ];
        match requirements.iter().find(|(_, met)| !met) {
            Some((field, _)) => Err(PlanError::Rules { field }),
            None => Ok(()),
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::paper()
    }
}

/// The hardware that a plan is made for.
///
/// The memory estimates of a rule set are relative: a plan for 8 GB, the default, is the
/// published one, and the reference grows and shrinks in proportion to the memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Memory of the GPU, gigabytes.
    pub gpu_memory_gb: f64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { gpu_memory_gb: 8.0 }
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
    fn rules_that_cannot_be_followed_are_named() {
        let mut rules = Rules::paper();
        rules.lowres_spacing_step = 1.0;
        let error = rules.check().unwrap_err().to_string();
        assert!(error.contains("lowres_spacing_step"), "{error}");
    }
}
