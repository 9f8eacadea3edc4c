//! Losses, gradients and steps against those of the Python program.

use std::collections::HashMap;
use std::path::Path;

use ndarray_npy::ReadableElement;
use nnunet_model::{Device, NetworkSpec, Strictness, Tensor, UNet};
use nnunet_train::loss::DicePooling;
use nnunet_train::schedule::{deep_supervision_weights, polynomial};
use nnunet_train::{Optimizer, SegmentationLoss, TrainingConfig};
use serde_json::{Map, Value, json};
use tch::Kind;

use crate::common::{configuration, fixtures, scheme};

const NAMES: [&str; 4] = ["plain2d", "plain3d_aniso", "plain3d_iso", "resenc3d"];

struct Fixture {
    entry: Value,
    network: UNet,
    input: Tensor,
    /// `(batch, …)`.
    target: Tensor,
    classes: usize,
}

fn npy<T: ReadableElement + tch::kind::Element>(path: &Path) -> Tensor {
    let array: ndarray::ArrayD<T> = ndarray_npy::read_npy(path).unwrap();
    let shape: Vec<i64> = array.shape().iter().map(|v| *v as i64).collect();
    Tensor::from_slice(array.as_standard_layout().as_slice().unwrap()).view(shape.as_slice())
}

fn index(folder: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join("index.json")).unwrap()).unwrap()
}

fn fixture(folder: &Path, name: &str) -> Fixture {
    let entry = index(folder)[name].clone();
    let number = |key: &str| entry["kwargs"][key].as_u64().unwrap() as usize;
    let shape: Vec<usize> = serde_json::from_value(entry["input"].clone()).unwrap();
    let class = entry["arch"].as_str().unwrap();
    let configuration = configuration(class, &entry["kwargs"], &shape[2..]);
    let (channels, classes) = (number("input_channels"), number("num_classes"));
    let spec = NetworkSpec::new(&configuration, channels, classes).unwrap();
    let mut network = UNet::zeros(spec, Device::Cpu).unwrap();
    let folder = folder.join(name);
    network
        .load_weights(&folder.join("weights.safetensors"), Strictness::Exact)
        .unwrap();
    let target = npy::<i64>(&folder.join("target.npy"));
    Fixture {
        network,
        input: npy::<f32>(&folder.join("x.npy")),
        target: if target.dim() == shape.len() {
            target.squeeze_dim(1)
        } else {
            target
        },
        classes,
        entry,
    }
}

impl Fixture {
    /// Targets at the resolutions of the outputs, as the fixtures were made: every n-th voxel.
    fn targets(&self, outputs: &[Tensor]) -> Vec<Tensor> {
        let resize = |output: &Tensor| {
            let mut target = self.target.shallow_clone();
            for (axis, edge) in output.size().iter().enumerate().skip(2) {
                let axis = axis as i64 - 1;
                target = target.slice(axis, 0, None, target.size()[axis as usize] / edge);
            }
            target.to_kind(Kind::Int16)
        };
        outputs.iter().map(resize).collect()
    }

    fn labels(&self, classes: usize, ignore: bool) -> nnunet_schema::LabelScheme {
        let mut labels = Map::new();
        labels.insert("background".into(), json!(0));
        for class in 1..classes {
            labels.insert(format!("c{class}"), json!(class));
        }
        if ignore {
            labels.insert("ignore".into(), json!(classes));
        }
        scheme(Value::Object(labels), None)
    }

    fn expected(&self, key: &str) -> Option<f64> {
        self.entry["losses"].get(key)?.as_f64()
    }
}

fn close(found: &Tensor, expected: f64, what: &str) {
    let found = found.double_value(&[]);
    assert!(
        (found - expected).abs() < 1e-4,
        "{what}: {found}, expected {expected}"
    );
}

#[test]
fn losses_equal_those_of_the_python_program() {
    let Some(folder) = fixtures("losses_equal_those_of_the_python_program") else {
        return;
    };
    for name in NAMES {
        let f = fixture(&folder, name);
        let outputs = tch::no_grad(|| f.network.forward_deep_supervision(&f.input)).unwrap();
        let targets = f.targets(&outputs);
        let weights = deep_supervision_weights(outputs.len());
        let listed: Vec<f64> = serde_json::from_value(f.entry["ds_weights"].clone()).unwrap();
        assert!(
            weights
                .iter()
                .zip(&listed)
                .all(|(a, b)| (a - b).abs() < 1e-12),
            "{name}"
        );
        for (pooling, python) in [(DicePooling::Sample, "False"), (DicePooling::Batch, "True")] {
            let loss = |labels: &nnunet_schema::LabelScheme| {
                SegmentationLoss::new(labels, pooling, weights.clone(), Device::Cpu).unwrap()
            };
            let plain = loss(&f.labels(f.classes, false));
            let key = format!("DC_and_CE batch_dice={python} per output");
            for (i, (output, target)) in outputs.iter().zip(&targets).enumerate() {
                let expected = f.entry["losses"][&key][i].as_f64().unwrap();
                close(
                    &plain.single(output, target).unwrap(),
                    expected,
                    &format!("{name} {i}"),
                );
            }
            let key = format!("DC_and_CE batch_dice={python} deep supervision");
            let total = plain.total(&outputs, &targets).unwrap();
            close(&total, f.expected(&key).unwrap(), &format!("{name} {key}"));

            let last = f.classes - 1;
            let key = format!("DC_and_CE ignore={last} batch_dice={python} out0 (channels 0..C-2)");
            if let Some(expected) = f.expected(&key) {
                let fewer = outputs[0].narrow(1, 0, last as i64);
                let found = loss(&f.labels(last, true))
                    .single(&fewer, &targets[0])
                    .unwrap();
                close(&found, expected, &format!("{name} {key}"));
            }
            let key =
                format!("DC_and_BCE regions target>=k, batch_dice={python} out0 channels 1..");
            // With one foreground class there are no regions to tell from labels.
            if f.classes < 3 {
                continue;
            }
            let mut regions = Map::new();
            regions.insert("background".into(), json!(0));
            for k in 1..f.classes {
                let members: Vec<usize> = (k..f.classes).collect();
                regions.insert(format!("r{k}"), json!(members));
            }
            let order: Vec<usize> = (1..f.classes).collect();
            let regions = scheme(Value::Object(regions), Some(json!(order)));
            let foreground = outputs[0].narrow(1, 1, f.classes as i64 - 1);
            let found = loss(&regions).single(&foreground, &targets[0]).unwrap();
            close(&found, f.expected(&key).unwrap(), &format!("{name} {key}"));
        }
    }
}

fn read(path: &Path) -> HashMap<String, Tensor> {
    Tensor::read_safetensors(path)
        .unwrap()
        .into_iter()
        .collect()
}

/// Norm below which a tensor is compared absolutely.
const NOISE_FLOOR: f64 = 0.1;

/// The largest distance of tensors of the same name, relative to the norm of the expected one.
///
/// Biases in front of an instance norm have no gradient but rounding noise, and start at zero: a
/// tensor's norm counts as at least [`NOISE_FLOOR`].
fn distance<'a>(
    found: impl Iterator<Item = (&'a str, &'a Tensor)>,
    expected: &HashMap<String, Tensor>,
) -> (f64, usize) {
    let mut worst = 0.0_f64;
    let mut compared = 0;
    for (name, tensor) in found {
        let Some(expected) = expected.get(name) else {
            continue;
        };
        let difference = (tensor - expected).norm().double_value(&[]);
        worst = worst.max(difference / expected.norm().double_value(&[]).max(NOISE_FLOOR));
        compared += 1;
    }
    (worst, compared)
}

#[test]
fn gradients_and_five_steps_equal_those_of_the_python_program() {
    let Some(folder) = fixtures("gradients_and_five_steps_equal_those_of_the_python_program")
    else {
        return;
    };
    for name in NAMES {
        let f = fixture(&folder, name);
        let labels = f.labels(f.classes, false);
        let weights = deep_supervision_weights(f.network.spec().outputs());
        let loss =
            SegmentationLoss::new(&labels, DicePooling::Sample, weights, Device::Cpu).unwrap();
        let parameters = f.network.parameters();
        let mut optimizer = Optimizer::new(parameters, &TrainingConfig::default()).unwrap();
        let steps = f.entry["steps"].as_array().unwrap();
        for (i, step) in steps.iter().enumerate() {
            let outputs = f
                .network
                .forward_outputs(&f.input, loss.weighted_outputs())
                .unwrap();
            let targets = f.targets(&outputs);
            let found = optimizer
                .backward(&loss.total(&outputs, &targets).unwrap())
                .unwrap();
            let number = |key: &str| step[key].as_f64().unwrap();
            assert!(
                (found.loss - number("loss")).abs() < 1e-4,
                "{name} step {i}: {found:?}"
            );
            let norm = number("grad_norm");
            assert!(
                (found.gradient_norm / norm - 1.0).abs() < 1e-4,
                "{name}: {found:?}"
            );
            if i == 0 {
                let file = folder.join(name).join("grads_step0_clipped.safetensors");
                let expected = read(&file);
                let (worst, compared) = distance(optimizer.gradients(), &expected);
                assert_eq!(compared, expected.len(), "{name}");
                assert!(worst < 1e-4, "{name} gradient: {worst}");
            }
            optimizer.step(0.01, found.gradient_norm).unwrap();
        }
        assert_eq!(steps.len(), 5);
        let expected = read(&folder.join(name).join("weights_after5.safetensors"));
        let (worst, compared) = distance(parameters.iter(), &expected);
        assert_eq!(compared, parameters.len(), "{name}");
        assert!(worst < 1e-5, "{name} weights: {worst}");
    }
}

#[test]
fn the_learning_rates_are_those_of_the_python_program() {
    let Some(folder) = fixtures("the_learning_rates_are_those_of_the_python_program") else {
        return;
    };
    let index = index(&folder);
    for (epoch, expected) in index["polylr_1000"].as_object().unwrap() {
        let found = polynomial(0.01, epoch.parse().unwrap(), 1000, 0.9);
        assert!(
            (found / expected.as_f64().unwrap() - 1.0).abs() < 1e-12,
            "{epoch}"
        );
    }
}
