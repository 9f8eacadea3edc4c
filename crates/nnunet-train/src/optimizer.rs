//! The optimiser, whose state is ours to save.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use nnunet_model::Parameters;
use nnunet_model::checkpoint::MOMENTUM_PREFIX;
use nnunet_model::parameters::ParameterSpec;
use tch::{Device, Kind, Tensor};

use crate::{OptimizerKind, TrainError, TrainingConfig};

const SQUARES_PREFIX: &str = "squares.";
/// The name of the number of steps in a state.
const STEPS: &str = "steps";
/// Adam's decay of the squared gradient, and what keeps it from dividing by zero.
const ADAM_SQUARES_DECAY: f64 = 0.999;
const ADAM_MOMENTUM: f64 = 0.9;
const ADAM_EPSILON: f64 = 1e-8;
/// Added to the norm before the gradient is divided by it.
const CLIP_EPSILON: f64 = 1e-6;
/// Values that are updated at a time on the processor, so that they stay in its cache.
const CPU_CHUNK: usize = 1 << 15;

/// A quantity that the optimiser keeps for each parameter.
struct Kept {
    /// Before the name of the parameter in the state.
    prefix: &'static str,
    flat: Tensor,
    /// Its pieces, one per parameter.
    tensors: Vec<Tensor>,
}

impl Kept {
    fn new(parameters: &Parameters, prefix: &'static str) -> Result<Self, TrainError> {
        let (flat, tensors) = parameters.zeros_like()?;
        Ok(Self {
            prefix,
            flat,
            tensors,
        })
    }

    fn name(&self, parameter: &ParameterSpec) -> String {
        format!("{}{}", self.prefix, parameter.name)
    }
}

/// What is done with a gradient, and what is kept for it from step to step.
enum Method {
    /// Nesterov momentum.
    Sgd { momentum: f64, velocity: Kept },
    /// Adam (Kingma and Ba) with its usual decays of 0.9 and 0.999.
    Adam {
        mean: Kept,
        squares: Kept,
        steps: i64,
    },
}

/// Gradient descent with clipping and weight decay on all parameters, by SGD with Nesterov
/// momentum or by Adam.
///
/// Parameters, gradient and what is kept for them are each one flat tensor, so that a step is a
/// handful of operations, however many layers there are. A parameter that takes no part in the
/// loss (a segmentation output without weight) is left alone.
pub struct Optimizer {
    specs: Vec<ParameterSpec>,
    ranges: Vec<Range<usize>>,
    parameters: Vec<Tensor>,
    gradients: Vec<Tensor>,
    flat_parameters: Tensor,
    flat_gradient: Tensor,
    method: Method,
    /// What the last backward pass reached: pieces of the flat tensors.
    reached: Vec<Range<usize>>,
    weight_decay: f64,
    clip: f64,
}

impl fmt::Debug for Optimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Optimizer")
            .field("tensors", &self.specs.len())
            .field(
                "kept",
                &self
                    .kept()
                    .iter()
                    .map(|kept| kept.prefix)
                    .collect::<Vec<_>>(),
            )
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

impl Optimizer {
    /// An optimiser of `parameters` that has made no step yet.
    ///
    /// # Errors
    /// [`TrainError::Torch`] if memory does not suffice.
    pub fn new(parameters: &Parameters, config: &TrainingConfig) -> Result<Self, TrainError> {
        let (flat_gradient, gradients) = parameters.zeros_like()?;
        let method = match config.optimizer {
            OptimizerKind::Sgd => Method::Sgd {
                momentum: config.momentum,
                velocity: Kept::new(parameters, MOMENTUM_PREFIX)?,
            },
            OptimizerKind::Adam => Method::Adam {
                mean: Kept::new(parameters, MOMENTUM_PREFIX)?,
                squares: Kept::new(parameters, SQUARES_PREFIX)?,
                steps: 0,
            },
        };
        Ok(Self {
            specs: parameters.specs().to_vec(),
            ranges: parameters.ranges().to_vec(),
            parameters: (parameters.tensors().iter())
                .map(Tensor::shallow_clone)
                .collect(),
            gradients,
            flat_parameters: parameters.flat().shallow_clone(),
            flat_gradient,
            method,
            reached: Vec::new(),
            weight_decay: config.weight_decay,
            clip: config.gradient_clip,
        })
    }

    /// Computes the gradient of `loss`, a scalar, whose graph is consumed.
    ///
    /// # Errors
    /// [`TrainError::Torch`] if memory does not suffice.
    pub fn backward(&mut self, loss: &Tensor) -> Result<Backward, TrainError> {
        self.backward_scaled(loss, 1.0)
    }

    /// As [`Self::backward`], by way of the gradient of `scale` times the loss: gradients that are
    /// too small for the numbers of the network survive. If they become too large for them, the
    /// norm is infinite or NaN, and no step may be made.
    ///
    /// # Errors
    /// As [`Self::backward`].
    pub fn backward_scaled(&mut self, loss: &Tensor, scale: f64) -> Result<Backward, TrainError> {
        let scaled = loss.f_mul_scalar(scale)?;
        let found = Tensor::f_run_backward(&[scaled], &self.parameters, false, false)?;
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
        if scale != 1.0 {
            let _ = self.flat_gradient.f_mul_scalar_(1.0 / scale)?;
        }
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
        let decay = factor(self.weight_decay)?;
        let clip = (self.clip / (gradient_norm + CLIP_EPSILON)).min(1.0);
        let chunk = match self.flat_parameters.device() {
            Device::Cpu => CPU_CHUNK,
            _ => usize::MAX,
        };
        let rate = factor(-learning_rate)?;
        let nesterov = match &mut self.method {
            Method::Sgd { momentum, .. } => Some(factor(*momentum)?),
            Method::Adam { steps, .. } => {
                *steps += 1;
                None
            }
        };
        for range in self.reached.iter().flat_map(|range| chunks(range, chunk)) {
            let piece = |flat: &Tensor| flat.f_narrow(0, range.start as i64, range.len() as i64);
            let mut value = piece(&self.flat_parameters)?;
            let mut gradient = piece(&self.flat_gradient)?;
            if clip < 1.0 {
                let _ = gradient.f_mul_scalar_(clip)?;
            }
            let _ = gradient.f_addcmul_(&value, &decay)?;
            match (&self.method, &nesterov) {
                (Method::Sgd { momentum, velocity }, Some(factor)) => {
                    let mut velocity = piece(&velocity.flat)?;
                    let _ = velocity.f_mul_scalar_(*momentum)?.f_add_(&gradient)?;
                    let _ = gradient.f_addcmul_(&velocity, factor)?;
                    let _ = value.f_addcmul_(&gradient, &rate)?;
                }
                (
                    Method::Adam {
                        mean,
                        squares,
                        steps,
                    },
                    _,
                ) => {
                    let (mut mean, mut squares) = (piece(&mean.flat)?, piece(&squares.flat)?);
                    let _ = mean.f_lerp_(&gradient, 1.0 - ADAM_MOMENTUM)?;
                    let squared = gradient.f_mul(&gradient)?;
                    let _ = squares.f_lerp_(&squared, 1.0 - ADAM_SQUARES_DECAY)?;
                    // The averages begin at zero: what they lack of their weight is made up for.
                    let weight = |decay: f64| 1.0 - decay.powf(*steps as f64);
                    let spread = (squares.f_div_scalar(weight(ADAM_SQUARES_DECAY))?)
                        .f_sqrt()?
                        .f_add_scalar(ADAM_EPSILON)?;
                    let change = mean.f_div(&spread)?;
                    let rate = -learning_rate / weight(ADAM_MOMENTUM);
                    let _ = value.f_add_(&change.f_mul_scalar(rate)?)?;
                }
                (Method::Sgd { .. }, None) => {}
            }
        }
        Ok(())
    }

    /// The gradient of each parameter after the last [`Self::backward`], by name.
    pub fn gradients(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        (self.specs.iter().zip(&self.gradients)).map(|(spec, tensor)| (spec.name.as_str(), tensor))
    }

    /// What is kept for the parameters.
    fn kept(&self) -> Vec<&Kept> {
        match &self.method {
            Method::Sgd { velocity, .. } => vec![velocity],
            Method::Adam { mean, squares, .. } => vec![mean, squares],
        }
    }

    /// The state to be saved: what is kept for each parameter, by name, and for Adam the number
    /// of steps.
    ///
    /// # Errors
    /// [`TrainError::Torch`] if memory does not suffice.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>, TrainError> {
        let mut state = Vec::new();
        for kept in self.kept() {
            let pairs = self.specs.iter().zip(&kept.tensors);
            state.extend(pairs.map(|(spec, tensor)| (kept.name(spec), tensor.shallow_clone())));
        }
        if let Method::Adam { steps, .. } = &self.method {
            state.push((STEPS.to_owned(), Tensor::f_from_slice(&[*steps])?));
        }
        Ok(state)
    }

    /// Takes up a state that [`Self::state`] gave.
    ///
    /// # Errors
    /// [`TrainError::OptimizerState`] if a tensor is missing or has another shape.
    pub fn restore(&mut self, state: &HashMap<String, Tensor>) -> Result<(), TrainError> {
        let _guard = tch::no_grad_guard();
        for kept in self.kept() {
            for (spec, own) in self.specs.iter().zip(&kept.tensors) {
                let name = kept.name(spec);
                let saved = state.get(&name).filter(|saved| saved.size() == own.size());
                let saved = saved.ok_or(TrainError::OptimizerState { name })?;
                own.shallow_clone().f_copy_(saved)?;
            }
        }
        if let Method::Adam { steps, .. } = &mut self.method {
            let saved = state.get(STEPS).filter(|saved| saved.numel() == 1);
            let missing = || TrainError::OptimizerState {
                name: STEPS.to_owned(),
            };
            *steps = saved.ok_or_else(missing)?.f_int64_value(&[0])?;
        }
        Ok(())
    }
}

/// `range` in pieces of at most `size`.
fn chunks(range: &Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let end = range.end;
    (range.clone().step_by(size)).map(move |start| start..start.saturating_add(size).min(end))
}
