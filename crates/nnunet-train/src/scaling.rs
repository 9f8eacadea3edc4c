//! Loss scaling: what keeps the small gradients of a training in half precision from becoming
//! zero.
//!
//! The loss is multiplied by a large number before its gradient is computed, and the gradient
//! divided by it after. If that overflows, the step is left out and the number halved; after many
//! steps without overflow it is doubled. Constants and order are those of `torch.amp.GradScaler`,
//! which the Python program trains with on GPUs.

use nnunet_model::Arithmetic;
use nnunet_model::checkpoint::LossScaleState;
use serde::{Deserialize, Serialize};

use crate::TrainingConfig;

/// What the loss is multiplied by at first.
pub const INITIAL_SCALE: f64 = 65536.0;
const GROWTH: f64 = 2.0;
const BACKOFF: f64 = 0.5;
/// Steps without overflow after which the scale grows.
const GROWTH_INTERVAL: u32 = 2000;
/// Gradients that overflow although they are scaled down as far as this are not small ones that
/// were scaled too much: something is wrong.
const SMALLEST: f64 = 1.0 / (1 << 20) as f64;

/// When the loss is scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossScaling {
    /// In half precision, the only one whose range needs it.
    #[default]
    WhereNeeded,
    /// Always, which changes nothing but rounding: to test it.
    Always,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Update {
    /// The weights were updated.
    Applied,
    /// The scaled gradient overflowed: the weights are as before, the scale is halved.
    Skipped,
}

/// The number that the loss is multiplied by, and when it changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossScale {
    state: LossScaleState,
}

impl LossScale {
    /// A scale that has made no step yet.
    #[must_use]
    pub const fn new(initial: f64) -> Self {
        Self {
            state: LossScaleState {
                scale: initial,
                steps: 0,
            },
        }
    }

    /// The scale that a training with these settings begins with, if it has one.
    #[must_use]
    pub fn of(config: &TrainingConfig) -> Option<Self> {
        let needed = config.arithmetic == Arithmetic::Half;
        let wanted = needed || config.loss_scaling == LossScaling::Always;
        wanted.then(|| Self::new(config.initial_loss_scale))
    }

    /// Goes on from a state.
    #[must_use]
    pub const fn resumed(state: LossScaleState) -> Self {
        Self { state }
    }

    /// Where it is.
    #[must_use]
    pub const fn state(&self) -> LossScaleState {
        self.state
    }

    /// What the loss is multiplied by.
    #[must_use]
    pub const fn factor(&self) -> f64 {
        self.state.scale
    }

    /// Whether a smaller scale cannot be what an overflow asks for.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.state.scale <= SMALLEST
    }

    /// Decides about a step whose gradient has this norm, and changes the scale if it is time to.
    pub fn update(&mut self, gradient_norm: f64) -> Update {
        if !gradient_norm.is_finite() {
            self.state = LossScaleState {
                scale: self.state.scale * BACKOFF,
                steps: 0,
            };
            return Update::Skipped;
        }
        self.state.steps += 1;
        if self.state.steps >= GROWTH_INTERVAL {
            let grown = self.state.scale * GROWTH;
            // In single precision, in which the loss is multiplied.
            if (grown as f32).is_finite() {
                self.state.scale = grown;
            }
            self.state.steps = 0;
        }
        Update::Applied
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overflow_halves_the_scale_and_two_thousand_steps_without_one_double_it() {
        let mut scale = LossScale::new(INITIAL_SCALE);
        for _ in 0..1999 {
            assert_eq!(scale.update(1.0), Update::Applied);
        }
        assert_eq!(scale.factor(), 65536.0);
        assert_eq!(scale.update(1.0), Update::Applied);
        assert_eq!(scale.factor(), 131_072.0);
        for _ in 0..500 {
            scale.update(0.0);
        }
        assert_eq!(scale.update(f64::INFINITY), Update::Skipped);
        assert_eq!(scale.update(f64::NAN), Update::Skipped);
        let expected = LossScaleState {
            scale: 32768.0,
            steps: 0,
        };
        assert_eq!(scale.state(), expected);
        let mut resumed = LossScale::resumed(expected);
        assert_eq!(scale.update(1.0), resumed.update(1.0));
        assert_eq!(scale, resumed);
    }

    #[test]
    fn the_scale_stays_a_number_and_has_a_floor() {
        let mut largest = LossScale::new(2.0_f64.powi(127));
        (0..GROWTH_INTERVAL).for_each(|_| {
            largest.update(1.0);
        });
        assert_eq!(largest.factor(), 2.0_f64.powi(127));
        let mut scale = LossScale::new(INITIAL_SCALE);
        let mut overflows = 0;
        while !scale.is_exhausted() {
            scale.update(f64::INFINITY);
            overflows += 1;
        }
        assert_eq!(overflows, 36);
    }

    #[test]
    fn only_half_precision_needs_it() {
        let of = |arithmetic, loss_scaling| {
            let config = TrainingConfig {
                arithmetic,
                loss_scaling,
                ..TrainingConfig::default()
            };
            LossScale::of(&config).map(|scale| scale.factor())
        };
        use LossScaling::{Always, WhereNeeded};
        assert_eq!(of(Arithmetic::Single, WhereNeeded), None);
        assert_eq!(of(Arithmetic::Bfloat16, WhereNeeded), None);
        assert_eq!(of(Arithmetic::Half, WhereNeeded), Some(65536.0));
        assert_eq!(of(Arithmetic::Single, Always), Some(65536.0));
    }
}
