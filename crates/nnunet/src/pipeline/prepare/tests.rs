use std::fs;

use nnunet_schema::{Layout, Split};
use tempfile::TempDir;

use super::*;

const DATASET: &str = "Dataset001_Test";

/// A dataset of which there is a description and a fingerprint, but no image.
fn described() -> (TempDir, Pipeline) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout {
        raw: dir.path().join("raw"),
        preprocessed: dir.path().join("preprocessed"),
        results: dir.path().join("results"),
    };
    let (raw, preprocessed) = (
        layout.raw_dataset(DATASET),
        layout.preprocessed_dataset(DATASET),
    );
    fs::create_dir_all(&raw).unwrap();
    fs::create_dir_all(&preprocessed).unwrap();
    let description = r#"{"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1},
        "numTraining": 2, "file_ending": ".nii.gz"}"#;
    fs::write(raw.join("dataset.json"), description).unwrap();
    let fingerprint = r#"{"foreground_intensity_properties_per_channel": {"0": {"max": 1.0,
        "mean": 0.5, "median": 0.5, "min": 0.0, "percentile_00_5": 0.1, "percentile_99_5": 0.9,
        "std": 0.2}}, "median_relative_size_after_cropping": 1.0,
        "shapes_after_crop": [[40, 40, 40], [42, 44, 46]],
        "spacings": [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]}"#;
    fs::write(layout.fingerprint(DATASET), fingerprint).unwrap();
    (dir, Pipeline::new(layout))
}

fn id() -> DatasetId {
    DatasetId::Number(1)
}

fn splits(train: &str, val: &str) -> Splits {
    Splits(vec![Split {
        train: vec![train.to_owned()],
        val: vec![val.to_owned()],
    }])
}

#[test]
fn planning_anew_keeps_what_a_user_added_to_the_plans() {
    let (_dir, pipeline) = described();
    let first = pipeline.plan(&id(), &PlanRequest::default()).unwrap().plans;
    let path = pipeline.layout.plans(DATASET, &first.plans_name);
    let mut edited = Plans::load(&path).unwrap();
    let child = r#"{"inherits_from": "2d", "batch_size": 3}"#;
    let child = nnunet_schema::python_json::parse(child).unwrap();
    edited.configurations.insert("mine".to_owned(), child);
    let untouched = edited.configurations["2d"].clone();
    edited.configurations["2d"].clear();
    edited.save(&path).unwrap();

    pipeline.plan(&id(), &PlanRequest::default()).unwrap();
    let again = Plans::load(&path).unwrap();
    assert_eq!(again.configuration_names().last(), Some(&"mine"));
    assert_eq!(again.configuration("mine").unwrap().batch_size, 3);
    assert_eq!(again.configurations["2d"], untouched);
}

#[test]
fn splits_that_come_with_a_dataset_are_taken_over_once() {
    let (_dir, pipeline) = described();
    let (raw, target) = (
        pipeline.layout.raw_splits(DATASET),
        pipeline.layout.splits(DATASET),
    );
    pipeline.plan(&id(), &PlanRequest::default()).unwrap();
    assert!(!target.exists());

    splits("a", "b").save(&raw).unwrap();
    for _ in 0..2 {
        pipeline.plan(&id(), &PlanRequest::default()).unwrap();
        assert_eq!(Splits::load(&target).unwrap(), splits("a", "b"));
    }
    splits("b", "a").save(&raw).unwrap();
    let error = pipeline.plan(&id(), &PlanRequest::default()).unwrap_err();
    assert!(error.to_string().contains("disagree on fold 0"), "{error}");
    assert_eq!(Splits::load(&target).unwrap(), splits("a", "b"));
}
