//! Plans and cases that the benchmarks share.

use nnunet_image::{CropBox, Geometry};
use nnunet_preprocess::{CaseProperties, ClassLocations};
use nnunet_schema::{AxisPermutation, Plans, Shape, Spacing};
use serde_json::json;

/// Plans with the one configuration `test`: windows of this shape, equal voxels of this edge.
pub(crate) fn plans(patch: [usize; 3], edge_mm: f64) -> Result<Plans, serde_json::Error> {
    let (resampling, spacing) = (json!({"order": 1}), [edge_mm; 3]);
    let function = "resample_data_or_seg_to_shape";
    let configuration = json!({
        "data_identifier": "test", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2,
        "patch_size": patch, "median_image_size_in_voxels": patch,
        "spacing": spacing, "normalization_schemes": ["NoNormalization"],
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
        "original_median_spacing_after_transp": spacing,
        "original_median_shape_after_transp": patch,
        "image_reader_writer": "SimpleITKIO", "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2], "configurations": {"test": configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "foreground_intensity_properties_per_channel": {}
    }))
}

/// A case of voxels of 1 mm that was not cropped, of `original` voxels that became `preprocessed`.
pub(crate) fn case(preprocessed: Shape, original: Shape) -> CaseProperties {
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

/// A line of `/proc/self/status` in megabytes: `VmHWM` is the peak, `VmRSS` what there is now.
pub(crate) fn memory(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(key));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
        / 1_000_000
}
