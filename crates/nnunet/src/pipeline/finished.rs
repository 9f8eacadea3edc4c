//! Whether a training is there already, and with which settings.

use std::path::Path;

use nnunet_model::{Checkpoint, CheckpointKind};
use nnunet_schema::layout;
use nnunet_train::TrainingConfig;

use super::PipelineError;
use super::train::VALIDATION;

/// What a fold folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FoundTraining {
    /// Nothing, or a training that is not finished or not validated.
    Unfinished,
    /// The training, finished and validated.
    Finished,
    /// A training that is finished and validated, but has other settings.
    Other,
}

impl FoundTraining {
    /// Looks for a training with these settings.
    pub(super) fn look(folder: &Path, training: &TrainingConfig) -> Result<Self, PipelineError> {
        if !layout::summary(&folder.join(VALIDATION)).is_file() {
            return Ok(Self::Unfinished);
        }
        let Ok((_, path)) = CheckpointKind::find(folder, &[CheckpointKind::Final]) else {
            return Ok(Self::Unfinished);
        };
        let checkpoint = Checkpoint::open(&path)?;
        let found =
            serde_json::from_value::<TrainingConfig>(checkpoint.metadata().training.clone());
        let comparable = |config: TrainingConfig| TrainingConfig {
            // It changes no number.
            checkpoint_every: 1,
            ..config
        };
        let is_same = found.is_ok_and(|found| comparable(found) == comparable(training.clone()));
        Ok(match is_same {
            true => Self::Finished,
            false => Self::Other,
        })
    }
}
