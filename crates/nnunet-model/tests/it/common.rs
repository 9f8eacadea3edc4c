//! Fixtures and small networks.

use std::fs::File;
use std::path::{Path, PathBuf};

use ndarray_npy::ReadableElement;
use nnunet_model::{Device, NetworkSpec, Tensor, UNet};
use nnunet_schema::Configuration;
use serde_json::{Value, json};

/// The folder of network fixtures, if this machine has it.
pub(crate) fn fixtures(test: &str) -> Option<PathBuf> {
    shared("network", test)
}

/// A folder of fixtures, if this machine has it.
pub(crate) fn shared(kind: &str, test: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("NNUNET_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let folder = shared.join("fixtures").join(kind);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {test} needs the shared fixtures");
    None
}

pub(crate) fn index(folder: &Path) -> Value {
    serde_json::from_reader(File::open(folder.join("index.json")).unwrap()).unwrap()
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

/// The configuration, input channels and classes of a fixture.
pub(crate) fn fixture_spec(index: &Value, name: &str) -> NetworkSpec {
    let entry = &index[name];
    let arguments = &entry["kwargs"];
    let number = |key: &str| arguments[key].as_u64().unwrap() as usize;
    let input: Vec<usize> = serde_json::from_value(entry["input"].clone()).unwrap();
    let class = entry["arch"].as_str().unwrap();
    let configuration = configuration(class, arguments, &input[2..]);
    NetworkSpec::new(
        &configuration,
        number("input_channels"),
        number("num_classes"),
    )
    .unwrap()
}

/// A 3D network of three stages with this many features in the first.
pub(crate) fn small_arguments(features: usize) -> Value {
    json!({
        "n_stages": 3, "features_per_stage": [features, 2 * features, 4 * features],
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
        "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
        "n_conv_per_stage": [2, 2, 2], "n_conv_per_stage_decoder": [2, 2], "conv_bias": true,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": true}, "dropout_op": null,
        "dropout_op_kwargs": null, "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": true}
    })
}

pub(crate) fn small_configuration() -> Configuration {
    configuration("a.PlainConvUNet", &small_arguments(4), &[8, 16, 16])
}

pub(crate) fn small_network() -> UNet {
    UNet::new(&small_configuration(), 1, 3, Device::Cpu).unwrap()
}

pub(crate) fn npy<T: ReadableElement + tch::kind::Element>(path: &Path) -> Tensor {
    let array: ndarray::ArrayD<T> = ndarray_npy::read_npy(path).unwrap();
    let shape: Vec<i64> = array.shape().iter().map(|v| *v as i64).collect();
    Tensor::from_slice(array.as_standard_layout().as_slice().unwrap()).view(shape.as_slice())
}

pub(crate) fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[])
}
