//! Stochastic gradient descent whose state is ours to save.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use nnunet_model::Parameters;
use nnunet_model::parameters::ParameterSpec;
use tch::{Device, Kind, Tensor};

use crate::{TrainError, TrainingConfig};

const MOMENTUM_PREFIX: &str = "momentum.";
/// Added to the norm before the gradient is divided by it.
const CLIP_EPSILON: f64 = 1e-6;
/// Values that are updated at a time on the processor, so that they stay in its cache.
const CPU_CHUNK: usize = 1 << 15;

/// SGD with Nesterov momentum and weight decay on all parameters.
///
/// Parameters, momentum and gradient are each one flat tensor, so that a step is a handful of
/// operations, however many layers there are. A parameter that takes no part in the loss (a
/// segmentation output without weight) is left alone.
pub struct Sgd {
    specs: Vec<ParameterSpec>,
    ranges: Vec<Range<usize>>,
    parameters: Vec<Tensor>,
    gradients: Vec<Tensor>,
    momenta: Vec<Tensor>,
    flat_parameters: Tensor,
    flat_gradient: Tensor,
    flat_momentum: Tensor,
    /// What the last backward pass reached: pieces of the flat tensors.
    reached: Vec<Range<usize>>,
    momentum: f64,
    weight_decay: f64,
    clip: f64,
}

impl fmt::Debug for Sgd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sgd")
            .field("tensors", &self.specs.len())
            .field("momentum", &self.momentum)
            .field("weight_decay", &self.weight_decay)
            .field("clip", &self.clip)
            .finish_non_exhaustive()
    }
}

/// What a backward pass found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backward {
    /// The loss.
    pub loss: f64,
    /// The L2 norm of the gradient over all parameters, before clipping.
    pub gradient_norm: f64,
}

impl Sgd {
    /// An optimiser of `parameters` without momentum yet.
    ///
    /// # Errors
    /// [`TrainError::Torch`] if memory does not suffice.
    pub fn new(parameters: &Parameters, config: &TrainingConfig) -> Result<Self, TrainError> {
        let (flat_gradient, gradients) = parameters.zeros_like()?;
        let (flat_momentum, momenta) = parameters.zeros_like()?;
        Ok(Self {
            specs: parameters.specs().to_vec(),
            ranges: parameters.ranges().to_vec(),
            parameters: (parameters.tensors().iter())
                .map(Tensor::shallow_clone)
                .collect(),
            gradients,
            momenta,
            flat_parameters: parameters.flat().shallow_clone(),
            flat_gradient,
            flat_momentum,
            reached: Vec::new(),
            momentum: config.momentum,
            weight_decay: config.weight_decay,
            clip: config.gradient_clip,
        })
    }

    /// Computes the gradient of `loss`, a scalar, whose graph is consumed.
    ///
    /// # Errors
    /// [`TrainError::Torch`] if memory does not suffice.
    pub fn backward(&mut self, loss: &Tensor) -> Result<Backward, TrainError> {
        let found = Tensor::f_run_backward(&[loss], &self.parameters, false, false)?;
        let _guard = tch::no_grad_guard();
        self.reached.clear();
        for (i, (gradient, own)) in found.iter().zip(&mut self.gradients).enumerate() {
            if !gradient.defined() {
                let _ = own.f_zero_()?;
                continue;
            }
            own.f_copy_(gradient)?;
            match self.reached.last_mut() {
                // The gap between neighbours is padding, zero in all flat tensors.
                Some(last) if i > 0 && last.end == self.ranges[i - 1].end => {
                    last.end = self.ranges[i].end;
                }
                _ => self.reached.push(self.ranges[i].clone()),
            }
        }
        drop(found);
        let norm = self.flat_gradient.f_norm()?;
        // One transfer for both.
        let both = Tensor::f_stack(&[loss.f_detach()?.f_to_kind(Kind::Float)?, norm], 0)?;
        let mut numbers = [0.0_f32; 2];
        (both.f_to_device(Device::Cpu)?).f_copy_data(&mut numbers, 2)?;
        Ok(Backward {
            loss: f64::from(numbers[0]),
            gradient_norm: f64::from(numbers[1]),
        })
    }

    /// Clips the gradient of the last [`Self::backward`], which found this norm, and updates
    /// the parameters.
    ///
    /// # Errors
    /// [`TrainError::Torch`] if memory does not suffice.
    pub fn step(&mut self, learning_rate: f64, gradient_norm: f64) -> Result<(), TrainError> {
        let _guard = tch::no_grad_guard();
        let options = (Kind::Float, self.flat_parameters.device());
        // Factors as tensors of one value: the fused multiply-add takes no other.
        let factor = |value: f64| Tensor::f_full([1], value, options);
        let momentum = factor(self.momentum)?;
        let decay = factor(self.weight_decay)?;
        let rate = factor(-learning_rate)?;
        let clip = (self.clip / (gradient_norm + CLIP_EPSILON)).min(1.0);
        let chunk = match self.flat_parameters.device() {
            Device::Cpu => CPU_CHUNK,
            _ => usize::MAX,
        };
        for range in self.reached.iter().flat_map(|range| chunks(range, chunk)) {
            let piece = |flat: &Tensor| flat.f_narrow(0, range.start as i64, range.len() as i64);
            let mut value = piece(&self.flat_parameters)?;
            let mut gradient = piece(&self.flat_gradient)?;
            let mut velocity = piece(&self.flat_momentum)?;
            if clip < 1.0 {
                let _ = gradient.f_mul_scalar_(clip)?;
            }
            let _ = gradient.f_addcmul_(&value, &decay)?;
            let _ = velocity.f_mul_scalar_(self.momentum)?.f_add_(&gradient)?;
            let _ = gradient.f_addcmul_(&velocity, &momentum)?;
            let _ = value.f_addcmul_(&gradient, &rate)?;
        }
        Ok(())
    }

    /// The gradient of each parameter after the last [`Self::backward`], by name.
    pub fn gradients(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        (self.specs.iter().zip(&self.gradients)).map(|(spec, tensor)| (spec.name.as_str(), tensor))
    }

    /// The state to be saved: the momentum of each parameter, by name.
    #[must_use]
    pub fn state(&self) -> Vec<(String, &Tensor)> {
        (self.specs.iter().zip(&self.momenta))
            .map(|(spec, tensor)| (format!("{MOMENTUM_PREFIX}{}", spec.name), tensor))
            .collect()
    }

    /// Takes up a state that [`Self::state`] gave.
    ///
    /// # Errors
    /// [`TrainError::OptimizerState`] if a tensor is missing or has another shape.
    pub fn restore(&mut self, state: &HashMap<String, Tensor>) -> Result<(), TrainError> {
        let _guard = tch::no_grad_guard();
        for (spec, own) in self.specs.iter().zip(&mut self.momenta) {
            let name = format!("{MOMENTUM_PREFIX}{}", spec.name);
            let saved = state.get(&name).filter(|saved| saved.size() == own.size());
            let saved = saved.ok_or(TrainError::OptimizerState { name })?;
            own.f_copy_(saved)?;
        }
        Ok(())
    }
}

/// `range` in pieces of at most `size`.
fn chunks(range: &Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let end = range.end;
    (range.clone().step_by(size)).map(move |start| start..start.saturating_add(size).min(end))
}
