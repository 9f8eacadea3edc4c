//! One training step and one inference pass of a small network, without data loading.
//!
//! Set the number of threads with `OMP_NUM_THREADS`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion's macros, and a benchmark may fail"
)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nnunet_model::{Arithmetic, Device, Tensor, UNet};
use nnunet_schema::{Configuration, DatasetDescription};
use nnunet_train::loss::DicePooling;
use nnunet_train::{Optimizer, SegmentationLoss, TrainingConfig};
use serde_json::json;
use tch::Kind;

const PATCH: [i64; 3] = [40, 56, 40];
const SAMPLES: i64 = 2;
const HEADS: usize = 3;

fn configuration(features: usize) -> Configuration {
    let resampling = json!({"is_seg": false, "order": 1});
    let triples = |v: usize| vec![v; 3];
    let widths = [1, 2, 4, 8].map(|v| v * features);
    serde_json::from_value(json!({
        "data_identifier": "x", "preprocessor_name": "DefaultPreprocessor",
        "batch_size": SAMPLES, "patch_size": PATCH, "median_image_size_in_voxels": PATCH,
        "spacing": [1.0, 1.0, 1.0], "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [false], "resampling_fn_data": "f", "resampling_fn_seg": "f",
        "resampling_fn_data_kwargs": resampling, "resampling_fn_seg_kwargs": resampling,
        "resampling_fn_probabilities": "f", "resampling_fn_probabilities_kwargs": resampling,
        "architecture": {
            "network_class_name": "PlainConvUNet", "_kw_requires_import": [],
            "arch_kwargs": {
                "n_stages": 4, "features_per_stage": widths,
                "conv_op": "Conv3d", "kernel_sizes": vec![triples(3); 4],
                "strides": [triples(1), triples(2), triples(2), triples(2)],
                "n_conv_per_stage": [2, 2, 2, 2], "n_conv_per_stage_decoder": [2, 2, 2],
                "conv_bias": true, "norm_op": "InstanceNorm3d",
                "norm_op_kwargs": {"eps": 1e-5, "affine": true}, "dropout_op": null,
                "dropout_op_kwargs": null, "nonlin": "LeakyReLU", "nonlin_kwargs": null
            }
        },
        "batch_dice": false
    }))
    .unwrap()
}

fn labels(divisor: i64) -> Tensor {
    let [z, y, x] = PATCH.map(|edge| edge / divisor);
    let count = SAMPLES * z * y * x;
    let values: Vec<i16> = (0..count)
        .map(|i| (i / 1000) as i16 % HEADS as i16)
        .collect();
    Tensor::from_slice(&values).view([SAMPLES, z, y, x])
}

fn step(criterion: &mut Criterion) {
    let description: DatasetDescription = serde_json::from_value(json!({
        "channel_names": {"0": "MRI"}, "labels": {"background": 0, "a": 1, "b": 2},
        "numTraining": 2, "file_ending": ".nii.gz"
    }))
    .unwrap();
    let scheme = description.label_scheme().unwrap();
    let mut group = criterion.benchmark_group("network_40x56x40_batch2");
    group.sample_size(10);
    let numbers = [Arithmetic::Single, Arithmetic::Bfloat16];
    let variants = [8, 32].map(|features| numbers.map(|numbers| (features, numbers)));
    for (features, arithmetic) in variants.into_iter().flatten() {
        let mut network = UNet::new(&configuration(features), 1, HEADS, Device::Cpu).unwrap();
        network.set_arithmetic(arithmetic);
        let name = format!("{features}/{arithmetic:?}");
        let weights = vec![2.0 / 3.0, 1.0 / 3.0, 0.0];
        let loss =
            SegmentationLoss::new(&scheme, DicePooling::Sample, weights, Device::Cpu).unwrap();
        let mut optimizer =
            Optimizer::new(network.parameters(), &TrainingConfig::default()).unwrap();
        let [z, y, x] = PATCH;
        let input = Tensor::arange(SAMPLES * z * y * x, (Kind::Float, Device::Cpu)).sin();
        let input = input.view([SAMPLES, 1, z, y, x]);
        let targets = [labels(1), labels(2)];
        group.bench_function(BenchmarkId::new("training_step", &name), |bencher| {
            bencher.iter(|| {
                let outputs = network.forward_outputs(&input, 2).unwrap();
                let total = loss.total(&outputs, &targets).unwrap();
                drop(outputs);
                let found = optimizer.backward(&total).unwrap();
                optimizer.step(1e-4, found.gradient_norm).unwrap();
            });
        });
        group.bench_function(BenchmarkId::new("inference", &name), |bencher| {
            bencher.iter(|| black_box(network.infer(&input).unwrap()));
        });
    }
    group.finish();
}

criterion_group!(benches, step);
criterion_main!(benches);
