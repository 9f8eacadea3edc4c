//! The cost of everything but the network: cutting windows, weighting, adding up, dividing,
//! deciding. A network that answers at once predicts 200³ voxels in 216 windows of 64³, 3 classes.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array4;
use nnunet_image::{CropBox, Geometry};
use nnunet_infer::{InferError, Mirroring, Network, PredictOptions, Recipe, predict_with_network};
use nnunet_model::{Device, Tensor};
use nnunet_preprocess::{CaseProperties, ClassLocations};
use nnunet_schema::{AxisPermutation, DatasetDescription, Plans, Shape, Spacing};
use serde_json::json;

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

fn plans() -> Result<Plans, serde_json::Error> {
    let resampling = json!({"order": 1});
    let function = "resample_data_or_seg_to_shape";
    let configuration = json!({
        "data_identifier": "test", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2,
        "patch_size": [64, 64, 64], "median_image_size_in_voxels": [64, 64, 64],
        "spacing": [1.0, 1.0, 1.0], "normalization_schemes": ["NoNormalization"],
        "use_mask_for_norm": [false], "resampling_fn_data": function,
        "resampling_fn_seg": function, "resampling_fn_data_kwargs": resampling,
        "resampling_fn_seg_kwargs": resampling, "resampling_fn_probabilities": function,
        "resampling_fn_probabilities_kwargs": resampling,
        "architecture": {"network_class_name": "a.PlainConvUNet", "arch_kwargs": {
            "n_stages": 1, "features_per_stage": [2], "conv_op": "Conv3d",
            "kernel_sizes": [[3, 3, 3]], "strides": [[1, 1, 1]], "n_conv_per_stage": [1],
            "n_conv_per_stage_decoder": [], "conv_bias": true, "norm_op": null,
            "norm_op_kwargs": null, "dropout_op": null, "dropout_op_kwargs": null,
            "nonlin": null, "nonlin_kwargs": null}},
        "batch_dice": true
    });
    serde_json::from_value(json!({
        "dataset_name": "Dataset001_Bench", "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [1.0, 1.0, 1.0],
        "original_median_shape_after_transp": [200, 200, 200],
        "image_reader_writer": "SimpleITKIO", "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2], "configurations": {"test": configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "foreground_intensity_properties_per_channel": {}
    }))
}

fn dataset() -> Result<DatasetDescription, serde_json::Error> {
    serde_json::from_value(json!({"channel_names": {"0": "MRI"}, "numTraining": 1,
        "labels": {"background": 0, "a": 1, "b": 2}, "file_ending": ".nii.gz"}))
}

fn case(preprocessed: Shape, original: Shape) -> CaseProperties {
    CaseProperties {
        spacing: Spacing::ISOTROPIC_1MM,
        geometry: Geometry::axis_aligned(Spacing::ISOTROPIC_1MM),
        transpose_forward: AxisPermutation::IDENTITY,
        shape_before_cropping: original,
        bbox_used_for_cropping: CropBox::whole(original),
        shape_after_cropping_and_before_resampling: original,
        shape_after_resampling: preprocessed,
        class_locations: ClassLocations::default(),
    }
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
    let (Ok(plans), Ok(dataset)) = (plans(), dataset()) else {
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
        let properties = case(Shape::new(preprocessed), Shape::new(original));
        let [z, y, x] = preprocessed;
        let data = Array4::<f32>::zeros((1, z, y, x));
        group.throughput(Throughput::Elements(
            properties.shape_before_cropping.volume() as u64,
        ));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                predict_with_network(&network, &recipe, "bench", data.view(), &properties)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, sliding);
criterion_main!(benches);
