//! Checkpoints of the Python program: `checkpoint_final.pth` and its like.
//!
//! Such a file is a zip archive that `torch.save` writes: a pickle and the bytes of the tensors.
//! A pickle is a program, and loading one in Python runs it. Here nothing is run:
//! [`PythonCheckpoint::open`] takes from it what a checkpoint of nnU-Net v2 holds, and lists
//! what it does not know in [`PythonCheckpoint::skipped`].

mod archive;
mod encode;
mod export;
mod log;
mod metadata;
mod names;
mod object;
mod pickle;
mod tensor;
#[cfg(test)]
mod tests;
mod value;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tch::{Kind, Tensor};

pub use self::log::PythonLog;
pub use self::metadata::{InitArguments, PythonMetadata};
pub use self::value::SkippedObject;

use self::archive::Archive;
use self::object::{Id, Objects};
use self::tensor::TensorView;
use self::value::Converter;
use crate::weights::{LoadReport, Source, Strictness};
use crate::{ModelError, NetworkSpec, UNet};

/// Names of a state dictionary above this are no network's.
const MAX_TENSORS: usize = 1_000_000;

/// A checkpoint of the Python program, open for reading. Its tensors stay on the disk until they
/// are asked for.
pub struct PythonCheckpoint {
    path: PathBuf,
    metadata: PythonMetadata,
    skipped: Vec<SkippedObject>,
    weights: Vec<(String, TensorView)>,
    /// Momentum of the parameter of this number.
    momenta: Vec<(usize, TensorView)>,
    reader: Mutex<Reader>,
}

/// The archive, and the last storage read from it if other tensors lie in it too.
struct Reader {
    archive: Archive,
    last: Option<(String, Vec<u8>)>,
}

impl fmt::Debug for PythonCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PythonCheckpoint")
            .field("path", &self.path)
            .field("weights", &self.weights.len())
            .field("epoch", &self.metadata.current_epoch)
            .finish_non_exhaustive()
    }
}

impl PythonCheckpoint {
    /// Reads everything but the tensors.
    ///
    /// # Errors
    /// [`ModelError::File`] if the file is no checkpoint of nnU-Net v2: not written by
    /// `torch.save`, or by PyTorch before 1.6, cut off, or without `network_weights`.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let mut archive = Archive::open(path)?;
        let (objects, root) =
            pickle::read(&archive.pickle()?).map_err(|problem| ModelError::file(path, problem))?;
        let mut converter = Converter::new(&objects);
        let state = network_weights(path, &objects, root)?;
        let mut weights = Vec::new();
        for (name, value) in state.iter().take(MAX_TENSORS) {
            match (objects.text(*name), TensorView::of(&objects, *value)) {
                (Some(name), Some(view)) => weights.push((name.to_owned(), view)),
                (name, _) => {
                    let place = format!("network_weights.{}", name.unwrap_or("?"));
                    converter.skip(&place, objects.kind(*value));
                }
            }
        }
        let metadata = PythonMetadata::read(&objects, root, &mut converter);
        let momenta = momenta(&objects, root, &mut converter);
        Ok(Self {
            path: path.to_path_buf(),
            metadata,
            weights,
            momenta,
            skipped: converter.skipped,
            reader: Mutex::new(Reader {
                archive,
                last: None,
            }),
        })
    }

    /// Writes a checkpoint that `torch.load` and the Python program read: the weights under all
    /// the names that its modules have for them, the optimiser's state and the metadata.
    /// `momentum` has the momentum of parameters by their names here; those without one have
    /// had no gradient yet.
    ///
    /// # Errors
    /// [`ModelError::Schema`] if the file cannot be written, an older one is then still whole;
    /// [`ModelError::File`] for a momentum that belongs to no parameter.
    pub fn save(
        path: &Path,
        network: &UNet,
        momentum: &HashMap<String, &Tensor>,
        metadata: &PythonMetadata,
    ) -> Result<(), ModelError> {
        export::save(path, network, momentum, metadata)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything but the tensors.
    #[must_use]
    pub const fn metadata(&self) -> &PythonMetadata {
        &self.metadata
    }

    /// What the file holds and nothing here understands.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedObject] {
        &self.skipped
    }

    /// Names and shapes of the weights as the file lists them, second names included.
    pub fn weights(&self) -> impl ExactSizeIterator<Item = (&str, &[usize])> {
        (self.weights.iter()).map(|(name, view)| (name.as_str(), view.shape.as_slice()))
    }

    /// Fills `network` with the weights. Half and double precision are converted. On an error
    /// the network is as it was.
    ///
    /// # Errors
    /// [`ModelError::Weights`] with the report if the file fits less than `strictness` asks;
    /// [`ModelError::File`] if a tensor's bytes are not whole.
    pub fn load_into(
        &self,
        network: &mut UNet,
        strictness: Strictness,
    ) -> Result<LoadReport, ModelError> {
        let tensors = self.weights.iter().map(|(name, view)| {
            let tensor = StoredTensor {
                checkpoint: self,
                view,
            };
            (name, tensor)
        });
        let report = network.load_from(&self.path, tensors, strictness);
        self.forget();
        report
    }

    /// The momentum of every parameter of a network of this `spec`, by name, on the processor;
    /// zeros for parameters that have had no gradient yet. None if the optimiser's state is not
    /// that of stochastic gradient descent, or missing.
    ///
    /// # Errors
    /// [`ModelError::File`] if a momentum has not the shape of its parameter, or its bytes are
    /// not whole.
    pub fn momentum(
        &self,
        spec: &NetworkSpec,
    ) -> Result<Option<HashMap<String, Tensor>>, ModelError> {
        if self.momenta.is_empty() {
            return Ok(None);
        }
        let views: HashMap<usize, &TensorView> =
            self.momenta.iter().map(|(i, v)| (*i, v)).collect();
        let parameters = spec.parameters();
        if let Some(beyond) = views.keys().find(|i| **i >= parameters.len()) {
            let problem = format!(
                "its optimiser has a parameter {beyond}, expected {} parameters",
                parameters.len()
            );
            return Err(ModelError::file(&self.path, problem));
        }
        let momentum = |(i, parameter): (usize, &crate::parameters::ParameterSpec)| {
            let shape: Vec<i64> = parameter.shape.iter().map(|v| *v as i64).collect();
            let tensor = match views.get(&i) {
                None => Tensor::f_zeros(shape.as_slice(), (Kind::Float, tch::Device::Cpu))?,
                Some(view) if view.shape == parameter.shape => self.read(view)?,
                Some(view) => {
                    let problem = format!(
                        "the momentum of parameter {i} has shape {:?}, expected {:?} as `{}`",
                        view.shape, parameter.shape, parameter.name
                    );
                    return Err(ModelError::file(&self.path, problem));
                }
            };
            Ok((parameter.name.clone(), tensor.f_to_kind(Kind::Float)?))
        };
        let all: Result<_, ModelError> = parameters.iter().enumerate().map(momentum).collect();
        self.forget();
        all.map(Some)
    }

    fn read(&self, view: &TensorView) -> Result<Tensor, ModelError> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let reader = &mut *reader;
        let bytes = match reader.last.take() {
            Some((key, bytes)) if key == view.storage => bytes,
            _ => reader.archive.storage(&view.storage)?,
        };
        let tensor = view.read(&self.path, &bytes)?;
        if tensor.numel() * view.kind.elt_size_in_bytes() < bytes.len() {
            reader.last = Some((view.storage.clone(), bytes));
        }
        Ok(tensor)
    }

    fn forget(&self) {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.last = None;
    }
}

/// A tensor in the archive.
struct StoredTensor<'a> {
    checkpoint: &'a PythonCheckpoint,
    view: &'a TensorView,
}

impl Source for StoredTensor<'_> {
    fn shape(&self) -> &[usize] {
        &self.view.shape
    }

    fn kind(&self) -> Option<Kind> {
        Some(self.view.kind)
    }

    fn kind_name(&self) -> String {
        format!("{:?}", self.view.kind)
    }

    fn read(&self) -> Result<Tensor, ModelError> {
        self.checkpoint.read(self.view)
    }
}

/// The names and values of the state dictionary.
fn network_weights<'a>(
    path: &Path,
    objects: &'a Objects,
    root: Id,
) -> Result<&'a [(Id, Id)], ModelError> {
    let fail = |problem: String| Err(ModelError::file(path, problem));
    if objects.pairs(root).is_none() {
        let found = objects.kind(root);
        return fail(format!(
            "it holds {found}, expected the dictionary of a checkpoint"
        ));
    }
    let Some(weights) = objects.entry(root, "network_weights") else {
        return fail(match objects.entry(root, "state_dict") {
            Some(_) => "it is a checkpoint of nnU-Net v1 or of another program, with a \
                        `state_dict`; expected `network_weights` as nnU-Net v2 writes"
                .to_owned(),
            None => "it has no `network_weights`, as checkpoints of nnU-Net v2 have".to_owned(),
        });
    };
    match objects.pairs(weights) {
        Some(pairs) => Ok(pairs),
        None => {
            let found = objects.kind(weights);
            fail(format!(
                "its `network_weights` are {found}, expected a dictionary"
            ))
        }
    }
}

/// The momentum of parameters by their number.
fn momenta(objects: &Objects, root: Id, converter: &mut Converter<'_>) -> Vec<(usize, TensorView)> {
    let state = objects
        .entry(root, "optimizer_state")
        .and_then(|id| objects.entry(id, "state"))
        .and_then(|id| objects.pairs(id));
    let mut momenta = Vec::new();
    for (number, own) in state.unwrap_or_default() {
        let buffer = objects.entry(*own, "momentum_buffer");
        let view = buffer.and_then(|id| TensorView::of(objects, id));
        match (objects.count(*number), view) {
            (Some(number), Some(view)) => momenta.push((number, view)),
            // Without momentum there is None.
            _ => converter.skip("optimizer_state.state", objects.kind(*own)),
        }
    }
    momenta
}
