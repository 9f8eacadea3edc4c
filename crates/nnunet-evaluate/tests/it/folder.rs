use std::fs;
use std::path::Path;
use std::sync::Mutex;

use ndarray::Array3;
use nnunet_evaluate::{
    CasePair, Classes, EvaluateError, EvaluateOptions, MissingPredictions, best_configuration,
    evaluate_folder, measure_pairs, merge,
};
use nnunet_image::{FormatRegistry, Geometry, LabelMap};
use nnunet_schema::summary::{CaseMetrics, ClassMetrics, MeanMetrics};
use nnunet_schema::{DatasetDescription, NoProgress, Progress, Spacing, Summary, python_json};

use crate::shared::fixtures;

#[test]
fn two_folders_give_the_summary_of_the_reference_program() {
    let test = "two_folders_give_the_summary_of_the_reference_program";
    let Some(root) = fixtures(test, "evaluate") else {
        return;
    };
    for name in ["predictions", "predictions_noisy"] {
        let wanted_file = root.join(format!("summary_{name}.json"));
        let wanted = Summary::load(&wanted_file).unwrap();
        let found = evaluate(&root, name);
        assert_close(&found, &wanted);

        // To the letter: same bits, same layout, only the folders differ.
        let prefix = format!("{}/", root.display());
        let text = python_json::to_text(&found).unwrap().replace(&prefix, "");
        assert_eq!(text, fs::read_to_string(wanted_file).unwrap());
    }
}

#[test]
fn the_better_of_two_models_is_selected() {
    let Some(root) = fixtures("the_better_of_two_models_is_selected", "evaluate") else {
        return;
    };
    let candidates =
        ["predictions_noisy", "predictions"].map(|name| (name.to_owned(), evaluate(&root, name)));
    let selection = best_configuration(&candidates).unwrap();
    assert_eq!(selection.name, "predictions");
    assert!((selection.score - 0.863_335).abs() < 1e-6);
}

#[test]
fn the_folds_of_a_cross_validation_merge_into_the_whole() {
    let test = "the_folds_of_a_cross_validation_merge_into_the_whole";
    let Some(root) = fixtures(test, "evaluate") else {
        return;
    };
    let whole = evaluate(&root, "predictions_noisy");
    let folds: Vec<Summary> = (0..5)
        .map(|fold| Summary {
            metric_per_case: (whole.metric_per_case.iter().skip(fold).step_by(5))
                .cloned()
                .collect(),
            ..whole.clone()
        })
        .collect();
    let text = |summary| python_json::to_text(summary).unwrap();
    assert_eq!(text(&merge(&folds).unwrap()), text(&whole));
}

fn evaluate(root: &Path, predictions: &str) -> Summary {
    let description = DatasetDescription::load(&root.join("dataset.json")).unwrap();
    evaluate_folder(
        &root.join("references"),
        &root.join(predictions),
        &description,
        &FormatRegistry::default(),
        &EvaluateOptions::default(),
        &NoProgress,
    )
    .unwrap()
}

fn assert_close(found: &Summary, wanted: &Summary) {
    let close = |a: f64, b: f64| (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-12 * b.abs();
    let means = |m: &MeanMetrics| {
        [
            m.dice,
            m.iou,
            m.false_negative,
            m.false_positive,
            m.true_negative,
            m.true_positive,
            m.n_pred,
            m.n_ref,
        ]
    };
    let agree =
        |a: &MeanMetrics, b: &MeanMetrics| means(a).iter().zip(means(b)).all(|(a, b)| close(*a, b));
    assert!(agree(&found.foreground_mean, &wanted.foreground_mean));
    assert!(found.mean.keys().eq(wanted.mean.keys()));
    assert!((found.mean.values().zip(wanted.mean.values())).all(|(a, b)| agree(a, b)));
    assert_eq!(found.metric_per_case.len(), wanted.metric_per_case.len());
    let ratios = |m: &ClassMetrics| (m.dice, m.iou);
    let counts = |case: &CaseMetrics| -> Vec<_> {
        (case.metrics.iter())
            .map(|(key, m)| {
                let counts = [m.true_positive, m.false_positive, m.false_negative];
                (key.clone(), counts, m.true_negative, m.n_pred, m.n_ref)
            })
            .collect()
    };
    for (a, b) in found.metric_per_case.iter().zip(&wanted.metric_per_case) {
        assert_eq!(counts(a), counts(b), "{}", b.prediction_file);
        for (a, b) in a.metrics.values().zip(b.metrics.values()) {
            let ((dice, iou), (wanted_dice, wanted_iou)) = (ratios(a), ratios(b));
            assert!(close(dice, wanted_dice) && close(iou, wanted_iou));
        }
    }
}

/// A dataset of three cases in a temporary folder, `references` and `predictions`.
struct Folders {
    root: tempfile::TempDir,
    description: DatasetDescription,
}

impl Folders {
    fn new() -> Self {
        let text = r#"{"channel_names": {"0": "CT"}, "numTraining": 3, "file_ending": ".nii.gz",
            "labels": {"background": 0, "whole": [1, 2], "core": 2, "ignore": 3},
            "regions_class_order": [1, 2]}"#;
        let folders = Self {
            root: tempfile::tempdir().unwrap(),
            description: python_json::parse(text).unwrap(),
        };
        for case in ["a", "b", "c"] {
            folders.write("references", case, &[0, 1, 2, 3, 0, 1]);
            folders.write("predictions", case, &[0, 1, 1, 1, 2, 1]);
        }
        folders
    }

    fn write(&self, folder: &str, case: &str, labels: &[i16]) {
        self.write_spaced(folder, case, labels, 1.0);
    }

    fn write_spaced(&self, folder: &str, case: &str, labels: &[i16], mm: f64) {
        let shape = (labels.len() / 2, 1, 2);
        let map = LabelMap {
            labels: Array3::from_shape_vec(shape, labels.to_vec()).unwrap(),
            geometry: Geometry::axis_aligned(Spacing::new([mm; 3]).unwrap()),
        };
        let path = self.root.path().join(folder).join(format!("{case}.nii.gz"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        FormatRegistry::default().write_labels(&path, &map).unwrap();
    }

    fn remove(&self, folder: &str, case: &str) {
        fs::remove_file(self.root.path().join(folder).join(format!("{case}.nii.gz"))).unwrap();
    }

    fn evaluate(&self, missing: MissingPredictions) -> Result<Summary, EvaluateError> {
        self.watched(missing, &NoProgress)
    }

    fn watched(
        &self,
        missing_predictions: MissingPredictions,
        progress: &dyn Progress,
    ) -> Result<Summary, EvaluateError> {
        let options = EvaluateOptions {
            missing_predictions,
        };
        evaluate_folder(
            &self.root.path().join("references"),
            &self.root.path().join("predictions"),
            &self.description,
            &FormatRegistry::default(),
            &options,
            progress,
        )
    }
}

#[test]
fn regions_and_the_ignore_label_reach_the_document() {
    let summary = Folders::new().evaluate(MissingPredictions::Refuse).unwrap();
    let text = python_json::to_text(&summary).unwrap();
    assert!(text.contains("\"(1, 2)\": {"), "{text}");
    let whole = summary.mean["(1, 2)"];
    assert_eq!((whole.true_positive, whole.false_positive), (3.0, 1.0));
    assert_eq!((whole.false_negative, whole.true_negative), (0.0, 1.0));
    assert_eq!(summary.mean["2"].dice, 0.0);
    let reread: Summary = python_json::parse(&text).unwrap();
    assert_eq!(reread, summary);
}

#[test]
fn a_missing_prediction_is_the_callers_choice_and_a_missing_reference_an_error() {
    let folders = Folders::new();
    folders.remove("predictions", "b");
    let summary = folders.evaluate(MissingPredictions::Ignore).unwrap();
    assert_eq!(summary.metric_per_case.len(), 2);
    let error = folders.evaluate(MissingPredictions::Refuse).unwrap_err();
    assert!(error.to_string().contains("1 of 3 references"), "{error}");

    folders.remove("references", "c");
    let error = folders.evaluate(MissingPredictions::Ignore).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("case `c`") && text.contains("c.nii.gz"),
        "{text}"
    );
}

#[test]
fn every_bad_case_is_reported_with_its_files() {
    let folders = Folders::new();
    folders.write("predictions", "a", &[0, 7]);
    folders.write("predictions", "c", &[0, 1, 1, 1, 2, 9]);
    let text = (folders.evaluate(MissingPredictions::Ignore).unwrap_err()).to_string();
    assert!(text.starts_with("2 cases failed"), "{text}");
    assert!(
        text.contains("case `a`") && text.contains("1×1×2"),
        "{text}"
    );
    assert!(
        text.contains("predictions/c.nii.gz") && text.contains("label 9"),
        "{text}"
    );
}

#[test]
fn a_damaged_file_is_that_cases_error() {
    let folders = Folders::new();
    let path = folders.root.path().join("predictions/b.nii.gz");
    fs::write(&path, b"not a nifti").unwrap();
    let text = (folders.evaluate(MissingPredictions::Ignore).unwrap_err()).to_string();
    assert!(text.contains("case `b`"), "{text}");
}

#[test]
fn an_empty_folder_is_no_summary() {
    let folders = Folders::new();
    for case in ["a", "b", "c"] {
        folders.remove("predictions", case);
    }
    let error = folders.evaluate(MissingPredictions::Ignore).unwrap_err();
    assert!(matches!(error, EvaluateError::NoPredictions { .. }));
}

#[derive(Debug, Default)]
struct Warnings(Mutex<Vec<String>>);

impl Progress for Warnings {
    fn warn(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

#[test]
fn another_spacing_is_a_warning() {
    let folders = Folders::new();
    folders.write_spaced("predictions", "b", &[0, 1, 1, 1, 2, 1], 1.5);
    let warnings = Warnings::default();
    folders
        .watched(MissingPredictions::Ignore, &warnings)
        .unwrap();
    let warnings = warnings.0.into_inner().unwrap();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("case `b`"), "{warnings:?}");
}

#[test]
fn voxels_have_the_volume_that_the_references_say() {
    let folders = Folders::new();
    folders.write_spaced("references", "b", &[0, 1, 2, 3, 0, 1], 2.0);
    let at = |folder: &str| folders.root.path().join(folder);
    let options = EvaluateOptions::default();
    let pairs = CasePair::find(&at("references"), &at("predictions"), ".nii.gz", &options).unwrap();
    let classes = Classes::of(&folders.description).unwrap();
    let measured =
        measure_pairs(&pairs, &classes, &FormatRegistry::default(), &NoProgress).unwrap();
    assert_eq!(measured.voxel_mm3, [1.0, 8.0, 1.0]);
    assert_eq!(measured.summary.metric_per_case.len(), 3);
}
