//! Model folders on disk, and folders of images.

use std::fs;

use nnunet_image::FormatRegistry;
use nnunet_infer::{ExistingOutputs, InferError, PredictOptions, Predictor};
use nnunet_schema::{Fold, NoProgress};

use crate::models::{MODEL, image, load, model_folder};

#[test]
fn all_trained_folds_are_loaded_and_averaged() {
    let dir = model_folder(&[0, 3]);
    let both = load(dir.path(), PredictOptions::default());
    assert_eq!(both.folds(), [Fold::Number(0), Fold::Number(3)]);
    assert_eq!(both.recipe().passes(), 4);
    let model = dir.path().join(MODEL);
    let one = Predictor::load(&model, &[Fold::Number(3)], PredictOptions::default()).unwrap();
    let image = image([10, 12, 9], 1);
    let (together, alone) = (
        both.predict("c", &image).unwrap(),
        one.predict("c", &image).unwrap(),
    );
    assert_eq!(together.shape(), image.shape());
    assert_eq!(together.geometry, image.geometry);
    assert_ne!(together, alone);
}

#[test]
fn what_is_missing_in_a_model_folder_is_named() {
    let dir = model_folder(&[0]);
    let model = dir.path().join(MODEL);
    let fail = |folds: &[Fold]| {
        Predictor::load(&model, folds, PredictOptions::default())
            .unwrap_err()
            .to_string()
    };
    let error = fail(&[Fold::Number(1)]);
    assert!(
        error.contains("fold_1") && error.contains("checkpoint_final"),
        "{error}"
    );
    fs::rename(&model, dir.path().join("A__B__other")).unwrap();
    let error = fail(&[]);
    assert!(error.contains("plans.json"), "{error}");
    let renamed = dir.path().join("A__B__other");
    let error = Predictor::load(&renamed, &[], PredictOptions::default()).unwrap_err();
    assert!(
        error.to_string().contains("no configuration `other`"),
        "{error}"
    );
    let any_name = dir.path().join("model");
    fs::rename(renamed, &any_name).unwrap();
    let found = Predictor::load(&any_name, &[], PredictOptions::default()).unwrap();
    assert_eq!(found.recipe().name(), "test");
}

#[test]
fn a_folder_is_predicted_and_one_bad_case_does_not_stop_the_others() {
    let (dir, formats) = (model_folder(&[0]), FormatRegistry::default());
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    fs::create_dir(&input).unwrap();
    for (case, shape) in [("a", [9, 8, 10]), ("b", [8, 8, 8]), ("d", [7, 12, 6])] {
        let path = input.join(format!("{case}_0000.nii.gz"));
        formats.write_image(&path, &image(shape, 1)).unwrap();
    }
    fs::write(input.join("b_0000.nii.gz"), b"not an image").unwrap();
    formats
        .write_image(&input.join("c_0000.nii.gz"), &image([8; 3], 2))
        .unwrap();

    let predictor = load(dir.path(), PredictOptions::default());
    let report = predictor
        .predict_folder(&input, &output, &formats, &NoProgress)
        .unwrap();
    assert_eq!(report.predicted, ["a", "d"]);
    let failed: Vec<_> = report.failed.iter().map(|f| f.case.as_str()).collect();
    assert_eq!(failed, ["b", "c"]);
    let channels = &report.failed[1].error;
    assert!(
        matches!(
            channels,
            InferError::Channels {
                found: 2,
                expected: 1,
                ..
            }
        ),
        "{channels}"
    );
    for case in ["a", "d"] {
        let image = formats
            .read_image(&input.join(format!("{case}_0000.nii.gz")))
            .unwrap();
        let written = formats
            .read_labels(&output.join(format!("{case}.nii.gz")))
            .unwrap();
        let expected = predictor.predict(case, &image).unwrap();
        assert_eq!(written.labels, expected.labels);
        assert_eq!(written.geometry, image.geometry);
    }
    let mut files: Vec<_> = (fs::read_dir(&output).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(
        files,
        ["a.nii.gz", "d.nii.gz", "dataset.json", "plans.json"]
    );
}

#[test]
fn existing_outputs_are_kept_if_asked_for() {
    let (dir, formats) = (model_folder(&[0]), FormatRegistry::default());
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    for folder in [&input, &output] {
        fs::create_dir(folder).unwrap();
    }
    for case in ["a", "b"] {
        let path = input.join(format!("{case}_0000.nii.gz"));
        formats.write_image(&path, &image([8; 3], 1)).unwrap();
    }
    fs::write(output.join("a.nii.gz"), b"there").unwrap();
    // What a run that was killed leaves, of a case of this run and of another's.
    let [unfinished, foreign] = ["b", "c"].map(|case| {
        let path = output.join(format!(".tmp-1-0-{case}.nii.gz"));
        fs::write(&path, b"half").unwrap();
        path
    });
    let options = PredictOptions {
        existing: ExistingOutputs::Keep,
        ..Default::default()
    };
    let report = load(dir.path(), options)
        .predict_folder(&input, &output, &formats, &NoProgress)
        .unwrap();
    assert_eq!(
        (report.kept, report.predicted),
        (vec!["a".to_owned()], vec!["b".to_owned()])
    );
    assert_eq!(fs::read(output.join("a.nii.gz")).unwrap(), b"there");
    assert!(!unfinished.exists() && foreign.exists());
}

#[test]
fn a_predictor_can_move_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Predictor>();
    is_send::<InferError>();
}
