//! From what the user typed about a training to the settings of the library.

use nnunet::model::{Arithmetic, DeviceChoice};
use nnunet::pipeline::AugmentationChoice;
use nnunet::train::{LossKind, OptimizerKind, TrainingConfig};

use crate::args::{
    AugmentationArgs, AugmentationName, LossChoice, OptimizerChoice, PrecisionChoice, ScheduleArgs,
    VariantArgs,
};

/// The learning rate that suits Adam.
const ADAM_LEARNING_RATE: f64 = 3e-4;

impl VariantArgs {
    /// The settings with these changes, for a training on `device`.
    pub(crate) fn applied_to(
        &self,
        training: TrainingConfig,
        device: DeviceChoice,
    ) -> TrainingConfig {
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
            arithmetic: match self.precision {
                None => device.usual_arithmetic(),
                Some(PrecisionChoice::Fp32) => Arithmetic::Single,
                Some(PrecisionChoice::Bf16) => Arithmetic::Bfloat16,
                Some(PrecisionChoice::Fp16) => Arithmetic::Half,
            },
            ..training
        }
    }
}

impl ScheduleArgs {
    /// The settings with this length, otherwise the method's.
    pub(crate) fn settings(&self) -> TrainingConfig {
        TrainingConfig {
            epochs: self.epochs,
            iterations_per_epoch: self.iterations,
            validation_iterations: (self.validation_iterations)
                .unwrap_or_else(|| (self.iterations / 5).max(1)),
            seed: self.seed,
            ..TrainingConfig::default()
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

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Arguments, Command};

    fn arithmetic(options: &[&str], device: DeviceChoice) -> Arithmetic {
        let words = ["nnunet", "train", "4", "2d", "0"].iter().chain(options);
        let Command::Train(args) = Arguments::parse_from(words).command else {
            panic!("it says `train`");
        };
        (args.variant.applied_to(TrainingConfig::default(), device)).arithmetic
    }

    #[test]
    fn the_device_decides_on_the_numbers_unless_they_are_asked_for() {
        let (cpu, gpu) = (DeviceChoice::Cpu, DeviceChoice::Cuda(0));
        assert_eq!(arithmetic(&[], cpu), Arithmetic::Single);
        assert_eq!(arithmetic(&[], gpu), Arithmetic::Half);
        for device in [cpu, gpu] {
            let asked = |numbers| arithmetic(&["--precision", numbers], device);
            assert_eq!(asked("fp32"), Arithmetic::Single);
            assert_eq!(asked("bf16"), Arithmetic::Bfloat16);
            assert_eq!(asked("fp16"), Arithmetic::Half);
        }
    }
}
