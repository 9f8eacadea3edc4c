//! Where a training is.

use nnunet_model::CheckpointMetadata;
use serde::{Deserialize, Serialize};

const KEY: &str = "unfinished_epoch";

/// What a training does next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Epoch, from 0; the number of epochs once all are done.
    pub epoch: usize,
    /// Training iteration within the epoch, from 0; the number of iterations if only the
    /// validation of the epoch is left. Validation always begins at its first batch.
    pub iteration: usize,
}

/// How a run ended, if not with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All epochs are done and the final checkpoint is written.
    Finished,
    /// The stop flag was set; a checkpoint is written from which the training can go on.
    Stopped,
}

/// The part of an epoch that is done, in a checkpoint written in the middle of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct UnfinishedEpoch {
    pub(crate) iteration: usize,
    pub(crate) loss_sum: f64,
    /// Seconds since 1970; 0 if it has not begun.
    pub(crate) started: f64,
}

impl UnfinishedEpoch {
    pub(crate) fn store(self, metadata: &mut CheckpointMetadata) {
        if self.iteration > 0
            && let Ok(value) = serde_json::to_value(self)
        {
            metadata.extra.insert(KEY.to_owned(), value);
        }
    }

    /// The state of a checkpoint; an epoch not yet begun if it says nothing.
    pub(crate) fn read(metadata: &CheckpointMetadata) -> Self {
        (metadata.extra.get(KEY))
            .and_then(|value| Self::deserialize(value).ok())
            .unwrap_or_default()
    }
}
