//! How a training is saved, and taken up again.

use nnunet_model::checkpoint::FORMAT_VERSION;
use nnunet_model::{Checkpoint, CheckpointKind, CheckpointMetadata, ModelError};
use serde_json::{Map, Value};
use tch::Tensor;

use super::{Trainer, TrainerSetup};
use crate::observer::TrainObserver;
use crate::state::UnfinishedEpoch;
use crate::{TrainError, TrainingConfig, ValidTrainingConfig};

impl Trainer {
    /// Goes on from the checkpoint in the fold folder: `final` if it is there (then nothing is
    /// left to do), else `latest`, else `best`.
    ///
    /// # Errors
    /// [`ModelError::NoCheckpoint`] if there is none; [`TrainError::OtherTraining`] if it was
    /// written by a training with other settings.
    pub fn resume(setup: TrainerSetup, config: ValidTrainingConfig) -> Result<Self, TrainError> {
        let (_, path) = CheckpointKind::find(&setup.fold_folder, &CheckpointKind::RESUME_ORDER)?;
        let checkpoint = Checkpoint::open(&path)?;
        let mut trainer = Self::new(setup, config)?;
        trainer.compare(checkpoint.metadata())?;
        checkpoint.load_into(&mut trainer.network)?;
        trainer.optimizer.restore(&checkpoint.optimizer()?)?;
        let metadata = checkpoint.metadata();
        trainer.epoch = metadata.current_epoch;
        trainer.unfinished = UnfinishedEpoch::read(metadata);
        trainer.best_ema = metadata.best_ema;
        trainer.log = metadata.log.clone();
        Ok(trainer)
    }

    /// Goes on from a checkpoint if there is one, begins anew if not.
    ///
    /// # Errors
    /// As [`Self::resume`], but for the missing checkpoint.
    pub fn resume_or_new(
        setup: TrainerSetup,
        config: ValidTrainingConfig,
    ) -> Result<Self, TrainError> {
        match CheckpointKind::find(&setup.fold_folder, &CheckpointKind::RESUME_ORDER) {
            Ok(_) => Self::resume(setup, config),
            Err(ModelError::NoCheckpoint { .. }) => Self::new(setup, config),
            Err(other) => Err(other.into()),
        }
    }

    pub(super) fn save(
        &self,
        kind: CheckpointKind,
        observer: &dyn TrainObserver,
    ) -> Result<(), TrainError> {
        let mut metadata = CheckpointMetadata {
            format_version: FORMAT_VERSION,
            trainer_name: self.setup.trainer_name.clone(),
            configuration: self.setup.configuration_name.clone(),
            fold: self.config.fold.to_string(),
            current_epoch: self.epoch,
            inference_allowed_mirroring_axes: self.setup.mirror_axes.clone(),
            best_ema: self.best_ema,
            log: self.log.clone(),
            training: self.settings(),
            extra: Map::new(),
        };
        self.unfinished.store(&mut metadata);
        let folder = &self.setup.fold_folder;
        let state = self.optimizer.state()?;
        let state: Vec<(String, &Tensor)> = (state.iter())
            .map(|(name, tensor)| (name.clone(), tensor))
            .collect();
        let path = Checkpoint::save(folder, kind, &self.network, &state, &metadata)?;
        observer.checkpoint_written(kind, &path);
        Ok(())
    }

    /// The settings as JSON; those that change no number are left out.
    fn settings(&self) -> Value {
        let mut settings = serde_json::to_value(&*self.config).unwrap_or_default();
        if let Some(map) = settings.as_object_mut() {
            map.remove("checkpoint_every");
        }
        settings
    }

    /// Whether a checkpoint is of this training.
    fn compare(&self, found: &CheckpointMetadata) -> Result<(), TrainError> {
        let differs = |key: &str, found: String, expected: String| {
            Err(TrainError::OtherTraining {
                folder: self.setup.fold_folder.display().to_string(),
                key: key.to_owned(),
                found,
                expected,
            })
        };
        let names = [
            (
                "trainer_name",
                &found.trainer_name,
                &self.setup.trainer_name,
            ),
            (
                "configuration",
                &found.configuration,
                &self.setup.configuration_name,
            ),
        ];
        for (key, found, expected) in names {
            if found != expected {
                return differs(key, found.clone(), expected.clone());
            }
        }
        let settings = self.settings();
        // Checkpoints that do not know a setting were trained with its default.
        let defaults = serde_json::to_value(TrainingConfig::default()).unwrap_or_default();
        for (key, expected) in settings.as_object().into_iter().flatten() {
            let found = found.training.get(key).or(defaults.get(key));
            let found = found.unwrap_or(&Value::Null);
            if found != expected {
                return differs(key, found.to_string(), expected.to_string());
            }
        }
        Ok(())
    }
}
