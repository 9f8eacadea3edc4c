use nnunet_schema::{RuleSet, SchemaError, Shape};

/// Why no plan could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A fingerprint without cases.
    #[error("the fingerprint has no cases: a plan needs at least one")]
    NoCases,
    /// A fingerprint whose lists don't belong together.
    #[error("the fingerprint has {shapes} shapes but {spacings} spacings: one each per case")]
    UnequalCases {
        /// Entries of `shapes_after_crop`.
        shapes: usize,
        /// Entries of `spacings`.
        spacings: usize,
    },
    /// A case with no voxels.
    #[error("case {case} of the fingerprint has shape {shape}: every edge must be above zero")]
    EmptyCase {
        /// Position in the fingerprint, from 0.
        case: usize,
        /// Its shape.
        shape: Shape,
    },
    /// Sizes that no image has, usually because of a wrong spacing.
    #[error(
        "at the target spacing {spacing:?} mm the median case has {voxels:?} voxels, more than \
         {limit} along an axis: check the spacings of the dataset"
    )]
    Implausible {
        /// The target spacing, axes as in the files.
        spacing: [f64; 3],
        /// The median shape at that spacing.
        voxels: [f64; 3],
        /// The longest edge allowed.
        limit: usize,
    },
    /// Channels that are not numbered `0, 1, …`.
    #[error(
        "dataset.json names {found} channels, of which {numbered} are numbered \"0\", \"1\", …: \
         number all of them"
    )]
    Channels {
        /// Entries of `channel_names`.
        found: usize,
        /// Those with a consecutive number.
        numbered: usize,
    },
    /// An ending that no known reader of the Python program handles.
    #[error(
        "no reader is known for `{ending}`: name its class as `overwrite_image_reader_writer` \
         in dataset.json"
    )]
    UnknownFileEnding {
        /// `file_ending` of dataset.json.
        ending: String,
    },
    /// A dataset description that contradicts itself.
    #[error(transparent)]
    Dataset(#[from] SchemaError),
    /// A value fixed by hand that cannot be used.
    #[error("the given {field} is {found}, expected {expected}")]
    Override {
        /// Which value.
        field: &'static str,
        /// What it is.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// A budget that is not a positive number.
    #[error("the GPU memory is {found} GB, expected a number above zero")]
    Budget {
        /// The budget given.
        found: f64,
    },
    /// A rule set that this version does not know.
    #[error("the rules `{set}` are not known to this planner")]
    UnknownRules {
        /// The set.
        set: RuleSet,
    },
    /// A constant of the rules that cannot be followed.
    #[error("`{field}` of the rules has a value that no plan can follow")]
    Rules {
        /// The field of [`Rules`](crate::Rules) or [`DimensionRules`](crate::DimensionRules).
        field: &'static str,
    },
    /// A patch that the rules cannot pool even once.
    #[error(
        "{configuration}: a patch of {patch:?} voxels at a spacing of {spacing:?} mm cannot be \
         pooled once, but a U-Net needs two resolutions: an axis is pooled if it has at least \
         {edge} voxels and is not much coarser than the finest; set another target spacing"
    )]
    TooSmall {
        /// The configuration.
        configuration: &'static str,
        /// Its patch, axes as transposed.
        patch: Vec<usize>,
        /// Its spacing, axes as transposed.
        spacing: Vec<f64>,
        /// The shortest edge that can be pooled.
        edge: usize,
    },
    /// A network that does not fit, with what was fixed by hand or at all.
    #[error(
        "{configuration}: a patch of {patch:?} voxels, {base_features} base features and a batch \
         of {batch_size} need about {needed_gb:.1} GB, but the budget is {budget_gb:.1} GB: \
         allow more GPU memory, or reduce what was fixed by hand"
    )]
    OverBudget {
        /// The configuration.
        configuration: &'static str,
        /// Its patch, axes as transposed.
        patch: Vec<usize>,
        /// Features of its first stage.
        base_features: usize,
        /// Its batch size.
        batch_size: usize,
        /// The memory estimate on the scale of the budget, gigabytes.
        needed_gb: f64,
        /// The budget, gigabytes.
        budget_gb: f64,
    },
    /// A search that does not come to an end in reasonable time.
    #[error(
        "{configuration}: no patch found in {limit} steps, the last was {patch:?}: the shapes or \
         spacings of the dataset are far from those of images"
    )]
    SearchTooLong {
        /// The configuration.
        configuration: &'static str,
        /// The last patch tried, axes as transposed.
        patch: Vec<usize>,
        /// Steps allowed in all.
        limit: usize,
    },
}
