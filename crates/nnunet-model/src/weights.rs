//! Weights in safetensors files, and a report of what of a file fits a network.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;

use nnunet_schema::{SchemaError, atomic};
use safetensors::{Dtype, SafeTensors, View};
use tch::{Kind, Tensor};

use crate::{ModelError, UNet};

/// How much of a network a file must fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Every parameter, and nothing else in the file.
    Exact,
    /// Every parameter but those of the segmentation outputs, which keep their values: weights
    /// that were trained for other classes.
    ExceptOutputs,
}

/// What of a weight file fits a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadReport {
    /// Parameters that were filled.
    pub applied: Vec<String>,
    /// Parameters that the file lacks.
    pub missing: Vec<String>,
    /// Tensors of the file that the network lacks. Second names of the same tensor, which
    /// nnU-Net v2's modules register (`decoder.encoder.…`, `….all_modules.…`), don't count.
    pub unused: Vec<String>,
    /// Tensors of the right name with another shape or type.
    pub mismatched: Vec<Mismatch>,
}

/// A tensor of a file whose shape or type is not that of the parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The name of both.
    pub name: String,
    /// The shape of the parameter.
    pub expected: Vec<usize>,
    /// The shape in the file, with the type if that is at fault.
    pub found: String,
}

impl LoadReport {
    /// Whether everything fits.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unused.is_empty() && self.mismatched.is_empty()
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tensors fit", self.applied.len())?;
        for (what, names) in [
            ("missing in the file", &self.missing),
            ("unknown to the network", &self.unused),
        ] {
            if let Some(first) = names.first() {
                write!(f, ", {} {what} (first `{first}`)", names.len())?;
            }
        }
        if let Some(first) = self.mismatched.first() {
            write!(
                f,
                ", {} of another shape (first `{}`: expected {:?}, found {})",
                self.mismatched.len(),
                first.name,
                first.expected,
                first.found
            )?;
        }
        Ok(())
    }
}

impl UNet {
    /// Writes the weights, `f32`, atomically.
    ///
    /// # Errors
    /// [`ModelError::Schema`] with the path if the file cannot be written.
    pub fn save_weights(&self, path: &Path) -> Result<(), ModelError> {
        let tensors = (self.parameters().iter()).map(|(name, tensor)| (name.to_owned(), tensor));
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
        self.load_from(path, &parse(path, &bytes)?, strictness)
    }

    /// As [`Self::load_weights`], from a file in memory.
    pub(crate) fn load_from(
        &mut self,
        path: &Path,
        file: &SafeTensors<'_>,
        strictness: Strictness,
    ) -> Result<LoadReport, ModelError> {
        let mut found: BTreeMap<String, safetensors::tensor::TensorView<'_>> = file
            .iter()
            .filter_map(|(name, view)| Some((canonical(name)?.to_owned(), view)))
            .collect();
        let mut report = LoadReport::default();
        let mut copies = Vec::new();
        for (spec, tensor) in self
            .parameters()
            .specs()
            .iter()
            .zip(self.parameters().tensors())
        {
            let view = found.remove(&spec.name);
            if strictness == Strictness::ExceptOutputs && is_output(&spec.name) {
                continue;
            }
            let Some(view) = view else {
                report.missing.push(spec.name.clone());
                continue;
            };
            match kind(view.dtype()) {
                Some(kind) if view.shape() == spec.shape => copies.push((tensor, view, kind)),
                _ => {
                    report.mismatched.push(Mismatch {
                        name: spec.name.clone(),
                        expected: spec.shape.clone(),
                        found: format!("{:?} {:?}", view.shape(), view.dtype()),
                    });
                    continue;
                }
            }
            report.applied.push(spec.name.clone());
        }
        report.unused = found.into_keys().collect();
        if !report.is_complete() {
            return Err(ModelError::Weights {
                path: path.to_path_buf(),
                report: Box::new(report),
            });
        }
        let _guard = tch::no_grad_guard();
        for (tensor, view, kind) in copies {
            let source = Tensor::f_from_data_size(view.data(), &tensor.size(), kind)?;
            tensor.shallow_clone().f_copy_(&source)?;
        }
        Ok(report)
    }
}

/// Names that start with this belong to the optimiser of a checkpoint.
pub(crate) const OPTIMIZER_PREFIX: &str = "optimizer.";

/// The name of a network tensor without the wrapper's prefix; none for second names of the
/// same tensor and for the optimiser's.
fn canonical(name: &str) -> Option<&str> {
    let name = name.strip_prefix("module.").unwrap_or(name);
    let alias = name.starts_with("decoder.encoder.") || name.contains(".all_modules.");
    (!alias && !name.starts_with(OPTIMIZER_PREFIX)).then_some(name)
}

fn is_output(name: &str) -> bool {
    name.contains(".seg_layers.")
}

pub(crate) fn kind(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F32 => Some(Kind::Float),
        Dtype::F64 => Some(Kind::Double),
        Dtype::F16 => Some(Kind::Half),
        Dtype::BF16 => Some(Kind::BFloat16),
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

/// A tensor on its way to a file, copied to the processor.
struct Outgoing {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for &Outgoing {
    fn dtype(&self) -> Dtype {
        Dtype::F32
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

/// Writes `f32` tensors and a map of texts to a safetensors file, atomically.
pub(crate) fn write(
    path: &Path,
    tensors: Vec<(String, &Tensor)>,
    texts: Option<HashMap<String, String>>,
) -> Result<(), ModelError> {
    let outgoing = (tensors.into_iter())
        .map(|(name, tensor)| {
            let mut bytes = vec![0; tensor.numel() * size_of::<f32>()];
            let plain = tensor.f_detach()?.f_to_kind(Kind::Float)?.f_contiguous()?;
            plain.f_copy_data_u8(&mut bytes, tensor.numel())?;
            let shape = tensor.size().iter().map(|v| *v as usize).collect();
            Ok((name, Outgoing { shape, bytes }))
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
