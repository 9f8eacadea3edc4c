//! How a network is trained.

use std::ops::Deref;

use nnunet_model::Arithmetic;
use nnunet_schema::Fold;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::TrainError;
use crate::scaling::{INITIAL_SCALE, LossScaling};

/// What is minimised: the method's loss, and those that the paper compares it with (Figure 6) or
/// that are in use beside it. Of regions, cross-entropy is that of each region for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// The sum of soft Dice and cross-entropy.
    #[default]
    DiceAndCrossEntropy,
    /// Cross-entropy alone.
    CrossEntropy,
    /// Cross-entropy of the tenth of the voxels in which it is highest.
    TopTenth,
    /// The sum of soft Dice and [`TopTenth`](Self::TopTenth).
    DiceAndTopTenth,
    /// Soft Dice alone.
    Dice,
}

impl LossKind {
    /// Whether the soft Dice is part of it.
    #[must_use]
    pub const fn has_dice(self) -> bool {
        matches!(
            self,
            Self::DiceAndCrossEntropy | Self::DiceAndTopTenth | Self::Dice
        )
    }
}

/// How the loss is minimised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// Stochastic gradient descent with Nesterov momentum.
    #[default]
    Sgd,
    /// Adam; a learning rate of 3e-4 suits it.
    Adam,
}

/// The settings of a training; the defaults are the paper's (Online Methods, "Training").
///
/// | field | default | range |
/// |---|---|---|
/// | `epochs` | 1000 | ≥ 1 |
/// | `iterations_per_epoch` | 250 | ≥ 1 |
/// | `validation_iterations` | 50 | ≥ 1 |
/// | `initial_learning_rate` | 0.01 | > 0 |
/// | `learning_rate_exponent` | 0.9 | ≥ 0 |
/// | `loss` | `dice-and-cross-entropy` | |
/// | `optimizer` | `sgd` | |
/// | `momentum` | 0.99 | 0 ≤ m < 1; of SGD |
/// | `arithmetic` | `single` | |
/// | `loss_scaling` | `where-needed` | |
/// | `initial_loss_scale` | 65536 | > 0 |
/// | `weight_decay` | 3e-5 | ≥ 0 |
/// | `gradient_clip` | 12 | > 0 |
/// | `checkpoint_every` | 5 | ≥ 1 |
/// | `seed` | 1904 | |
/// | `fold` | 0 | |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// Number of epochs; the learning rate reaches zero at their end.
    pub epochs: usize,
    /// Training batches per epoch.
    pub iterations_per_epoch: usize,
    /// Validation batches after each epoch.
    pub validation_iterations: usize,
    /// Learning rate of the first epoch.
    pub initial_learning_rate: f64,
    /// In epoch `e` the learning rate is `initial · (1 − e / epochs)` to this power.
    pub learning_rate_exponent: f64,
    /// What is minimised.
    pub loss: LossKind,
    /// How.
    pub optimizer: OptimizerKind,
    /// Nesterov momentum of [`OptimizerKind::Sgd`].
    pub momentum: f64,
    /// The numbers that the network computes in.
    pub arithmetic: Arithmetic,
    /// Whether the loss is scaled before its gradient is computed.
    pub loss_scaling: LossScaling,
    /// What it is multiplied by at first, where it is.
    pub initial_loss_scale: f64,
    /// L2 penalty on all parameters, as an addition to the gradient.
    pub weight_decay: f64,
    /// Gradients whose global L2 norm is above this are scaled down to it (nnU-Net v2; the
    /// paper does not mention it).
    pub gradient_clip: f64,
    /// A checkpoint `latest` is written after every so many epochs, and when training is
    /// stopped.
    pub checkpoint_every: usize,
    /// From which the first weights and all batches are drawn.
    pub seed: u64,
    /// The fold of the cross-validation: a number, or `all`.
    #[serde(serialize_with = "write_fold", deserialize_with = "read_fold")]
    pub fold: Fold,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            epochs: 1000,
            iterations_per_epoch: 250,
            validation_iterations: 50,
            initial_learning_rate: 0.01,
            learning_rate_exponent: 0.9,
            loss: LossKind::default(),
            optimizer: OptimizerKind::default(),
            momentum: 0.99,
            arithmetic: Arithmetic::default(),
            loss_scaling: LossScaling::default(),
            initial_loss_scale: INITIAL_SCALE,
            weight_decay: 3e-5,
            gradient_clip: 12.0,
            checkpoint_every: 5,
            seed: 1904,
            fold: Fold::Number(0),
        }
    }
}

fn write_fold<S: Serializer>(fold: &Fold, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(fold)
}

fn read_fold<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Fold, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Text {
        Number(u32),
        Text(String),
    }
    match Text::deserialize(deserializer)? {
        Text::Number(number) => Ok(Fold::Number(number)),
        Text::Text(text) => text.parse().map_err(de::Error::custom),
    }
}

impl TrainingConfig {
    /// Checks all ranges.
    ///
    /// # Errors
    /// [`TrainError::Setting`] with the field, its value and what is allowed.
    pub fn check(self) -> Result<ValidTrainingConfig, TrainError> {
        let counts = [
            ("epochs", self.epochs),
            ("iterations_per_epoch", self.iterations_per_epoch),
            ("validation_iterations", self.validation_iterations),
            ("checkpoint_every", self.checkpoint_every),
        ];
        for (field, value) in counts {
            require(value >= 1, field, value as f64, "at least 1")?;
        }
        let positive = [
            ("initial_learning_rate", self.initial_learning_rate),
            ("gradient_clip", self.gradient_clip),
            ("initial_loss_scale", self.initial_loss_scale),
        ];
        for (field, value) in positive {
            require(value.is_finite() && value > 0.0, field, value, "above 0")?;
        }
        let not_negative = [
            ("learning_rate_exponent", self.learning_rate_exponent),
            ("weight_decay", self.weight_decay),
        ];
        for (field, value) in not_negative {
            require(
                value.is_finite() && value >= 0.0,
                field,
                value,
                "at least 0",
            )?;
        }
        let momentum = self.momentum;
        require(
            (0.0..1.0).contains(&momentum),
            "momentum",
            momentum,
            "at least 0 and below 1",
        )?;
        Ok(ValidTrainingConfig(self))
    }
}

fn require(
    holds: bool,
    field: &'static str,
    found: f64,
    expected: &'static str,
) -> Result<(), TrainError> {
    if holds {
        return Ok(());
    }
    Err(TrainError::Setting {
        field,
        found,
        expected,
    })
}

/// A [`TrainingConfig`] whose values are in their ranges; read it like one.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidTrainingConfig(TrainingConfig);

impl Deref for ValidTrainingConfig {
    type Target = TrainingConfig;

    fn deref(&self) -> &TrainingConfig {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_come_back_from_json() {
        let config = TrainingConfig {
            fold: Fold::All,
            ..TrainingConfig::default()
        };
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(
            serde_json::from_str::<TrainingConfig>(&text).unwrap(),
            config
        );
        assert_eq!(config.check().unwrap().epochs, 1000);
        let partial: TrainingConfig = serde_json::from_str(r#"{"epochs": 3, "fold": 2}"#).unwrap();
        assert_eq!((partial.epochs, partial.fold), (3, Fold::Number(2)));
        assert!(serde_json::from_str::<TrainingConfig>(r#"{"epoch": 3}"#).is_err());
    }

    #[test]
    fn values_out_of_range_are_named() {
        let valid = TrainingConfig::default;
        for (field, config) in [
            (
                "epochs",
                TrainingConfig {
                    epochs: 0,
                    ..valid()
                },
            ),
            (
                "momentum",
                TrainingConfig {
                    momentum: 1.0,
                    ..valid()
                },
            ),
            (
                "momentum",
                TrainingConfig {
                    momentum: f64::NAN,
                    ..valid()
                },
            ),
            (
                "weight_decay",
                TrainingConfig {
                    weight_decay: -1.0,
                    ..valid()
                },
            ),
            (
                "gradient_clip",
                TrainingConfig {
                    gradient_clip: 0.0,
                    ..valid()
                },
            ),
            (
                "initial_learning_rate",
                TrainingConfig {
                    initial_learning_rate: f64::INFINITY,
                    ..valid()
                },
            ),
        ] {
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
        }
    }
}
