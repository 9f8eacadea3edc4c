//! Trainings that the Python program began.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use nnunet_model::checkpoint::{LossScaleState, MOMENTUM_PREFIX};
use nnunet_model::{
    Checkpoint, CheckpointKind, CheckpointMetadata, Device, PythonCheckpoint, PythonMetadata,
    Strictness, Tensor, UNet,
};
use nnunet_schema::{DatasetDescription, Fold, Plans};
use nnunet_train::{
    LossScaling, Optimizer, Outcome, Position, Silent, TrainError, TrainObserver, Trainer,
    TrainerSetup, TrainingConfig, ValidTrainingConfig,
};
use serde_json::Value;
use tch::Kind;

use crate::common::{Balls, config, fixtures, setup};

/// Keeps the first checkpoint `latest`.
#[derive(Debug)]
struct Copying<'a> {
    to: &'a Path,
}

impl TrainObserver for Copying<'_> {
    fn checkpoint_written(&self, kind: CheckpointKind, path: &Path) {
        let target = kind.path(self.to);
        if kind == CheckpointKind::Latest && !target.exists() {
            fs::copy(path, target).unwrap();
        }
    }
}

fn run(trainer: &mut Trainer, observer: &dyn TrainObserver, stop: bool) -> Outcome {
    let stop = AtomicBool::new(stop);
    trainer
        .run(&mut Balls::new(3), &mut Balls::new(3), observer, &stop)
        .unwrap()
}

fn momenta(checkpoint: &Path) -> HashMap<String, Tensor> {
    Checkpoint::open(checkpoint).unwrap().optimizer().unwrap()
}

/// Writes the checkpoint `own` of a tiny network as the Python program's.
fn as_python(own: &Path, target: &Path, trainer: &Trainer) {
    let checkpoint = Checkpoint::open(own).unwrap();
    let spec = trainer.network().spec().clone();
    let mut network = UNet::zeros(spec, Device::Cpu).unwrap();
    checkpoint.load_into(&mut network).unwrap();
    let state = checkpoint.optimizer().unwrap();
    let momenta: HashMap<String, &Tensor> = (state.iter())
        .map(|(name, tensor)| {
            (
                name.strip_prefix(MOMENTUM_PREFIX).unwrap().to_owned(),
                tensor,
            )
        })
        .collect();
    let metadata = PythonMetadata::of_checkpoint(checkpoint.metadata(), Value::Null, Value::Null);
    PythonCheckpoint::save(target, &network, &momenta, &metadata).unwrap();
}

#[test]
fn a_training_goes_on_from_a_python_checkpoint_as_from_its_own() {
    tch::set_num_threads(1);
    let scaled = || {
        let changed = TrainingConfig {
            loss_scaling: LossScaling::Always,
            initial_loss_scale: 2.0_f64.powi(130),
            ..(*config(3)).clone()
        };
        changed.check().unwrap()
    };
    let dir = tempfile::tempdir().unwrap();
    let [whole, kept, python] = ["whole", "kept", "python"].map(|name| {
        let folder = dir.path().join(name);
        fs::create_dir(&folder).unwrap();
        folder
    });
    let mut expected = Trainer::new(setup(3, &whole), scaled()).unwrap();
    run(&mut expected, &Copying { to: &kept }, false);
    let latest = CheckpointKind::Latest.python_path(&python);
    as_python(&CheckpointKind::Latest.path(&kept), &latest, &expected);

    let mut found = Trainer::resume_or_new(setup(3, &python), scaled()).unwrap();
    assert_eq!(found.position().epoch, 1);
    assert_eq!(found.log(), &expected.log()[..1]);
    assert_eq!(run(&mut found, &Silent, false), Outcome::Finished);
    let weights = |trainer: &Trainer| trainer.network().parameters().flat().copy();
    assert_eq!(weights(&found), weights(&expected));
    let of = |folder: &Path| CheckpointKind::Final.path(folder);
    let (found_momenta, expected_momenta) = (momenta(&of(&python)), momenta(&of(&whole)));
    assert_eq!(found_momenta.len(), expected_momenta.len());
    for (name, tensor) in expected_momenta {
        assert_eq!(found_momenta[&name], tensor, "{name}");
    }
    let scale = |folder: &Path| {
        LossScaleState::read(&CheckpointMetadata::read(&of(folder)).unwrap()).unwrap()
    };
    assert_eq!(scale(&python), scale(&whole));
    // Its own checkpoint counts from now on.
    let own = CheckpointKind::find_to_resume(&python).unwrap();
    assert_eq!(own, (CheckpointKind::Final, of(&python)));
    assert!(latest.is_file());
}

#[test]
fn a_python_checkpoint_of_another_training_is_refused() {
    tch::set_num_threads(1);
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("python");
    fs::create_dir(&folder).unwrap();
    let own = dir.path().join("own");
    let mut trainer = Trainer::new(setup(3, &own), config(1)).unwrap();
    run(&mut trainer, &Silent, false);
    let last = CheckpointKind::Final.python_path(&folder);
    as_python(&CheckpointKind::Final.path(&own), &last, &trainer);

    let resume = |change: &dyn Fn(&mut TrainingConfig)| {
        let mut changed = (*config(1)).clone();
        change(&mut changed);
        Trainer::resume(setup(3, &folder), changed.check().unwrap())
    };
    // What the Python program does not say is not compared.
    assert!(resume(&|config| config.seed = 7).is_ok());
    let refused = |change: &dyn Fn(&mut TrainingConfig), expected: &str| {
        let error = resume(change).unwrap_err();
        assert!(matches!(error, TrainError::OtherTraining { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    };
    refused(
        &|config| config.momentum = 0.9,
        "`momentum` is 0.99 there and 0.9 here",
    );
    refused(
        &|config| config.fold = Fold::Number(2),
        "`fold` is \"0\" there",
    );
    refused(
        &|config| config.epochs = 5,
        "`epochs` is 1 there and 5 here",
    );
}

/// The really trained model, and a setup for its first fold in `folder`.
fn trained(folder: &Path) -> Option<(PathBuf, TrainerSetup)> {
    let model = fixtures("a_really_trained_model_goes_on")?.join("../predict/model");
    let plans = Plans::load(&model.join("plans.json")).unwrap();
    let dataset = DatasetDescription::load(&model.join("dataset.json")).unwrap();
    let setup = TrainerSetup {
        configuration: plans.configuration("3d_fullres").unwrap(),
        configuration_name: "3d_fullres".into(),
        labels: dataset.label_scheme().unwrap(),
        channels: dataset.channels(),
        device: Device::Cpu,
        trainer_name: "nnUNetTrainer".into(),
        mirror_axes: vec![0, 1, 2],
        fold_folder: folder.to_path_buf(),
    };
    Some((model.join("fold_0/checkpoint_final.pth"), setup))
}

#[test]
fn a_really_trained_model_goes_on_with_momentum_and_log() {
    tch::set_num_threads(1);
    let dir = tempfile::tempdir().unwrap();
    let Some((checkpoint, setup)) = trained(dir.path()) else {
        return;
    };
    fs::copy(&checkpoint, CheckpointKind::Latest.python_path(dir.path())).unwrap();
    let of_epochs = |epochs| -> ValidTrainingConfig {
        let config = TrainingConfig {
            epochs,
            ..TrainingConfig::default()
        };
        config.check().unwrap()
    };
    let mut trainer = Trainer::resume(setup.clone(), of_epochs(100)).unwrap();
    let begin = Position {
        epoch: 60,
        iteration: 0,
    };
    assert_eq!(trainer.position(), begin);
    let python = PythonCheckpoint::open(&checkpoint).unwrap();
    let logged: Vec<f64> = trainer.log().iter().map(|epoch| epoch.train_loss).collect();
    assert_eq!(logged, python.metadata().logging.train_losses);
    // Stopped at once, it leaves a checkpoint of its own with what the optimiser took over.
    assert_eq!(run(&mut trainer, &Silent, true), Outcome::Stopped);
    let latest = CheckpointKind::Latest.path(dir.path());
    let own = CheckpointMetadata::read(&latest).unwrap();
    assert_eq!(own.best_ema, python.metadata().best_ema);
    let found = momenta(&latest);
    let expected = python.momentum(trainer.network().spec()).unwrap().unwrap();
    assert_eq!(found.len(), expected.len());
    for (name, tensor) in expected {
        // The output of the lowest resolution has no part in the loss.
        let moves = !name.starts_with("decoder.seg_layers.0.");
        let largest = f64::try_from(tensor.abs().max()).unwrap();
        assert_eq!(largest > 0.0, moves, "{name}");
        assert_eq!(found[&format!("{MOMENTUM_PREFIX}{name}")], tensor, "{name}");
    }
    let lines = fs::read_to_string(nnunet_train::log_path(dir.path())).unwrap();
    assert_eq!(lines.lines().count(), 60);

    // As a training of sixty epochs it is done.
    let done = dir.path().join("done");
    fs::create_dir(&done).unwrap();
    fs::copy(&checkpoint, CheckpointKind::Final.python_path(&done)).unwrap();
    let setup = TrainerSetup {
        fold_folder: done,
        ..setup
    };
    let mut trainer = Trainer::resume(setup, of_epochs(60)).unwrap();
    assert_eq!(run(&mut trainer, &Silent, false), Outcome::Finished);
}

#[test]
fn the_step_after_a_python_checkpoint_is_that_of_python() {
    tch::set_num_threads(1);
    let name = "the_step_after_a_python_checkpoint_is_that_of_python";
    let dir = tempfile::tempdir().unwrap();
    let (Some((checkpoint, setup)), Some(mut python)) = (trained(dir.path()), python(name)) else {
        return;
    };
    let after = dir.path().join("after.pth");
    python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/sgd.py"));
    let model = checkpoint.ancestors().nth(2).unwrap();
    python.arg(model).arg(&checkpoint);
    let output = python.arg(&after).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");

    let opened = Checkpoint::open(&checkpoint).unwrap();
    let network = || {
        let mut network = UNet::new(&setup.configuration, 1, 3, Device::Cpu).unwrap();
        opened.load_into(&mut network).unwrap();
        network
    };
    let x = Tensor::arange(40 * 56 * 40, (Kind::Float, Device::Cpu)).sin();
    let x = x.view([1, 1, 40, 56, 40]);
    let state = opened.optimizer_of(network().spec()).unwrap();
    let stepped = |state: Option<&HashMap<String, Tensor>>| {
        let network = network();
        let config = TrainingConfig::default();
        let mut optimizer = Optimizer::new(network.parameters(), &config).unwrap();
        state
            .into_iter()
            .for_each(|s| optimizer.restore(s).unwrap());
        let loss = network.forward(&x).unwrap().square().mean(Kind::Float);
        let backward = optimizer.backward(&loss).unwrap();
        optimizer.step(0.01, backward.gradient_norm).unwrap();
        network.parameters().flat().detach().copy()
    };
    let mut python = network();
    (PythonCheckpoint::open(&after).unwrap())
        .load_into(&mut python, Strictness::Exact)
        .unwrap();
    let expected = python.parameters().flat().detach().copy();
    let far = |a: &Tensor, b: &Tensor| f64::try_from((a - b).norm()).unwrap();
    let moved = far(&expected, &network().parameters().flat().detach());
    let apart = far(&stepped(Some(&state)), &expected);
    assert!(apart < 1e-3 * moved, "{apart} of {moved}");
    let without = far(&stepped(None), &expected);
    assert!(without > 0.1 * moved, "{without} of {moved}");
}

/// A Python that has the Python program.
fn python(test: &str) -> Option<Command> {
    let program = std::env::var("NNUNET_PYTHON").unwrap_or_else(|_| "python3".into());
    let probe = Command::new(&program)
        .args(["-c", "import nnunetv2"])
        .output();
    if probe.is_ok_and(|output| output.status.success()) {
        return Some(Command::new(program));
    }
    println!("skipped: {test} needs a Python with nnunetv2 (NNUNET_PYTHON)");
    None
}
