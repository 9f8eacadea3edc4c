//! A training goes on exactly as if it had never stopped, wherever it stopped.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use nnunet_model::{CheckpointKind, Tensor};
use nnunet_train::observer::IterationEvent;
use nnunet_train::{
    LossScaling, OptimizerKind, Outcome, Position, Silent, TrainError, TrainObserver, Trainer,
    TrainingConfig,
};

use crate::common::{Balls, config, setup};

const EPOCHS: usize = 3;

/// Sets the stop flag after so many training iterations.
#[derive(Debug)]
struct StopAfter<'a> {
    left: std::sync::atomic::AtomicUsize,
    stop: &'a AtomicBool,
}

impl TrainObserver for StopAfter<'_> {
    fn iteration_finished(&self, _: &IterationEvent) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

fn run(trainer: &mut Trainer, stop_after: Option<usize>) -> Outcome {
    let stop = AtomicBool::new(false);
    let observer = StopAfter {
        left: stop_after.unwrap_or(usize::MAX).into(),
        stop: &stop,
    };
    trainer
        .run(&mut Balls::new(3), &mut Balls::new(3), &observer, &stop)
        .unwrap()
}

/// Weights, momentum and the log without its times.
fn end_of(trainer: &Trainer, folder: &std::path::Path) -> (Tensor, Vec<u8>, Vec<(f64, f64)>) {
    let log = trainer
        .log()
        .iter()
        .map(|r| (r.train_loss, r.ema_dice.unwrap()));
    let checkpoint = nnunet_model::Checkpoint::open(&CheckpointKind::Final.path(folder)).unwrap();
    let mut momentum: Vec<_> = checkpoint.optimizer().unwrap().into_iter().collect();
    momentum.sort_by(|a, b| a.0.cmp(&b.0));
    let mut bytes = Vec::new();
    for (_, tensor) in momentum {
        let mut own = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
        tensor.copy_data_u8(&mut own, tensor.numel());
        bytes.extend(own);
    }
    (
        trainer.network().parameters().flat().copy(),
        bytes,
        log.collect(),
    )
}

#[test]
fn a_stopped_and_resumed_training_is_bit_for_bit_the_uninterrupted_one() {
    // In the middle of an epoch; before its validation; in the middle, twice.
    interrupted_and_not(|_| {}, &[vec![8], vec![6], vec![2, 9]]);
}

#[test]
fn adam_resumes_as_exactly() {
    let adam = |config: &mut TrainingConfig| config.optimizer = OptimizerKind::Adam;
    interrupted_and_not(adam, &[vec![8]]);
}

#[test]
fn a_scaled_loss_goes_on_with_its_scale() {
    // The first steps overflow, and so would the first after the interruption with this scale.
    let scaled = |config: &mut TrainingConfig| {
        config.loss_scaling = LossScaling::Always;
        config.initial_loss_scale = 2.0_f64.powi(130);
    };
    interrupted_and_not(scaled, &[vec![8], vec![2, 9]]);
}

fn interrupted_and_not(change: impl Fn(&mut TrainingConfig), all_stops: &[Vec<usize>]) {
    tch::set_num_threads(1);
    let config = |epochs| {
        let mut changed = (*config(epochs)).clone();
        change(&mut changed);
        changed.check().unwrap()
    };
    let dir = tempfile::tempdir().unwrap();
    let mut whole = Trainer::new(setup(3, dir.path()), config(EPOCHS)).unwrap();
    assert_eq!(run(&mut whole, None), Outcome::Finished);
    let expected = end_of(&whole, dir.path());

    for stops in all_stops {
        let dir = tempfile::tempdir().unwrap();
        let mut done = 0;
        for stop in stops {
            let mut trainer = Trainer::resume_or_new(setup(3, dir.path()), config(EPOCHS)).unwrap();
            assert_eq!(run(&mut trainer, Some(*stop)), Outcome::Stopped);
            done += stop;
            let at = trainer.position();
            assert_eq!(at.epoch * 6 + at.iteration, done, "{stops:?}");
        }
        let mut trainer = Trainer::resume(setup(3, dir.path()), config(EPOCHS)).unwrap();
        assert_eq!(run(&mut trainer, None), Outcome::Finished);
        let found = end_of(&trainer, dir.path());
        assert_eq!(found.0, expected.0, "{stops:?}");
        assert_eq!(found.1, expected.1, "{stops:?}");
        assert_eq!(found.2, expected.2, "{stops:?}");
        let lines = fs::read_to_string(nnunet_train::log_path(dir.path())).unwrap();
        assert_eq!(lines.lines().count(), EPOCHS);
    }
}

#[test]
fn what_a_killed_process_leaves_is_never_half() {
    tch::set_num_threads(1);
    let dir = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::new(setup(3, dir.path()), config(EPOCHS)).unwrap();
    run(&mut trainer, Some(7));
    let expected = trainer.network().parameters().flat().copy();
    // As a kill in the middle of the next write leaves it: a temporary file, and a copy of the
    // metadata of another epoch.
    let latest = CheckpointKind::Latest.path(dir.path());
    let whole = fs::read(&latest).unwrap();
    fs::write(
        dir.path().join(".tmp-1-0-checkpoint_latest.safetensors"),
        &whole[..500],
    )
    .unwrap();
    fs::write(latest.with_extension("json"), "{\"current_epoch\": 2").unwrap();
    // The log of an epoch that no checkpoint knows.
    let log = nnunet_train::log_path(dir.path());
    let lines = fs::read_to_string(&log).unwrap();
    fs::write(&log, format!("{lines}{lines}{{\"epoch\": 1, \"lear")).unwrap();

    let mut resumed = Trainer::resume(setup(3, dir.path()), config(EPOCHS)).unwrap();
    assert_eq!(
        resumed.position(),
        Position {
            epoch: 1,
            iteration: 1
        }
    );
    assert_eq!(resumed.network().parameters().flat().copy(), expected);
    assert_eq!(run(&mut resumed, None), Outcome::Finished);
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), EPOCHS);
}

#[test]
fn a_finished_training_has_nothing_left_to_do() {
    tch::set_num_threads(1);
    let dir = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::new(setup(3, dir.path()), config(1)).unwrap();
    run(&mut trainer, None);
    let mut again = Trainer::resume_or_new(setup(3, dir.path()), config(1)).unwrap();
    assert_eq!(
        again.position(),
        Position {
            epoch: 1,
            iteration: 0
        }
    );
    let stop = AtomicBool::new(false);
    let mut none = Balls::new(3);
    none.left = 0;
    let mut no_validation = Balls::new(3);
    no_validation.left = 0;
    assert_eq!(
        again
            .run(&mut none, &mut no_validation, &Silent, &stop)
            .unwrap(),
        Outcome::Finished
    );
}

#[test]
fn a_checkpoint_of_another_training_is_refused() {
    tch::set_num_threads(1);
    let dir = tempfile::tempdir().unwrap();
    let missing = Trainer::resume(setup(3, dir.path()), config(2))
        .unwrap_err()
        .to_string();
    assert!(missing.contains("no checkpoint at all"), "{missing}");
    let mut trainer = Trainer::new(setup(3, dir.path()), config(2)).unwrap();
    run(&mut trainer, Some(1));
    let other = TrainingConfig {
        seed: 5,
        ..(*config(2)).clone()
    };
    let error = Trainer::resume(setup(3, dir.path()), other.check().unwrap()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, TrainError::OtherTraining { .. }), "{text}");
    assert!(text.contains("`seed` is 0 there and 5 here"), "{text}");
    let rarer = TrainingConfig {
        checkpoint_every: 7,
        ..(*config(2)).clone()
    };
    assert!(Trainer::resume(setup(3, dir.path()), rarer.check().unwrap()).is_ok());
    let mut elsewhere = setup(3, dir.path());
    elsewhere.configuration_name = "3d_lowres".into();
    assert!(Trainer::resume(elsewhere, config(2)).is_err());
}

#[test]
fn checkpoints_of_an_earlier_training_do_not_pass_for_those_of_a_new_one() {
    tch::set_num_threads(1);
    let dir = tempfile::tempdir().unwrap();
    let mut earlier = Trainer::new(setup(3, dir.path()), config(2)).unwrap();
    run(&mut earlier, None);
    let mut anew = Trainer::new(setup(3, dir.path()), config(2)).unwrap();
    assert!(CheckpointKind::Final.path(dir.path()).is_file());
    assert_eq!(run(&mut anew, Some(3)), Outcome::Stopped);
    let resumed = Trainer::resume(setup(3, dir.path()), config(2)).unwrap();
    let expected = Position {
        epoch: 0,
        iteration: 3,
    };
    assert_eq!(resumed.position(), expected);
}
