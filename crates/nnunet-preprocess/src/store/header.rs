use std::fmt::{self, Display, Formatter};
use std::path::Path;

use nnunet_schema::plans::{NormalizationScheme, ResamplingArguments, ResamplingFunction};
use nnunet_schema::{
    AxisPermutation, DatasetDescription, IntensityProperties, LabelValue, Plans, RuleSet, Shape,
    python_json,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::PreprocessError;

/// Version of the folder's layout.
const FORMAT: u32 = 1;

/// `store.json`: which plan made a store of preprocessed cases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoreHeader {
    /// Version of the layout of the folder, 1.
    pub format: u32,
    /// Name of the plans.
    pub plans_name: String,
    /// Name of the configuration.
    pub configuration: String,
    /// Patch of the configuration, `(1, y, x)` in 2D; chunks of the arrays are parts of it.
    pub patch: Shape,
    /// How intensities are stored; single in stores that don't say.
    #[serde(default)]
    pub precision: Precision,
    /// Everything that the content of the cases depends on.
    pub settings: PreprocessingSettings,
}

/// How intensities are stored. They are read as `f32` whatever it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Precision {
    /// 32 bits: exactly what was computed.
    #[default]
    #[serde(rename = "float32")]
    Single,
    /// 16 bits: half the space, three significant digits, at most 65504.
    #[serde(rename = "float16")]
    Half,
}

impl Display for Precision {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Single => "float32",
            Self::Half => "float16",
        })
    }
}

/// The parts of plans and dataset description that the content of a preprocessed case depends
/// on. Two plans that agree in them can share a store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreprocessingSettings {
    /// Whether cases are resampled before they are normalised.
    pub order: StepOrder,
    /// The reordering of the axes.
    pub transpose_forward: AxisPermutation,
    /// Target spacing, millimetres; two entries in 2D.
    pub spacing: Vec<f64>,
    /// One per channel.
    pub normalization_schemes: Vec<NormalizationScheme>,
    /// One per channel.
    pub use_mask_for_norm: Vec<bool>,
    /// Foreground intensities of the channels whose normalisation may depend on them.
    pub intensities: Vec<Option<IntensityProperties>>,
    /// What resamples images.
    #[serde(default = "default_resampling")]
    pub resampling_fn_data: String,
    /// What resamples label maps.
    #[serde(default = "default_resampling")]
    pub resampling_fn_seg: String,
    /// How images are resampled.
    pub resampling_fn_data_kwargs: ResamplingArguments,
    /// How label maps are resampled.
    pub resampling_fn_seg_kwargs: ResamplingArguments,
    /// The labels of the dataset in the order of `dataset.json`.
    pub labels: Vec<(String, LabelValue)>,
}

/// What stores say that were made before there was a choice.
fn default_resampling() -> String {
    ResamplingFunction::Spline.name().to_owned()
}

/// The order of the steps of preprocessing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepOrder {
    /// The paper's.
    ResampleThenNormalize,
    /// nnU-Net v2's.
    NormalizeThenResample,
}

impl StoreHeader {
    /// The header of a store for the configuration `configuration` of `plans`.
    ///
    /// # Errors
    /// [`PreprocessError::Schema`] if there is no such configuration or it is malformed.
    pub fn new(
        plans: &Plans,
        configuration: &str,
        dataset: &DatasetDescription,
    ) -> Result<Self, PreprocessError> {
        let name = configuration;
        let configuration = plans.configuration(name)?;
        let schemes = configuration.normalization_schemes.clone();
        let known = &plans.foreground_intensity_properties_per_channel;
        let intensities = (schemes.iter().enumerate())
            .map(|(channel, scheme)| match scheme {
                NormalizationScheme::Ct | NormalizationScheme::Other(_) => {
                    known.get(&channel.to_string()).copied()
                }
                _ => None,
            })
            .collect();
        Ok(Self {
            format: FORMAT,
            plans_name: plans.plans_name.clone(),
            configuration: name.to_owned(),
            patch: configuration.patch_shape(),
            precision: Precision::default(),
            settings: PreprocessingSettings {
                order: plans.rule_set().into(),
                transpose_forward: plans.transpose_forward,
                spacing: configuration.spacing,
                normalization_schemes: schemes,
                use_mask_for_norm: configuration.use_mask_for_norm,
                intensities,
                resampling_fn_data: configuration.resampling_fn_data,
                resampling_fn_seg: configuration.resampling_fn_seg,
                resampling_fn_data_kwargs: configuration.resampling_fn_data_kwargs,
                resampling_fn_seg_kwargs: configuration.resampling_fn_seg_kwargs,
                labels: (dataset.labels.iter())
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect(),
            },
        })
    }

    /// The same with intensities stored in another precision.
    #[must_use]
    pub const fn with_precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// What keeps cases by the header `wanted` out of a store with this one: for each thing that
    /// differs, what it is here and what it is in `wanted`.
    pub(super) fn differences(&self, wanted: &Self) -> Vec<String> {
        let mut differences = self.settings.differences(&wanted.settings);
        if self.precision != wanted.precision {
            differences.push(format!(
                "`precision` is {} there, now {} is asked for",
                self.precision, wanted.precision
            ));
        }
        differences
    }

    pub(super) fn save(&self, path: &Path) -> Result<(), PreprocessError> {
        Ok(python_json::save(path, self)?)
    }

    pub(super) fn load(path: &Path, folder: &Path) -> Result<Self, PreprocessError> {
        let header: Self = python_json::load(path)?;
        if header.format == FORMAT {
            return Ok(header);
        }
        Err(PreprocessError::NoStore {
            folder: folder.to_path_buf(),
            problem: format!(
                "it has the format {}, expected {FORMAT}; preprocess again",
                header.format
            ),
        })
    }
}

impl From<RuleSet> for StepOrder {
    fn from(rules: RuleSet) -> Self {
        match rules {
            RuleSet::Paper => Self::ResampleThenNormalize,
            _ => Self::NormalizeThenResample,
        }
    }
}

impl PreprocessingSettings {
    /// For each setting that differs: its name, what it is here and what it is in `wanted`.
    #[must_use]
    pub fn differences(&self, wanted: &Self) -> Vec<String> {
        // As documents, where NaN equals NaN.
        let document = |settings: &Self| serde_json::to_value(settings).unwrap_or_default();
        let (Value::Object(here), Value::Object(wanted)) = (document(self), document(wanted))
        else {
            return Vec::new();
        };
        (here.iter())
            .filter_map(|(key, value)| {
                let other = wanted.get(key).unwrap_or(&Value::Null);
                (value != other)
                    .then(|| format!("`{key}` is {value} there, the plans now say {other}"))
            })
            .collect()
    }
}
