use std::path::{Path, PathBuf};

use ndarray::{Array3, Array4, Axis};
use ndarray_npy::{ReadableElement, read_npy};
use nnunet_image::{CropBox, Geometry, Image, LabelMap};
use nnunet_schema::{DatasetDescription, Plans, Spacing, python_json};
use serde_json::{Value, json};

/// A folder of the shared fixtures and data; `None`, with a word, where there are none.
pub(crate) fn shared(what: &str, test: &str) -> Option<PathBuf> {
    let root = std::env::var_os("NNUNET_SHARED").map_or_else(
        || Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")).to_path_buf(),
        PathBuf::from,
    );
    let path = root.join(what);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {test} needs the shared fixtures");
    None
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub(crate) fn from_json<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

pub(crate) fn npy4<T: ReadableElement>(path: &Path) -> Array4<T> {
    read_npy(path).unwrap()
}

/// The only channel of a stored label map.
pub(crate) fn npy_labels(path: &Path) -> Array3<i16> {
    npy4::<i16>(path).index_axis_move(Axis(0), 0)
}

pub(crate) fn crop_box(bounds: [[usize; 2]; 3]) -> CropBox {
    from_json(&json!(bounds))
}

/// Checks images: the largest deviation and the mean one, as parts of the expected range.
pub(crate) fn assert_images_close<'a>(
    name: &str,
    found: impl IntoIterator<Item = &'a f32>,
    expected: impl IntoIterator<Item = &'a f32> + Clone,
) {
    let finite = |v: &f32| f64::from(*v);
    let low = expected
        .clone()
        .into_iter()
        .map(finite)
        .fold(f64::MAX, f64::min);
    let high = expected
        .clone()
        .into_iter()
        .map(finite)
        .fold(f64::MIN, f64::max);
    let range = (high - low).max(f64::MIN_POSITIVE);
    let mut count = 0.0;
    let mut sum = 0.0;
    let mut largest = 0.0_f64;
    for (f, e) in found.into_iter().zip(expected) {
        let deviation = (f64::from(*f) - f64::from(*e)).abs() / range;
        sum += deviation;
        count += 1.0;
        largest = largest.max(deviation);
    }
    println!("{name}: max {largest:.2e} mean {:.2e}", sum / count);
    assert!(largest <= 1e-4, "{name}: largest deviation {largest:e}");
    assert!(
        sum / count <= 1e-6,
        "{name}: mean deviation {:e}",
        sum / count
    );
}

pub(crate) fn description(labels: Value, channels: usize) -> DatasetDescription {
    let names: serde_json::Map<_, _> = (0..channels)
        .map(|i| (i.to_string(), json!("MRI")))
        .collect();
    from_json(&json!({
        "channel_names": names, "labels": labels, "numTraining": 2, "file_ending": ".nii.gz"
    }))
}

/// Plans with one 3D and one 2D configuration of spacing 1 mm and the patch 8×8×8.
pub(crate) fn plans(channels: usize, rules: &str) -> Plans {
    let configuration = |axes: usize| {
        json!({
            "data_identifier": "x", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2,
            "patch_size": vec![8; axes], "median_image_size_in_voxels": vec![8.0; axes],
            "spacing": vec![1.0; axes],
            "normalization_schemes": vec!["ZScoreNormalization"; channels],
            "use_mask_for_norm": vec![false; channels],
            "resampling_fn_data": "resample_data_or_seg_to_shape",
            "resampling_fn_seg": "resample_data_or_seg_to_shape",
            "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
            "resampling_fn_data_kwargs":
                {"is_seg": false, "order": 3, "order_z": 0, "force_separate_z": null},
            "resampling_fn_seg_kwargs":
                {"is_seg": true, "order": 1, "order_z": 0, "force_separate_z": null},
            "resampling_fn_probabilities_kwargs":
                {"is_seg": false, "order": 1, "order_z": 0, "force_separate_z": null},
            "batch_dice": false,
            "architecture": {
                "network_class_name": "PlainConvUNet",
                "arch_kwargs": {
                    "n_stages": 2, "features_per_stage": [8, 16], "conv_op": "c",
                    "kernel_sizes": [vec![3; axes], vec![3; axes]],
                    "strides": [vec![1; axes], vec![2; axes]],
                    "n_conv_per_stage": [2, 2], "n_conv_per_stage_decoder": [2],
                    "conv_bias": true, "norm_op": null, "norm_op_kwargs": null,
                    "dropout_op": null, "dropout_op_kwargs": null,
                    "nonlin": null, "nonlin_kwargs": null
                },
                "_kw_requires_import": []
            }
        })
    };
    from_json(&json!({
        "dataset_name": "Dataset001_Test", "plans_name": "testPlans",
        "original_median_spacing_after_transp": [1.0, 1.0, 1.0],
        "original_median_shape_after_transp": [8, 8, 8],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2],
        "configurations": {"2d": configuration(2), "3d_fullres": configuration(3)},
        "experiment_planner_used": "ExperimentPlanner", "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {},
        "planning": {"rules": rules, "gpu_memory_gb": 8.0}
    }))
}

pub(crate) fn load_plans(path: &Path) -> Plans {
    python_json::load(path).unwrap()
}

/// A deterministic image that is zero in a margin of one voxel.
pub(crate) fn image(channels: usize, shape: [usize; 3], spacing: [f64; 3]) -> Image {
    let [z, y, x] = shape;
    let data = Array4::from_shape_fn((channels, z, y, x), |(c, i, j, k)| {
        let inside = |v: usize, n: usize| n < 3 || (v > 0 && v + 1 < n);
        if inside(i, z) && inside(j, y) && inside(k, x) {
            1.0 + c as f32 + ((i * 7 + j * 13 + k * 29) % 17) as f32
        } else {
            0.0
        }
    });
    let geometry = Geometry::axis_aligned(Spacing::new(spacing).unwrap());
    Image { data, geometry }
}

/// Labels 0, 1 and 2 in boxes.
pub(crate) fn labels(of: &Image) -> LabelMap {
    let [z, y, x] = of.shape().voxels();
    let labels = Array3::from_shape_fn((z, y, x), |(i, j, k)| {
        let middle = |v: usize, n: usize| 4 * v > n && 4 * v < 3 * n;
        i16::from(middle(j, y) && middle(k, x)) * if 2 * i > z { 2 } else { 1 }
    });
    LabelMap {
        labels,
        geometry: of.geometry,
    }
}
