//! How a training is saved, and taken up again.

use nnunet_model::checkpoint::{FORMAT_VERSION, LossScaleState};
use nnunet_model::{Checkpoint, CheckpointKind, CheckpointMetadata, ModelError};
use serde_json::{Map, Value};
use tch::Tensor;

use super::{Trainer, TrainerSetup};
use crate::observer::TrainObserver;
use crate::scaling::LossScale;
use crate::state::UnfinishedEpoch;
use crate::{TrainError, TrainingConfig, ValidTrainingConfig};

/// What is to become of the checkpoints that a training finds in its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Earlier {
    /// They are its own.
    Continued,
    /// They are another training's, and go when it writes its first.
    Replaced,
}

impl Trainer {
    /// Goes on from the checkpoint in the fold folder: `final` if it is there (then nothing is
    /// left to do), else `latest`, else `best`. Where there is none of this program, one of the
    /// Python program will do (`checkpoint_latest.pth`): with weights, momentum, log, best values
    /// and loss scaling. Its random numbers are not ours, so that the batches are others than it
    /// would have seen; of its settings only those of the optimiser, the trainer, the
    /// configuration and the fold are known, and compared.
    ///
    /// # Errors
    /// [`ModelError::NoCheckpoint`] if there is none; [`TrainError::OtherTraining`] if it was
    /// written by a training with other settings; [`TrainError::OptimizerState`] if it lacks what
    /// the optimiser keeps.
    pub fn resume(setup: TrainerSetup, config: ValidTrainingConfig) -> Result<Self, TrainError> {
        let (kind, path) = CheckpointKind::find_to_resume(&setup.fold_folder)?;
        let checkpoint = Checkpoint::open(&path)?;
        let mut trainer = Self::new(setup, config)?;
        trainer.compare(&checkpoint, kind)?;
        checkpoint.load_into(&mut trainer.network)?;
        let state = checkpoint.optimizer_of(trainer.network.spec())?;
        trainer.optimizer.restore(&state)?;
        trainer.earlier = Earlier::Continued;
        let metadata = checkpoint.metadata();
        trainer.epoch = metadata.current_epoch;
        trainer.unfinished = UnfinishedEpoch::read(metadata);
        if let (Some(scale), Some(state)) = (&mut trainer.scale, LossScaleState::read(metadata)) {
            *scale = LossScale::resumed(state);
        }
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
        match CheckpointKind::find_to_resume(&setup.fold_folder) {
            Ok(_) => Self::resume(setup, config),
            Err(ModelError::NoCheckpoint { .. }) => Self::new(setup, config),
            Err(other) => Err(other.into()),
        }
    }

    pub(super) fn save(
        &mut self,
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
        if let Some(scale) = &self.scale {
            scale.state().store(&mut metadata);
        }
        let folder = &self.setup.fold_folder;
        let state = self.optimizer.state()?;
        let state: Vec<(String, &Tensor)> = (state.iter())
            .map(|(name, tensor)| (name.clone(), tensor))
            .collect();
        let path = Checkpoint::save(folder, kind, &self.network, &state, &metadata)?;
        if self.earlier == Earlier::Replaced {
            // They would pass for later ones of this training when it goes on.
            let others = CheckpointKind::RESUME_ORDER.into_iter();
            for other in others.filter(|other| *other != kind) {
                Checkpoint::remove(folder, other)?;
            }
            self.earlier = Earlier::Continued;
        }
        tracing::debug!(path = %path.display(), "checkpoint written");
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
    fn compare(&self, checkpoint: &Checkpoint, kind: CheckpointKind) -> Result<(), TrainError> {
        let found = checkpoint.metadata();
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
        let is_of_python = checkpoint.is_of_python();
        let (done, all) = (found.current_epoch, self.config.epochs);
        if is_of_python && (done > all || kind == CheckpointKind::Final && done != all) {
            return differs("epochs", done.to_string(), all.to_string());
        }
        // Checkpoints that do not know a setting were trained with its default.
        let defaults = serde_json::to_value(TrainingConfig::default()).unwrap_or_default();
        for (key, expected) in settings.as_object().into_iter().flatten() {
            let known = found.training.get(key);
            let found = match is_of_python {
                true => known.unwrap_or(expected),
                false => known.or(defaults.get(key)).unwrap_or(&Value::Null),
            };
            if found != expected {
                return differs(key, found.to_string(), expected.to_string());
            }
        }
        Ok(())
    }
}
