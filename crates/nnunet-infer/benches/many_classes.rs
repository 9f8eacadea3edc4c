//! Export of many classes: 104 of 200×200×267 voxels to labels of 300×300×400, with the peak of
//! memory beyond the outputs themselves. Not criterion's: one run is long, and memory is a result.
//! Without `--bench` (as a test) everything is small.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use ndarray::Array4;
use nnunet_image::{CropBox, Geometry};
use nnunet_infer::{PredictOptions, Recipe};
use nnunet_preprocess::{CaseProperties, ClassLocations};
use nnunet_schema::{AxisPermutation, DatasetDescription, Plans, Shape, Spacing};
use serde_json::{Map, json};

/// A line of `/proc/self/status` in megabytes: `VmHWM` is the peak, `VmRSS` what there is now.
fn memory(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(key));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
        / 1_000_000
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let full = std::env::args().any(|argument| argument == "--bench");
    let (classes, from, to) = match full {
        true => (104, [200, 200, 267], [300, 300, 400]),
        false => (5, [20, 20, 27], [30, 30, 40]),
    };
    let labels: Map<_, _> = (0..classes)
        .map(|label| {
            let name = if label == 0 {
                "background".to_owned()
            } else {
                format!("l{label}")
            };
            (name, json!(label))
        })
        .collect();
    let dataset: DatasetDescription = serde_json::from_value(json!({
        "channel_names": {"0": "CT"}, "numTraining": 1, "labels": labels,
        "file_ending": ".nii.gz"}))?;
    let recipe = Recipe::new(&plans()?, "test", &dataset, &[], &PredictOptions::default())?;
    let whole = Shape::new(to);
    let spacing = Spacing::ISOTROPIC_1MM;
    let properties = CaseProperties {
        spacing,
        geometry: Geometry::axis_aligned(spacing),
        transpose_forward: AxisPermutation::IDENTITY,
        shape_before_cropping: whole,
        bbox_used_for_cropping: CropBox::whole(whole),
        shape_after_cropping_and_before_resampling: whole,
        shape_after_resampling: Shape::new(from),
        class_locations: ClassLocations::default(),
    };
    let mut state = 1_u32;
    let outputs = Array4::from_shape_simple_fn((classes, from[0], from[1], from[2]), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as f32
    });
    let before = memory("VmRSS");
    let runs = if full { 3 } else { 1 };
    for _ in 0..runs {
        let start = Instant::now();
        let map = recipe.label("bench", outputs.view(), &properties, None)?;
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{classes} classes to {}: {seconds:.2} s; peak {} MB above {before} MB",
            map.shape(),
            memory("VmHWM").saturating_sub(before)
        );
    }
    Ok(())
}

fn plans() -> Result<Plans, serde_json::Error> {
    let resampling = json!({"order": 1});
    let function = "resample_data_or_seg_to_shape";
    let configuration = json!({
        "data_identifier": "test", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2,
        "patch_size": [128, 128, 128], "median_image_size_in_voxels": [200, 200, 267],
        "spacing": [1.5, 1.5, 1.5], "normalization_schemes": ["CTNormalization"],
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
        "original_median_shape_after_transp": [300, 300, 400],
        "image_reader_writer": "SimpleITKIO", "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2], "configurations": {"test": configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "foreground_intensity_properties_per_channel": {}
    }))
}
