//! Weights and checkpoints survive the disk, and what is not theirs is refused.

use std::fs;
use std::path::Path;

use nnunet_model::checkpoint::FORMAT_VERSION;
use nnunet_model::{
    Checkpoint, CheckpointKind, CheckpointMetadata, Device, ModelError, Strictness, Tensor,
    TrainingLog, UNet,
};
use serde_json::{Map, json};

use crate::common::{configuration, largest_difference, small_arguments, small_network};

fn metadata() -> CheckpointMetadata {
    CheckpointMetadata {
        format_version: FORMAT_VERSION,
        trainer_name: "nnUNetTrainer".into(),
        configuration: "3d_fullres".into(),
        fold: "0".into(),
        current_epoch: 3,
        inference_allowed_mirroring_axes: vec![0, 2],
        best_ema: Some(0.5),
        log: TrainingLog::default(),
        training: json!({"seed": 1}),
        extra: Map::new(),
    }
}

fn other_network() -> UNet {
    let mut network = small_network();
    network.initialise(99).unwrap();
    network
}

fn difference(a: &UNet, b: &UNet) -> f64 {
    largest_difference(a.parameters().flat(), b.parameters().flat())
}

#[test]
fn weights_come_back_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    let network = small_network();
    network.save_weights(&path).unwrap();
    let mut other = other_network();
    assert!(difference(&network, &other) > 0.0);
    other.load_weights(&path, Strictness::Exact).unwrap();
    assert_eq!(difference(&network, &other), 0.0);
}

#[test]
fn a_checkpoint_holds_weights_optimiser_and_metadata() {
    let dir = tempfile::tempdir().unwrap();
    let network = small_network();
    let momentum = Tensor::from_slice(&[1.0_f32, 2.0, 3.0]);
    let state = [("momentum".to_owned(), &momentum)];
    let path = Checkpoint::save(
        dir.path(),
        CheckpointKind::Latest,
        &network,
        &state,
        &metadata(),
    )
    .unwrap();
    assert_eq!(CheckpointMetadata::read(&path).unwrap(), metadata());
    assert!(dir.path().join("checkpoint_latest.json").is_file());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);

    let checkpoint = Checkpoint::open(&path).unwrap();
    assert_eq!(checkpoint.metadata(), &metadata());
    let mut other = other_network();
    checkpoint.load_into(&mut other).unwrap();
    assert_eq!(difference(&network, &other), 0.0);
    let back = checkpoint.optimizer().unwrap();
    assert_eq!(largest_difference(&back["momentum"], &momentum), 0.0);

    let wanted = [CheckpointKind::Final, CheckpointKind::Latest];
    assert_eq!(
        CheckpointKind::find(dir.path(), &wanted).unwrap().0,
        CheckpointKind::Latest
    );
    let error = CheckpointKind::find(dir.path(), &[CheckpointKind::Final]).unwrap_err();
    assert!(
        error.to_string().contains("it has: `checkpoint_latest"),
        "{error}"
    );
    assert!(!error.to_string().contains(".pth"), "{error}");
    let error = CheckpointKind::find_any(dir.path(), &[CheckpointKind::Final]).unwrap_err();
    let both = "has no `checkpoint_final.safetensors` or `checkpoint_final.pth`";
    assert!(error.to_string().contains(both), "{error}");
    // A checkpoint of this project goes before those of the Python program.
    let python = CheckpointKind::Final.python_path(dir.path());
    fs::write(&python, b"").unwrap();
    let to_resume = || CheckpointKind::find_to_resume(dir.path()).unwrap().1;
    assert_eq!(to_resume(), path);
    Checkpoint::remove(dir.path(), CheckpointKind::Latest).unwrap();
    assert_eq!(to_resume(), python);
    fs::remove_file(&python).unwrap();
    Checkpoint::remove(dir.path(), CheckpointKind::Latest).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn weights_of_another_network_are_refused_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    let wider = configuration("PlainConvUNet", &small_arguments(6), &[8, 16, 16]);
    UNet::new(&wider, 1, 3, Device::Cpu)
        .unwrap()
        .save_weights(&path)
        .unwrap();
    let (mut network, reference) = (small_network(), small_network());
    let error = network.load_weights(&path, Strictness::Exact).unwrap_err();
    let ModelError::Weights { report, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(
        report.mismatched.len() + report.applied.len(),
        network.parameters().len()
    );
    assert!(error.to_string().contains("w.safetensors"), "{error}");
    assert_eq!(difference(&network, &reference), 0.0);
}

#[test]
fn outputs_for_other_classes_can_be_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    small_network().save_weights(&path).unwrap();
    let more = configuration("PlainConvUNet", &small_arguments(4), &[8, 16, 16]);
    let mut network = UNet::new(&more, 1, 7, Device::Cpu).unwrap();
    assert!(network.load_weights(&path, Strictness::Exact).is_err());
    let report = network
        .load_weights(&path, Strictness::ExceptOutputs)
        .unwrap();
    assert_eq!(report.applied.len(), network.parameters().len() - 4);
}

#[test]
fn of_a_similar_network_the_matching_weights_can_be_taken() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    let donor = small_network();
    donor.save_weights(&path).unwrap();
    // One more convolution in the first stage, other classes, two channels.
    let mut arguments = small_arguments(4);
    arguments["n_conv_per_stage"] = json!([3, 2, 2]);
    let similar = configuration("PlainConvUNet", &arguments, &[8, 16, 16]);
    let mut network = UNet::new(&similar, 2, 7, Device::Cpu).unwrap();
    let report = network.load_weights(&path, Strictness::Matching).unwrap();
    assert_eq!(report.missing.len(), 4);
    assert_eq!(report.mismatched.len(), 1 + 2 * 2);
    assert_eq!(report.applied.len() + 9, network.parameters().len());
    let name = "encoder.stages.1.0.convs.0.conv.weight";
    let (ours, theirs) = (network.parameters().get(name), donor.parameters().get(name));
    assert_eq!(largest_difference(ours.unwrap(), theirs.unwrap()), 0.0);

    let wide = configuration("PlainConvUNet", &small_arguments(6), &[8, 16, 16]);
    let mut network = UNet::new(&wide, 2, 7, Device::Cpu).unwrap();
    let error = network
        .load_weights(&path, Strictness::Matching)
        .unwrap_err();
    assert!(
        error.to_string().starts_with(&path.display().to_string()),
        "{error}"
    );
}

#[test]
fn files_that_are_no_checkpoints_are_errors_that_name_them() {
    let dir = tempfile::tempdir().unwrap();
    let network = small_network();
    let path = Checkpoint::save(
        dir.path(),
        CheckpointKind::Final,
        &network,
        &[],
        &metadata(),
    )
    .unwrap();
    let whole = fs::read(&path).unwrap();
    let check = |path: &Path| {
        for error in [
            Checkpoint::open(path).err().unwrap(),
            small_network()
                .load_weights(path, Strictness::Exact)
                .unwrap_err(),
        ] {
            assert!(error.to_string().contains("broken"), "{error}");
        }
    };
    let broken = dir.path().join("broken.safetensors");
    check(&broken);
    let mut flipped = whole.clone();
    flipped[7] = 0xff;
    for bytes in [
        &[][..],
        &whole[..4],
        &whole[..100],
        &whole[..whole.len() - 1],
        &flipped,
    ] {
        fs::write(&broken, bytes).unwrap();
        check(&broken);
        assert!(bytes.len() > 100 || CheckpointMetadata::read(&broken).is_err());
    }
    let plain = dir.path().join("plain.safetensors");
    network.save_weights(&plain).unwrap();
    let error = CheckpointMetadata::read(&plain).unwrap_err().to_string();
    assert!(error.contains("no checkpoint metadata"), "{error}");
    let newer = CheckpointMetadata {
        format_version: FORMAT_VERSION + 1,
        ..metadata()
    };
    let path = Checkpoint::save(dir.path(), CheckpointKind::Best, &network, &[], &newer).unwrap();
    assert!(
        Checkpoint::open(&path)
            .unwrap_err()
            .to_string()
            .contains("format version is 2")
    );
}
