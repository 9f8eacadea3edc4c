//! Batches from the preprocessed store.

use std::sync::Arc;

use ndarray::{Array3, Array4};
use nnunet_augment::{
    Augmentation, BatchLoader, CascadeCase, CaseSource, ForegroundRule, LoaderConfig, LoaderMode,
    VoxelGroup,
};
use nnunet_image::{CropBox, Geometry};
use nnunet_preprocess::{
    CaseProperties, CaseStore, ClassLocations, PreprocessedCase, StoreHeader, StoredCase,
};
use nnunet_schema::{AxisPermutation, DatasetDescription, Plans, Shape, Spacing};
use serde_json::json;

use crate::phantom;

const SHAPE: [usize; 3] = [21, 25, 30];

fn description() -> DatasetDescription {
    serde_json::from_value(json!({
        "channel_names": {"0": "MRI"}, "numTraining": 1, "file_ending": ".nii.gz",
        "labels": {"background": 0, "one": 1, "two": 2, "ignore": 3}
    }))
    .unwrap()
}

fn plans() -> Plans {
    let resampling = json!({"is_seg": false, "order": 1});
    let configuration = json!({
        "data_identifier": "x", "preprocessor_name": "DefaultPreprocessor", "batch_size": 3,
        "patch_size": [12, 16, 16], "median_image_size_in_voxels": [21.0, 25.0, 30.0],
        "spacing": [1.0, 1.0, 1.0], "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [true],
        "resampling_fn_data": "f", "resampling_fn_seg": "f", "resampling_fn_probabilities": "f",
        "resampling_fn_data_kwargs": resampling, "resampling_fn_seg_kwargs": resampling,
        "resampling_fn_probabilities_kwargs": resampling,
        "batch_dice": false,
        "architecture": {
            "network_class_name": "PlainConvUNet", "_kw_requires_import": [],
            "arch_kwargs": {
                "n_stages": 3, "features_per_stage": [8, 16, 32], "conv_op": "c",
                "kernel_sizes": [[3, 3, 3], [3, 3, 3], [3, 3, 3]],
                "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
                "n_conv_per_stage": [2, 2, 2], "n_conv_per_stage_decoder": [2, 2],
                "conv_bias": true, "norm_op": null, "norm_op_kwargs": null, "dropout_op": null,
                "dropout_op_kwargs": null, "nonlin": null, "nonlin_kwargs": null
            }
        }
    });
    serde_json::from_value(json!({
        "dataset_name": "Dataset001_Test", "plans_name": "testPlans",
        "original_median_spacing_after_transp": [1.0, 1.0, 1.0],
        "original_median_shape_after_transp": SHAPE, "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2],
        "configurations": {"3d_fullres": configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "foreground_intensity_properties_per_channel": {}
    }))
    .unwrap()
}

/// The phantom of this number in a store.
fn store(folder: &std::path::Path, number: usize) -> StoredCase {
    fill(folder, number).open_case("stored").unwrap()
}

fn fill(folder: &std::path::Path, number: usize) -> CaseStore {
    let case = phantom::case(number, SHAPE, 1);
    let shape = Shape::new(SHAPE);
    let whole = CropBox::whole(shape);
    let labels = CaseSource::read_labels(&case, whole).unwrap();
    let data = CaseSource::read_data(&case, whole).unwrap();
    write(folder, data, labels)
}

/// A store of one case.
fn write(folder: &std::path::Path, data: Array4<f32>, labels: Array3<i16>) -> CaseStore {
    let shape = Shape::new(SHAPE);
    let whole = CropBox::whole(shape);
    let description = description();
    let scheme = description.label_scheme().unwrap();
    let stored = PreprocessedCase {
        data,
        properties: CaseProperties {
            spacing: Spacing::ISOTROPIC_1MM,
            geometry: Geometry::axis_aligned(Spacing::ISOTROPIC_1MM),
            transpose_forward: AxisPermutation::IDENTITY,
            shape_before_cropping: shape,
            bbox_used_for_cropping: whole,
            shape_after_cropping_and_before_resampling: shape,
            shape_after_resampling: shape,
            class_locations: ClassLocations::draw(labels.view(), &scheme),
        },
        labels,
    };
    let header = StoreHeader::new(&plans(), "3d_fullres", &description).unwrap();
    let store = CaseStore::create(folder, header).unwrap();
    store.write("stored", &stored).unwrap();
    store
}

#[test]
fn a_stored_case_gives_the_voxels_of_its_classes() {
    let folder = tempfile::tempdir().unwrap();
    let stored = store(folder.path(), 0);
    let whole = CropBox::whole(Shape::new(SHAPE));
    let labels = CaseSource::read_labels(&stored, whole).unwrap();
    let groups = stored.voxel_groups();
    let names: Vec<_> = groups.iter().map(|(group, _)| *group).collect();
    use VoxelGroup::{Annotated, Class};
    assert_eq!(names, [Class(0), Class(1), Annotated]);
    for (group, count) in groups {
        assert!(count > 0);
        for index in 0..count {
            let label = labels[stored.voxel(group, index).unwrap()];
            match group {
                Class(number) => assert_eq!(label as usize, number + 1),
                Annotated => assert!(label < 3),
            }
        }
        assert!(stored.voxel(group, count).is_err());
    }
    assert!(stored.voxel(Class(7), 0).is_err());
}

#[test]
fn batches_are_those_of_the_same_case_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let sources: [Arc<dyn CaseSource>; 2] = [
        Arc::new(store(folder.path(), 0)),
        Arc::new(phantom::case(0, SHAPE, 1)),
    ];
    let configuration = plans().configuration("3d_fullres").unwrap();
    let [stored, in_memory] = sources.map(|source| {
        let mode = LoaderMode::Training(Augmentation::paper());
        let mut config = LoaderConfig::for_configuration(mode, &configuration);
        assert_eq!(config.batch_size, 3);
        assert_eq!(config.output_divisors, [[1, 1, 1], [1, 2, 2]]);
        assert_eq!(config.masked_channels, [true]);
        // The store keeps its voxels in another order, so only free crops can be compared.
        config.foreground = ForegroundRule::Share(0.0);
        let mut loader = BatchLoader::new(vec![source], config, 1).unwrap();
        loader.request(0, 0..20);
        loader.map(Result::unwrap).collect::<Vec<_>>()
    });
    for (a, b) in stored.iter().zip(&in_memory) {
        assert_eq!(a.data, b.data);
        assert_eq!(a.targets, b.targets);
    }
    assert_eq!(stored.len(), 20);
}

#[test]
fn a_case_that_vanishes_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let stored: Arc<dyn CaseSource> = Arc::new(store(folder.path(), 0));
    let configuration = plans().configuration("3d_fullres").unwrap();
    let config = LoaderConfig::for_configuration(LoaderMode::Validation, &configuration);
    let mut loader = BatchLoader::new(vec![stored], config, 1).unwrap();
    folder.close().unwrap();
    loader.request(0, 0..1);
    let error = loader.next_batch().unwrap().unwrap_err().to_string();
    assert!(error.contains("case `stored`"), "{error}");
}

#[test]
fn the_previous_stage_is_a_store_of_label_maps() {
    let folder = tempfile::tempdir().unwrap();
    let cases = fill(&folder.path().join("cases"), 0);
    // The previous stage missed label 2. Its store needs no images.
    let [z, y, x] = SHAPE;
    let labels = phantom::case(0, SHAPE, 1).read_labels(CropBox::whole(Shape::new(SHAPE)));
    let found = labels
        .unwrap()
        .mapv(|label| if label == 2 { 0 } else { label });
    let no_image = Array4::zeros((0, z, y, x));
    let previous = write(&folder.path().join("previous"), no_image, found);

    let case: Arc<dyn CaseSource> =
        Arc::new(CascadeCase::open(&cases, &previous, "stored").unwrap());
    assert_eq!((case.id(), case.channels()), ("stored", 1));
    let configuration = plans().configuration("3d_fullres").unwrap();
    let mut config = LoaderConfig::for_configuration(LoaderMode::Validation, &configuration);
    config.previous_labels = description().label_scheme().unwrap().foreground_labels();
    let mut loader = BatchLoader::new(vec![case], config, 1).unwrap();
    loader.request(0, 0..10);
    let mut seen = 0;
    for batch in loader {
        let batch = batch.unwrap();
        let [samples, channels, ..] = batch.shape;
        assert_eq!((samples, channels), (3, 3));
        let labels = &batch.targets[0].labels;
        let volume = labels.len() / samples;
        for (sample, labels) in batch
            .data
            .chunks_exact(3 * volume)
            .zip(labels.chunks(volume))
        {
            let (one, two) = sample[volume..].split_at(volume);
            assert!((one.iter().zip(labels)).all(|(v, l)| *v == f32::from(u8::from(*l == 1))));
            assert!(two.iter().all(|v| *v == 0.0));
            seen += labels.iter().filter(|l| **l == 1).count();
        }
    }
    assert!(seen > 100, "{seen}");
    let error = CascadeCase::open(&cases, &previous, "other")
        .unwrap_err()
        .to_string();
    assert!(error.contains("`other`"), "{error}");
}

#[test]
fn a_damaged_store_entry_is_named_and_the_loader_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let stored: Arc<dyn CaseSource> = Arc::new(store(folder.path(), 0));
    let sound: Arc<dyn CaseSource> = Arc::new(phantom::case(1, SHAPE, 1));
    // Bytes in the middle of the intensities are overwritten.
    let mut damaged = 0;
    for file in files_below(&folder.path().join("stored.zarr/data")) {
        if file.file_name().is_some_and(|name| name != "zarr.json") {
            let mut bytes = std::fs::read(&file).unwrap();
            let (middle, end) = (bytes.len() / 8, bytes.len() * 7 / 8);
            bytes[middle..end].fill(0xff);
            std::fs::write(&file, bytes).unwrap();
            damaged += 1;
        }
    }
    assert!(damaged > 0);
    let configuration = plans().configuration("3d_fullres").unwrap();
    let mut config = LoaderConfig::for_configuration(LoaderMode::Validation, &configuration);
    config.batch_size = 1;
    let mut loader = BatchLoader::new(vec![stored, sound], config, 2).unwrap();
    loader.request(0, 0..20);
    let (good, bad): (Vec<_>, Vec<_>) = loader.partition(Result::is_ok);
    assert!(!good.is_empty() && !bad.is_empty());
    for batch in good {
        assert_eq!(batch.unwrap().cases, ["case_1"]);
    }
    for error in bad {
        let error = error.unwrap_err().to_string();
        let expected = "case `stored`: reading a crop failed";
        assert!(error.starts_with(expected), "{error}");
    }
}

fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}
