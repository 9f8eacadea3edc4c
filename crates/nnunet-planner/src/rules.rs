//! The constants of a rule set, and the hardware that a plan is made for.

use nnunet_schema::RuleSet;

use crate::PlanError;

mod published;

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
    /// Largest part of the voxels of the training set in one batch (paper: 5 %).
    pub max_dataset_fraction: f64,

    /// Features of the first stage; each stage doubles them up to the cap.
    pub base_features: usize,
    /// Kind of the encoder.
    pub encoder: Encoder,
    /// Convolutions (plain encoder) or residual blocks of each encoder stage, from full
    /// resolution down; stages beyond the end of the list have as many as its last entry.
    pub encoder_depths: Vec<usize>,
    /// Convolutions per decoder stage.
    pub decoder_convolutions: usize,
    /// How poolings and kernels follow from spacing and patch.
    pub topology: TopologyRule,
    /// Fewest resolutions of a network. The Python program also plans a single one, for cases too
    /// small to be pooled, which it cannot train.
    pub min_stages: usize,
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
    /// What the median shape at the target spacing is the median of.
    pub resampled_shapes: ResampledShapes,
    /// The spacing that slices are planned at.
    pub slice_spacing: SliceSpacing,
    /// Which cases make up the training set whose voxels limit the batch.
    pub case_count: CaseCount,
    /// Which outputs and inputs of the network the memory estimate counts.
    pub estimate_ends: EstimateEnds,

    /// Spatial augmentation is slice by slice where the longest edge of a patch is more than
    /// this many times its depth; the plans say so. `None`: the plans leave it to the trainer.
    pub slice_wise_augmentation_ratio: Option<f64>,

    /// A low resolution is looked for if the median case has at least this many times the
    /// voxels of the full-resolution patch.
    pub lowres_trigger: f64,
    /// Factor by which the spacing grows from one low resolution tried to the next.
    pub lowres_spacing_step: f64,
    /// Axes that are finer than the coarsest by more than this factor grow alone.
    pub lowres_lagging_ratio: f64,
    /// A low resolution is kept if its median case has fewer than one part in this many voxels.
    pub lowres_min_reduction: f64,
    /// What is compared for that, and how.
    pub lowres_comparison: LowresComparison,

    /// Which channels may have their statistics taken inside the nonzero mask.
    pub mask_rule: MaskRule,
    /// Statistics are taken inside the nonzero mask if cropping leaves less than this part of
    /// the median case.
    pub mask_threshold: f64,

    /// Name of the plans whose preprocessed data are shared by the configurations of full
    /// resolution, if not these.
    pub shared_data_plans: Option<String>,

    /// What differs for slices.
    pub two_d: DimensionRules,
    /// What differs for volumes.
    pub three_d: DimensionRules,
}

/// The constants that differ between 2D and 3D.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DimensionRules {
    /// The first patch of the search.
    pub initial_patch: InitialPatch,
    /// Largest memory estimate of a network at the reference batch size on the reference GPU.
    pub reference_estimate: f64,
    /// Samples per step that the reference estimate stands for.
    pub reference_batch_size: usize,
    /// Samples per step that must fit with a patch for the patch to be accepted.
    pub patch_batch_size: usize,
    /// No stage has more features.
    pub feature_cap: usize,
    /// The estimate of the first patch counts this many base features; later ones those of the
    /// network. (The published 2D reference was measured with 30.)
    pub first_estimate_base_features: usize,
    /// How the batch fills what the patch leaves of the budget.
    pub batch_rounding: BatchRounding,
    /// The limit of voxels per batch does not push the batch below this.
    pub min_batch_size: usize,
}

/// The encoder of a U-Net.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoder {
    /// Convolutions.
    Plain,
    /// Residual blocks of two convolutions.
    Residual,
}

/// How the poolings and kernels of a U-Net follow from spacing and patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopologyRule {
    /// The paper's planners: spacings are compared over all axes, kernels span the largest group
    /// of axes of like spacing.
    LargestGroup,
    /// nnU-Net v2: spacings are compared over the axes that can still be pooled, a kernel that
    /// has become 3 along an axis stays so, and a single axis is only pooled while it is long.
    Sticky,
}

/// The first patch of the search; the median shape limits it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum InitialPatch {
    /// The median case.
    MedianCase,
    /// So many voxels along the coarsest axis, as many millimetres along the others.
    CoarsestEdge(f64),
    /// As many voxels as a square or cube of this edge, as many millimetres along all axes.
    Extent(f64),
}

/// What the median shape at the target spacing is the median of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResampledShapes {
    /// Shapes as calculated; the median is rounded at the end.
    Exact,
    /// Shapes in whole voxels; the median of an even number of cases may lie between two.
    Whole,
}

/// The spacing that slices are planned at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SliceSpacing {
    /// The median: the percentile rule for coarse axes is for volumes.
    Median,
    /// That of the volumes.
    OfVolumes,
}

/// Which cases make up the training set whose voxels limit the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CaseCount {
    /// Those of the fingerprint; slices count at their own spacing.
    Fingerprint,
    /// `numTraining` of the dataset description; slices count at the spacing of the volumes.
    Description,
}

/// Which outputs and inputs of the network the memory estimate counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EstimateEnds {
    /// Input channels, and the foreground classes with the background.
    ChannelsAndClasses,
    /// The entries of `labels` in the dataset description, regions and ignored voxels too.
    LabelEntries,
}

/// How a low resolution is compared to the full one to decide whether it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LowresComparison {
    /// Whole voxels; the reduction must exceed the minimum.
    WholeVoxelsAbove,
    /// Voxels as calculated; the minimum suffices.
    ExactVoxelsAtLeast,
}

/// Which channels may have their statistics taken inside the nonzero mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MaskRule {
    /// Those whose name does not contain `CT`.
    NotNamedCt,
    /// Those normalised by z-score.
    ZScore,
}

/// How a batch size is rounded down to the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchRounding {
    /// Down to single samples.
    Samples,
    /// Down to multiples of the reference batch size.
    ReferenceBatches,
    /// To the nearest sample, which may exceed the budget by half a sample.
    Nearest,
}

impl Rules {
    /// The GPU that the published plans of these rules are made for.
    #[must_use]
    pub const fn reference_budget(&self) -> Budget {
        Budget {
            gpu_memory_gb: self.reference_gpu_memory_gb,
        }
    }

    /// Convolutions or residual blocks of an encoder stage.
    pub(crate) fn encoder_depth(&self, stage: usize) -> usize {
        let depths = &self.encoder_depths;
        depths.get(stage).or(depths.last()).copied().unwrap_or(1)
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
            (
                "reference_batch_size",
                dimensions.iter().all(|d| d.reference_batch_size > 0),
            ),
            (
                "patch_batch_size",
                dimensions.iter().all(|d| d.patch_batch_size > 0),
            ),
            (
                "encoder_depths",
                !self.encoder_depths.is_empty() && !self.encoder_depths.contains(&0),
            ),
            ("decoder_convolutions", self.decoder_convolutions > 0),
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
    fn rules_that_cannot_be_followed_are_named() {
        let mut rules = Rules::paper();
        rules.lowres_spacing_step = 1.0;
        let error = rules.check().unwrap_err().to_string();
        assert!(error.contains("lowres_spacing_step"), "{error}");
    }
}
