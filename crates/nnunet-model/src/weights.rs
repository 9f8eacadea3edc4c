//! Weights of a file into a network: which tensor goes where, what is missing, what is left over.
//! And the project's own format, safetensors.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use nnunet_schema::{SchemaError, atomic};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors, View};
use tch::{Kind, Tensor};

pub use crate::report::{LoadReport, Mismatch};
use crate::{ModelError, UNet};

/// How much of a network a file must fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Every parameter, and nothing else in the file.
    Exact,
    /// Every parameter but those of the segmentation outputs, which keep their values: weights
    /// that were trained for other classes.
    ExceptOutputs,
    /// Whatever has the name and shape of a parameter, at least one; the report tells what
    /// kept its values. For weights of a similar network.
    Matching,
}

/// A tensor of a file that is not read yet.
pub(crate) trait Source {
    /// Its shape.
    fn shape(&self) -> &[usize];

    /// The type of its values; none if libtorch has no such.
    fn kind(&self) -> Option<Kind>;

    /// The type as the file names it.
    fn kind_name(&self) -> String;

    /// Its values, with [`Self::shape`].
    fn read(&self) -> Result<Tensor, ModelError>;
}

impl Source for TensorView<'_> {
    fn shape(&self) -> &[usize] {
        Self::shape(self)
    }

    fn kind(&self) -> Option<Kind> {
        kind(self.dtype())
    }

    fn kind_name(&self) -> String {
        format!("{:?}", self.dtype())
    }

    fn read(&self) -> Result<Tensor, ModelError> {
        let unusable = || tch::TchError::Kind(format!("{:?} is no type of libtorch", self.dtype()));
        let shape: Vec<i64> = Self::shape(self).iter().map(|v| *v as i64).collect();
        let kind = kind(self.dtype()).ok_or_else(unusable)?;
        Ok(Tensor::f_from_data_size(self.data(), &shape, kind)?)
    }
}

impl UNet {
    /// Writes the weights, `f32`, and the running statistics of batch norms, atomically.
    ///
    /// # Errors
    /// [`ModelError::Schema`] with the path if the file cannot be written.
    pub fn save_weights(&self, path: &Path) -> Result<(), ModelError> {
        let tensors = (self.tensors()).map(|(name, tensor)| (name.to_owned(), tensor));
        write(path, tensors.collect(), None)
    }

    /// Fills the network from a safetensors file of canonical or nnU-Net v2 state-dict names.
    /// Half and double precision are converted. On an error the weights are as they were.
    ///
    /// # Errors
    /// [`ModelError::Weights`] with the report if the file fits less than `strictness` asks;
    /// [`ModelError::File`] if it is no safetensors file.
    pub fn load_weights(
        &mut self,
        path: &Path,
        strictness: Strictness,
    ) -> Result<LoadReport, ModelError> {
        let bytes = read_bytes(path)?;
        self.load_from(path, parse(path, &bytes)?.iter(), strictness)
    }

    /// As [`Self::load_weights`], from the named tensors of any file.
    pub(crate) fn load_from<N: AsRef<str>, S: Source>(
        &mut self,
        path: &Path,
        tensors: impl IntoIterator<Item = (N, S)>,
        strictness: Strictness,
    ) -> Result<LoadReport, ModelError> {
        let mut found: BTreeMap<String, S> = (tensors.into_iter())
            .filter_map(|(name, source)| Some((canonical(name.as_ref())?.to_owned(), source)))
            .collect();
        let mut report = LoadReport::default();
        let mut copies = Vec::new();
        for (name, tensor) in self.tensors() {
            let source = found.remove(name);
            if strictness == Strictness::ExceptOutputs && is_output(name) {
                continue;
            }
            let Some(source) = source else {
                report.missing.push(name.to_owned());
                continue;
            };
            let expected: Vec<usize> = tensor.size().iter().map(|v| *v as usize).collect();
            let fits = |kind: Kind| is_float(kind) == is_float(tensor.kind());
            if source.shape() == expected && source.kind().is_some_and(fits) {
                report.applied.push(name.to_owned());
                copies.push((tensor, source));
                continue;
            }
            report.mismatched.push(Mismatch {
                name: name.to_owned(),
                expected,
                found: format!("{:?} {}", source.shape(), source.kind_name()),
            });
        }
        report.unused = found.into_keys().collect();
        let enough = match strictness {
            Strictness::Exact | Strictness::ExceptOutputs => report.is_complete(),
            Strictness::Matching => !report.applied.is_empty(),
        };
        if !enough {
            return Err(ModelError::Weights {
                path: path.to_path_buf(),
                report: Box::new(report),
            });
        }
        // All are read before the first is changed.
        let copies = (copies.into_iter())
            .map(|(tensor, source)| Ok((tensor, source.read()?)))
            .collect::<Result<Vec<_>, ModelError>>()?;
        let _guard = tch::no_grad_guard();
        for (tensor, values) in copies {
            tensor.shallow_clone().f_copy_(&values)?;
        }
        Ok(report)
    }
}

/// Names that start with this belong to the optimiser of a checkpoint.
pub(crate) const OPTIMIZER_PREFIX: &str = "optimizer.";

/// Prefixes that wrappers of a Python module put before every name: parallel training and
/// compilation, in either order.
const WRAPPERS: [&str; 2] = ["module.", "_orig_mod."];

/// The name of a network tensor without the wrappers' prefixes; none for second names of the
/// same tensor and for the optimiser's.
pub(crate) fn canonical(name: &str) -> Option<&str> {
    let mut name = name;
    while let Some(rest) = WRAPPERS.iter().find_map(|prefix| name.strip_prefix(prefix)) {
        name = rest;
    }
    let alias = name.starts_with("decoder.encoder.") || name.contains(".all_modules.");
    (!alias && !name.starts_with(OPTIMIZER_PREFIX)).then_some(name)
}

fn is_output(name: &str) -> bool {
    name.contains(".seg_layers.")
}

fn is_float(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16
    )
}

pub(crate) fn kind(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F32 => Some(Kind::Float),
        Dtype::F64 => Some(Kind::Double),
        Dtype::F16 => Some(Kind::Half),
        Dtype::BF16 => Some(Kind::BFloat16),
        Dtype::I64 => Some(Kind::Int64),
        _ => None,
    }
}

pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, ModelError> {
    std::fs::read(path).map_err(|source| {
        ModelError::Schema(SchemaError::Io {
            action: "read",
            path: path.to_path_buf(),
            source,
        })
    })
}

pub(crate) fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<SafeTensors<'a>, ModelError> {
    SafeTensors::deserialize(bytes).map_err(|error| ModelError::file(path, error.to_string()))
}

/// The values of a tensor as they go to a file, little-endian, C order: `i64` for whole numbers,
/// `f32` for all others.
pub(crate) fn plain_bytes(tensor: &Tensor) -> Result<(Dtype, Vec<u8>), tch::TchError> {
    let (dtype, kind, size) = match is_float(tensor.kind()) {
        true => (Dtype::F32, Kind::Float, size_of::<f32>()),
        false => (Dtype::I64, Kind::Int64, size_of::<i64>()),
    };
    let mut bytes = vec![0; tensor.numel() * size];
    let plain = tensor.f_detach()?.f_to_kind(kind)?.f_contiguous()?;
    plain.f_copy_data_u8(&mut bytes, tensor.numel())?;
    Ok((dtype, bytes))
}

/// A tensor on its way to a file, copied to the processor.
struct Outgoing {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for &Outgoing {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Writes tensors (`f32`, counters `i64`) and a map of texts to a safetensors file, atomically.
pub(crate) fn write(
    path: &Path,
    tensors: Vec<(String, &Tensor)>,
    texts: Option<HashMap<String, String>>,
) -> Result<(), ModelError> {
    let outgoing = (tensors.into_iter())
        .map(|(name, tensor)| {
            let (dtype, bytes) = plain_bytes(tensor)?;
            let shape = tensor.size().iter().map(|v| *v as usize).collect();
            let outgoing = Outgoing {
                dtype,
                shape,
                bytes,
            };
            Ok((name, outgoing))
        })
        .collect::<Result<Vec<_>, tch::TchError>>()?;
    let views = outgoing
        .iter()
        .map(|(name, tensor)| (name.as_str(), tensor));
    atomic::replace_with(path, |temporary| {
        safetensors::serialize_to_file(views, texts, temporary).map_err(|error| match error {
            safetensors::SafeTensorError::IoError(source) => source,
            other => std::io::Error::other(other.to_string()),
        })
    })?;
    Ok(())
}
