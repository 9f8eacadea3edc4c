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
//!
//! [`Checkpoint::open`] takes the Python program's `.pth` files as well.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use nnunet_schema::{SchemaError, python_json};
use safetensors::SafeTensors;
use serde_json::{Map, Value};
use tch::Tensor;

pub use crate::metadata::{
    CheckpointMetadata, EpochRecord, FORMAT_VERSION, LossScaleState, TrainingLog,
};
use crate::python::PythonCheckpoint;
use crate::weights::{self, LoadReport, OPTIMIZER_PREFIX, Strictness};
use crate::{ModelError, NetworkSpec, UNet};

const METADATA_KEY: &str = "checkpoint";
/// The momentum of a parameter is called this and its name among the optimiser's tensors.
pub const MOMENTUM_PREFIX: &str = "momentum.";
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

    /// `checkpoint_{kind}.pth` in a fold folder: the Python program's.
    #[must_use]
    pub fn python_path(self, fold_folder: &Path) -> PathBuf {
        fold_folder.join(format!("checkpoint_{self}.pth"))
    }

    /// The first of `wanted` that is in the folder.
    ///
    /// # Errors
    /// [`ModelError::NoCheckpoint`] if there is none of them.
    pub fn find(fold_folder: &Path, wanted: &[Self]) -> Result<(Self, PathBuf), ModelError> {
        let kind = wanted.iter().find(|kind| kind.path(fold_folder).is_file());
        let paths = wanted.iter().map(|kind| kind.path(fold_folder));
        let kind = kind.ok_or_else(|| Self::nothing(fold_folder, paths))?;
        Ok((*kind, kind.path(fold_folder)))
    }

    /// As [`Self::find`]; where a checkpoint of this project is missing, one of the Python
    /// program will do.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn find_any(fold_folder: &Path, wanted: &[Self]) -> Result<(Self, PathBuf), ModelError> {
        (wanted.iter())
            .flat_map(|kind| {
                [
                    (*kind, kind.path(fold_folder)),
                    (*kind, kind.python_path(fold_folder)),
                ]
            })
            .find(|(_, path)| path.is_file())
            .ok_or_else(|| {
                let paths = |kind: &Self| [kind.path(fold_folder), kind.python_path(fold_folder)];
                Self::nothing(fold_folder, wanted.iter().flat_map(paths))
            })
    }

    /// The checkpoint that a training goes on from: of those of this project the first of
    /// [`Self::RESUME_ORDER`]; where it has none, the same of those of the Python program.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn find_to_resume(fold_folder: &Path) -> Result<(Self, PathBuf), ModelError> {
        let wanted = Self::RESUME_ORDER;
        match Self::find(fold_folder, &wanted) {
            Ok(found) => Ok(found),
            Err(_) => Self::find_any(fold_folder, &wanted),
        }
    }

    /// The error that none of the files `wanted` is in the folder.
    fn nothing(fold_folder: &Path, wanted: impl Iterator<Item = PathBuf>) -> ModelError {
        let names = |paths: &mut dyn Iterator<Item = PathBuf>| {
            let name = |path: PathBuf| Some(format!("`{}`", path.file_name()?.to_str()?));
            paths.filter_map(name).collect::<Vec<_>>().join(" or ")
        };
        let paths = |kind: Self| [kind.path(fold_folder), kind.python_path(fold_folder)];
        let known = Self::RESUME_ORDER.into_iter().flat_map(paths);
        let found = names(&mut known.filter(|path| path.is_file()));
        let mut wanted = wanted;
        ModelError::NoCheckpoint {
            folder: fold_folder.to_path_buf(),
            wanted: names(&mut wanted),
            found: if found.is_empty() {
                "no checkpoint at all".to_owned()
            } else {
                found
            },
        }
    }
}

impl CheckpointMetadata {
    /// Reads the metadata of a checkpoint, of the Python program's too, and none of its tensors.
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
        if is_zip(path)? {
            return PythonCheckpoint::open(path)?.metadata().to_checkpoint(path);
        }
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
}

/// Whether a file is a zip archive, as the Python program's checkpoints are.
fn is_zip(path: &Path) -> Result<bool, ModelError> {
    let mut start = [0; 4];
    let found = File::open(path).and_then(|mut file| file.read(&mut start));
    let length = found.map_err(|source| {
        ModelError::Schema(SchemaError::Io {
            action: "read",
            path: path.to_path_buf(),
            source,
        })
    })?;
    Ok(length == start.len() && start == *b"PK\x03\x04")
}

/// A checkpoint of this project or of the Python program, open for reading.
pub struct Checkpoint {
    path: PathBuf,
    contents: Contents,
    metadata: CheckpointMetadata,
}

enum Contents {
    /// A file of this project, whole.
    Own(Vec<u8>),
    /// A file of the Python program.
    Python(Box<PythonCheckpoint>),
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint")
            .field("path", &self.path)
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
        let weights = (network.tensors()).map(|(name, t)| (name.to_owned(), t));
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

    /// Opens a checkpoint, whatever the ending of its name.
    ///
    /// # Errors
    /// [`ModelError::File`] if the file is not one.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        if is_zip(path)? {
            let checkpoint = PythonCheckpoint::open(path)?;
            return Ok(Self {
                path: path.to_path_buf(),
                metadata: checkpoint.metadata().to_checkpoint(path)?,
                contents: Contents::Python(Box::new(checkpoint)),
            });
        }
        let bytes = weights::read_bytes(path)?;
        weights::parse(path, &bytes)?;
        let (_, header) = SafeTensors::read_metadata(&bytes)
            .map_err(|error| ModelError::file(path, error.to_string()))?;
        let text = (header.metadata().as_ref()).and_then(|texts| texts.get(METADATA_KEY));
        let metadata = CheckpointMetadata::parse(path, text.map(String::as_str))?;
        Ok(Self {
            path: path.to_path_buf(),
            contents: Contents::Own(bytes),
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
        match &self.contents {
            Contents::Own(bytes) => {
                let file = weights::parse(&self.path, bytes)?;
                network.load_from(&self.path, file.iter(), Strictness::Exact)
            }
            Contents::Python(checkpoint) => checkpoint.load_into(network, Strictness::Exact),
        }
    }

    /// The tensors of the optimiser, on the processor, by the names that they were saved under;
    /// of a checkpoint of the Python program the momenta, called [`MOMENTUM_PREFIX`] and the name
    /// of the parameter.
    ///
    /// # Errors
    /// [`ModelError::File`] for a tensor of a type that no optimiser saves, and as
    /// [`PythonCheckpoint::momentum`].
    pub fn optimizer(&self) -> Result<HashMap<String, Tensor>, ModelError> {
        match &self.contents {
            Contents::Own(bytes) => self.own_optimizer(bytes),
            Contents::Python(checkpoint) => {
                let spec = checkpoint.metadata().network_spec(&self.path)?;
                momenta(checkpoint, &spec)
            }
        }
    }

    /// As [`Self::optimizer`], of a training of a network of this `spec`: a checkpoint of the
    /// Python program need not hold the plans then.
    ///
    /// # Errors
    /// As [`Self::optimizer`].
    pub fn optimizer_of(&self, spec: &NetworkSpec) -> Result<HashMap<String, Tensor>, ModelError> {
        match &self.contents {
            Contents::Own(bytes) => self.own_optimizer(bytes),
            Contents::Python(checkpoint) => momenta(checkpoint, spec),
        }
    }

    /// Whether the Python program wrote it, which knows other settings than this one.
    #[must_use]
    pub const fn is_of_python(&self) -> bool {
        matches!(self.contents, Contents::Python(_))
    }

    fn own_optimizer(&self, bytes: &[u8]) -> Result<HashMap<String, Tensor>, ModelError> {
        let file = weights::parse(&self.path, bytes)?;
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

/// The momenta of a checkpoint of the Python program, as an optimiser here names them.
fn momenta(
    checkpoint: &PythonCheckpoint,
    spec: &NetworkSpec,
) -> Result<HashMap<String, Tensor>, ModelError> {
    let momenta = checkpoint.momentum(spec)?.unwrap_or_default().into_iter();
    let named = momenta.map(|(name, tensor)| (format!("{MOMENTUM_PREFIX}{name}"), tensor));
    Ok(named.collect())
}
