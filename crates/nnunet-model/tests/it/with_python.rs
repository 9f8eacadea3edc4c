//! What the Python program makes of checkpoints written here, and the other way round. Runs
//! where `NNUNET_PYTHON` (or `python3`) has the package `nnunetv2`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use nnunet_model::{Device, Mode, PythonCheckpoint, PythonMetadata, Strictness, Tensor, UNet};
use serde_json::{Value, json};
use tch::Kind;

use crate::common::{configuration, largest_difference, shared, small_arguments, small_network};
use crate::python::model_network;

const TOLERANCE: f64 = 1e-4;

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

fn run(mut command: Command) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

/// A fixed input, also in a file.
fn input(path: &Path, shape: &[i64]) -> (Tensor, String) {
    let count = shape.iter().product::<i64>();
    // Noise: a pattern that norms would amplify from almost nothing says little.
    let mut state = 1_u32;
    let noise = (0..count).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    });
    let values: Vec<f32> = noise.collect();
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    fs::write(path, bytes).unwrap();
    let text: Vec<String> = shape.iter().map(ToString::to_string).collect();
    (Tensor::from_slice(&values).view(shape), text.join(","))
}

fn output(path: &Path, shape: &[i64]) -> Tensor {
    let bytes = fs::read(path).unwrap();
    let values = bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()));
    Tensor::from_slice(&values.collect::<Vec<_>>()).view(shape)
}

#[test]
fn the_predictor_of_python_loads_what_is_exported() {
    let name = "the_predictor_of_python_loads_what_is_exported";
    let (Some(models), Some(mut command)) = (shared("predict", name), python(name)) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let (model, folder) = (models.join("model"), dir.path().join("exported"));
    fs::create_dir_all(folder.join("fold_0")).unwrap();
    for document in ["plans.json", "dataset.json"] {
        fs::write(
            folder.join(document),
            fs::read(model.join(document)).unwrap(),
        )
        .unwrap();
    }
    let original = PythonCheckpoint::open(&model.join("fold_0/checkpoint_final.pth")).unwrap();
    let mut network = model_network(&model, "3d_fullres");
    original.load_into(&mut network, Strictness::Exact).unwrap();
    let momentum = original.momentum(network.spec()).unwrap().unwrap();
    let metadata = original.metadata();
    // By the way of a checkpoint of this project.
    let ours = metadata.to_checkpoint(original.path()).unwrap();
    let (plans, dataset) = (&metadata.init_args.plans, &metadata.init_args.dataset_json);
    let metadata = PythonMetadata::of_checkpoint(&ours, plans.clone(), dataset.clone());
    let exported = folder.join("fold_0/checkpoint_final.pth");
    let momentum = momentum.iter().map(|(name, tensor)| (name.clone(), tensor));
    PythonCheckpoint::save(&exported, &network, &momentum.collect(), &metadata).unwrap();

    let (source, target) = (dir.path().join("x.bin"), dir.path().join("y.bin"));
    let (x, shape) = input(&source, &[1, 1, 40, 56, 40]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/predictor.py");
    command.arg(script).arg(&folder).arg("checkpoint_final.pth");
    command.arg(&source).arg(&shape).arg(&target);
    run(command);
    let y = network.infer(&x).unwrap();
    let expected = output(&target, &y.size());
    // Relative to the range of the logits, which are far from zero after training.
    let range = expected.abs().max().double_value(&[]);
    let difference = largest_difference(&y, &expected) / range;
    assert!(difference < TOLERANCE / 10.0, "{difference} of {range}");
}

/// Networks of the paper's comparison (figure 6) and a residual one, with a batch norm each.
fn variants() -> Vec<(&'static str, &'static str, Value)> {
    let batch = json!("torch.nn.modules.batchnorm.BatchNorm3d");
    let mut deep = small_arguments(4);
    deep["n_conv_per_stage"] = json!([3, 3, 3]);
    deep["n_conv_per_stage_decoder"] = json!([3, 3]);
    let mut normed = small_arguments(4);
    normed["norm_op"] = batch.clone();
    let mut residual = small_arguments(4);
    residual["n_blocks_per_stage"] = json!([1, 2, 3]);
    residual["n_conv_per_stage_decoder"] = json!([1, 1]);
    residual["norm_op"] = batch;
    residual.as_object_mut().unwrap().remove("n_conv_per_stage");
    vec![
        ("three convolutions", "PlainConvUNet", deep),
        ("batch norm", "PlainConvUNet", normed),
        ("residual with batch norm", "ResidualEncoderUNet", residual),
    ]
}

#[test]
fn variants_compute_what_the_modules_of_python_compute() {
    let name = "variants_compute_what_the_modules_of_python_compute";
    for (variant, class, arguments) in variants() {
        let Some(mut command) = python(name) else {
            return;
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("before.pth");
        let plans = configuration(class, &arguments, &[8, 16, 16]);
        let mut network = UNet::new(&plans, 2, 3, Device::Cpu).unwrap();
        network.initialise(5).unwrap();
        let metadata = PythonMetadata::default();
        PythonCheckpoint::save(&path, &network, &HashMap::new(), &metadata).unwrap();

        let source = dir.path().join("x.bin");
        let (x, shape) = input(&source, &[3, 2, 8, 16, 16]);
        let mut full = arguments.clone();
        full["input_channels"] = json!(2);
        full["num_classes"] = json!(3);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/modules.py");
        command.args([script, class, &full.to_string()]);
        command.arg(&path).arg(&source).arg(&shape).arg(dir.path());
        run(command);

        let check = |outputs: &[Tensor], kind: &str| {
            for (i, y) in outputs.iter().enumerate() {
                let expected = output(&dir.path().join(format!("{kind}{i}.bin")), &y.size());
                let difference = largest_difference(y, &expected);
                assert!(difference < TOLERANCE, "{variant} {kind} {i}: {difference}");
            }
        };
        check(&network.forward_deep_supervision(&x).unwrap(), "trained");
        network.set_mode(Mode::Evaluation);
        check(&network.forward_deep_supervision(&x).unwrap(), "evaluated");
        let outputs = tch::no_grad(|| network.forward_deep_supervision(&x).unwrap());
        check(&outputs, "evaluated");

        // The running statistics moved as Python's, and come back under wrapped names.
        let after = PythonCheckpoint::open(&dir.path().join("after.pth")).unwrap();
        let mut other = UNet::zeros(network.spec().clone(), Device::Cpu).unwrap();
        after.load_into(&mut other, Strictness::Exact).unwrap();
        for ((name, ours), (_, theirs)) in network.tensors().zip(other.tensors()) {
            let (ours, theirs) = (ours.to_kind(Kind::Double), theirs.to_kind(Kind::Double));
            let difference = largest_difference(&ours, &theirs);
            assert!(difference < 1e-5, "{variant} {name}: {difference}");
        }
    }
}

#[test]
fn unusual_files_of_pytorch_are_read_or_refused_with_a_reason() {
    let Some(mut command) = python("unusual_files_of_pytorch_are_read_or_refused") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("plain.pth");
    let network = small_network();
    let metadata = PythonMetadata::default();
    PythonCheckpoint::save(&source, &network, &HashMap::new(), &metadata).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/odd.py");
    run({
        command.arg(script).arg(&source).arg(dir.path());
        command
    });
    let open = |name: &str| PythonCheckpoint::open(&dir.path().join(format!("{name}.pth")));

    let same = [
        "strided",
        "protocol2",
        "protocol3",
        "protocol4",
        "protocol5",
        "odd",
    ];
    for name in same {
        let checkpoint = open(name).unwrap();
        let mut other = UNet::zeros(network.spec().clone(), Device::Cpu).unwrap();
        checkpoint.load_into(&mut other, Strictness::Exact).unwrap();
        let (ours, theirs) = (network.parameters().flat(), other.parameters().flat());
        assert_eq!(largest_difference(ours, theirs), 0.0, "{name}");
    }

    let odd = open("odd").unwrap();
    let metadata = odd.metadata();
    assert_eq!((metadata.current_epoch, metadata.best_ema), (3, None));
    assert_eq!(metadata.inference_allowed_mirroring_axes, None);
    assert_eq!(metadata.grad_scaler_state, json!({"scale": 2.0}));
    assert_eq!(metadata.logging.lrs[..2], [0.5, 1.0]);
    assert!(metadata.logging.lrs[2].is_nan() && metadata.logging.val_losses[0].is_nan());
    let arguments = &metadata.init_args;
    assert_eq!(arguments.fold.as_deref(), Some("all"));
    assert_eq!(arguments.device.as_deref(), Some("cuda:1"));
    let plans = json!({"nan": null, "size": [1, 2], "large": null, "7": true});
    assert_eq!(arguments.plans, plans);
    assert_eq!(arguments.extra["set"], json!([1]));
    let skipped: Vec<&str> = odd.skipped().iter().map(|s| s.place.as_str()).collect();
    assert_eq!(
        skipped,
        [
            "init_args.plans.nan",
            "init_args.plans.large",
            "init_args.output",
            "init_args.when",
            "init_args.point",
            "init_args.tensor",
            "init_args.type",
            "logging.dice_per_class_or_region",
        ]
    );
    let error = open("legacy").unwrap_err().to_string();
    assert!(error.contains("before 1.6"), "{error}");
}
