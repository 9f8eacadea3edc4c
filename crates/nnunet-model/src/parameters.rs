//! The trainable tensors of a network: ordered, named, and one piece of memory.

use std::fmt;
use std::ops::Range;

use tch::{Device, Kind, Tensor};

use crate::ModelError;

/// Each parameter starts at a multiple of this many values (64 bytes), which vector code likes.
const ALIGNMENT: usize = 16;

/// Name, shape and first value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterSpec {
    /// The name in nnU-Net v2's module, e.g. `encoder.stages.0.0.convs.0.conv.weight`.
    pub name: String,
    /// Convolution weights are `[out, in, kernel…]`, those of transposed convolutions
    /// `[in, out, kernel…]`, everything else `[channels]`.
    pub shape: Vec<usize>,
    pub(crate) initial: Initial,
}

/// What a parameter holds before training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Initial {
    /// The same value everywhere.
    Constant(f32),
    /// Normally distributed around zero with this standard deviation.
    Normal { deviation: f64 },
}

impl ParameterSpec {
    /// The number of values, if it can be counted.
    pub(crate) fn checked_len(&self) -> Option<usize> {
        self.shape
            .iter()
            .try_fold(1_usize, |a, b| a.checked_mul(*b))
    }

    fn len(&self) -> usize {
        self.checked_len().unwrap_or(usize::MAX)
    }

    fn sizes(&self) -> Vec<i64> {
        self.shape.iter().map(|v| *v as i64).collect()
    }
}

/// The place of a parameter in its network's [`Parameters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(pub(crate) usize);

/// All parameters of a network, `f32`, in the order of nnU-Net v2's module.
///
/// They are views of one flat tensor, so that an optimiser can treat them as one.
pub struct Parameters {
    specs: Vec<ParameterSpec>,
    ranges: Vec<Range<usize>>,
    tensors: Vec<Tensor>,
    flat: Tensor,
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parameters")
            .field("tensors", &self.specs.len())
            .field("values", &self.values())
            .field("device", &self.flat.device())
            .finish_non_exhaustive()
    }
}

impl Parameters {
    /// Allocates the parameters, filled with zeros.
    pub(crate) fn zeros(specs: Vec<ParameterSpec>, device: Device) -> Result<Self, ModelError> {
        let mut ranges = Vec::with_capacity(specs.len());
        let mut end = 0_usize;
        for spec in &specs {
            let start = end.next_multiple_of(ALIGNMENT);
            end = start + spec.len();
            ranges.push(start..end);
        }
        let _guard = tch::no_grad_guard();
        let flat = Tensor::f_zeros(
            [end.next_multiple_of(ALIGNMENT) as i64],
            (Kind::Float, device),
        )?;
        let tensors = (specs.iter().zip(&ranges))
            .map(|(spec, range)| {
                flat.f_narrow(0, range.start as i64, range.len() as i64)?
                    .f_view(spec.sizes().as_slice())?
                    .f_set_requires_grad(true)
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            specs,
            ranges,
            tensors,
            flat,
        })
    }

    /// Number of tensors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.specs.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.specs.is_empty()
    }

    /// Number of trainable values.
    #[must_use]
    pub fn values(&self) -> usize {
        self.ranges.iter().map(Range::len).sum()
    }

    /// Names and tensors, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        (self.specs.iter().zip(&self.tensors)).map(|(spec, tensor)| (spec.name.as_str(), tensor))
    }

    /// Names, shapes and initial values, in order.
    #[must_use]
    pub fn specs(&self) -> &[ParameterSpec] {
        &self.specs
    }

    /// The tensors, in order. Each is a leaf of the graph of gradients.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The parameter of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        let index = self.specs.iter().position(|spec| spec.name == name)?;
        self.tensors.get(index)
    }

    /// All parameters as one tensor, one after the other with zeros between them. It shares
    /// memory with them: what changes it (without gradients) changes them.
    pub fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// Where each parameter lies in [`Self::flat`], in order.
    #[must_use]
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.ranges
    }

    /// A tensor of the size of [`Self::flat`], filled with zeros, and its views with the shapes
    /// of the parameters, in order.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if memory does not suffice.
    pub fn zeros_like(&self) -> Result<(Tensor, Vec<Tensor>), ModelError> {
        let _guard = tch::no_grad_guard();
        let flat = self.flat.f_zeros_like()?;
        let views = (self.specs.iter().zip(&self.ranges))
            .map(|(spec, range)| {
                flat.f_narrow(0, range.start as i64, range.len() as i64)?
                    .f_view(spec.sizes().as_slice())
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok((flat, views))
    }

    /// The tensor of a slot, which the same topology declared.
    pub(crate) fn at(&self, slot: Slot) -> &Tensor {
        &self.tensors[slot.0]
    }
}
