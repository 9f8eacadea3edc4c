//! The loop learns, logs, and says which batch went wrong.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use ndarray::{Array3, Array4};
use nnunet_augment::{Augmentation, BatchLoader, CaseSource, LoaderConfig, LoaderMode, MemoryCase};
use nnunet_model::{Arithmetic, Checkpoint, CheckpointKind, CheckpointMetadata, Strictness};
use nnunet_schema::Configuration;
use nnunet_train::batch::{BatchAddress, LoadError};
use nnunet_train::observer::IterationEvent;
use nnunet_train::{
    Batch, BatchSource, EpochRecord, EpochTiming, Outcome, Silent, TrainError, TrainObserver,
    Trainer, TrainingConfig, ValidTrainingConfig, log_path,
};

use crate::common::{Balls, balls, config, setup};

fn run(trainer: &mut Trainer, axes: usize) -> Result<Outcome, TrainError> {
    let stop = AtomicBool::new(false);
    trainer.run(&mut Balls::new(axes), &mut Balls::new(axes), &Silent, &stop)
}

fn longer(epochs: usize) -> ValidTrainingConfig {
    TrainingConfig {
        epochs,
        iterations_per_epoch: 25,
        validation_iterations: 3,
        seed: 0,
        ..TrainingConfig::default()
    }
    .check()
    .unwrap()
}

#[derive(Debug, Default)]
struct Counter {
    iterations: Mutex<Vec<IterationEvent>>,
    epochs: Mutex<Vec<EpochRecord>>,
    checkpoints: Mutex<Vec<CheckpointKind>>,
}

impl TrainObserver for Counter {
    fn iteration_finished(&self, event: &IterationEvent) {
        self.iterations.lock().unwrap().push(*event);
    }

    fn epoch_finished(&self, record: &EpochRecord, timing: &EpochTiming) {
        assert!(timing.training >= timing.waited && timing.iterations > 0);
        self.epochs.lock().unwrap().push(record.clone());
    }

    fn checkpoint_written(&self, kind: CheckpointKind, path: &std::path::Path) {
        assert!(path.is_file());
        self.checkpoints.lock().unwrap().push(kind);
    }
}

#[test]
fn balls_are_learned_in_2d_and_3d_and_everything_is_on_record() {
    tch::set_num_threads(1);
    for axes in [2, 3] {
        let dir = tempfile::tempdir().unwrap();
        let mut trainer = Trainer::new(setup(axes, dir.path()), longer(4)).unwrap();
        let (observer, stop) = (Counter::default(), AtomicBool::new(false));
        let (mut training, mut validation) = (Balls::new(axes), Balls::new(axes));
        let outcome = trainer
            .run(&mut training, &mut validation, &observer, &stop)
            .unwrap();
        assert_eq!(outcome, Outcome::Finished);

        let records = observer.epochs.lock().unwrap();
        assert_eq!(observer.iterations.lock().unwrap().len(), 100);
        assert_eq!(trainer.log(), records.as_slice());
        let (first, last) = (&records[0], &records[3]);
        assert!(
            last.train_loss < first.train_loss - 0.2,
            "{axes}D: {records:?}"
        );
        assert!(last.mean_dice.unwrap() > 0.8, "{axes}D: {records:?}");
        assert!(last.finished >= last.started && first.started > 1.6e9);
        let lines = fs::read_to_string(log_path(dir.path())).unwrap();
        let lines: Vec<EpochRecord> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(&lines, &*records);

        let checkpoints = observer.checkpoints.lock().unwrap();
        assert_eq!(checkpoints.first(), Some(&CheckpointKind::Best));
        assert_eq!(checkpoints.last(), Some(&CheckpointKind::Final));
        assert!(!CheckpointKind::Latest.path(dir.path()).exists());
        let metadata = CheckpointMetadata::read(&CheckpointKind::Final.path(dir.path())).unwrap();
        assert_eq!(metadata.current_epoch, 4);
        assert_eq!(metadata.inference_allowed_mirroring_axes, [0, 1]);
        assert_eq!(
            metadata.best_ema,
            records.iter().filter_map(|r| r.ema_dice).reduce(f64::max)
        );
        assert_eq!(&metadata.log.epochs, &*records);
    }
}

#[test]
fn bfloat16_learns_too() {
    tch::set_num_threads(1);
    let dir = tempfile::tempdir().unwrap();
    let config = TrainingConfig {
        arithmetic: Arithmetic::Bfloat16,
        ..(*longer(4)).clone()
    };
    let mut trainer = Trainer::new(setup(2, dir.path()), config.check().unwrap()).unwrap();
    run(&mut trainer, 2).unwrap();
    let log = trainer.log();
    assert!(log[3].train_loss < log[0].train_loss - 0.2, "{log:?}");
    assert!(log[3].mean_dice.unwrap() > 0.8, "{log:?}");
}

#[test]
fn a_nan_is_an_error_that_names_the_cases_and_leaves_the_weights() {
    tch::set_num_threads(1);
    let dir = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::new(setup(3, dir.path()), config(2)).unwrap();
    let mut training = Balls::new(3);
    training.poisoned = Some(BatchAddress {
        epoch: 1,
        iteration: 2,
    });
    let stop = AtomicBool::new(false);
    let error = trainer
        .run(&mut training, &mut Balls::new(3), &Silent, &stop)
        .unwrap_err();
    let TrainError::NotFinite {
        epoch: 1,
        iteration: 2,
        learning_rate,
        cases,
        ..
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!(cases, &["ball_1", "ball_2"]);
    assert!(
        *learning_rate > 0.0 && error.to_string().contains("ball_1, ball_2"),
        "{error}"
    );
    let flat = trainer
        .network()
        .parameters()
        .flat()
        .abs()
        .max()
        .double_value(&[]);
    assert!(flat.is_finite());
    let kept = Checkpoint::open(&CheckpointKind::Latest.path(dir.path())).unwrap();
    assert_eq!(kept.metadata().current_epoch, 1);
}

#[test]
fn a_training_that_runs_out_of_batches_says_where() {
    tch::set_num_threads(1);
    let dir = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::new(setup(3, dir.path()), config(1)).unwrap();
    let mut training = Balls::new(3);
    training.left = 4;
    let stop = AtomicBool::new(false);
    let error = trainer
        .run(&mut training, &mut Balls::new(3), &Silent, &stop)
        .unwrap_err();
    assert!(
        matches!(error, TrainError::NoMoreBatches { iteration: 4, .. }),
        "{error}"
    );
}

/// Delivers one batch, whatever is asked.
#[derive(Debug)]
struct One(Option<Batch>);

impl BatchSource for One {
    fn request(&mut self, _: usize, _: std::ops::Range<usize>) {}

    fn next_batch(&mut self) -> Option<Result<Batch, LoadError>> {
        self.0.take().map(Ok)
    }
}

#[test]
fn batches_that_do_not_fit_are_errors_that_name_the_cases() {
    tch::set_num_threads(1);
    let start = BatchAddress {
        epoch: 0,
        iteration: 0,
    };
    type Change = fn(&mut Batch);
    let changes: [(&str, Change); 8] = [
        ("channels", |b| b.shape[1] = 2),
        ("values for the shape", |b| {
            b.data.pop();
        }),
        ("targets", |b| b.targets.clear()),
        ("label 3", |b| b.targets[0].labels[5] = 3),
        ("label -1", |b| b.targets[0].labels[5] = -1),
        ("labels and shape", |b| {
            b.targets[0].labels.pop();
        }),
        ("samples", |b| b.targets[0].shape[0] = 1),
        ("is due", |b| b.address.iteration = 1),
    ];
    for (wanted, change) in changes {
        let dir = tempfile::tempdir().unwrap();
        let mut trainer = Trainer::new(setup(3, dir.path()), config(1)).unwrap();
        let mut batch = balls(3, start);
        change(&mut batch);
        let stop = AtomicBool::new(false);
        let error = trainer
            .run(&mut One(Some(batch)), &mut Balls::new(3), &Silent, &stop)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(wanted) && error.contains("ball_1"),
            "{wanted}: {error}"
        );
    }
}

#[test]
fn pretrained_weights_are_taken_but_for_the_outputs() {
    tch::set_num_threads(1);
    let dir = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::new(setup(3, dir.path()), config(1)).unwrap();
    run(&mut trainer, 3).unwrap();
    let file = dir.path().join("w.safetensors");
    trainer.network().save_weights(&file).unwrap();
    let mut fresh = Trainer::new(setup(3, dir.path()), config(1)).unwrap();
    let before = fresh
        .network()
        .parameters()
        .get("decoder.seg_layers.1.weight")
        .unwrap()
        .copy();
    fresh
        .load_pretrained(&file, Strictness::ExceptOutputs)
        .unwrap();
    let value = |t: &Trainer, name: &str| t.network().parameters().get(name).unwrap().copy();
    let name = "encoder.stages.0.0.convs.0.conv.weight";
    assert_eq!(value(&fresh, name), value(&trainer, name));
    assert_eq!(value(&fresh, "decoder.seg_layers.1.weight"), before);
}

/// A ball of two shells in noise.
fn ball_case(id: &str, centre: f32) -> Arc<MemoryCase> {
    let shape = (12, 14, 16);
    let label = |(z, y, x): (usize, usize, usize)| {
        let distance: f32 = [z, y, x].map(|v| (v as f32 - centre).powi(2)).iter().sum();
        i16::from(distance < 16.0) + i16::from(distance < 5.0)
    };
    let labels = Array3::from_shape_fn(shape, label);
    let data = Array4::from_shape_fn((1, shape.0, shape.1, shape.2), |(_, z, y, x)| {
        f32::from(label((z, y, x))) + ((z * 7 + y * 3 + x * 5) % 11) as f32 / 22.0
    });
    Arc::new(MemoryCase::new(id, data, labels).unwrap())
}

#[test]
fn two_cases_are_overfitted_through_the_batch_loader_and_a_stop_resumes_exactly() {
    tch::set_num_threads(1);
    let loader = |mode: LoaderMode, configuration: &Configuration| {
        let cases: Vec<Arc<dyn CaseSource>> = vec![ball_case("one", 6.0), ball_case("two", 7.5)];
        let config = LoaderConfig::for_configuration(mode, configuration);
        BatchLoader::new(cases, config, 2).unwrap()
    };
    let train = |trainer: &mut Trainer, observer: &dyn TrainObserver, stop: &AtomicBool| {
        let configuration = setup(3, Path::new("")).configuration;
        let mut training = loader(LoaderMode::Training(Augmentation::none()), &configuration);
        let mut validation = loader(LoaderMode::Validation, &configuration);
        trainer
            .run(&mut training, &mut validation, observer, stop)
            .unwrap()
    };
    let whole = tempfile::tempdir().unwrap();
    let mut uninterrupted = Trainer::new(setup(3, whole.path()), longer(10)).unwrap();
    train(&mut uninterrupted, &Silent, &AtomicBool::new(false));
    let last = uninterrupted.log().last().unwrap().clone();
    assert!(last.mean_dice.unwrap() > 0.8, "{last:?}");

    let parts = tempfile::tempdir().unwrap();
    let mut first = Trainer::new(setup(3, parts.path()), longer(10)).unwrap();
    let stop = AtomicBool::new(false);
    let observer = StopInEpoch {
        epoch: 1,
        stop: &stop,
    };
    assert_eq!(train(&mut first, &observer, &stop), Outcome::Stopped);
    let mut second = Trainer::resume(setup(3, parts.path()), longer(10)).unwrap();
    assert_eq!(second.position().epoch, 1);
    train(&mut second, &Silent, &AtomicBool::new(false));
    let flat = |trainer: &Trainer| trainer.network().parameters().flat().copy();
    assert_eq!(flat(&second), flat(&uninterrupted));
}

#[derive(Debug)]
struct StopInEpoch<'a> {
    epoch: usize,
    stop: &'a AtomicBool,
}

impl TrainObserver for StopInEpoch<'_> {
    fn iteration_finished(&self, event: &IterationEvent) {
        if event.epoch == self.epoch && event.iteration == 10 {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}
