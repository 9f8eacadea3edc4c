//! The order of values in memory: what makes the difference between layers that libtorch runs
//! at full speed on the processor, and layers that it runs two to forty times slower.
//!
//! Measured on a processor with AVX-512: convolutions whose channels are multiples of 16 are
//! fastest with the voxels of a channel together ("plain"). Others are up to three times faster
//! with the channels of a voxel together ("channels last"). The backward pass of the norm is
//! forty times slower with channels last, and that of the activation eight times if its input
//! and the gradient differ in layout. Moving from one to the other costs little in comparison.
//!
//! On a GPU everything stays as it comes.

use tch::{Device, Tensor};

use crate::ModelError;

/// Channels that libtorch's convolutions work on at a time.
const BLOCK: usize = 16;

/// Whether values of so many channels are kept with channels last.
pub(crate) const fn is_odd(channels: usize) -> bool {
    !channels.is_multiple_of(BLOCK)
}

/// How a convolution likes its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// As it comes.
    Given,
    /// Channels last.
    ChannelsLast,
}

impl Layout {
    pub(crate) fn of_convolution(inputs: usize, outputs: usize, kernel: &[usize]) -> Self {
        let pointwise = kernel.iter().all(|edge| *edge == 1);
        let single = inputs == 1 && !is_odd(outputs);
        if pointwise || single || !(is_odd(inputs) || is_odd(outputs)) {
            Self::Given
        } else {
            Self::ChannelsLast
        }
    }

    pub(crate) fn apply(self, x: &Tensor) -> Result<Tensor, ModelError> {
        match self {
            Self::ChannelsLast if x.device() == Device::Cpu => channels_last(x),
            _ => Ok(x.shallow_clone()),
        }
    }
}

/// Channel by channel on the processor, if there will be a backward pass.
pub(crate) fn for_norm(x: &Tensor) -> Result<Tensor, ModelError> {
    if x.device() == Device::Cpu && x.requires_grad() {
        return Ok(x.f_contiguous()?);
    }
    Ok(x.shallow_clone())
}

/// The activation, with the output in the layout that convolutions of as many channels like.
/// `x` is overwritten where that is possible.
pub(crate) fn activate(mut x: Tensor, channels: usize) -> Result<Tensor, ModelError> {
    if x.device() == Device::Cpu && x.requires_grad() && is_odd(channels) {
        // In this order, so that the backward pass sees one layout.
        return Ok(channels_last(&x)?.f_leaky_relu()?);
    }
    // The norm's backward pass needs its input, not its output.
    Ok(x.f_leaky_relu_()?)
}

fn channels_last(x: &Tensor) -> Result<Tensor, ModelError> {
    let shape = x.size();
    if shape.get(1) == Some(&1) {
        return single_channel_last(x, &shape);
    }
    let axes = shape.len() as i64;
    let last: Vec<i64> = std::iter::once(0).chain(2..axes).chain([1]).collect();
    let back: Vec<i64> = [0, axes - 1].into_iter().chain(1..axes - 1).collect();
    Ok(x.f_permute(last.as_slice())?
        .f_contiguous()?
        .f_permute(back.as_slice())?)
}

/// With one channel both orders are the same memory, and only the strides tell libtorch which
/// of the two it is.
fn single_channel_last(x: &Tensor, shape: &[i64]) -> Result<Tensor, ModelError> {
    let mut strides = vec![1_i64; shape.len()];
    let mut stride = 1;
    for axis in (2..shape.len()).rev() {
        strides[axis] = stride;
        stride *= shape[axis];
    }
    strides[0] = stride;
    Ok(x.f_contiguous()?
        .f_as_strided(shape, strides.as_slice(), None)?)
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    #[test]
    fn values_keep_their_places_and_change_their_order() {
        for shape in [
            vec![2_i64, 3, 4, 5],
            vec![2, 3, 4, 5, 6],
            vec![2, 1, 4, 5, 6],
        ] {
            let count = shape.iter().product::<i64>();
            let x = Tensor::arange(count, (Kind::Float, Device::Cpu)).view(shape.as_slice());
            let y = channels_last(&x).unwrap();
            assert_eq!(x, y);
            assert_eq!(y.stride()[1], 1);
            assert_eq!(y.stride()[shape.len() - 1], shape[1]);
        }
    }

    #[test]
    fn wide_layers_and_pointwise_ones_stay_as_they_are() {
        use Layout::{ChannelsLast, Given};
        for (inputs, outputs, kernel, expected) in [
            (32, 64, [3, 3, 3], Given),
            (1, 32, [3, 3, 3], Given),
            (8, 3, [1, 1, 1], Given),
            (1, 8, [3, 3, 3], ChannelsLast),
            (4, 32, [1, 3, 3], ChannelsLast),
            (16, 8, [2, 2, 2], ChannelsLast),
            (24, 48, [3, 3, 3], ChannelsLast),
        ] {
            let found = Layout::of_convolution(inputs, outputs, &kernel);
            assert_eq!(found, expected, "{inputs} → {outputs}");
        }
    }
}
