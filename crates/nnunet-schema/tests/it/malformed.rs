//! Broken documents: every error names the file and the place in it.

use std::fs;
use std::path::Path;

use nnunet_schema::{DatasetDescription, DatasetFingerprint, Plans, SchemaError, Splits, Summary};
use serde_json::{Value, json};

/// Writes `text` and loads it with `load`, which must fail with a text that names the file, the
/// place in the document and the fault.
fn assert_fails<T>(
    load: impl Fn(&Path) -> Result<T, SchemaError>,
    text: &str,
    place: &str,
    fault: &str,
) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("document.json");
    fs::write(&path, text).unwrap();
    let Err(error) = load(&path) else {
        panic!("accepted: {text}");
    };
    let error = error.to_string();
    let wanted = format!("document.json: at `{place}`: ");
    assert!(error.contains(&wanted), "wanted {wanted} in: {error}");
    assert!(error.contains(fault), "wanted {fault} in: {error}");
}

/// `document` with the value at `pointer` replaced, or removed if `value` is null; a value
/// `"<text>"` stands for bare text, with `'` for quotes.
fn changed(document: &Value, pointer: &str, value: Value) -> String {
    let mut document = document.clone();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let target = document.pointer_mut(parent).unwrap();
    match (target, value) {
        (Value::Object(map), Value::Null) => {
            map.shift_remove(key);
        }
        (Value::Object(map), value) => {
            map.insert(key.to_owned(), value);
        }
        (Value::Array(list), value) => list[key.parse::<usize>().unwrap()] = value,
        _ => unreachable!(),
    }
    let text = document.to_string();
    text.replace("\"<", "")
        .replace(">\"", "")
        .replace('\'', "\"")
}

#[test]
fn dataset_json() {
    let good = json!({
        "channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1, "b": 2},
        "numTraining": 3, "file_ending": ".nii.gz"
    });
    for (pointer, value, place, fault) in [
        ("/labels", Value::Null, ".", "missing field `labels`"),
        (
            "/channel_names",
            Value::Null,
            ".",
            "missing field `channel_names`",
        ),
        (
            "/channel_names",
            json!(["CT"]),
            "channel_names",
            "expected a map",
        ),
        (
            "/channel_names/0",
            json!(3),
            "channel_names.0",
            "expected a string",
        ),
        (
            "/channel_names/2",
            json!("MR"),
            "channel_names",
            "none named \"1\"",
        ),
        ("/channel_names", json!({}), "channel_names", "is empty"),
        ("/labels/a", json!(-1), "labels.a", "`-1`, expected a label"),
        ("/labels/a", json!("<NaN>"), "labels.a", "found NaN"),
        ("/labels/b", json!(1), "labels.b", "which is `a` already"),
        ("/labels", json!({}), "labels", "no `background`"),
        ("/labels/ignore", json!(7), "labels.ignore", "expected 3"),
        ("/numTraining", json!(-3), "numTraining", "`-3`"),
        ("/numTraining", json!("3"), "numTraining", "string \"3\""),
        ("/file_ending", json!("nii"), "file_ending", "its dot"),
        (
            "/regions_class_order",
            json!([-1]),
            "regions_class_order[0]",
            "`-1`",
        ),
        ("/name", json!("<1, 'name': 2>"), ".", "`name` occurs twice"),
        (
            "/labels/c",
            json!("<3, 'c': 4>"),
            "labels",
            "`c` occurs twice",
        ),
        ("/numTraining", json!("<3,,>"), ".", "line 1"),
    ] {
        let text = changed(&good, pointer, value);
        assert_fails(DatasetDescription::load, &text, place, fault);
    }
    assert_fails(DatasetDescription::load, "", ".", "EOF");
    assert_fails(
        DatasetDescription::load,
        "{name: 1}",
        ".",
        "key must be a string",
    );
}

#[test]
fn fingerprint() {
    let properties = json!({"max": 1.0, "mean": 1.0, "median": 1.0, "min": 1.0,
        "percentile_00_5": 1.0, "percentile_99_5": 1.0, "std": 1.0});
    let good = json!({
        "foreground_intensity_properties_per_channel": {"0": properties},
        "median_relative_size_after_cropping": 1.0,
        "shapes_after_crop": [[1, 2, 3], [4, 5, 6]], "spacings": [[1.0, 1.0, 1.0], [2, 2, 2]]
    });
    let channels = "foreground_intensity_properties_per_channel";
    let mean = format!("{channels}.0.mean");
    let object = format!("{channels}.0");
    for (pointer, value, place, fault) in [
        ("/spacings/1", json!([1.0, 1.0]), "spacings[1]", "length 2"),
        ("/spacings/1/2", json!(0), "spacings[1]", "above zero"),
        (
            "/spacings/0/0",
            json!("<NaN>"),
            "spacings[0][0]",
            "invalid type: NaN",
        ),
        ("/spacings", json!([[1, 1, 1]]), "spacings", "has 1 entries"),
        (
            "/shapes_after_crop/0/1",
            json!(-2),
            "shapes_after_crop[0][1]",
            "`-2`",
        ),
        (
            "/shapes_after_crop/0/1",
            json!(1.5),
            "shapes_after_crop[0][1]",
            "`1.5`",
        ),
        (
            "/shapes_after_crop/1/0",
            json!(0),
            "shapes_after_crop[1]",
            "0×5×6",
        ),
        (
            "/shapes_after_crop",
            Value::Null,
            ".",
            "missing field `shapes_after_crop`",
        ),
        (
            &format!("/{channels}/2"),
            properties.clone(),
            channels,
            "none named \"1\"",
        ),
        (
            &format!("/{channels}/0/mean"),
            json!("x"),
            &mean,
            "expected a number",
        ),
        (
            &format!("/{channels}/0/mean"),
            json!([1.0]),
            &mean,
            "expected a number",
        ),
        (
            &format!("/{channels}/0/std"),
            Value::Null,
            &object,
            "missing field `std`",
        ),
    ] {
        let text = changed(&good, pointer, value);
        assert_fails(DatasetFingerprint::load, &text, place, fault);
    }
}

#[test]
fn plans() {
    let good = json!({
        "dataset_name": "Dataset001_Test", "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [5.0, 1.0, 1.0],
        "original_median_shape_after_transp": [10, 20, 30],
        "image_reader_writer": "SimpleITKIO", "transpose_forward": [2, 0, 1],
        "transpose_backward": [1, 2, 0], "configurations": {"2d": {}},
        "experiment_planner_used": "ExperimentPlanner", "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {}
    });
    let spacing = "original_median_spacing_after_transp";
    for (pointer, value, place, fault) in [
        (
            "/configurations",
            Value::Null,
            ".",
            "missing field `configurations`",
        ),
        (
            "/configurations/2d",
            json!([]),
            "configurations.2d",
            "expected a map",
        ),
        (
            "/transpose_forward",
            json!([0, 0, 1]),
            "transpose_forward",
            "not a permutation",
        ),
        (
            "/transpose_backward",
            json!([2, 0, 1]),
            "transpose_backward",
            "expected [1, 2, 0]",
        ),
        (
            &format!("/{spacing}"),
            json!([1.0, 1.0]),
            spacing,
            "length 2",
        ),
        (&format!("/{spacing}/0"), json!(-1.0), spacing, "above zero"),
        ("/plans_name", json!(1), "plans_name", "expected a string"),
        (
            "/planning",
            json!({"rules": "mine", "gpu_memory_gb": 8}),
            "planning.rules",
            "mine",
        ),
        (
            "/configurations/2d",
            json!("<{}, '2d': {}>"),
            "configurations",
            "`2d` occurs twice",
        ),
    ] {
        let text = changed(&good, pointer, value);
        assert_fails(Plans::load, &text, place, fault);
    }
}

#[test]
fn plans_of_older_programs_are_read() {
    let text = r#"{"dataset_name": "D", "plans_name": "p",
        "original_median_spacing_after_transp": [1, 1, 1],
        "original_median_shape_after_transp": [1, 1, 1], "image_reader_writer": "r",
        "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2],
        "configurations": {}, "experiment_planner_used": "e", "mine": {"b": NaN, "a": [1, 1.0]},
        "foreground_intensity_properties_by_modality": {"0": {"max": 1, "mean": NaN, "median": 1,
        "min": 1, "percentile_00_5": 1, "percentile_99_5": 1, "std": 1}}}"#;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plans.json");
    fs::write(&path, text).unwrap();
    let plans = Plans::load(&path).unwrap();
    assert_eq!(plans.label_manager, "LabelManager");
    assert!(
        plans.foreground_intensity_properties_per_channel["0"]
            .mean
            .is_nan()
    );
    plans.save(&path).unwrap();
    let written = fs::read_to_string(&path).unwrap();
    let flat: String = written.split_whitespace().collect();
    assert!(
        flat.ends_with(r#""mine":{"b":NaN,"a":[1,1.0]}}"#),
        "{written}"
    );
    assert!(flat.contains(r#""foreground_intensity_properties_per_channel":{"0":{"max":1.0,"#));
}

#[test]
fn splits() {
    let good = json!([{"train": ["a", "b"], "val": ["c"]}, {"train": ["b", "c"], "val": ["a"]}]);
    for (pointer, value, place, fault) in [
        (
            "/1/val",
            json!(["c"]),
            "[1].val[0]",
            "in `train` of the same fold",
        ),
        (
            "/1/train",
            json!(["b", "b"]),
            "[1].train[1]",
            "`b` for the second time",
        ),
        ("/0/val", json!([]), "[0].val", "lists no cases"),
        ("/0/train", json!([]), "[0].train", "lists no cases"),
        ("/0/train", json!("a"), "[0].train", "expected a sequence"),
        ("/0/train/1", json!(3), "[0].train[1]", "expected a string"),
        ("/1/val", Value::Null, "[1]", "missing field `val`"),
    ] {
        let text = changed(&good, pointer, value);
        assert_fails(Splits::load, &text, place, fault);
    }
    assert_fails(Splits::load, "[]", ".", "lists no folds");
    assert_fails(Splits::load, "{}", ".", "expected a sequence");
}

#[test]
fn summary() {
    let class = json!({"Dice": 0.5, "FN": 1, "FP": 1, "IoU": 0.5, "TN": 1, "TP": 1, "n_pred": 1,
        "n_ref": 1});
    let good = json!({
        "foreground_mean": class, "mean": {"1": class},
        "metric_per_case": [{"metrics": {"1": class}, "prediction_file": "p",
            "reference_file": "r"}]
    });
    for (pointer, value, place, fault) in [
        ("/mean", Value::Null, ".", "missing field `mean`"),
        (
            "/mean/1/Dice",
            json!("x"),
            "mean.1.Dice",
            "expected a number",
        ),
        (
            "/metric_per_case/0/metrics/1/TP",
            json!(-1),
            "metric_per_case[0].metrics.1.TP",
            "`-1`",
        ),
        (
            "/metric_per_case/0/metrics/1/TP",
            json!("<NaN>"),
            "metric_per_case[0].metrics.1.TP",
            "invalid type: NaN",
        ),
    ] {
        let text = changed(&good, pointer, value);
        assert_fails(Summary::load, &text, place, fault);
    }
}
