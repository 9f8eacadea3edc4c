//! Scaling the loss changes what overflows, and nothing else.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use nnunet_model::checkpoint::LossScaleState;
use nnunet_model::{Arithmetic, CheckpointKind, CheckpointMetadata, Tensor};
use nnunet_train::observer::IterationEvent;
use nnunet_train::{LossScaling, Outcome, TrainObserver, Trainer, TrainingConfig, Update};

use crate::common::{Balls, config, setup};

#[derive(Debug, Default)]
struct Updates(Mutex<Vec<Update>>);

impl TrainObserver for Updates {
    fn iteration_finished(&self, event: &IterationEvent) {
        self.0.lock().unwrap().push(event.update);
    }
}

fn train(folder: &Path, axes: usize, config: TrainingConfig) -> (Trainer, Vec<Update>) {
    tch::set_num_threads(1);
    let mut trainer = Trainer::new(setup(axes, folder), config.check().unwrap()).unwrap();
    let (updates, stop) = (Updates::default(), AtomicBool::new(false));
    let (mut training, mut validation) = (Balls::new(axes), Balls::new(axes));
    let outcome = trainer.run(&mut training, &mut validation, &updates, &stop);
    assert_eq!(outcome.unwrap(), Outcome::Finished);
    (trainer, updates.0.into_inner().unwrap())
}

fn scaled(epochs: usize, initial_loss_scale: f64) -> TrainingConfig {
    TrainingConfig {
        loss_scaling: LossScaling::Always,
        initial_loss_scale,
        ..(*config(epochs)).clone()
    }
}

fn weights(trainer: &Trainer) -> Tensor {
    trainer.network().parameters().flat().detach().copy()
}

fn state(folder: &Path) -> Option<LossScaleState> {
    let path = CheckpointKind::Final.path(folder);
    LossScaleState::read(&CheckpointMetadata::read(&path).unwrap())
}

#[test]
fn in_single_precision_a_scaled_training_is_the_unscaled_one() {
    let dir = tempfile::tempdir().unwrap();
    let (plain, with) = (dir.path().join("plain"), dir.path().join("scaled"));
    let (expected, _) = train(&plain, 3, (*config(3)).clone());
    let (found, updates) = train(&with, 3, scaled(3, 65536.0));
    assert_eq!(updates, vec![Update::Applied; 18]);
    let (expected, found) = (weights(&expected), weights(&found));
    let difference = f64::try_from((&found - &expected).norm() / expected.norm()).unwrap();
    assert!(difference < 1e-6, "{difference}");
    assert_eq!(state(&plain), None);
    let steps = LossScaleState {
        scale: 65536.0,
        steps: 18,
    };
    assert_eq!(state(&with), Some(steps));
}

#[test]
fn a_step_that_overflows_is_left_out_and_halves_the_scale() {
    let dir = tempfile::tempdir().unwrap();
    // Infinite in single precision.
    let beyond = 2.0_f64.powi(130);
    let one = TrainingConfig {
        iterations_per_epoch: 1,
        ..scaled(1, beyond)
    };
    let fresh = Trainer::new(setup(2, dir.path()), one.clone().check().unwrap()).unwrap();
    let (trainer, updates) = train(dir.path(), 2, one);
    assert_eq!(updates, [Update::Skipped]);
    assert_eq!(weights(&trainer), weights(&fresh));
    let halved = LossScaleState {
        scale: beyond / 2.0,
        steps: 0,
    };
    assert_eq!(state(dir.path()), Some(halved));

    let longer = TrainingConfig {
        iterations_per_epoch: 25,
        ..scaled(4, beyond)
    };
    let (trainer, updates) = train(dir.path(), 2, longer);
    assert_eq!(updates[..3], [Update::Skipped; 3]);
    assert_eq!(updates.last(), Some(&Update::Applied));
    let log = trainer.log();
    assert!(log[3].train_loss < log[0].train_loss - 0.2, "{log:?}");
}

#[test]
fn half_precision_learns_too() {
    let dir = tempfile::tempdir().unwrap();
    let half = TrainingConfig {
        arithmetic: Arithmetic::Half,
        iterations_per_epoch: 25,
        ..(*config(4)).clone()
    };
    let (trainer, updates) = train(dir.path(), 2, half);
    assert!(updates.iter().filter(|u| **u == Update::Applied).count() > 80);
    let log = trainer.log();
    assert!(log[3].train_loss < log[0].train_loss - 0.2, "{log:?}");
    assert!(log[3].mean_dice.unwrap() > 0.8, "{log:?}");
    assert!(state(dir.path()).is_some());
}
