//! Trainings that differ from the method in one thing or another, and what they are called.

use nnunet_augment::Augmentation;
use nnunet_schema::{Plans, RuleSet};
use nnunet_train::{LossKind, OptimizerKind, TrainingConfig};
use serde::Deserialize;

/// The trainer's name in the model folder: that of the Python program's default.
pub const TRAINER: &str = "nnUNetTrainer";

/// Which augmentation a training uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AugmentationChoice {
    /// The one that belongs to the rules of the plans.
    #[default]
    Planned,
    /// The paper's.
    Paper,
    /// nnU-Net v2's.
    V2,
    /// None: patches as they are.
    None,
}

impl AugmentationChoice {
    /// The transforms, for a training by these plans.
    #[must_use]
    pub fn augmentation(self, plans: &Plans) -> Augmentation {
        match self {
            Self::Planned => match plans.rule_set() {
                RuleSet::Paper => Augmentation::paper(),
                _ => Augmentation::v2(),
            },
            Self::Paper => Augmentation::paper(),
            Self::V2 => Augmentation::v2(),
            Self::None => Augmentation::none(),
        }
    }
}

/// The name of the trainer of a variant, so that variants get folders of their own: the Python
/// program's name of a trainer that differs from its default in the same way, where there is one,
/// so that it finds the class that it asks for when it loads the model.
#[must_use]
pub fn trainer_name(training: &TrainingConfig, augmentation: AugmentationChoice) -> String {
    let mut name = TRAINER.to_owned();
    name.push_str(match training.loss {
        LossKind::CrossEntropy => "CELoss",
        LossKind::TopTenth => "Topk10Loss",
        LossKind::DiceAndTopTenth => "DiceTopK10Loss",
        LossKind::Dice => "DiceLoss",
        _ => "",
    });
    match training.optimizer {
        OptimizerKind::Adam if training.initial_learning_rate == 3e-4 => {
            name.push_str("VanillaAdam3en4");
        }
        OptimizerKind::Adam => name.push_str("VanillaAdam"),
        OptimizerKind::Sgd if training.momentum == TrainingConfig::default().momentum => {}
        OptimizerKind::Sgd => {
            let digits = training.momentum.to_string().replace('.', "");
            name.push_str(&format!("Momentum{digits}"));
        }
    }
    name.push_str(match augmentation {
        AugmentationChoice::None => "NoDA",
        AugmentationChoice::Paper => "PaperDA",
        AugmentationChoice::V2 => "V2DA",
        AugmentationChoice::Planned => "",
    });
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_have_folders_of_their_own() {
        let config = TrainingConfig::default;
        let name = trainer_name(&config(), AugmentationChoice::Planned);
        assert_eq!(name, "nnUNetTrainer");
        let adam = TrainingConfig {
            optimizer: OptimizerKind::Adam,
            ..config()
        };
        let name = trainer_name(&adam, AugmentationChoice::Planned);
        assert_eq!(name, "nnUNetTrainerVanillaAdam");
        let slower = TrainingConfig {
            initial_learning_rate: 3e-4,
            ..adam.clone()
        };
        let name = trainer_name(&slower, AugmentationChoice::Planned);
        assert_eq!(name, "nnUNetTrainerVanillaAdam3en4");
        let momentum = TrainingConfig {
            momentum: 0.9,
            ..config()
        };
        let name = trainer_name(&momentum, AugmentationChoice::Planned);
        assert_eq!(name, "nnUNetTrainerMomentum09");
        let both = TrainingConfig {
            loss: LossKind::CrossEntropy,
            ..adam
        };
        let name = trainer_name(&both, AugmentationChoice::None);
        assert_eq!(name, "nnUNetTrainerCELossVanillaAdamNoDA");
    }
}
