//! What a checkpoint says beside its tensors.

use std::path::Path;

use nnunet_schema::python_json;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ModelError;

/// The newest version of the metadata that this program reads, and the one that it writes.
pub const FORMAT_VERSION: u32 = 1;

/// One finished epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Number of the epoch, from 0.
    pub epoch: usize,
    /// Learning rate during the epoch.
    pub learning_rate: f64,
    /// Mean loss over the training iterations.
    pub train_loss: f64,
    /// Mean loss over the validation iterations.
    pub validation_loss: f64,
    /// Dice of each foreground class or region over all validation patches as one volume;
    /// `null` for a class that neither occurs nor is predicted.
    pub dice_per_class: Vec<Option<f64>>,
    /// Mean of those that have a value.
    pub mean_dice: Option<f64>,
    /// Moving average: 0.9 of the last one and 0.1 of [`Self::mean_dice`].
    pub ema_dice: Option<f64>,
    /// When the epoch began, seconds since 1970.
    pub started: f64,
    /// When it ended, seconds since 1970.
    pub finished: f64,
}

/// Where the loss scaling of a training in half precision is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossScaleState {
    /// What the loss is multiplied by.
    pub scale: f64,
    /// Steps since the scale last changed.
    pub steps: u32,
}

impl LossScaleState {
    const KEY: &str = "loss_scale";

    /// Adds it to the metadata of a checkpoint.
    pub fn store(self, metadata: &mut CheckpointMetadata) {
        if let Ok(value) = serde_json::to_value(self) {
            metadata.extra.insert(Self::KEY.to_owned(), value);
        }
    }

    /// The state of a checkpoint, if it has one.
    #[must_use]
    pub fn read(metadata: &CheckpointMetadata) -> Option<Self> {
        (metadata.extra.get(Self::KEY)).and_then(|value| Self::deserialize(value).ok())
    }
}

/// All finished epochs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrainingLog {
    /// In order.
    pub epochs: Vec<EpochRecord>,
}

/// Everything about a checkpoint but its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointMetadata {
    /// Version of this structure: [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The trainer, as it stands in the name of the model folder.
    pub trainer_name: String,
    /// The configuration of the plans, e.g. `3d_fullres`.
    pub configuration: String,
    /// The fold: a number, or `all`.
    pub fold: String,
    /// Number of finished epochs, which is the epoch that a resumed training begins with.
    pub current_epoch: usize,
    /// Spatial axes that the training mirrored, and so inference may: 0 is the first axis of
    /// the network's input after batch and channel.
    pub inference_allowed_mirroring_axes: Vec<usize>,
    /// The highest moving average of the validation Dice so far.
    pub best_ema: Option<f64>,
    /// The finished epochs.
    pub log: TrainingLog,
    /// The settings of the training, for the record and to be compared on resume.
    #[serde(default)]
    pub training: Value,
    /// Everything else, untouched.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl CheckpointMetadata {
    pub(crate) fn parse(path: &Path, text: Option<&str>) -> Result<Self, ModelError> {
        let text = text
            .ok_or_else(|| ModelError::file(path, "it holds weights but no checkpoint metadata"))?;
        let metadata: Self = python_json::parse(text).map_err(|(place, message)| {
            ModelError::file(path, format!("its metadata at `{place}`: {message}"))
        })?;
        if metadata.format_version > FORMAT_VERSION {
            return Err(ModelError::file(
                path,
                format!(
                    "its format version is {}, this program reads up to {FORMAT_VERSION}",
                    metadata.format_version
                ),
            ));
        }
        Ok(metadata)
    }
}
