//! The training loop.

mod checkpoints;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use nnunet_model::checkpoint::EpochRecord;
use nnunet_model::{
    Checkpoint, CheckpointKind, Device, LoadReport, PythonCheckpoint, Strictness, TrainingLog, UNet,
};
use nnunet_schema::{Configuration, LabelScheme};

use self::checkpoints::Earlier;
use crate::batch::{Batch, BatchAddress, BatchSource};
use crate::journal::Journal;
use crate::loss::{DicePooling, SegmentationLoss};
use crate::observer::{EpochTiming, IterationEvent, SampleTiming, TrainObserver};
use crate::online::{self, OnlineDice};
use crate::optimizer::Optimizer;
use crate::scaling::{LossScale, Update};
use crate::schedule;
use crate::state::{Outcome, Position, UnfinishedEpoch};
use crate::tensors::BatchReader;
use crate::{TrainError, ValidTrainingConfig};

/// What is trained, and where its checkpoints go.
#[derive(Clone, Debug)]
pub struct TrainerSetup {
    /// The configuration of the plans.
    pub configuration: Configuration,
    /// Its name, e.g. `3d_fullres`.
    pub configuration_name: String,
    /// The labels of the dataset.
    pub labels: LabelScheme,
    /// Input channels of the network.
    pub channels: usize,
    /// Where the network is trained.
    pub device: Device,
    /// The trainer, as it stands in the name of the model folder.
    pub trainer_name: String,
    /// Spatial axes that the augmentation mirrors, 0 the first of the network's: inference may
    /// mirror them too.
    pub mirror_axes: Vec<usize>,
    /// Checkpoints and the log go here; made if absent.
    pub fold_folder: PathBuf,
}

/// A training between its first and its last step.
#[derive(Debug)]
pub struct Trainer {
    setup: TrainerSetup,
    config: ValidTrainingConfig,
    network: UNet,
    loss: SegmentationLoss,
    reader: BatchReader,
    optimizer: Optimizer,
    /// What the loss is multiplied by, if it is.
    scale: Option<LossScale>,
    epoch: usize,
    unfinished: UnfinishedEpoch,
    best_ema: Option<f64>,
    log: TrainingLog,
    earlier: Earlier,
    /// Of the epoch under way.
    timing: EpochTiming,
}

/// What the validation batches of an epoch say.
struct Validation {
    /// Mean loss.
    loss: f64,
    /// Dice of each foreground class over all batches as one volume.
    dice_per_class: Vec<Option<f64>>,
}

impl Trainer {
    /// Begins a training from fresh weights. Checkpoints of an earlier training in the folder
    /// stay until the new one writes its first; those of the Python program stay for good.
    ///
    /// # Errors
    /// [`TrainError::Model`] if the network cannot be built.
    pub fn new(setup: TrainerSetup, config: ValidTrainingConfig) -> Result<Self, TrainError> {
        let heads = setup.labels.segmentation_heads();
        let mut network = UNet::new(&setup.configuration, setup.channels, heads, setup.device)?;
        network.initialise(config.seed)?;
        network.set_arithmetic(config.arithmetic);
        let loss = SegmentationLoss::new(
            &setup.labels,
            DicePooling::from_plans(setup.configuration.batch_dice),
            schedule::deep_supervision_weights(network.spec().outputs()),
            setup.device,
        )?
        .of_kind(config.loss);
        let targets = loss.weighted_outputs();
        Ok(Self {
            reader: BatchReader::new(network.spec(), &setup.labels, targets, setup.device),
            optimizer: Optimizer::new(network.parameters(), &config)?,
            scale: LossScale::of(&config),
            network,
            loss,
            setup,
            config,
            epoch: 0,
            unfinished: UnfinishedEpoch::default(),
            best_ema: None,
            log: TrainingLog::default(),
            earlier: Earlier::Replaced,
            timing: EpochTiming::default(),
        })
    }

    /// Starts from weights that were trained on something else: a checkpoint of this program or
    /// of the Python program (`.pth`), as far as `strictness` has it;
    /// [`Strictness::ExceptOutputs`] leaves the segmentation outputs their fresh weights.
    ///
    /// # Errors
    /// [`TrainError::Model`] if a parameter is missing or has another shape.
    pub fn load_pretrained(
        &mut self,
        weights: &Path,
        strictness: Strictness,
    ) -> Result<LoadReport, TrainError> {
        if weights.extension().is_some_and(|ending| ending == "pth") {
            let checkpoint = PythonCheckpoint::open(weights)?;
            return Ok(checkpoint.load_into(&mut self.network, strictness)?);
        }
        Ok(self.network.load_weights(weights, strictness)?)
    }

    /// What comes next.
    #[must_use]
    pub const fn position(&self) -> Position {
        Position {
            epoch: self.epoch,
            iteration: self.unfinished.iteration,
        }
    }

    /// The finished epochs.
    #[must_use]
    pub fn log(&self) -> &[EpochRecord] {
        &self.log.epochs
    }

    /// The network as it is now.
    #[must_use]
    pub const fn network(&self) -> &UNet {
        &self.network
    }

    /// Gives the network away.
    #[must_use]
    pub fn into_network(self) -> UNet {
        self.network
    }

    /// Trains to the end, or until `stop` is set: then the iteration under way is finished and
    /// a checkpoint `latest` written. The sources must be fresh, nothing requested of them yet.
    ///
    /// # Errors
    /// [`TrainError::NotFinite`] if loss or gradient is NaN or infinite, before it touches the
    /// weights (of a scaled loss the gradient may be, until no smaller scale helps); [`TrainError::Batch`] for a batch that does not fit; others if a batch cannot
    /// be loaded or a checkpoint not written.
    pub fn run(
        &mut self,
        training: &mut dyn BatchSource,
        validation: &mut dyn BatchSource,
        observer: &dyn TrainObserver,
        stop: &AtomicBool,
    ) -> Result<Outcome, TrainError> {
        let mut journal = Journal::begin(&self.setup.fold_folder, &self.log.epochs)?;
        let iterations = self.config.iterations_per_epoch;
        training.request(self.epoch, self.unfinished.iteration..iterations);
        validation.request(self.epoch, 0..self.config.validation_iterations);
        while self.epoch < self.config.epochs {
            let next = self.epoch + 1;
            if next < self.config.epochs {
                training.request(next, 0..iterations);
                validation.request(next, 0..self.config.validation_iterations);
            }
            self.timing = EpochTiming::default();
            if self.train_epoch(training, observer, stop)? == Outcome::Stopped {
                self.save(CheckpointKind::Latest, observer)?;
                journal.end(&self.log.epochs)?;
                return Ok(Outcome::Stopped);
            }
            let begin = Instant::now();
            let Some(validated) = self.validate(validation, stop)? else {
                self.save(CheckpointKind::Latest, observer)?;
                journal.end(&self.log.epochs)?;
                return Ok(Outcome::Stopped);
            };
            self.timing.validation = begin.elapsed().as_secs_f64();
            let statistics = training.take_statistics(self.epoch);
            self.timing.sample = statistics.as_ref().map(SampleTiming::of);
            self.finish_epoch(validated, &mut journal, observer)?;
        }
        Ok(Outcome::Finished)
    }

    fn learning_rate(&self) -> f64 {
        schedule::polynomial(
            self.config.initial_learning_rate,
            self.epoch,
            self.config.epochs,
            self.config.learning_rate_exponent,
        )
    }

    fn train_epoch(
        &mut self,
        source: &mut dyn BatchSource,
        observer: &dyn TrainObserver,
        stop: &AtomicBool,
    ) -> Result<Outcome, TrainError> {
        let learning_rate = self.learning_rate();
        observer.epoch_started(self.epoch, learning_rate);
        if self.unfinished.started == 0.0 {
            self.unfinished.started = seconds_since_1970();
        }
        while self.unfinished.iteration < self.config.iterations_per_epoch {
            if stop.load(Ordering::Relaxed) {
                return Ok(Outcome::Stopped);
            }
            let event = self.train_iteration(source, learning_rate)?;
            self.unfinished.loss_sum += event.loss;
            self.unfinished.iteration += 1;
            self.timing.iterations += 1;
            self.timing.training += event.took.as_secs_f64();
            self.timing.waited += event.waited.as_secs_f64();
            observer.iteration_finished(&event);
        }
        Ok(Outcome::Finished)
    }

    fn train_iteration(
        &mut self,
        source: &mut dyn BatchSource,
        learning_rate: f64,
    ) -> Result<IterationEvent, TrainError> {
        let iteration = self.unfinished.iteration;
        let asked = Instant::now();
        let batch = self.next_batch(source, "training", iteration)?;
        let waited = asked.elapsed();
        let (input, labels) = self.reader.read(&batch)?;
        let outputs = self
            .network
            .forward_outputs(&input, self.loss.weighted_outputs())?;
        let loss = self.loss.total(&outputs, &labels)?;
        drop((outputs, input, labels));
        let factor = self.scale.map_or(1.0, |scale| scale.factor());
        let found = self.optimizer.backward_scaled(&loss, factor)?;
        self.require_finite("loss", found.loss, iteration, &batch)?;
        let may_overflow = self.scale.is_some_and(|scale| !scale.is_exhausted());
        if !may_overflow {
            self.require_finite("gradient", found.gradient_norm, iteration, &batch)?;
        }
        let update = match &mut self.scale {
            Some(scale) => scale.update(found.gradient_norm),
            None => Update::Applied,
        };
        if update == Update::Applied {
            self.optimizer.step(learning_rate, found.gradient_norm)?;
        }
        source.recycle(batch);
        Ok(IterationEvent {
            epoch: self.epoch,
            iteration,
            loss: found.loss,
            gradient_norm: found.gradient_norm,
            update,
            waited,
            took: asked.elapsed(),
        })
    }

    /// The validation after an epoch, or none if it was stopped.
    fn validate(
        &mut self,
        source: &mut dyn BatchSource,
        stop: &AtomicBool,
    ) -> Result<Option<Validation>, TrainError> {
        let _guard = tch::no_grad_guard();
        let mut dice = OnlineDice::new(&self.setup.labels, self.setup.device)?;
        let mut sum = 0.0;
        for iteration in 0..self.config.validation_iterations {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let batch = self.next_batch(source, "validation", iteration)?;
            let (input, labels) = self.reader.read(&batch)?;
            let outputs = self
                .network
                .forward_outputs(&input, self.loss.weighted_outputs())?;
            let loss = self.loss.total(&outputs, &labels)?.f_double_value(&[])?;
            self.require_finite("validation loss", loss, iteration, &batch)?;
            sum += loss;
            if let (Some(logits), Some(labels)) = (outputs.first(), labels.first()) {
                dice.add(logits, labels)?;
            }
            source.recycle(batch);
        }
        let mean = sum / self.config.validation_iterations as f64;
        Ok(Some(Validation {
            loss: mean,
            dice_per_class: dice.per_class(),
        }))
    }

    fn finish_epoch(
        &mut self,
        validation: Validation,
        journal: &mut Journal,
        observer: &dyn TrainObserver,
    ) -> Result<(), TrainError> {
        let mean_dice = online::mean(&validation.dice_per_class);
        let last_ema = self.log.epochs.last().and_then(|record| record.ema_dice);
        let ema_dice = online::moving_average(last_ema, mean_dice);
        let record = EpochRecord {
            epoch: self.epoch,
            learning_rate: self.learning_rate(),
            train_loss: self.unfinished.loss_sum / self.config.iterations_per_epoch as f64,
            validation_loss: validation.loss,
            dice_per_class: validation.dice_per_class,
            mean_dice,
            ema_dice,
            started: self.unfinished.started,
            finished: seconds_since_1970(),
        };
        tracing::info!(
            epoch = record.epoch,
            train_loss = record.train_loss,
            validation_loss = record.validation_loss,
            dice = record.mean_dice,
            seconds = record.finished - record.started,
            "epoch"
        );
        self.log.epochs.push(record.clone());
        self.epoch += 1;
        let is_last = self.epoch == self.config.epochs;
        journal.add(&self.log.epochs, &self.timing, is_last)?;
        self.unfinished = UnfinishedEpoch::default();
        if mean_dice.is_some() && ema_dice > self.best_ema {
            self.best_ema = ema_dice;
            self.save(CheckpointKind::Best, observer)?;
        }
        if is_last {
            self.save(CheckpointKind::Final, observer)?;
            Checkpoint::remove(&self.setup.fold_folder, CheckpointKind::Latest)?;
        } else if self.epoch.is_multiple_of(self.config.checkpoint_every) {
            self.save(CheckpointKind::Latest, observer)?;
        }
        observer.epoch_finished(&record, &self.timing);
        Ok(())
    }

    fn next_batch(
        &self,
        source: &mut dyn BatchSource,
        which: &'static str,
        iteration: usize,
    ) -> Result<Batch, TrainError> {
        let batch = match source.next_batch() {
            Some(Ok(batch)) => batch,
            Some(Err(source)) => return Err(TrainError::Loading { which, source }),
            None => {
                return Err(TrainError::NoMoreBatches {
                    which,
                    epoch: self.epoch,
                    iteration,
                });
            }
        };
        let wanted = BatchAddress {
            epoch: self.epoch as u64,
            iteration: iteration as u64,
        };
        if batch.address == wanted {
            return Ok(batch);
        }
        Err(TrainError::Batch {
            problem: format!("is {:?} where {wanted:?} is due", batch.address),
            cases: batch.cases,
        })
    }

    fn require_finite(
        &self,
        what: &'static str,
        value: f64,
        iteration: usize,
        batch: &Batch,
    ) -> Result<(), TrainError> {
        if value.is_finite() {
            return Ok(());
        }
        Err(TrainError::NotFinite {
            what,
            value,
            epoch: self.epoch,
            iteration,
            learning_rate: self.learning_rate(),
            cases: batch.cases.clone(),
        })
    }
}

fn seconds_since_1970() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0.0, |duration| duration.as_secs_f64())
}
