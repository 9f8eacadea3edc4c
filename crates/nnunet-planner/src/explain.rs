//! Why a plan is as it is: every inferred value with its rule, the facts that went into it and
//! where the rule comes from.
//!
//! Get one from [`PlanOutcome::explain`](crate::PlanOutcome::explain); print it for people, or
//! serialise it.

use nnunet_schema::RuleSet;
use serde::Serialize;
use serde_json::Value;

use crate::{ConfigurationSearch, LowresSearch};

mod configurations;
mod dataset;
mod text;

use text::per_axis;

/// The explanation of a whole plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// Folder name of the dataset.
    pub dataset_name: String,
    /// The rules that were followed.
    pub rules: RuleSet,
    /// GPU memory planned for, gigabytes.
    pub gpu_memory_gb: f64,
    /// What holds for all configurations.
    pub dataset: Vec<Decision>,
    /// The search for a low resolution; none for single slices.
    pub lowres: Option<LowresSearch>,
    /// What holds for one configuration each, in the order of the plans.
    pub configurations: Vec<ConfigurationExplanation>,
}

/// The explanation of one configuration.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ConfigurationExplanation {
    /// The configuration, e.g. `3d_fullres`.
    pub name: String,
    /// Its decisions.
    pub decisions: Vec<Decision>,
    /// Every patch tried, with its estimate; none for the second step of a cascade, which
    /// inherits its design.
    pub search: Option<ConfigurationSearch>,
}

/// One inferred value.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Decision {
    /// What was decided.
    pub subject: Subject,
    /// What came out, as the plans write it.
    pub value: Value,
    /// The rule, a sentence with its constants.
    pub rule: String,
    /// The facts that went into it.
    pub inputs: Vec<Input>,
    /// Where the rule comes from.
    pub source: &'static str,
}

/// A fact that went into a decision.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Input {
    /// What it is, with its unit.
    pub name: &'static str,
    /// Its value.
    pub value: Value,
}

/// What a decision is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Subject {
    /// Spacing that cases are resampled to.
    TargetSpacing,
    /// Order of the axes.
    Transposition,
    /// Median shape at the target spacing.
    MedianShape,
    /// Normalisation of each channel.
    Normalization,
    /// Whether statistics of a channel come from inside the nonzero mask.
    NonzeroMask,
    /// How images and labels are resampled.
    Resampling,
    /// Class name of the reader in the Python program.
    ImageReader,
    /// Whether there is a low resolution and a cascade.
    Cascade,
    /// Voxels of a patch.
    PatchSize,
    /// Strides of each stage.
    Strides,
    /// Kernels of each stage.
    Kernels,
    /// Features of each stage.
    Features,
    /// Convolutions or blocks of each stage.
    Depths,
    /// Samples per step.
    BatchSize,
    /// Whether the Dice loss pools the batch.
    BatchDice,
    /// Whether spatial augmentation works slice by slice.
    SliceWiseAugmentation,
    /// What the configuration takes over from another.
    Inheritance,
}

impl Decision {
    fn new(subject: Subject, value: impl Into<Value>, rule: impl Into<String>) -> Self {
        Self {
            subject,
            value: value.into(),
            rule: rule.into(),
            inputs: Vec::new(),
            source: "",
        }
    }

    fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.inputs.push(Input {
            name,
            value: value.into(),
        });
        self
    }

    const fn from(mut self, source: &'static str) -> Self {
        self.source = source;
        self
    }
}
