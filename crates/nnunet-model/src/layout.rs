//! The order of values in memory.
//!
//! On the processor, convolutions are up to three times faster where the channels of a voxel
//! lie together ("channels last"; backward pass, few channels), while the norm's backward pass
//! is forty times faster where the voxels of a channel do. Moving between the two costs little
//! in comparison. On a GPU everything stays as it comes.

use tch::{Device, Tensor};

use crate::ModelError;

/// The network's input as the first convolution likes it.
pub(crate) fn of_input(x: &Tensor) -> Result<Tensor, ModelError> {
    let shape = x.size();
    if x.device() != Device::Cpu || shape.get(1) != Some(&1) {
        return for_convolution(x);
    }
    // With one channel both orders are the same memory; the strides tell libtorch which to
    // take it for.
    let mut strides = vec![1_i64; shape.len()];
    for axis in (2..shape.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * shape[axis + 1];
    }
    strides[0] = shape.iter().skip(1).product();
    Ok(x.f_contiguous()?
        .f_as_strided(shape.as_slice(), strides.as_slice(), None)?)
}

/// Channels last, on the processor.
pub(crate) fn for_convolution(x: &Tensor) -> Result<Tensor, ModelError> {
    if x.device() != Device::Cpu {
        return Ok(x.shallow_clone());
    }
    let axes = x.dim() as i64;
    let last: Vec<i64> = std::iter::once(0).chain(2..axes).chain([1]).collect();
    let back: Vec<i64> = [0, axes - 1].into_iter().chain(1..axes - 1).collect();
    Ok(x.f_permute(last.as_slice())?
        .f_contiguous()?
        .f_permute(back.as_slice())?)
}

/// Channel by channel on the processor, if there will be a backward pass.
pub(crate) fn for_norm(x: &Tensor) -> Result<Tensor, ModelError> {
    if x.device() != Device::Cpu || !x.requires_grad() {
        return Ok(x.shallow_clone());
    }
    Ok(x.f_contiguous()?)
}
