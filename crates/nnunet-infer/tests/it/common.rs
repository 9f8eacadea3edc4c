//! Small plans, cases and networks.

use std::path::PathBuf;

use ndarray::Array4;
use nnunet_image::{CropBox, Geometry};
use nnunet_infer::{InferError, Network};
use nnunet_model::{Device, Tensor};
use nnunet_preprocess::{CaseProperties, ClassLocations};
use nnunet_schema::{AxisPermutation, DatasetDescription, Plans, RuleSet, Shape, Spacing};
use serde_json::{Value, json};

/// What plans differ in.
#[derive(Clone, Debug)]
pub(crate) struct PlanOf {
    pub(crate) rules: RuleSet,
    pub(crate) patch: Vec<usize>,
    pub(crate) spacing: [f64; 3],
    pub(crate) transpose: [usize; 3],
    pub(crate) channels: usize,
}

impl Default for PlanOf {
    fn default() -> Self {
        Self {
            rules: RuleSet::V2,
            patch: vec![8, 8, 8],
            spacing: [1.0; 3],
            transpose: [0, 1, 2],
            channels: 1,
        }
    }
}

/// Plans with the one configuration `test`: a network of three stages with very few features.
pub(crate) fn plans(of: &PlanOf) -> Plans {
    let axes = of.patch.len();
    let resampling = |order: u8, is_seg: bool| {
        let (order_z, force) = (0, Value::Null);
        json!({"is_seg": is_seg, "order": order, "order_z": order_z, "force_separate_z": force})
    };
    let function = "resample_data_or_seg_to_shape";
    let per_stage = |value: usize| vec![vec![value; axes]; 3];
    let mut strides = per_stage(2);
    strides[0] = vec![1; axes];
    let configuration = json!({
        "data_identifier": "test", "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2, "patch_size": of.patch, "median_image_size_in_voxels": of.patch,
        "spacing": of.spacing[3 - axes..], "normalization_schemes":
            vec!["NoNormalization"; of.channels],
        "use_mask_for_norm": vec![false; of.channels],
        "resampling_fn_data": function, "resampling_fn_seg": function,
        "resampling_fn_data_kwargs": resampling(3, false),
        "resampling_fn_seg_kwargs": resampling(1, true),
        "resampling_fn_probabilities": function,
        "resampling_fn_probabilities_kwargs": resampling(1, false),
        "architecture": {"network_class_name": "a.PlainConvUNet", "arch_kwargs": {
            "n_stages": 3, "features_per_stage": [2, 4, 4],
            "conv_op": format!("torch.nn.modules.conv.Conv{axes}d"),
            "kernel_sizes": per_stage(3), "strides": strides, "n_conv_per_stage": [1, 1, 1],
            "n_conv_per_stage_decoder": [1, 1], "conv_bias": true,
            "norm_op": format!("torch.nn.modules.instancenorm.InstanceNorm{axes}d"),
            "norm_op_kwargs": {"eps": 1e-5, "affine": true}, "dropout_op": null,
            "dropout_op_kwargs": null, "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": true}}, "_kw_requires_import": ["conv_op"]},
        "batch_dice": true
    });
    let transpose = AxisPermutation::new(of.transpose).unwrap();
    serde_json::from_value(json!({
        "dataset_name": "Dataset001_Test", "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": of.spacing,
        "original_median_shape_after_transp": [8, 8, 8],
        "image_reader_writer": "SimpleITKIO", "transpose_forward": transpose.forward(),
        "transpose_backward": transpose.backward(),
        "configurations": {"test": configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "foreground_intensity_properties_per_channel": {},
        "planning": {"rules": of.rules, "gpu_memory_gb": 8.0}
    }))
    .unwrap()
}

/// A dataset with these labels.
pub(crate) fn dataset(channels: usize, labels: Value) -> DatasetDescription {
    let names: serde_json::Map<_, _> = (0..channels)
        .map(|c| (c.to_string(), json!("MRI")))
        .collect();
    let mut description = json!({"channel_names": names, "labels": labels, "numTraining": 5,
        "file_ending": ".nii.gz"});
    if description["labels"]["whole"].is_array() {
        description["regions_class_order"] = json!([1, 2]);
    }
    serde_json::from_value(description).unwrap()
}

/// Background and one label.
pub(crate) fn one_label() -> Value {
    json!({"background": 0, "thing": 1})
}

/// A network that is any function of the windows.
pub(crate) struct Function<F>(pub(crate) F);

impl<F> std::fmt::Debug for Function<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Function")
    }
}

impl<F: Fn(&Tensor) -> Tensor> Network for Function<F> {
    fn device(&self) -> Device {
        Device::Cpu
    }
    fn forward(&self, windows: &Tensor) -> Result<Tensor, InferError> {
        Ok(self.0(windows))
    }
}

/// A network that gives every voxel the same logits.
pub(crate) fn constant(logits: &'static [f32]) -> Function<impl Fn(&Tensor) -> Tensor> {
    Function(move |windows: &Tensor| {
        let mut size = windows.size();
        size[1] = logits.len() as i64;
        let mut shape = vec![1; size.len()];
        shape[1] = logits.len() as i64;
        Tensor::from_slice(logits)
            .view(shape.as_slice())
            .expand(size, false)
    })
}

/// A network whose foreground logit is the first channel minus `threshold`, against 0.
pub(crate) fn above(threshold: f64) -> Function<impl Fn(&Tensor) -> Tensor> {
    Function(move |windows: &Tensor| {
        let first = windows.narrow(1, 0, 1);
        Tensor::cat(&[first.zeros_like(), first - threshold], 1)
    })
}

/// Properties of a case that was neither cropped, transposed nor resampled.
pub(crate) fn plain_properties(shape: Shape) -> CaseProperties {
    CaseProperties {
        spacing: Spacing::ISOTROPIC_1MM,
        geometry: Geometry::axis_aligned(Spacing::ISOTROPIC_1MM),
        transpose_forward: AxisPermutation::IDENTITY,
        shape_before_cropping: shape,
        bbox_used_for_cropping: CropBox::whole(shape),
        shape_after_cropping_and_before_resampling: shape,
        shape_after_resampling: shape,
        class_locations: ClassLocations::default(),
    }
}

/// Values that look random and are the same every time, around zero.
pub(crate) fn noise(channels: usize, shape: Shape) -> Array4<f32> {
    let [z, y, x] = shape.voxels();
    let mut state = 1_u32;
    Array4::from_shape_simple_fn((channels, z, y, x), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
}

/// A file among the shared fixtures, or none (and a line that says so) where there are none.
pub(crate) fn fixture(test: &str, path: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("NNUNET_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let file = shared.join("fixtures").join(path);
    if file.exists() {
        return Some(file);
    }
    println!("skipped: {test} needs the shared fixtures");
    None
}
