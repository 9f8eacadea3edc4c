//! What an experiment is, as its author writes it down.

use std::collections::BTreeMap;
use std::path::Path;

use indexmap::IndexMap;
use nnunet_model::DeviceChoice;
use nnunet_schema::plans::PlanOverrides;
use nnunet_schema::{DatasetId, Fold, RuleSet};
use nnunet_train::{LossKind, OptimizerKind, TrainingConfig};
use serde::Deserialize;

use super::file_name;
use crate::pipeline::compare::read_toml;
use crate::pipeline::variant::trainer_name;
use crate::pipeline::{AugmentationChoice, PipelineError};

/// The learning rate that suits Adam.
const ADAM_LEARNING_RATE: f64 = 3e-4;

/// Datasets, what is the same for all variants, and the variants; a TOML file:
///
/// ```toml
/// datasets = [4, "Dataset005_Prostate"]
/// configuration = "3d_fullres"
/// folds = [0, 1, 2, 3, 4]     # the default
/// rules = "paper"             # the default
///
/// [planning]                  # values fixed by hand, as `nnunet plan` has them; usually none
/// base_features = 32
///
/// [training]                  # settings of all trainings; usually none
/// epochs = 1000
/// seed = 1904
/// arithmetic = "single"       # or half, bfloat16; usually what suits the device
///
/// [variants.baseline]
///
/// [variants."no augmentation"]
/// augmentation = "none"       # planned, paper, v2 or none
///
/// [variants."top 10 % loss"]
/// loss = "top-tenth"          # dice-and-cross-entropy, cross-entropy, dice, dice-and-top-tenth
///
/// [variants.adam]
/// optimizer = "adam"
/// learning_rate = 3e-4
///
/// [variants."momentum 0.9"]
/// momentum = 0.9
///
/// [variants."batch norm"]
/// norm = "batch"
///
/// [variants."residual encoder"]
/// encoder = "residual"
///
/// [variants."three convolutions"]
/// convolutions = 3            # per stage, in encoder and decoder
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Datasets by number or name.
    datasets: Vec<NumberOrName>,
    /// The configuration that is trained.
    pub configuration: String,
    /// Numbers of the folds.
    #[serde(default = "five_folds")]
    folds: Vec<u32>,
    /// The rules that all variants are planned by, but for what they change.
    #[serde(default)]
    pub rules: RuleSet,
    /// Values that are fixed by hand in the plans of all variants.
    #[serde(default)]
    pub planning: PlanOverrides,
    /// The settings of all trainings, but for what a variant changes.
    #[serde(default)]
    training: TrainingTable,
    /// The variants by name, in their order.
    pub variants: IndexMap<String, Variant>,
}

/// The settings as they were given; the fold is none of them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "toml::Table")]
struct TrainingTable {
    settings: TrainingConfig,
    names_arithmetic: bool,
}

impl TryFrom<toml::Table> for TrainingTable {
    type Error = toml::de::Error;

    fn try_from(table: toml::Table) -> Result<Self, Self::Error> {
        Ok(Self {
            names_arithmetic: table.contains_key("arithmetic"),
            settings: table.try_into()?,
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum NumberOrName {
    Number(u32),
    Name(String),
}

/// What a variant does differently; what is not given is as in the method.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Variant {
    /// What is minimised.
    pub loss: Option<LossKind>,
    /// How it is minimised.
    pub optimizer: Option<OptimizerKind>,
    /// Learning rate of the first epoch; for Adam 3e-4 if it is not given.
    pub learning_rate: Option<f64>,
    /// Momentum of SGD.
    pub momentum: Option<f64>,
    /// What is done to the patches.
    pub augmentation: AugmentationChoice,
    /// How feature maps are normalised.
    pub norm: NormChoice,
    /// What the encoder is made of.
    pub encoder: EncoderChoice,
    /// Convolutions of each stage of a plain encoder and of the decoder.
    pub convolutions: Option<usize>,
}

/// How feature maps are normalised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormChoice {
    /// Each map of each sample for itself, as in the method.
    #[default]
    Instance,
    /// Over the batch.
    Batch,
}

/// What the encoder is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EncoderChoice {
    /// What the rules say.
    #[default]
    Planned,
    /// Residual blocks, 1, 3, 4 and then 6 per stage, with one convolution per decoder stage, as
    /// in the residual-encoder presets.
    Residual,
}

impl Experiment {
    /// Reads an experiment and checks that it can be meant.
    ///
    /// # Errors
    /// [`PipelineError::Description`] with what is wrong and where.
    pub fn load(path: &Path) -> Result<Self, PipelineError> {
        let experiment: Self = read_toml(path)?;
        match experiment.problem() {
            None => Ok(experiment),
            Some(problem) => Err(PipelineError::Description {
                path: path.to_path_buf(),
                problem,
            }),
        }
    }

    /// The datasets, in their order.
    pub fn datasets(&self) -> impl Iterator<Item = DatasetId> {
        self.datasets.iter().map(|dataset| match dataset {
            NumberOrName::Number(number) => DatasetId::Number(*number),
            NumberOrName::Name(name) => DatasetId::Name(name.clone()),
        })
    }

    /// The folds, in their order.
    pub fn folds(&self) -> impl Iterator<Item = Fold> {
        self.folds.iter().map(|number| Fold::Number(*number))
    }

    /// The settings of a training that no variant has changed; where none are given, the numbers
    /// that networks are computed in are those that suit the device.
    #[must_use]
    pub fn training(&self, device: DeviceChoice) -> TrainingConfig {
        let settings = self.training.settings.clone();
        match self.training.names_arithmetic {
            true => settings,
            false => TrainingConfig {
                arithmetic: device.usual_arithmetic(),
                ..settings
            },
        }
    }

    fn problem(&self) -> Option<String> {
        if self.datasets.is_empty() || self.folds.is_empty() {
            return Some("`datasets` or `folds` is empty, expected at least one".to_owned());
        }
        if self.variants.len() < 2 {
            let found = self.variants.len();
            return Some(format!(
                "`variants` has {found}, expected two or more to compare"
            ));
        }
        let (mut folders, mut files) = (BTreeMap::new(), BTreeMap::new());
        for (name, variant) in &self.variants {
            if variant.encoder == EncoderChoice::Residual && variant.convolutions.is_some() {
                return Some(format!(
                    "variant `{name}` asks for `convolutions` in a residual encoder, whose stages \
                     are blocks: leave one of them out"
                ));
            }
            let training = variant.training(&self.training.settings, Fold::Number(0));
            if let Err(error) = training.clone().check() {
                return Some(format!("variant `{name}`: {error}"));
            }
            let folder = (
                trainer_name(&training, variant.augmentation),
                variant.plans_suffix(),
            );
            if let Some(other) = folders.insert(folder, name) {
                return Some(format!(
                    "the variants `{other}` and `{name}` would be trained in the same folder: they \
                     must differ in loss, optimiser, learning rate of Adam, momentum, augmentation, \
                     norm, encoder or convolutions"
                ));
            }
            if let Some(other) = files.insert(file_name(name), name) {
                return Some(format!(
                    "the names `{other}` and `{name}` are too much alike"
                ));
            }
        }
        None
    }
}

impl Variant {
    /// The settings of a training of the variant.
    #[must_use]
    pub fn training(&self, usual: &TrainingConfig, fold: Fold) -> TrainingConfig {
        let optimizer = self.optimizer.unwrap_or(usual.optimizer);
        let learning_rate = match (optimizer, usual.optimizer) {
            (OptimizerKind::Adam, OptimizerKind::Sgd) => ADAM_LEARNING_RATE,
            _ => usual.initial_learning_rate,
        };
        TrainingConfig {
            loss: self.loss.unwrap_or(usual.loss),
            optimizer,
            initial_learning_rate: self.learning_rate.unwrap_or(learning_rate),
            momentum: self.momentum.unwrap_or(usual.momentum),
            fold,
            ..usual.clone()
        }
    }

    /// What tells the plans of the variant from those of the method; empty for those themselves.
    #[must_use]
    pub fn plans_suffix(&self) -> String {
        let mut suffix = String::new();
        if self.encoder == EncoderChoice::Residual {
            suffix.push_str("Residual");
        }
        if let Some(convolutions) = self.convolutions {
            suffix.push_str(&format!("{convolutions}Conv"));
        }
        if self.norm == NormChoice::Batch {
            suffix.push_str("BN");
        }
        suffix
    }
}

fn five_folds() -> Vec<u32> {
    (0..5).collect()
}
