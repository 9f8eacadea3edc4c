//! Batches from the preprocessed store.

use std::sync::Arc;

use nnunet_augment::{
    Augmentation, BatchLoader, CaseSource, ForegroundRule, LoaderConfig, LoaderMode, VoxelGroup,
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
    let case = phantom::case(number, SHAPE, 1);
    let shape = Shape::new(SHAPE);
    let whole = CropBox::whole(shape);
    let labels = CaseSource::read_labels(&case, whole).unwrap();
    let description = description();
    let scheme = description.label_scheme().unwrap();
    let stored = PreprocessedCase {
        data: CaseSource::read_data(&case, whole).unwrap(),
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
    store.open_case("stored").unwrap()
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
