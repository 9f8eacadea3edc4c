//! `nnUNetPlans.json`: the pipeline that the planner designed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use crate::fingerprint::by_channel;
use crate::{AxisPermutation, IntensityProperties, SchemaError, Shape, Spacing, python_json};

mod build;
mod check;
mod legacy;
mod resolve;

pub use build::{EncoderDepths, Stages};
pub use legacy::LEGACY_NETWORK_KEYS;

/// A plans document of nnU-Net v2. Unknown keys are kept, everywhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plans {
    /// Folder name of the dataset, e.g. `Dataset004_Hippocampus`.
    pub dataset_name: String,
    /// Name of these plans; the file is called `{plans_name}.json`.
    pub plans_name: String,
    /// Per-axis median of the raw spacings (not the target), axes as transposed by the plan.
    pub original_median_spacing_after_transp: Spacing,
    /// Per-axis median of the shapes after cropping, axes as transposed by the plan.
    pub original_median_shape_after_transp: Shape,
    /// Class name of the Python program's reader, e.g. `SimpleITKIO`.
    pub image_reader_writer: String,
    /// The reordering of the axes that puts the coarsest one first.
    pub transpose_forward: AxisPermutation,
    /// The reordering that undoes it.
    pub transpose_backward: AxisPermutation,
    /// The configurations as they stand in the file; [`Plans::configuration`] gives one typed
    /// and with `inherits_from` resolved.
    pub configurations: IndexMap<String, Map<String, Value>>,
    /// Class name of the planner.
    pub experiment_planner_used: String,
    /// Class name of the Python program's label manager.
    #[serde(default = "default_label_manager")]
    pub label_manager: String,
    /// Copied from the fingerprint; the key is the channel number.
    #[serde(
        alias = "foreground_intensity_properties_by_modality",
        serialize_with = "by_channel"
    )]
    pub foreground_intensity_properties_per_channel: BTreeMap<String, IntensityProperties>,
    /// How these plans came to be; only in plans made by this program, ignored by Python.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planning: Option<PlanningRecord>,
    /// Everything else in the file, untouched.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

fn default_label_manager() -> String {
    "LabelManager".to_owned()
}

/// What the planner was asked: the rule set, the budget and what the user fixed by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanningRecord {
    /// The rules that the plans follow.
    pub rules: RuleSet,
    /// GPU memory that the plans are made for, gigabytes.
    pub gpu_memory_gb: f64,
    /// What the user fixed by hand.
    #[serde(default, skip_serializing_if = "PlanOverrides::is_empty")]
    pub overrides: PlanOverrides,
    /// What a user should know of the outcome: configurations left out, limits not kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<PlanningNote>,
}

/// A remark of the planner on one configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanningNote {
    /// The configuration, e.g. `3d_fullres`.
    pub configuration: String,
    /// The remark, a sentence for people.
    pub note: String,
}

/// Values that a user fixed by hand instead of having them inferred.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanOverrides {
    /// Features of the first stage, instead of 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_features: Option<usize>,
    /// Batch size of all configurations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<usize>,
    /// Patch size of the configurations of the same dimensionality, axes as transposed by the
    /// plan; rounded up to what the topology divides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch_size: Option<Vec<usize>>,
    /// Target spacing of the full resolution, millimetres, axes as in the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_spacing: Option<Spacing>,
    /// Which axis comes first.
    #[serde(default, skip_serializing_if = "TranspositionChoice::is_inferred")]
    pub transposition: TranspositionChoice,
}

/// Which axis of the files becomes axis 0 of the plans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TranspositionChoice {
    /// The one with the coarsest target spacing.
    #[default]
    CoarsestFirst,
    /// The first: nothing is transposed.
    AsInFiles,
}

impl TranspositionChoice {
    /// Whether the user decided, and not the planner.
    #[must_use]
    pub const fn is_fixed(self) -> bool {
        matches!(self, Self::AsInFiles)
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "called by serde")]
    const fn is_inferred(&self) -> bool {
        !self.is_fixed()
    }
}

impl PlanOverrides {
    /// Whether nothing was fixed by hand.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A published set of rules. It decides how plans are made, and the order of normalisation and
/// resampling, the augmentation and the averaging of predictions of a model made with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RuleSet {
    /// The paper's (arXiv 1904.08128v2).
    #[default]
    Paper,
    /// The Python program's, nnU-Net v2.
    V2,
    /// Residual encoder, medium: 8 GB.
    ResencM,
    /// Residual encoder, large: 24 GB.
    ResencL,
    /// Residual encoder, extra large: 40 GB.
    ResencXl,
}

impl fmt::Display for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Paper => "paper",
            Self::V2 => "v2",
            Self::ResencM => "resenc-m",
            Self::ResencL => "resenc-l",
            Self::ResencXl => "resenc-xl",
        })
    }
}

/// Whether a configuration works on slices or on volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dimensionality {
    /// Slices along axis 0.
    Two,
    /// Volumes.
    Three,
}

/// One configuration of a plan (`2d`, `3d_fullres`, …), with inheritance resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    /// Folder name of the preprocessed data.
    pub data_identifier: String,
    /// Class name of the Python program's preprocessor.
    pub preprocessor_name: String,
    /// Samples per training step.
    pub batch_size: usize,
    /// Voxels of a patch: `(y, x)` in 2D, `(z, y, x)` in 3D, axes as transposed.
    pub patch_size: Vec<usize>,
    /// Median shape of the cases at this configuration's spacing; may lie between whole voxels.
    pub median_image_size_in_voxels: Vec<Number>,
    /// Target spacing, millimetres; two entries in 2D, where axis 0 keeps its own.
    pub spacing: Vec<f64>,
    /// One per channel.
    pub normalization_schemes: Vec<NormalizationScheme>,
    /// One per channel: whether statistics come from inside the nonzero mask only.
    pub use_mask_for_norm: Vec<bool>,
    /// Name of the function that resamples images.
    pub resampling_fn_data: String,
    /// Name of the function that resamples label maps.
    pub resampling_fn_seg: String,
    /// How images are resampled.
    pub resampling_fn_data_kwargs: ResamplingArguments,
    /// How label maps are resampled.
    pub resampling_fn_seg_kwargs: ResamplingArguments,
    /// Name of the function that resamples network outputs.
    pub resampling_fn_probabilities: String,
    /// How network outputs are resampled.
    pub resampling_fn_probabilities_kwargs: ResamplingArguments,
    /// The network.
    pub architecture: Architecture,
    /// Whether the Dice loss pools the batch into one volume.
    pub batch_dice: bool,
    /// The configuration(s) that this one feeds, in a cascade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_stage: Option<StageNames>,
    /// The configuration that feeds this one, in a cascade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_stage: Option<String>,
    /// Whether spatial augmentation works slice by slice (patches much longer than deep); the
    /// paper's rules store it, v2 infers it from the patch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dummy_2d_augmentation: Option<bool>,
    /// Everything else, untouched.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// One name, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected the name of a configuration, or a list of names"
)]
pub enum StageNames {
    /// One configuration.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// How a channel is normalised, by the class name of nnU-Net v2.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum NormalizationScheme {
    /// Subtract the mean of the case, divide by its standard deviation.
    ZScore,
    /// Clip to the dataset's percentiles, subtract its mean, divide by its deviation.
    Ct,
    /// Leave as it is.
    None,
    /// Map minimum and maximum to 0 and 1.
    RescaleTo01,
    /// Divide by 255.
    RgbTo01,
    /// A scheme that somebody else registers under this name.
    Other(String),
}

const SCHEME_NAMES: [(NormalizationScheme, &str); 5] = [
    (NormalizationScheme::ZScore, "ZScoreNormalization"),
    (NormalizationScheme::Ct, "CTNormalization"),
    (NormalizationScheme::None, "NoNormalization"),
    (NormalizationScheme::RescaleTo01, "RescaleTo01Normalization"),
    (NormalizationScheme::RgbTo01, "RGBTo01Normalization"),
];

impl From<String> for NormalizationScheme {
    fn from(name: String) -> Self {
        (SCHEME_NAMES.iter())
            .find(|(_, known)| *known == name)
            .map_or(Self::Other(name), |(scheme, _)| scheme.clone())
    }
}

impl From<NormalizationScheme> for String {
    fn from(scheme: NormalizationScheme) -> Self {
        match scheme {
            NormalizationScheme::Other(name) => name,
            known => (SCHEME_NAMES.iter())
                .find(|(scheme, _)| *scheme == known)
                .map_or_else(Self::new, |(_, name)| (*name).to_owned()),
        }
    }
}

/// Arguments of a resampling function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResamplingArguments {
    /// Whether the input is a label map.
    #[serde(default)]
    pub is_seg: bool,
    /// Order of the spline: 0, 1 or 3.
    #[serde(default = "default_order")]
    pub order: u8,
    /// Order along a coarse axis that is resampled apart.
    #[serde(default)]
    pub order_z: u8,
    /// Whether the coarse axis is resampled apart; absent: if the spacing ratio is above 3.
    #[serde(default)]
    pub force_separate_z: Option<bool>,
    /// Everything else, untouched.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

const fn default_order() -> u8 {
    3
}

/// The resampling functions that plans of nnU-Net v2 name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResamplingFunction {
    /// Splines of any order: `resample_data_or_seg_to_shape`, the default.
    Spline,
    /// Linear, by torch: `resample_torch_fornnunet`.
    Torch,
    /// Nothing: `no_resampling_hack`. The voxels stay what they are.
    Keep,
}

impl ResamplingFunction {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Spline, Self::Torch, Self::Keep];

    /// The name in plans.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spline => "resample_data_or_seg_to_shape",
            Self::Torch => "resample_torch_fornnunet",
            Self::Keep => "no_resampling_hack",
        }
    }

    /// The function of this name.
    ///
    /// # Errors
    /// [`UnknownResampling`] if it is none of them.
    pub fn from_name(name: &str) -> Result<Self, UnknownResampling> {
        (Self::ALL.into_iter())
            .find(|function| function.name() == name)
            .ok_or_else(|| UnknownResampling {
                name: name.to_owned(),
            })
    }
}

/// A resampling function that plans ask for and that is not there. Reads on from the name of the
/// setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is `{name}`, expected one of {}",
    ResamplingFunction::ALL.map(ResamplingFunction::name).join(", ")
)]
pub struct UnknownResampling {
    /// What the plans ask for.
    pub name: String,
}

/// The network of a configuration: a class of `dynamic_network_architectures` and its arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// Dotted path of the class; its last component decides.
    pub network_class_name: String,
    /// Arguments of the class.
    pub arch_kwargs: ArchitectureArguments,
    /// Names of the arguments whose text is a dotted Python path.
    #[serde(rename = "_kw_requires_import", default)]
    pub keywords_requiring_import: Vec<String>,
    /// Everything else, untouched.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Arguments of a U-Net, stage by stage from full resolution down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArchitectureArguments {
    /// Number of resolutions, bottleneck included.
    pub n_stages: usize,
    /// Channels of each stage.
    pub features_per_stage: Vec<usize>,
    /// Dotted path of the convolution.
    pub conv_op: String,
    /// Kernel of the convolutions of each stage, one entry per axis.
    pub kernel_sizes: Vec<Vec<usize>>,
    /// Stride of the first convolution of each stage; all ones for the first stage.
    pub strides: Vec<Vec<usize>>,
    /// Convolutions per encoder stage (plain U-Net).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_conv_per_stage: Option<Vec<usize>>,
    /// Residual blocks per encoder stage (residual-encoder U-Net).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_blocks_per_stage: Option<Vec<usize>>,
    /// Convolutions per decoder stage, deepest first.
    pub n_conv_per_stage_decoder: Vec<usize>,
    /// Whether convolutions have a bias.
    pub conv_bias: bool,
    /// Dotted path of the normalisation.
    pub norm_op: Option<String>,
    /// Its arguments.
    pub norm_op_kwargs: Option<Map<String, Value>>,
    /// Dotted path of the dropout, usually none.
    pub dropout_op: Option<String>,
    /// Its arguments.
    pub dropout_op_kwargs: Option<Map<String, Value>>,
    /// Dotted path of the activation.
    pub nonlin: Option<String>,
    /// Its arguments.
    pub nonlin_kwargs: Option<Map<String, Value>>,
    /// Everything else, untouched.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Plans {
    /// Reads plans, also such as people edited by hand.
    ///
    /// # Errors
    /// [`SchemaError`] with the file and the place in it.
    pub fn load(path: &Path) -> Result<Self, SchemaError> {
        let plans: Self = python_json::load(path)?;
        if plans.transpose_backward != plans.transpose_forward.inverse() {
            return Err(SchemaError::Malformed {
                path: path.to_path_buf(),
                json_path: "transpose_backward".into(),
                message: format!(
                    "is {:?}, expected {:?}: what undoes `transpose_forward`",
                    plans.transpose_backward.forward(),
                    plans.transpose_forward.backward()
                ),
            });
        }
        Ok(plans)
    }

    /// Writes the document atomically.
    ///
    /// # Errors
    /// [`SchemaError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), SchemaError> {
        python_json::save(path, self)
    }

    /// The rules that a model made with these plans follows; plans without a record are the
    /// Python program's.
    #[must_use]
    pub fn rule_set(&self) -> RuleSet {
        self.planning.as_ref().map_or(RuleSet::V2, |p| p.rules)
    }

    /// The names of all configurations, in order.
    #[must_use]
    pub fn configuration_names(&self) -> Vec<&str> {
        self.configurations.keys().map(String::as_str).collect()
    }
}

impl Configuration {
    /// Slices or volumes, by the length of the patch size.
    #[must_use]
    pub fn dimensionality(&self) -> Dimensionality {
        if self.patch_size.len() == 2 {
            Dimensionality::Two
        } else {
            Dimensionality::Three
        }
    }

    /// The patch as a volume: `(1, y, x)` in 2D.
    #[must_use]
    pub fn patch_shape(&self) -> Shape {
        Shape::new(leading(&self.patch_size, 1))
    }

    /// The strides of each stage as volumes: `(1, y, x)` in 2D; the first is all ones.
    #[must_use]
    pub fn strides(&self) -> Vec<[usize; 3]> {
        let strides = &self.architecture.arch_kwargs.strides;
        strides.iter().map(|s| leading(s, 1)).collect()
    }

    /// The spacing that a case of spacing `own` (axes as transposed) is resampled to: in 2D
    /// axis 0 keeps its own.
    ///
    /// # Errors
    /// [`SchemaError::Spacing`] if the configuration's spacing is unusable.
    pub fn target_spacing(&self, own: Spacing) -> Result<Spacing, SchemaError> {
        Spacing::new(leading(&self.spacing, own[0]))
    }
}

/// Three entries out of two or three: `first` is put before two.
fn leading<T: Copy>(values: &[T], first: T) -> [T; 3] {
    match values {
        [y, x] => [first, *y, *x],
        [z, y, x, ..] => [*z, *y, *x],
        _ => [first; 3],
    }
}

#[cfg(test)]
mod tests;
