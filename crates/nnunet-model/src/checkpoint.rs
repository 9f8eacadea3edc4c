//! Checkpoints: weights, optimiser state and metadata in one file.
//!
//! A fold folder holds `checkpoint_latest.safetensors` while training runs,
//! `checkpoint_best.safetensors` from the best epoch so far, and in the end
//! `checkpoint_final.safetensors`. Everything is in that one file, which is replaced by a
//! rename, so whenever the process dies the weights, the optimiser and the epoch number agree.
//! The `.json` of the same name is a copy of the metadata for people; nothing reads it.
//!
//! In the file, tensors with the network's parameter names are its weights, tensors named
//! `optimizer.…` are the optimiser's, and the entry `checkpoint` of the header's metadata is
//! [`CheckpointMetadata`] as JSON.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use nnunet_schema::{SchemaError, python_json};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tch::Tensor;

use crate::weights::{self, LoadReport, OPTIMIZER_PREFIX, Strictness};
use crate::{ModelError, UNet};

const METADATA_KEY: &str = "checkpoint";
/// The newest version of the metadata that this program reads, and the one that it writes.
pub const FORMAT_VERSION: u32 = 1;
/// Headers above this are not ours: a network has some hundred tensors and a kilobyte per epoch.
const MAX_HEADER: u64 = 100_000_000;

/// Which state of the training a checkpoint holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckpointKind {
    /// After the last epoch.
    Final,
    /// After the epoch with the highest moving average of the validation Dice.
    Best,
    /// After some epoch of a training that is not finished.
    Latest,
}

impl fmt::Display for CheckpointKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Final => "final",
            Self::Best => "best",
            Self::Latest => "latest",
        })
    }
}

impl CheckpointKind {
    /// The order in which a training is resumed from what is there.
    pub const RESUME_ORDER: [Self; 3] = [Self::Final, Self::Latest, Self::Best];

    /// `checkpoint_{kind}.safetensors` in a fold folder.
    #[must_use]
    pub fn path(self, fold_folder: &Path) -> PathBuf {
        fold_folder.join(format!("checkpoint_{self}.safetensors"))
    }

    /// The first of `wanted` that is in the folder.
    ///
    /// # Errors
    /// [`ModelError::NoCheckpoint`] if there is none of them.
    pub fn find(fold_folder: &Path, wanted: &[Self]) -> Result<(Self, PathBuf), ModelError> {
        let here = |kind: &&Self| kind.path(fold_folder).is_file();
        if let Some(kind) = wanted.iter().find(here) {
            return Ok((*kind, kind.path(fold_folder)));
        }
        let names = |kinds: Vec<&Self>| {
            let names: Vec<_> = (kinds.iter())
                .map(|kind| format!("`checkpoint_{kind}.safetensors`"))
                .collect();
            names.join(" or ")
        };
        let found = names(Self::RESUME_ORDER.iter().filter(here).collect());
        Err(ModelError::NoCheckpoint {
            folder: fold_folder.to_path_buf(),
            wanted: names(wanted.iter().collect()),
            found: if found.is_empty() {
                "no checkpoint at all".to_owned()
            } else {
                found
            },
        })
    }
}

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
    /// Reads the metadata of a checkpoint, and none of its tensors.
    ///
    /// # Errors
    /// [`ModelError::File`] if the file is no checkpoint.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let io = |source| {
            ModelError::Schema(SchemaError::Io {
                action: "read",
                path: path.to_path_buf(),
                source,
            })
        };
        let mut file = File::open(path).map_err(io)?;
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(io)?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER {
            return Err(ModelError::file(
                path,
                "its header is not one of safetensors",
            ));
        }
        let mut header = Vec::new();
        file.take(length).read_to_end(&mut header).map_err(io)?;
        let header: Map<String, Value> = serde_json::from_slice(&header)
            .map_err(|error| ModelError::file(path, error.to_string()))?;
        let text = header.get("__metadata__").and_then(|m| m.get(METADATA_KEY));
        Self::parse(path, text.and_then(Value::as_str))
    }

    fn parse(path: &Path, text: Option<&str>) -> Result<Self, ModelError> {
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

/// A checkpoint read into memory.
pub struct Checkpoint {
    path: PathBuf,
    bytes: Vec<u8>,
    metadata: CheckpointMetadata,
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint")
            .field("path", &self.path)
            .field("bytes", &self.bytes.len())
            .field("epoch", &self.metadata.current_epoch)
            .finish_non_exhaustive()
    }
}

impl Checkpoint {
    /// Writes a checkpoint, then the copy of its metadata. `optimizer` names the tensors of the
    /// optimiser's state.
    ///
    /// # Errors
    /// [`ModelError::Schema`] if a file cannot be written; an older checkpoint of the same kind
    /// is then still whole.
    pub fn save(
        fold_folder: &Path,
        kind: CheckpointKind,
        network: &UNet,
        optimizer: &[(String, &Tensor)],
        metadata: &CheckpointMetadata,
    ) -> Result<PathBuf, ModelError> {
        let path = kind.path(fold_folder);
        let text = python_json::to_text(metadata)
            .map_err(|error| ModelError::file(&path, error.to_string()))?;
        let weights = (network.parameters().iter()).map(|(name, t)| (name.to_owned(), t));
        let state = (optimizer.iter()).map(|(n, t)| (format!("{OPTIMIZER_PREFIX}{n}"), *t));
        let texts = HashMap::from([(METADATA_KEY.to_owned(), text)]);
        weights::write(&path, weights.chain(state).collect(), Some(texts))?;
        python_json::save(&path.with_extension("json"), metadata)?;
        Ok(path)
    }

    /// Removes the checkpoint and the copy of its metadata; nothing happens if there is none.
    ///
    /// # Errors
    /// [`ModelError::Schema`] with the path.
    pub fn remove(fold_folder: &Path, kind: CheckpointKind) -> Result<(), ModelError> {
        let path = kind.path(fold_folder);
        for path in [path.with_extension("json"), path] {
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(ModelError::Schema(SchemaError::Io {
                        action: "remove",
                        path,
                        source,
                    }));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// [`ModelError::File`] if the file is not one.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let bytes = weights::read_bytes(path)?;
        weights::parse(path, &bytes)?;
        let (_, header) = SafeTensors::read_metadata(&bytes)
            .map_err(|error| ModelError::file(path, error.to_string()))?;
        let text = (header.metadata().as_ref()).and_then(|texts| texts.get(METADATA_KEY));
        let metadata = CheckpointMetadata::parse(path, text.map(String::as_str))?;
        Ok(Self {
            path: path.to_path_buf(),
            bytes,
            metadata,
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything but the tensors.
    #[must_use]
    pub const fn metadata(&self) -> &CheckpointMetadata {
        &self.metadata
    }

    /// Fills `network` with the weights.
    ///
    /// # Errors
    /// [`ModelError::Weights`] if they don't fit it.
    pub fn load_into(&self, network: &mut UNet) -> Result<LoadReport, ModelError> {
        let file = weights::parse(&self.path, &self.bytes)?;
        network.load_from(&self.path, &file, Strictness::Exact)
    }

    /// The tensors of the optimiser, on the processor, by the names that they were saved under.
    ///
    /// # Errors
    /// [`ModelError::File`] for a tensor of a type that no optimiser saves.
    pub fn optimizer(&self) -> Result<HashMap<String, Tensor>, ModelError> {
        let file = weights::parse(&self.path, &self.bytes)?;
        (file.iter())
            .filter_map(|(name, view)| Some((name.strip_prefix(OPTIMIZER_PREFIX)?, view)))
            .map(|(name, view)| {
                let kind = weights::kind(view.dtype()).ok_or_else(|| {
                    ModelError::file(&self.path, format!("`{name}` is {:?}", view.dtype()))
                })?;
                let shape: Vec<i64> = view.shape().iter().map(|v| *v as i64).collect();
                let tensor = Tensor::f_from_data_size(view.data(), &shape, kind)?;
                Ok((name.to_owned(), tensor))
            })
            .collect()
    }
}
