//! How a training tells a caller where it is.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use nnunet_model::CheckpointKind;
use nnunet_model::checkpoint::EpochRecord;
use nnunet_schema::{Progress, Task};
use serde::Serialize;

use crate::batch::LoaderStatistics;
use crate::scaling::Update;

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
    /// Whether the weights were updated; always, unless the loss is scaled.
    pub update: Update,
    /// How long the batch was waited for; part of [`Self::took`].
    pub waited: Duration,
    /// How long the iteration took in all.
    pub took: Duration,
}

/// Where the time of an epoch went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct EpochTiming {
    /// Training iterations of this run; fewer than the epoch has after a resume.
    pub iterations: usize,
    /// Seconds of the training iterations.
    pub training: f64,
    /// Of these, seconds of waiting for batches.
    pub waited: f64,
    /// Seconds of the validation iterations.
    pub validation: f64,
    /// What the loader spent on a training sample, if it knows.
    pub sample: Option<SampleTiming>,
}

/// What threads of a loader spent on a sample, milliseconds on average.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct SampleTiming {
    /// Reading from the case.
    pub read: f64,
    /// Rotating and scaling.
    pub spatial: f64,
    /// Transforms of intensities, mirroring and masking.
    pub intensity: f64,
    /// The previous stage of a cascade.
    pub cascade: f64,
    /// Making the targets of the outputs.
    pub targets: f64,
}

impl EpochTiming {
    /// The share of the training that was waiting for batches, 0 to 1.
    #[must_use]
    pub fn wait_share(&self) -> f64 {
        if self.training > 0.0 {
            self.waited / self.training
        } else {
            0.0
        }
    }

    /// Seconds per training iteration; 0 if there was none.
    #[must_use]
    pub fn iteration(&self) -> f64 {
        self.training / self.iterations.max(1) as f64
    }
}

impl SampleTiming {
    /// Means of a loader's times.
    #[must_use]
    pub fn of(statistics: &LoaderStatistics) -> Self {
        let mean = |time| statistics.milliseconds_per_sample(time);
        Self {
            read: mean(statistics.read),
            spatial: mean(statistics.spatial),
            intensity: mean(statistics.intensity),
            cascade: mean(statistics.cascade),
            targets: mean(statistics.targets),
        }
    }
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
    fn epoch_finished(&self, record: &EpochRecord, timing: &EpochTiming) {
        let _ = (record, timing);
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
    fn epoch_finished(&self, record: &EpochRecord, timing: &EpochTiming) {
        let dice = record
            .mean_dice
            .map_or("none".to_owned(), |d| format!("{d:.3}"));
        if let Ok(task) = self.task.lock() {
            task.step(&format!(
                "epoch {}: loss {:.4}, validation loss {:.4}, Dice {dice}, {:.3} s per \
                 iteration, {:.0} % waiting",
                record.epoch,
                record.train_loss,
                record.validation_loss,
                timing.iteration(),
                100.0 * timing.wait_share()
            ));
        }
    }
}
