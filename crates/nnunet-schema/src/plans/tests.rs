use serde_json::json;

use super::*;

pub(super) fn configuration() -> Value {
    let resampling = json!({"is_seg": false, "order": 3, "order_z": 0,
        "force_separate_z": null});
    json!({
        "data_identifier": "nnUNetPlans_2d", "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2, "patch_size": [16, 24], "median_image_size_in_voxels": [16.0, 20.5],
        "spacing": [1.0, 0.5], "normalization_schemes": ["CTNormalization", "Mine"],
        "use_mask_for_norm": [false, false],
        "resampling_fn_data": "f", "resampling_fn_seg": "f",
        "resampling_fn_data_kwargs": resampling, "resampling_fn_seg_kwargs": resampling,
        "resampling_fn_probabilities": "f", "resampling_fn_probabilities_kwargs": resampling,
        "architecture": {"network_class_name": "a.PlainConvUNet", "arch_kwargs": {
            "n_stages": 2, "features_per_stage": [4, 8], "conv_op": "Conv2d",
            "kernel_sizes": [[3, 3], [3, 3]], "strides": [[1, 1], [2, 2]],
            "n_conv_per_stage": [2, 2], "n_conv_per_stage_decoder": [2], "conv_bias": true,
            "norm_op": "n", "norm_op_kwargs": {"eps": 1e-5}, "dropout_op": null,
            "dropout_op_kwargs": null, "nonlin": "l", "nonlin_kwargs": {"inplace": true}},
            "_kw_requires_import": ["conv_op"]},
        "batch_dice": true, "mine_too": 1
    })
}

pub(super) fn plans(configurations: Value) -> Plans {
    serde_json::from_value(json!({
        "dataset_name": "Dataset001_Test", "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [5.0, 1.0, 1.0],
        "original_median_shape_after_transp": [10, 20, 30],
        "image_reader_writer": "SimpleITKIO", "transpose_forward": [1, 0, 2],
        "transpose_backward": [1, 0, 2], "configurations": configurations,
        "experiment_planner_used": "ExperimentPlanner",
        "foreground_intensity_properties_per_channel": {}, "unknown": [1]
    }))
    .unwrap()
}

#[test]
fn a_configuration_round_trips_with_unknown_keys_and_key_order() {
    let mut p = plans(json!({"2d": configuration()}));
    let typed = p.configuration("2d").unwrap();
    assert_eq!(typed.dimensionality(), Dimensionality::Two);
    assert_eq!(typed.patch_shape().voxels(), [1, 16, 24]);
    assert_eq!(typed.strides(), [[1, 1, 1], [1, 2, 2]]);
    let before = serde_json::to_string(&p.configurations).unwrap();
    p.insert("2d", &typed).unwrap();
    assert_eq!(serde_json::to_string(&p.configurations).unwrap(), before);
}

#[test]
fn a_child_overlays_its_parent() {
    let p = plans(json!({
        "2d": configuration(),
        "child": {"inherits_from": "2d", "batch_size": 7}
    }));
    let child = p.configuration("child").unwrap();
    assert_eq!((child.batch_size, child.patch_size), (7, vec![16, 24]));
}

#[test]
fn circles_and_unknown_names_are_errors() {
    let p = plans(json!({
        "a": {"inherits_from": "b"}, "b": {"inherits_from": "a"}
    }));
    assert!(
        p.configuration("a")
            .unwrap_err()
            .to_string()
            .contains("circle")
    );
    let error = p.configuration("3d").unwrap_err().to_string();
    assert!(error.contains("it has: a, b"), "{error}");
}

#[test]
fn a_malformed_value_says_where() {
    let mut broken = configuration();
    broken["architecture"]["arch_kwargs"]["strides"] = json!([[1, 1], ["x", 2]]);
    let p = plans(json!({"2d": broken}));
    let error = p.configuration("2d").unwrap_err().to_string();
    assert!(
        error.contains("configurations.2d.architecture.arch_kwargs.strides[1][0]"),
        "{error}"
    );
}

#[test]
fn plans_without_a_record_follow_the_python_program() {
    assert_eq!(plans(json!({})).rule_set(), RuleSet::V2);
}

#[test]
fn what_cannot_be_right_says_where() {
    for (place, value, wanted) in [
        (
            "/batch_size",
            json!(0),
            "configurations.2d.batch_size` is 0",
        ),
        (
            "/patch_size",
            json!([1, 2, 3, 4]),
            "patch_size` has 4 entries",
        ),
        ("/patch_size/1", json!(0), "patch_size` is [16, 0]"),
        (
            "/spacing",
            json!([1.0, 1.0, 1.0]),
            "spacing` has 3 entries for 2",
        ),
        ("/spacing/0", json!(-1.0), "spacing` is [-1.0, 0.5]"),
        (
            "/use_mask_for_norm",
            json!([false]),
            "use_mask_for_norm` has 1",
        ),
        (
            "/next_stage",
            json!({}),
            "2d.next_stage` is malformed: expected the name",
        ),
        (
            "/architecture/arch_kwargs/strides/1",
            json!([2]),
            "strides[1]` is [2]",
        ),
        (
            "/architecture/arch_kwargs/n_stages",
            json!(0),
            "n_stages` is 0",
        ),
        (
            "/architecture/arch_kwargs/n_conv_per_stage_decoder",
            json!([2, 2]),
            "decoder` has 2 entries for 2 stages, expected 1",
        ),
    ] {
        let mut broken = configuration();
        broken["next_stage"] = json!("3d");
        *broken.pointer_mut(place).unwrap() = value;
        let error = plans(json!({"2d": broken}))
            .configuration("2d")
            .unwrap_err();
        let error = error.to_string();
        assert!(error.contains(wanted), "{error}");
        assert!(
            error.starts_with("plans `nnUNetPlans` of Dataset001_Test"),
            "{error}"
        );
    }
}

#[test]
fn a_parent_that_is_not_there_is_the_fault_of_the_child() {
    let p = plans(json!({"2d": configuration(), "child": {"inherits_from": "3d"}}));
    let error = p.configuration("child").unwrap_err().to_string();
    assert!(
        error.contains("configurations.child.inherits_from` is `3d`, which is not there"),
        "{error}"
    );
}

#[test]
fn the_next_stage_may_be_a_list() {
    let mut several = configuration();
    several["next_stage"] = json!(["a", "b"]);
    let c = plans(json!({"2d": several})).configuration("2d").unwrap();
    assert_eq!(
        c.next_stage,
        Some(StageNames::Many(vec!["a".into(), "b".into()]))
    );
}

#[test]
fn foreign_configurations_of_older_plans_are_kept_after_the_new_ones() {
    let mut older = plans(json!({
        "mine": {"inherits_from": "2d", "batch_size": 7},
        "2d": {"batch_size": 1},
        "3d_lowres": {}
    }));
    older.image_reader_writer = "Old".into();
    let mut new = plans(json!({"2d": configuration(), "3d_fullres": {}}));
    let kept = new.keep_foreign_configurations(&older);
    assert_eq!(kept, ["mine", "3d_lowres"]);
    let names = new.configuration_names();
    assert_eq!(names, ["2d", "3d_fullres", "mine", "3d_lowres"]);
    assert_eq!(new.configuration("2d").unwrap().batch_size, 2);
    assert_eq!(new.configuration("mine").unwrap().batch_size, 7);
    assert_eq!(new.image_reader_writer, "SimpleITKIO");
    assert!(new.keep_foreign_configurations(&older).is_empty());
}

#[test]
fn many_channels_are_written_in_the_order_of_their_numbers() {
    let mut p = plans(json!({}));
    let one: IntensityProperties = serde_json::from_value(json!({"max": 1.0, "mean": 1.0,
        "median": 1.0, "min": 1.0, "percentile_00_5": 1.0, "percentile_99_5": 1.0, "std": 1.0}))
    .unwrap();
    p.foreground_intensity_properties_per_channel = (0..11).map(|i| (i.to_string(), one)).collect();
    let written = serde_json::to_value(&p).unwrap();
    let keys = written["foreground_intensity_properties_per_channel"]
        .as_object()
        .unwrap()
        .keys();
    let expected: Vec<String> = (0..11).map(|i| i.to_string()).collect();
    assert_eq!(
        keys.collect::<Vec<_>>(),
        expected.iter().collect::<Vec<_>>()
    );
}

#[test]
fn resampling_functions_are_known_by_their_names() {
    for function in ResamplingFunction::ALL {
        assert_eq!(ResamplingFunction::from_name(function.name()), Ok(function));
    }
    assert_eq!(
        ResamplingFunction::from_name("resample")
            .unwrap_err()
            .to_string(),
        "is `resample`, expected one of resample_data_or_seg_to_shape, resample_torch_fornnunet, \
         no_resampling_hack"
    );
}
