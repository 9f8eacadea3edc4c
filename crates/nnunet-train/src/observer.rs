//! How a training tells a caller where it is.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use nnunet_model::CheckpointKind;
use nnunet_model::checkpoint::EpochRecord;
use nnunet_schema::{Progress, Task};

/// One finished training iteration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IterationEvent {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Iteration within the epoch, from 0.
    pub iteration: usize,
    /// The loss before the step.
    pub loss: f64,
    /// L2 norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// How long the batch was waited for; part of [`Self::took`].
    pub waited: Duration,
    /// How long the iteration took in all.
    pub took: Duration,
}

/// Receives the events of a training; everything does nothing by default.
pub trait TrainObserver: Debug {
    /// An epoch begins.
    fn epoch_started(&self, epoch: usize, learning_rate: f64) {
        let _ = (epoch, learning_rate);
    }

    /// A training iteration is done.
    fn iteration_finished(&self, event: &IterationEvent) {
        let _ = event;
    }

    /// An epoch with its validation is done.
    fn epoch_finished(&self, record: &EpochRecord) {
        let _ = record;
    }

    /// A checkpoint is on the disk.
    fn checkpoint_written(&self, kind: CheckpointKind, path: &Path) {
        let _ = (kind, path);
    }
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl TrainObserver for Silent {}

/// Shows a training as one piece of work with an epoch per step.
#[derive(Debug)]
pub struct ProgressObserver {
    task: Mutex<Box<dyn Task>>,
}

impl ProgressObserver {
    /// Begins a piece of work of `epochs` steps.
    #[must_use]
    pub fn new(progress: &dyn Progress, what: &str, epochs: usize) -> Self {
        Self {
            task: Mutex::new(progress.start(what, epochs)),
        }
    }
}

impl TrainObserver for ProgressObserver {
    fn epoch_finished(&self, record: &EpochRecord) {
        let dice = record
            .mean_dice
            .map_or("none".to_owned(), |d| format!("{d:.3}"));
        if let Ok(task) = self.task.lock() {
            task.step(&format!(
                "epoch {}: loss {:.4}, validation loss {:.4}, Dice {dice}",
                record.epoch, record.train_loss, record.validation_loss
            ));
        }
    }
}
