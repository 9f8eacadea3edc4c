//! The cost of everything but the network: cutting windows, weighting, adding up, dividing,
//! deciding. A network that answers at once predicts 200³ voxels in 216 windows of 64³, 3 classes.
//! `sliding.py` beside this file is the same of the Python program.
#![allow(clippy::print_stdout)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array4;
use nnunet_infer::{InferError, Mirroring, Network, PredictOptions, Recipe, predict_with_network};
use nnunet_model::{Device, Tensor};
use nnunet_schema::{DatasetDescription, Shape};
use serde_json::json;

mod support;

/// A network that has its answer ready.
#[derive(Debug)]
struct Constant(Tensor);

impl Network for Constant {
    fn device(&self) -> Device {
        Device::Cpu
    }
    fn forward(&self, _: &Tensor) -> Result<Tensor, InferError> {
        Ok(self.0.shallow_clone())
    }
}

fn dataset() -> Result<DatasetDescription, serde_json::Error> {
    serde_json::from_value(json!({"channel_names": {"0": "MRI"}, "numTraining": 1,
        "labels": {"background": 0, "a": 1, "b": 2}, "file_ending": ".nii.gz"}))
}

fn sliding(criterion: &mut Criterion) {
    // Libtorch only copies here; its idle threads would spin on the cores that are measured.
    tch::set_num_threads(1);
    let network = Constant(Tensor::rand(
        [1, 3, 64, 64, 64],
        (tch::Kind::Float, Device::Cpu),
    ));
    let options = PredictOptions {
        mirroring: Mirroring::Off,
        ..PredictOptions::default()
    };
    let (Ok(plans), Ok(dataset)) = (support::plans([64; 3], 1.0), dataset()) else {
        return;
    };
    let Ok(recipe) = Recipe::new(&plans, "test", &dataset, &[], &options) else {
        return;
    };
    let mut group = criterion.benchmark_group("sliding");
    group.sample_size(10);
    let runs = [
        (
            "216x64^3/3 classes, 200^3",
            [200, 200, 200],
            [200, 200, 200],
        ),
        (
            "18x64^3/3 classes, 100x200x200 to 150x286x286",
            [100, 200, 200],
            [150, 286, 286],
        ),
    ];
    for (name, preprocessed, original) in runs {
        let properties = support::case(Shape::new(preprocessed), Shape::new(original));
        let [z, y, x] = preprocessed;
        let mut data = Array4::<f32>::zeros((1, z, y, x));
        // Not only promised by the system, so that the image counts as there before.
        data.fill(0.5);
        let before = support::memory("VmRSS");
        group.throughput(Throughput::Elements(
            properties.shape_before_cropping.volume() as u64,
        ));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                predict_with_network(&network, &recipe, "bench", data.view(), &properties)
            });
        });
        let peak = support::memory("VmHWM").saturating_sub(before);
        println!("{name}: peak {peak} MB above {before} MB");
    }
    group.finish();
}

criterion_group!(benches, sliding);
criterion_main!(benches);
