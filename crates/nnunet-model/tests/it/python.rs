//! Checkpoints of the Python program are read without Python, written, and read back.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use nnunet_model::checkpoint::{CheckpointMetadata, MOMENTUM_PREFIX};
use nnunet_model::python::PythonLog;
use nnunet_model::{
    Checkpoint, CheckpointKind, Device, ModelError, NetworkSpec, PythonCheckpoint, PythonMetadata,
    Strictness, Tensor, UNet,
};
use nnunet_schema::{DatasetDescription, Plans};
use serde_json::{Value, json};

use crate::common::{fixture_spec, fixtures, index, largest_difference, shared, small_network};

const NAMES: [&str; 4] = ["plain2d", "plain3d_aniso", "plain3d_iso", "resenc3d"];
/// Model folders of the prediction fixtures, with a configuration and a fold.
pub(crate) const MODELS: [(&str, &str, &str); 3] = [
    ("model", "3d_fullres", "fold_0"),
    ("model", "3d_fullres", "fold_1"),
    ("model_2d", "2d", "fold_0"),
];

/// The network of a model folder of the prediction fixtures.
pub(crate) fn model_network(model: &Path, configuration: &str) -> UNet {
    let plans = Plans::load(&model.join("plans.json")).unwrap();
    let dataset = DatasetDescription::load(&model.join("dataset.json")).unwrap();
    let spec = NetworkSpec::of_model(&plans, configuration, &dataset).unwrap();
    UNet::zeros(spec, Device::Cpu).unwrap()
}

fn same_weights(a: &UNet, b: &UNet) {
    for ((name, a), (other, b)) in a.tensors().zip(b.tensors()) {
        assert_eq!(name, other);
        assert_eq!(largest_difference(a, b), 0.0, "{name}");
    }
}

#[test]
fn weights_of_python_equal_those_of_the_safetensors_beside_them() {
    let Some(folder) = fixtures("weights_of_python_equal_those_of_the_safetensors_beside_them")
    else {
        return;
    };
    let index = index(&folder);
    for name in NAMES {
        let folder = folder.join(name);
        let checkpoint = PythonCheckpoint::open(&folder.join("checkpoint.pth")).unwrap();
        assert_eq!(checkpoint.skipped(), [], "{name}");
        let found: Vec<(String, Vec<usize>)> = (checkpoint.weights())
            .map(|(name, shape)| (name.to_owned(), shape.to_vec()))
            .collect();
        let expected: Vec<(String, Vec<usize>)> =
            serde_json::from_value(index[name]["keys"].clone()).unwrap();
        assert_eq!(found, expected, "{name}");

        let spec = fixture_spec(&index, name);
        let mut network = UNet::zeros(spec.clone(), Device::Cpu).unwrap();
        let report = checkpoint
            .load_into(&mut network, Strictness::Exact)
            .unwrap();
        assert_eq!(report.applied.len(), network.parameters().len());
        let mut reference = UNet::zeros(spec, Device::Cpu).unwrap();
        let weights = folder.join("weights.safetensors");
        reference.load_weights(&weights, Strictness::Exact).unwrap();
        same_weights(&network, &reference);
    }
}

#[test]
fn exported_checkpoints_have_the_names_of_python_and_come_back() {
    let Some(folder) = fixtures("exported_checkpoints_have_the_names_of_python_and_come_back")
    else {
        return;
    };
    let index = index(&folder);
    let dir = tempfile::tempdir().unwrap();
    for name in NAMES {
        let spec = fixture_spec(&index, name);
        let original = PythonCheckpoint::open(&folder.join(name).join("checkpoint.pth")).unwrap();
        let mut network = UNet::zeros(spec.clone(), Device::Cpu).unwrap();
        original.load_into(&mut network, Strictness::Exact).unwrap();
        let path = dir.path().join(format!("{name}.pth"));
        PythonCheckpoint::save(&path, &network, &HashMap::new(), original.metadata()).unwrap();

        let exported = PythonCheckpoint::open(&path).unwrap();
        assert!(exported.weights().eq(original.weights()), "{name}");
        assert_eq!(exported.metadata(), original.metadata(), "{name}");
        let mut again = UNet::zeros(spec, Device::Cpu).unwrap();
        exported.load_into(&mut again, Strictness::Exact).unwrap();
        same_weights(&network, &again);
    }
}

#[test]
fn trained_models_come_with_everything_and_survive_the_round_trip() {
    let Some(models) = shared("predict", "trained_models_come_with_everything") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    for (model, configuration, fold) in MODELS {
        let model = models.join(model);
        let path = model.join(fold).join("checkpoint_final.pth");
        let checkpoint = PythonCheckpoint::open(&path).unwrap();
        assert_eq!(checkpoint.skipped(), [], "{}", path.display());
        let metadata = checkpoint.metadata();
        assert_eq!(metadata.trainer_name.as_deref(), Some("nnUNetTrainer"));
        assert_eq!(
            metadata.init_args.configuration.as_deref(),
            Some(configuration)
        );
        let axes = if configuration == "2d" {
            vec![0, 1]
        } else {
            vec![0, 1, 2]
        };
        assert_eq!(metadata.inference_allowed_mirroring_axes, Some(axes));
        assert_eq!(metadata.logging.lrs.len(), metadata.current_epoch);
        assert_eq!(metadata.logging.dice_per_class_or_region[0].len(), 2);
        assert_eq!(metadata.param_group["momentum"], 0.99);
        let plans: Plans = serde_json::from_value(metadata.init_args.plans.clone()).unwrap();
        assert!(plans.configuration(configuration).is_ok());
        let on_disk: Value =
            serde_json::from_slice(&fs::read(model.join("plans.json")).unwrap()).unwrap();
        assert_eq!(metadata.init_args.plans, on_disk);
        let ours = metadata.to_checkpoint(&path).unwrap();
        assert_eq!(ours.log.epochs.len(), metadata.current_epoch);
        let mut back = PythonMetadata::of_checkpoint(
            &ours,
            metadata.init_args.plans.clone(),
            metadata.init_args.dataset_json.clone(),
        );
        back.param_group = metadata.param_group.clone();
        assert_eq!(&back, metadata);

        let mut network = model_network(&model, configuration);
        checkpoint
            .load_into(&mut network, Strictness::Exact)
            .unwrap();
        let momentum = checkpoint.momentum(network.spec()).unwrap().unwrap();
        assert_eq!(momentum.len(), network.parameters().len());
        let exported = dir.path().join("exported.pth");
        let references = momentum.iter().map(|(name, tensor)| (name.clone(), tensor));
        PythonCheckpoint::save(&exported, &network, &references.collect(), metadata).unwrap();

        let exported = PythonCheckpoint::open(&exported).unwrap();
        assert_eq!(exported.metadata(), metadata);
        assert!(exported.weights().eq(checkpoint.weights()));
        let mut again = model_network(&model, configuration);
        exported.load_into(&mut again, Strictness::Exact).unwrap();
        same_weights(&network, &again);
        for (name, tensor) in exported.momentum(network.spec()).unwrap().unwrap() {
            assert_eq!(largest_difference(&tensor, &momentum[&name]), 0.0, "{name}");
        }
    }
}

#[test]
fn checkpoints_of_python_open_as_our_own() {
    let Some(models) = shared("predict", "checkpoints_of_python_open_as_our_own") else {
        return;
    };
    let model = models.join("model");
    let wanted = [CheckpointKind::Latest, CheckpointKind::Final];
    assert!(CheckpointKind::find(&model.join("fold_0"), &wanted).is_err());
    let (kind, path) = CheckpointKind::find_any(&model.join("fold_0"), &wanted).unwrap();
    assert_eq!(kind, CheckpointKind::Final);
    let checkpoint = Checkpoint::open(&path).unwrap();
    assert_eq!(
        checkpoint.metadata(),
        &CheckpointMetadata::read(&path).unwrap()
    );
    assert_eq!(checkpoint.metadata().configuration, "3d_fullres");
    assert_eq!(checkpoint.metadata().current_epoch, 60);
    let mut network = model_network(&model, "3d_fullres");
    checkpoint.load_into(&mut network).unwrap();
    let optimizer = checkpoint.optimizer().unwrap();
    for (name, tensor) in network.parameters().iter() {
        let momentum = &optimizer[&format!("{MOMENTUM_PREFIX}{name}")];
        assert_eq!(momentum.size(), tensor.size(), "{name}");
    }
}

fn small_metadata() -> PythonMetadata {
    PythonMetadata {
        trainer_name: Some("nnUNetTrainer".into()),
        current_epoch: 2,
        best_ema: Some(0.5),
        grad_scaler_state: json!({"scale": 65536.0, "_growth_tracker": 3}),
        logging: PythonLog {
            lrs: vec![0.01, 0.005],
            dice_per_class_or_region: vec![vec![0.5, 0.25], vec![]],
            ..PythonLog::default()
        },
        ..PythonMetadata::default()
    }
}

fn save_small(folder: &Path) -> PathBuf {
    let path = folder.join("whole.pth");
    PythonCheckpoint::save(&path, &small_network(), &HashMap::new(), &small_metadata()).unwrap();
    path
}

#[test]
fn metadata_without_a_model_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = save_small(dir.path());
    let checkpoint = PythonCheckpoint::open(&path).unwrap();
    assert_eq!(checkpoint.metadata(), &small_metadata());
    assert!(
        checkpoint
            .momentum(small_network().spec())
            .unwrap()
            .is_none()
    );
    let error = checkpoint
        .metadata()
        .to_checkpoint(&path)
        .unwrap_err()
        .to_string();
    assert!(error.contains("init_args.configuration"), "{error}");
}

#[test]
fn momenta_of_other_networks_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.pth");
    let network = small_network();
    let tensor = Tensor::from_slice(&[1.0_f32]);
    let momentum = HashMap::from([("encoder.no.such.weight".to_owned(), &tensor)]);
    let error = PythonCheckpoint::save(&path, &network, &momentum, &small_metadata());
    assert!(error.unwrap_err().to_string().contains("encoder.no.such"));
    assert!(!path.exists());
}

#[test]
fn cut_and_foreign_files_are_errors_that_name_them() {
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(save_small(dir.path())).unwrap();
    let path = dir.path().join("broken.pth");
    let refuse = |bytes: &[u8], hint: &str| {
        fs::write(&path, bytes).unwrap();
        let mut network = small_network();
        let error = PythonCheckpoint::open(&path)
            .and_then(|checkpoint| checkpoint.load_into(&mut network, Strictness::Exact))
            .unwrap_err();
        assert!(matches!(error, ModelError::File { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("broken.pth") && text.contains(hint), "{text}");
    };
    refuse(b"", "expected the zip archive");
    refuse(b"hello, this is a text", "expected the zip archive");
    refuse(
        b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
        "torch.save(torch.load(path",
    );
    for length in [4, 100, whole.len() / 2, whole.len() - 1] {
        refuse(&whole[..length], "cut off");
    }
    let mut weight = [0; 32];
    let network = small_network();
    let first = network.parameters().tensors()[0].detach().flatten(0, -1);
    first.narrow(0, 0, 8).copy_data_u8(&mut weight, 8);
    let place = whole.windows(32).position(|bytes| bytes == weight).unwrap();
    let mut flipped = whole.clone();
    flipped[place] ^= 0xff;
    refuse(&flipped, "cannot be read");
}

#[test]
fn no_byte_of_a_file_makes_it_panic() {
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(save_small(dir.path())).unwrap();
    let path = dir.path().join("broken.pth");
    let mut network = small_network();
    for position in (0..whole.len()).step_by(whole.len() / 400) {
        for value in [0, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[position] = value;
            fs::write(&path, &bytes).unwrap();
            if let Ok(checkpoint) = PythonCheckpoint::open(&path) {
                let _ = checkpoint.load_into(&mut network, Strictness::Exact);
            }
        }
    }
}
