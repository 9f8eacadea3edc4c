//! What a training step takes in main memory, beside what the planner says that it must.

use std::process::Command;
use std::{env, fs};

use nnunet_model::{Arithmetic, Device, Tensor, UNet};
use nnunet_planner::{Precision, footprint};
use nnunet_schema::{Configuration, DatasetDescription};
use nnunet_train::loss::DicePooling;
use nnunet_train::schedule::deep_supervision_weights;
use nnunet_train::{Optimizer, SegmentationLoss, TrainingConfig};
use serde_json::json;
use tch::Kind;

const CLASSES: usize = 3;

/// A plain U-Net of the method whose features double from stage to stage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) features: usize,
    pub(crate) stages: usize,
    pub(crate) patch: [usize; 3],
    pub(crate) batch: usize,
    pub(crate) arithmetic: Arithmetic,
}

/// Bytes of a training step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes {
    /// The least that the planner says it takes.
    pub(crate) bound: u64,
    /// Resident at the worst moment, beyond what there was before the network.
    pub(crate) peak: u64,
}

impl Case {
    fn configuration(&self) -> Configuration {
        let resampling = json!({"is_seg": false, "order": 1});
        let of_stages = |v: usize| vec![vec![v; 3]; self.stages];
        let mut strides = of_stages(2);
        strides[0] = vec![1; 3];
        let features: Vec<usize> = (0..self.stages).map(|s| self.features << s).collect();
        serde_json::from_value(json!({
            "data_identifier": "x", "preprocessor_name": "DefaultPreprocessor",
            "batch_size": self.batch, "patch_size": self.patch,
            "median_image_size_in_voxels": self.patch, "spacing": [1.0, 1.0, 1.0],
            "normalization_schemes": ["ZScoreNormalization"], "use_mask_for_norm": [false],
            "resampling_fn_data": "f", "resampling_fn_seg": "f",
            "resampling_fn_data_kwargs": resampling, "resampling_fn_seg_kwargs": resampling,
            "resampling_fn_probabilities": "f",
            "resampling_fn_probabilities_kwargs": resampling,
            "architecture": {
                "network_class_name": "PlainConvUNet", "_kw_requires_import": [],
                "arch_kwargs": {
                    "n_stages": self.stages, "features_per_stage": features,
                    "conv_op": "Conv3d", "kernel_sizes": of_stages(3), "strides": strides,
                    "n_conv_per_stage": vec![2; self.stages],
                    "n_conv_per_stage_decoder": vec![2; self.stages - 1],
                    "conv_bias": true, "norm_op": "InstanceNorm3d",
                    "norm_op_kwargs": {"eps": 1e-5, "affine": true}, "dropout_op": null,
                    "dropout_op_kwargs": null, "nonlin": "LeakyReLU", "nonlin_kwargs": null
                }
            },
            "batch_dice": false
        }))
        .unwrap()
    }

    fn labels(&self, divisor: usize) -> Tensor {
        let [z, y, x] = self.patch.map(|edge| (edge / divisor) as i64);
        let batch = self.batch as i64;
        let values: Vec<i16> = (0..batch * z * y * x)
            .map(|i| (i / 1000 % CLASSES as i64) as i16)
            .collect();
        Tensor::from_slice(&values).view([batch, z, y, x])
    }

    /// Runs steps of the training; none if the system does not tell a process its memory.
    pub(crate) fn measure(&self) -> Option<Bytes> {
        let configuration = self.configuration();
        let precision = match self.arithmetic {
            Arithmetic::Single => Precision::Single,
            _ => Precision::Mixed,
        };
        let bound = footprint(&configuration, 1, CLASSES, precision).training_bytes;
        let before = now()?;
        self.steps(&configuration, 3);
        Some(Bytes {
            bound,
            peak: peak()?.saturating_sub(before),
        })
    }

    fn steps(&self, configuration: &Configuration, count: usize) {
        let description: DatasetDescription = serde_json::from_value(json!({
            "channel_names": {"0": "MRI"}, "labels": {"background": 0, "a": 1, "b": 2},
            "numTraining": 2, "file_ending": ".nii.gz"
        }))
        .unwrap();
        let mut network = UNet::new(configuration, 1, CLASSES, Device::Cpu).unwrap();
        network.set_arithmetic(self.arithmetic);
        let weights = deep_supervision_weights(network.spec().outputs());
        let scheme = description.label_scheme().unwrap();
        let loss = SegmentationLoss::new(&scheme, DicePooling::Sample, weights, Device::Cpu);
        let loss = loss.unwrap();
        let config = TrainingConfig::default();
        let mut optimizer = Optimizer::new(network.parameters(), &config).unwrap();
        let [z, y, x] = self.patch.map(|edge| edge as i64);
        let count_of_values = self.batch as i64 * z * y * x;
        let outputs = loss.weighted_outputs();
        let targets: Vec<Tensor> = (0..outputs).map(|level| self.labels(1 << level)).collect();
        let input = Tensor::arange(count_of_values, (Kind::Float, Device::Cpu)).sin();
        let input = input.view([self.batch as i64, 1, z, y, x]);
        for _ in 0..count {
            let logits = network.forward_outputs(&input, outputs).unwrap();
            let total = loss.total(&logits, &targets).unwrap();
            drop(logits);
            let found = optimizer.backward(&total).unwrap();
            optimizer.step(1e-4, found.gradient_norm).unwrap();
        }
    }
}

/// Runs a step of a network too small to matter, so that libtorch is loaded and set up.
pub(crate) fn warm_up(arithmetic: Arithmetic) {
    let smallest = Case {
        features: 2,
        stages: 3,
        patch: [8; 3],
        batch: 1,
        arithmetic,
    };
    smallest.steps(&smallest.configuration(), 2);
}

/// This program again, so that nothing but the step takes memory, and with an allocator that
/// gives freed tensors back at once: what it keeps depends on chance.
pub(crate) fn in_process_of_its_own() -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.env("MALLOC_MMAP_THRESHOLD_", "65536");
    command
}

/// Resident bytes of this process.
fn now() -> Option<u64> {
    kilobytes("VmRSS:")
}

/// The most that were ever resident.
fn peak() -> Option<u64> {
    kilobytes("VmHWM:")
}

fn kilobytes(key: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(key))?;
    let number: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(number * 1024)
}
