//! What goes wrong says what it is, and leaves nothing half done.

use std::fs;
use std::path::Path;

use nnunet_image::FormatRegistry;
use nnunet_infer::{
    CaseOutcome, ExistingOutputs, FolderRequest, InferError, PredictOptions, Predictor, RunReport,
    Shard,
};
use nnunet_model::CheckpointKind;
use nnunet_schema::{Fold, NoProgress, layout};

use crate::common::fixture;
use crate::models::{MODEL, image, load, model_folder, names, write_images};

fn error_of(model: &Path, folds: &[Fold]) -> String {
    let loaded = Predictor::load(model, folds, PredictOptions::default());
    loaded.unwrap_err().to_string()
}

#[test]
fn a_truncated_checkpoint_is_an_error_that_names_the_file() {
    let dir = model_folder(&[0, 1]);
    let model = dir.path().join(MODEL);
    let path = CheckpointKind::Final.path(&layout::fold(&model, Fold::Number(1)));
    let whole = fs::read(&path).unwrap();
    for length in [0, 4, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = error_of(&model, &[]);
        assert!(error.contains("fold_1"), "{length}: {error}");
    }
}

#[test]
fn a_truncated_checkpoint_of_the_python_program_too() {
    let Some(source) = fixture("truncated checkpoints", "predict/model_2d") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model");
    let fold = layout::fold(&model, Fold::Number(0));
    fs::create_dir_all(&fold).unwrap();
    for name in ["plans.json", "dataset.json"] {
        fs::copy(source.join(name), model.join(name)).unwrap();
    }
    let whole = fs::read(source.join("fold_0/checkpoint_final.pth")).unwrap();
    let path = CheckpointKind::Final.python_path(&fold);
    for length in [3, 1000, whole.len() / 2, whole.len() - 10] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = error_of(&model, &[]);
        assert!(error.contains("checkpoint_final.pth"), "{length}: {error}");
    }
    fs::write(&path, &whole).unwrap();
    let predictor = Predictor::load(&model, &[], PredictOptions::default()).unwrap();
    assert_eq!(predictor.recipe().name(), "2d");
    let error = error_of(&model, &[Fold::Number(4)]);
    assert!(error.contains("fold_4"), "{error}");
}

#[test]
fn an_image_with_other_channels_is_refused() {
    let dir = model_folder(&[0]);
    let predictor = load(dir.path(), PredictOptions::default());
    let error = predictor
        .predict("a", &image([8; 3], 3))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("3 image channels") && error.contains("trained with 1"),
        "{error}"
    );
}

#[test]
fn an_output_that_cannot_be_written_stops_the_run_before_it_starts() {
    let dir = model_folder(&[0]);
    let input = dir.path().join("in");
    write_images(&input, &[("a", [8; 3])]);
    // Permissions don't bind every user; a file in the place of the folder does.
    let output = dir.path().join("file");
    fs::write(&output, b"").unwrap();
    let predictor = load(dir.path(), PredictOptions::default());
    let formats = FormatRegistry::default();
    let error = predictor.predict_folder(&input, &output.join("out"), &formats, &NoProgress);
    let error = error.unwrap_err();
    assert!(matches!(error, InferError::Schema(_)), "{error}");
    assert!(error.to_string().contains("file"), "{error}");
}

#[test]
fn an_interrupted_run_is_continued_where_it_was() {
    let dir = model_folder(&[0]);
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    write_images(&input, &[("a", [8; 3]), ("b", [9, 8, 8]), ("c", [8, 9, 8])]);
    let formats = FormatRegistry::default();
    let predict = |existing| {
        let options = PredictOptions {
            existing,
            ..PredictOptions::default()
        };
        let mut request = FolderRequest::new(&input, &output);
        request.report = true;
        load(dir.path(), options)
            .predict_cases(&request, &formats, &NoProgress)
            .unwrap()
    };
    assert_eq!(predict(ExistingOutputs::Replace).predicted, ["a", "b", "c"]);
    let read = |name: &str| fs::read(output.join(name)).unwrap();
    let (first, whole) = (read("b.nii.gz"), read("c.nii.gz"));
    // A run that died while it wrote the last case leaves that under a temporary name.
    fs::remove_file(output.join("c.nii.gz")).unwrap();
    fs::write(output.join(".tmp-1-0-c.nii.gz"), &whole[..40]).unwrap();
    let report = predict(ExistingOutputs::Keep);
    assert_eq!(
        (report.kept.len(), report.predicted),
        (2, vec!["c".to_owned()])
    );
    assert_eq!((read("b.nii.gz"), read("c.nii.gz")), (first, whole));
    let report = RunReport::load(&output.join("predict_report.json")).unwrap();
    let outcomes: Vec<_> = report.cases.iter().map(|case| case.outcome).collect();
    use CaseOutcome::{Kept, Predicted};
    assert_eq!(outcomes, [Kept, Kept, Predicted]);
}

#[test]
fn a_report_tells_good_cases_from_bad_ones() {
    let dir = model_folder(&[0]);
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    write_images(&input, &[("a", [8; 3]), ("b", [8; 3]), ("c", [20, 9, 8])]);
    fs::write(input.join("b_0000.nii.gz"), b"not an image").unwrap();
    let mut request = FolderRequest::new(&input, &output);
    request.report = true;
    let predictor = load(dir.path(), PredictOptions::default());
    let formats = FormatRegistry::default();
    predictor
        .predict_cases(&request, &formats, &NoProgress)
        .unwrap();
    let report = RunReport::load(&request.report_path()).unwrap();
    assert_eq!(
        (report.configuration.as_str(), report.device.as_str()),
        ("test", "cpu")
    );
    assert_eq!(
        (report.folds.as_slice(), report.passes),
        (["0".to_owned()].as_slice(), 4)
    );
    let [a, b, c] = report.cases.as_slice() else {
        panic!("{report:?}");
    };
    assert_eq!(
        (a.outcome, c.outcome),
        (CaseOutcome::Predicted, CaseOutcome::Predicted)
    );
    assert_eq!((b.outcome, b.shape), (CaseOutcome::Failed, None));
    assert!(b.error.as_ref().unwrap().contains("b_0000"));
    assert_eq!(c.shape, Some([20, 9, 8]));
    assert!(c.windows.unwrap() > a.windows.unwrap() && c.planned_bytes > a.planned_bytes);
    let stages = c.seconds;
    assert!(stages.read > 0.0 && stages.network > 0.0 && stages.write > 0.0);
    assert!(report.seconds >= stages.network && report.peak_memory_bytes != Some(0));
}

#[test]
fn parts_of_a_folder_make_up_the_whole() {
    let dir = model_folder(&[0]);
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    write_images(&input, &[("a", [8; 3]), ("b", [8; 3]), ("c", [8; 3])]);
    let predictor = load(dir.path(), PredictOptions::default());
    let formats = FormatRegistry::default();
    let parts = [0, 1].map(|index| {
        let mut request = FolderRequest::new(&input, &output);
        request.shard = Shard::new(index, 2).unwrap();
        let report = predictor
            .predict_cases(&request, &formats, &NoProgress)
            .unwrap();
        report.predicted
    });
    assert_eq!(
        parts,
        [vec!["a".to_owned(), "c".to_owned()], vec!["b".to_owned()]]
    );
    assert_eq!(names(&output).len(), 5);
}
