//! The tensors of a network that are saved and not trained: running statistics of batch norms.

use std::fmt;

use tch::{Device, Kind, Tensor};

use crate::ModelError;
use crate::parameters::Slot;

/// What a buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BufferKind {
    /// Running mean per channel, `f32`, 0 before training.
    Mean,
    /// Running variance per channel, `f32`, 1 before training.
    Variance,
    /// Number of batches seen, one `i64` without axes.
    Counter,
}

/// Name and kind of a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufferSpec {
    /// The name in nnU-Net v2's module, e.g. `encoder.stages.0.0.convs.0.norm.running_mean`.
    pub name: String,
    /// What it holds.
    pub kind: BufferKind,
    pub(crate) channels: usize,
}

impl BufferSpec {
    /// `[channels]`, or no axes for a counter.
    #[must_use]
    pub fn shape(&self) -> Vec<usize> {
        match self.kind {
            BufferKind::Counter => Vec::new(),
            _ => vec![self.channels],
        }
    }
}

/// All buffers of a network; none unless it has batch norms.
pub struct Buffers {
    specs: Vec<BufferSpec>,
    tensors: Vec<Tensor>,
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers")
            .field("tensors", &self.specs.len())
            .finish_non_exhaustive()
    }
}

impl Buffers {
    /// Allocates the buffers with the values that they have before training.
    pub(crate) fn fresh(specs: Vec<BufferSpec>, device: Device) -> Result<Self, ModelError> {
        let tensors = (specs.iter())
            .map(|spec| {
                let shape: Vec<i64> = spec.shape().iter().map(|v| *v as i64).collect();
                match spec.kind {
                    BufferKind::Mean => Tensor::f_zeros(shape.as_slice(), (Kind::Float, device)),
                    BufferKind::Variance => Tensor::f_ones(shape.as_slice(), (Kind::Float, device)),
                    BufferKind::Counter => Tensor::f_zeros(shape.as_slice(), (Kind::Int64, device)),
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { specs, tensors })
    }

    /// Gives all buffers the values that they have before training.
    pub(crate) fn reset(&self) -> Result<(), ModelError> {
        let _guard = tch::no_grad_guard();
        for (spec, tensor) in self.specs.iter().zip(&self.tensors) {
            let value = match spec.kind {
                BufferKind::Variance => 1.0,
                _ => 0.0,
            };
            let _ = tensor.shallow_clone().f_fill_(value)?;
        }
        Ok(())
    }

    /// Number of buffers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.specs.len()
    }

    /// Whether there are none, as in every network without batch norms.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.specs.is_empty()
    }

    /// Names and kinds, in the order of nnU-Net v2's module.
    #[must_use]
    pub fn specs(&self) -> &[BufferSpec] {
        &self.specs
    }

    /// Names and tensors, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        (self.specs.iter().zip(&self.tensors)).map(|(spec, tensor)| (spec.name.as_str(), tensor))
    }

    /// The buffer of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        let index = self.specs.iter().position(|spec| spec.name == name)?;
        self.tensors.get(index)
    }

    /// The tensor of a slot, which the same topology declared.
    pub(crate) fn at(&self, slot: Slot) -> &Tensor {
        &self.tensors[slot.0]
    }
}
