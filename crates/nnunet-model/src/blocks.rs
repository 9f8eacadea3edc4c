//! Runs the layers on tensors.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::ModelError;
use crate::buffers::Buffers;
use crate::layers::{Conv, ConvNorm, Norm, Running};
use crate::layout;
use crate::parameters::Parameters;
use crate::topology::{ConvStack, EncoderStage, ResidualBlock};

/// How a network treats what differs between training and inference: the statistics of its
/// batch norms. Networks with instance norms are the same in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// While gradients are recorded, statistics of the batch, which update the running ones;
    /// without gradients (validation, inference) as [`Self::Evaluation`].
    #[default]
    Training,
    /// Running statistics, which stay as they are.
    Evaluation,
}

/// The numbers that convolutions and activations are computed in. Weights, their gradients and
/// the statistics of norms are `f32` in either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arithmetic {
    /// `f32`.
    #[default]
    Single,
    /// bfloat16: the range of `f32` with eight bits of precision, so that no loss needs scaling.
    /// Faster only on processors and cards that have instructions for it.
    Bfloat16,
    /// `f16`: more precision than [`Self::Bfloat16`] and less range (up to 65504), so that a
    /// training has to scale its loss. For GPUs; processors compute it slowly.
    Half,
}

impl Arithmetic {
    /// A tensor in these numbers.
    pub(crate) fn of(self, tensor: &Tensor) -> Result<Tensor, ModelError> {
        Ok(match self {
            Self::Single => tensor.shallow_clone(),
            Self::Bfloat16 => tensor.f_to_kind(Kind::BFloat16)?,
            Self::Half => tensor.f_to_kind(Kind::Half)?,
        })
    }
}

/// The tensors of a network, and how they are used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State<'a> {
    pub(crate) parameters: &'a Parameters,
    pub(crate) buffers: &'a Buffers,
    pub(crate) mode: Mode,
    pub(crate) arithmetic: Arithmetic,
}

impl Conv {
    pub(crate) fn forward(&self, x: &Tensor, state: State<'_>) -> Result<Tensor, ModelError> {
        let p = state.parameters;
        let ones = vec![1_i64; self.stride.len()];
        let zeros = vec![0_i64; self.stride.len()];
        let weight = state.arithmetic.of(p.at(self.weight))?;
        let bias = self.bias.map(|slot| state.arithmetic.of(p.at(slot)));
        Ok(self.layout.apply(x)?.f_convolution(
            &weight,
            bias.transpose()?,
            self.stride.as_slice(),
            self.padding.as_slice(),
            ones.as_slice(),
            self.transposed,
            zeros.as_slice(),
            1,
        )?)
    }
}

impl Norm {
    fn forward(&self, x: &Tensor, state: State<'_>) -> Result<Tensor, ModelError> {
        let p = state.parameters;
        let (weight, bias) = (Some(p.at(self.weight)), Some(p.at(self.bias)));
        if let Some(running) = &self.running {
            return self.batch_norm(x, running, state);
        }
        if x.device() == Device::Cpu {
            // One group per channel is the same, and several times faster there.
            let channels = x.size().get(1).copied().unwrap_or(1);
            return Ok(x.f_group_norm(channels, weight, bias, self.epsilon, true)?);
        }
        // Statistics always come from the input, so that the momentum means nothing.
        Ok(x.f_instance_norm(weight, bias, None, None, true, 0.0, self.epsilon, true)?)
    }

    fn batch_norm(
        &self,
        x: &Tensor,
        running: &Running,
        state: State<'_>,
    ) -> Result<Tensor, ModelError> {
        let (p, b) = (state.parameters, state.buffers);
        // The weights always ask for gradients, so their output does if gradients are recorded.
        let training = state.mode == Mode::Training && x.requires_grad();
        if training {
            let _guard = tch::no_grad_guard();
            let _ = b.at(running.batches).shallow_clone().f_add_scalar_(1)?;
        }
        Ok(x.f_batch_norm(
            Some(p.at(self.weight)),
            Some(p.at(self.bias)),
            Some(b.at(running.mean)),
            Some(b.at(running.variance)),
            training,
            running.momentum,
            self.epsilon,
            true,
        )?)
    }
}

impl ConvNorm {
    fn forward(&self, x: &Tensor, state: State<'_>) -> Result<Tensor, ModelError> {
        let y = layout::for_norm(&self.conv.forward(x, state)?)?;
        self.norm.forward(&y, state)
    }

    /// With the activation after it.
    fn activated(&self, x: &Tensor, state: State<'_>) -> Result<Tensor, ModelError> {
        layout::activate(self.forward(x, state)?, self.conv.outputs)
    }
}

impl ConvStack {
    pub(crate) fn forward(&self, x: &Tensor, state: State<'_>) -> Result<Tensor, ModelError> {
        let mut x = x.shallow_clone();
        for conv in &self.0 {
            x = conv.activated(&x, state)?;
        }
        Ok(x)
    }
}

impl ResidualBlock {
    fn forward(&self, x: &Tensor, state: State<'_>) -> Result<Tensor, ModelError> {
        let mut y = self.first.activated(x, state)?;
        y = self.second.forward(&y, state)?;
        let mut skip = match &self.pool {
            None => x.shallow_clone(),
            Some(window) => average_pool(x, window)?,
        };
        if let Some(projection) = &self.projection {
            skip = projection.forward(&skip, state)?;
        }
        layout::activate(y.f_add_(&skip)?, self.second.conv.outputs)
    }
}

impl EncoderStage {
    pub(crate) fn forward(&self, x: &Tensor, state: State<'_>) -> Result<Tensor, ModelError> {
        match self {
            Self::Plain(stack) => stack.forward(x, state),
            Self::Residual(blocks) => {
                (blocks.iter()).try_fold(x.shallow_clone(), |x, block| block.forward(&x, state))
            }
        }
    }
}

fn average_pool(x: &Tensor, window: &[i64]) -> Result<Tensor, ModelError> {
    let padding = vec![0_i64; window.len()];
    let padding = padding.as_slice();
    Ok(match window.len() {
        2 => x.f_avg_pool2d(window, window, padding, false, true, None)?,
        _ => x.f_avg_pool3d(window, window, padding, false, true, None)?,
    })
}
