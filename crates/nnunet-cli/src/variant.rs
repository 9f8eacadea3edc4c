//! From what the user typed about a training to the settings of the library.

use nnunet::model::Arithmetic;
use nnunet::pipeline::AugmentationChoice;
use nnunet::train::{LossKind, OptimizerKind, TrainingConfig};

use crate::args::{AugmentationArgs, AugmentationName, LossChoice, OptimizerChoice, VariantArgs};

/// The learning rate that suits Adam.
const ADAM_LEARNING_RATE: f64 = 3e-4;

impl VariantArgs {
    /// The settings with these changes.
    pub(crate) fn applied_to(&self, training: TrainingConfig) -> TrainingConfig {
        let optimizer = match self.optimizer {
            OptimizerChoice::Sgd => OptimizerKind::Sgd,
            OptimizerChoice::Adam => OptimizerKind::Adam,
        };
        let usual = match self.optimizer {
            OptimizerChoice::Sgd => training.initial_learning_rate,
            OptimizerChoice::Adam => ADAM_LEARNING_RATE,
        };
        TrainingConfig {
            loss: match self.loss {
                LossChoice::DiceCe => LossKind::DiceAndCrossEntropy,
                LossChoice::Ce => LossKind::CrossEntropy,
                LossChoice::Topk10 => LossKind::TopTenth,
                LossChoice::DiceTopk10 => LossKind::DiceAndTopTenth,
                LossChoice::Dice => LossKind::Dice,
            },
            optimizer,
            initial_learning_rate: self.learning_rate.unwrap_or(usual),
            momentum: self.momentum,
            arithmetic: if self.bf16 {
                Arithmetic::Bfloat16
            } else {
                Arithmetic::Single
            },
            ..training
        }
    }
}

impl AugmentationArgs {
    pub(crate) const fn choice(&self) -> AugmentationChoice {
        match self.augmentation {
            None => AugmentationChoice::Planned,
            Some(AugmentationName::Paper) => AugmentationChoice::Paper,
            Some(AugmentationName::V2) => AugmentationChoice::V2,
            Some(AugmentationName::None) => AugmentationChoice::None,
        }
    }
}
