//! Fixtures, small networks and synthetic batches.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::{Path, PathBuf};

use nnunet_model::Device;
use nnunet_schema::{Configuration, DatasetDescription, LabelScheme};
use nnunet_train::batch::{BatchAddress, LoadError};
use nnunet_train::{Batch, BatchSource, Target, TrainerSetup, TrainingConfig, ValidTrainingConfig};
use serde_json::{Value, json};

/// The folder of network fixtures, if this machine has it.
pub(crate) fn fixtures(test: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("NNUNET_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let folder = shared.join("fixtures/network");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {test} needs the shared fixtures");
    None
}

/// A configuration around an architecture's arguments; only those matter here.
pub(crate) fn configuration(class: &str, arguments: &Value, patch: &[usize]) -> Configuration {
    let resampling = json!({"is_seg": false, "order": 1});
    serde_json::from_value(json!({
        "data_identifier": "x", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2,
        "patch_size": patch, "median_image_size_in_voxels": patch,
        "spacing": vec![1.0; patch.len()], "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [false], "resampling_fn_data": "f", "resampling_fn_seg": "f",
        "resampling_fn_data_kwargs": resampling, "resampling_fn_seg_kwargs": resampling,
        "resampling_fn_probabilities": "f", "resampling_fn_probabilities_kwargs": resampling,
        "architecture": {"network_class_name": class, "arch_kwargs": arguments,
                         "_kw_requires_import": []},
        "batch_dice": false
    }))
    .unwrap()
}

/// Labels of a dataset: `{"background": 0, …}`, and the order of regions if there are any.
pub(crate) fn scheme(labels: Value, order: Option<Value>) -> LabelScheme {
    let mut document = json!({
        "channel_names": {"0": "MRI"}, "labels": labels, "numTraining": 2,
        "file_ending": ".nii.gz"
    });
    if let Some(order) = order {
        document["regions_class_order"] = order;
    }
    let description: DatasetDescription = serde_json::from_value(document).unwrap();
    description.label_scheme().unwrap()
}

/// Background, `a` and `b`.
pub(crate) fn two_classes() -> LabelScheme {
    scheme(json!({"background": 0, "a": 1, "b": 2}), None)
}

fn tiny_arguments(axes: usize) -> Value {
    let row = |v: usize| vec![v; axes];
    json!({
        "n_stages": 3, "features_per_stage": [4, 8, 8],
        "conv_op": format!("torch.nn.Conv{axes}d"),
        "kernel_sizes": [row(3), row(3), row(3)], "strides": [row(1), row(2), row(2)],
        "n_conv_per_stage": [1, 1, 1], "n_conv_per_stage_decoder": [1, 1], "conv_bias": true,
        "norm_op": format!("torch.nn.InstanceNorm{axes}d"),
        "norm_op_kwargs": {"eps": 1e-5, "affine": true}, "dropout_op": null,
        "dropout_op_kwargs": null, "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": true}
    })
}

/// A tiny network for 8³ patches in 3D, 16² in 2D, that writes its checkpoints to `folder`.
pub(crate) fn setup(axes: usize, folder: &Path) -> TrainerSetup {
    let patch = if axes == 2 { vec![16; 2] } else { vec![8; 3] };
    TrainerSetup {
        configuration: configuration("a.PlainConvUNet", &tiny_arguments(axes), &patch),
        configuration_name: "tiny".into(),
        labels: two_classes(),
        channels: 1,
        device: Device::Cpu,
        trainer_name: "nnUNetTrainer".into(),
        mirror_axes: vec![0, 1],
        fold_folder: folder.to_path_buf(),
    }
}

pub(crate) fn config(epochs: usize) -> ValidTrainingConfig {
    TrainingConfig {
        epochs,
        iterations_per_epoch: 6,
        validation_iterations: 2,
        checkpoint_every: 1,
        seed: 0,
        ..TrainingConfig::default()
    }
    .check()
    .unwrap()
}

/// Batches of two noisy balls whose labels follow from the intensities, a function of the
/// address alone.
#[derive(Debug)]
pub(crate) struct Balls {
    axes: usize,
    requested: VecDeque<BatchAddress>,
    /// The data of this batch holds a NaN.
    pub(crate) poisoned: Option<BatchAddress>,
    /// After so many batches, none come.
    pub(crate) left: usize,
}

impl Balls {
    pub(crate) fn new(axes: usize) -> Self {
        Self {
            axes,
            requested: VecDeque::new(),
            poisoned: None,
            left: usize::MAX,
        }
    }
}

/// A hash that stands in for a random number from 0 to 1.
fn noise(address: BatchAddress, sample: usize, index: usize) -> f32 {
    let mut x = (address.epoch << 40) ^ (address.iteration << 24) ^ ((sample as u64) << 20);
    x ^= index as u64;
    for _ in 0..3 {
        x = (x ^ (x >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    (x >> 40) as f32 / (1_u64 << 24) as f32
}

pub(crate) fn balls(axes: usize, address: BatchAddress) -> Batch {
    let shape = if axes == 2 { [1, 16, 16] } else { [8, 8, 8] };
    let [depth, height, width] = shape;
    let (mut data, mut labels) = (Vec::new(), Vec::new());
    for sample in 0..2 {
        let centre = shape.map(|edge| {
            let shift = noise(address, sample, 1_000_000 + edge);
            (edge as f32 - 1.0) * (0.35 + 0.3 * shift)
        });
        for index in 0..depth * height * width {
            let at = [
                index / (height * width),
                index / width % height,
                index % width,
            ];
            let distance: f32 = (0..3).map(|a| (at[a] as f32 - centre[a]).powi(2)).sum();
            let radius = width as f32 * 0.3;
            let label =
                i16::from(distance < radius * radius) + i16::from(distance < radius * radius * 0.3);
            labels.push(label);
            data.push(f32::from(label) + noise(address, sample, index) - 0.5);
        }
    }
    let low = |edge: usize| if edge == 1 { 1 } else { edge / 2 };
    let mut half = Vec::new();
    for sample in 0..2 {
        for z in 0..low(depth) {
            for y in 0..low(height) {
                for x in 0..low(width) {
                    let z = if depth == 1 { 0 } else { 2 * z + 1 };
                    let slice = (sample * depth + z) * height + 2 * y + 1;
                    half.push(labels[slice * width + 2 * x + 1]);
                }
            }
        }
    }
    Batch {
        address,
        data,
        shape: [2, 1, depth, height, width],
        targets: vec![
            Target {
                labels,
                shape: [2, depth, height, width],
            },
            Target {
                labels: half,
                shape: [2, low(depth), low(height), low(width)],
            },
        ],
        cases: vec!["ball_1".into(), "ball_2".into()],
    }
}

impl BatchSource for Balls {
    fn request(&mut self, epoch: usize, iterations: Range<usize>) {
        let epoch = epoch as u64;
        self.requested.extend(iterations.map(|i| BatchAddress {
            epoch,
            iteration: i as u64,
        }));
    }

    fn next_batch(&mut self) -> Option<Result<Batch, LoadError>> {
        self.left = self.left.checked_sub(1)?;
        let address = self.requested.pop_front()?;
        let mut batch = balls(self.axes, address);
        if self.poisoned == Some(address) {
            batch.data[7] = f32::NAN;
        }
        Some(Ok(batch))
    }
}
