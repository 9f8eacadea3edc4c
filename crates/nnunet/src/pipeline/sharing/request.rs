//! What is asked of an export.

use std::path::PathBuf;

use nnunet_model::CheckpointKind;
use nnunet_schema::{DatasetId, Fold};

use crate::pipeline::{DEFAULT_PLANS, TRAINER};

/// What is exported, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportRequest {
    /// The dataset whose models are exported.
    pub dataset: DatasetId,
    /// The archive; an older one is replaced when the new one is whole.
    pub output: PathBuf,
    /// Which models.
    pub models: ExportedModels,
    /// Which checkpoints of each fold.
    pub checkpoints: Vec<CheckpointKind>,
    /// Whether the checkpoints of this program go along beside the Python program's.
    pub own_checkpoints: OwnCheckpoints,
}

impl ExportRequest {
    /// All models of the default trainer and plans with all trained folds, their final
    /// checkpoints as the Python program's.
    #[must_use]
    pub fn new(dataset: DatasetId, output: PathBuf) -> Self {
        Self {
            dataset,
            output,
            models: ExportedModels::Chosen {
                trainer: TRAINER.to_owned(),
                plans: DEFAULT_PLANS.to_owned(),
                configurations: Vec::new(),
                folds: Vec::new(),
            },
            checkpoints: vec![CheckpointKind::Final],
            own_checkpoints: OwnCheckpoints::Left,
        }
    }

    /// The checkpoint that a fold must have to count as trained.
    pub(super) fn first_checkpoint(&self) -> CheckpointKind {
        (self.checkpoints.first().copied()).unwrap_or(CheckpointKind::Final)
    }
}

/// Which models of a dataset are exported. The first stages of their cascades go along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportedModels {
    /// The winner of the selection, with the folds that it was selected by.
    Selected,
    /// Those of a trainer and plans.
    Chosen {
        /// The trainer, the first part of the names of model folders.
        trainer: String,
        /// The name of the plans.
        plans: String,
        /// The configurations; none means all that are trained.
        configurations: Vec<String>,
        /// The folds; none means all that are trained.
        folds: Vec<Fold>,
    },
}

/// Whether checkpoints in the format of this program are exported too. With the Python program's
/// alone nobody predicts otherwise, and trainings with SGD go on; the settings of the training and
/// the state of other optimisers are in this program's only, which double the size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OwnCheckpoints {
    /// They stay behind.
    #[default]
    Left,
    /// They go along.
    Added,
}
