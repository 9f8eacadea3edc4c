//! The cascade from the first stage's folds to a prediction with the second stage.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use ndarray::Array3;
use nnunet::image::CropBox;
use nnunet::infer::{FolderRequest, PredictOptions, Predictor};
use nnunet::pipeline::{
    DEFAULT_PLANS, Existing, Pipeline, PipelineError, SelectRequest, SelectedRequest, TRAINER,
    TrainOutcome, TrainRequest,
};
use nnunet::preprocess::{CaseStore, PreprocessedCase};
use nnunet::schema::plans::StageNames;
use nnunet::schema::{DatasetId, Fold, NoProgress, Plans, Progress, Splits, Task, layout};
use nnunet::train::{Silent, TrainingConfig};

use crate::pipeline::{phantoms, pipeline, tiny_plan, training};

pub(crate) const FIRST: &str = "3d_lowres";
pub(crate) const SECOND: &str = "3d_cascade_fullres";

/// A dataset of phantoms with plans for a cascade.
pub(crate) struct Cascade {
    pub(crate) pipeline: Pipeline,
    pub(crate) id: DatasetId,
    name: String,
}

impl Cascade {
    pub(crate) fn new(folder: &Path) -> Self {
        let pipeline = pipeline(folder);
        let (dataset, id) = phantoms(&pipeline);
        pipeline.plan(&id, &tiny_plan()).unwrap();
        let path = pipeline.layout.plans(&dataset.name, DEFAULT_PLANS);
        let mut plans = Plans::load(&path).unwrap();
        // Phantoms are too small for the planner to want a cascade.
        let mut first = plans.configuration("3d_fullres").unwrap();
        first.data_identifier = format!("{DEFAULT_PLANS}_{FIRST}");
        first.spacing = first.spacing.iter().map(|mm| mm * 1.4).collect();
        first.next_stage = Some(StageNames::One(SECOND.to_owned()));
        plans.insert(FIRST, &first).unwrap();
        plans.insert_cascade(SECOND, "3d_fullres", FIRST);
        plans.save(&path).unwrap();
        Self {
            pipeline,
            id,
            name: dataset.name,
        }
    }

    fn preprocess(&self, configuration: &str) {
        let report = self
            .pipeline
            .preprocess(&self.id, DEFAULT_PLANS, configuration);
        assert!(report.unwrap().failed.is_empty());
    }

    fn request(&self, configuration: &str, fold: Fold) -> TrainRequest {
        let usual = training(&self.id, configuration, Existing::Keep);
        TrainRequest {
            training: TrainingConfig {
                epochs: 1,
                iterations_per_epoch: 1,
                fold,
                ..usual.training
            },
            ..usual
        }
    }

    fn train(&self, configuration: &str, fold: u32) -> Result<TrainOutcome, PipelineError> {
        let request = self.request(configuration, Fold::Number(fold));
        let never = AtomicBool::new(false);
        self.pipeline.train(&request, &Silent, &never)
    }

    pub(crate) fn model(&self, configuration: &str) -> PathBuf {
        (self.pipeline.layout).model(&self.name, TRAINER, DEFAULT_PLANS, configuration)
    }

    fn segmentations(&self) -> CaseStore {
        let folder = layout::predicted_next_stage(&self.model(FIRST), SECOND);
        CaseStore::open(&folder).unwrap()
    }

    pub(crate) fn held_out(&self, fold: usize) -> Vec<String> {
        let splits = Splits::load(&self.pipeline.layout.splits(&self.name)).unwrap();
        splits.0[fold].val.clone()
    }

    /// Why the second stage cannot be trained.
    fn refusal(&self) -> String {
        let error = self.train(SECOND, 0).unwrap_err();
        assert!(
            matches!(error, PipelineError::PreviousStage { .. }),
            "{error}"
        );
        error.to_string()
    }
}

#[test]
fn a_cascade_is_trained_on_held_out_segmentations_and_predicts() {
    let dir = tempfile::tempdir().unwrap();
    let cascade = Cascade::new(dir.path());
    cascade.preprocess(FIRST);
    cascade.preprocess(SECOND);
    // As the Python program leaves it.
    let folder = layout::predicted_next_stage(&cascade.model(FIRST), SECOND);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("phantom.b2nd"), b"").unwrap();
    let refusal = cascade.refusal();
    for fold in 0..5 {
        let command = format!("nnunet train {} {FIRST} {fold} --continue", cascade.name);
        assert!(refusal.contains(&command), "{refusal}");
    }

    for fold in 0..5 {
        cascade.train(FIRST, fold).unwrap();
    }
    let segmentations = cascade.segmentations();
    let data = (cascade.pipeline.layout).store(&cascade.name, "nnUNetPlans_3d_fullres");
    let cases = CaseStore::open(&data).unwrap();
    assert_eq!(segmentations.cases().unwrap(), cases.cases().unwrap());
    for case in cases.cases().unwrap() {
        let kept = segmentations.open_case(&case).unwrap();
        assert_eq!(kept.channels(), 0);
        assert_eq!(kept.shape(), cases.open_case(&case).unwrap().shape());
    }

    // A case that went missing is named, with its fold, and made by validating that again.
    let lost = cascade.held_out(3).remove(0);
    fs::remove_file(segmentations.folder().join(format!("{lost}.json"))).unwrap();
    let refusal = cascade.refusal();
    assert!(
        refusal.contains(&format!("lacks `{lost}` of fold 3:")),
        "{refusal}"
    );
    assert!(!refusal.contains("3d_lowres 2"), "{refusal}");
    cascade.train(FIRST, 3).unwrap();

    // Stopped and resumed.
    let request = cascade.request(SECOND, Fold::Number(0));
    let at_once = AtomicBool::new(true);
    let stopped = (cascade.pipeline).train(&request, &Silent, &at_once);
    assert!(matches!(stopped.unwrap(), TrainOutcome::Stopped { .. }));
    let outcome = cascade.train(SECOND, 0).unwrap();
    let TrainOutcome::Finished { folder, validation } = outcome else {
        panic!("nobody stopped it");
    };
    assert_eq!(validation.metric_per_case.len(), 1);

    validated_with_the_segmentation_of_the_first_stage(&cascade, &cases, &folder);
    both_stages_predict(&cascade, dir.path());
    the_second_stage_is_selected(&cascade, dir.path());
}

fn validated_with_the_segmentation_of_the_first_stage(
    cascade: &Cascade,
    cases: &CaseStore,
    fold_folder: &Path,
) {
    let predictor = Predictor::load(&cascade.model(SECOND), &[], PredictOptions::default());
    let predictor = predictor.unwrap();
    let case = cascade.held_out(0).remove(0);
    let stored = cases.open_case(&case).unwrap();
    let whole = CropBox::whole(stored.shape());
    let previous = cascade.segmentations().open_case(&case).unwrap();
    let previous = previous.read_labels(whole).unwrap();
    let predict = |previous: &Array3<i16>| {
        let prepared = PreprocessedCase {
            data: stored.read_data(whole).unwrap(),
            labels: stored.read_labels(whole).unwrap(),
            properties: stored.properties().clone(),
        };
        let prepared = (predictor.recipe())
            .with_previous_stage(&case, prepared, previous.view())
            .unwrap();
        predictor
            .predict_preprocessed(&case, &prepared)
            .unwrap()
            .labels
    };
    let file = fold_folder.join(format!("validation/{case}.nii.gz"));
    let found = cascade.pipeline.formats.read_labels(&file).unwrap();
    assert_eq!(found.labels, predict(&previous));
    let other = previous.mapv(|label| (label + 1) % 3);
    assert_ne!(found.labels, predict(&other));
}

fn both_stages_predict(cascade: &Cascade, dir: &Path) {
    let images = (cascade.pipeline.layout.raw_dataset(&cascade.name)).join("imagesTs");
    let (first, second) = (dir.join("first"), dir.join("second"));
    let load = |name| Predictor::load(&cascade.model(name), &[], PredictOptions::default());
    let formats = &cascade.pipeline.formats;
    let report = load(FIRST)
        .unwrap()
        .predict_folder(&images, &first, formats, &NoProgress);
    assert_eq!(report.unwrap().predicted.len(), 1);
    let mut request = FolderRequest::new(&images, &second);
    request.previous_stage = Some(first);
    let report = load(SECOND)
        .unwrap()
        .predict_cases(&request, formats, &NoProgress);
    let report = report.unwrap();
    assert_eq!((report.predicted.len(), report.failed.len()), (1, 0));
}

/// Averaged with the first stage it needs that stage's segmentations, and so do new images.
fn the_second_stage_is_selected(cascade: &Cascade, dir: &Path) {
    let select = |configurations: &[&str]| {
        let request = SelectRequest {
            configurations: configurations.iter().map(|&c| c.to_owned()).collect(),
            folds: vec![Fold::Number(0)],
            ..SelectRequest::new(cascade.id.clone())
        };
        cascade.pipeline.select(&request).unwrap()
    };
    assert_eq!(select(&[FIRST, SECOND]).contestants.len(), 3);
    assert_eq!(select(&[SECOND]).contestants.len(), 1);
    let images = (cascade.pipeline.layout.raw_dataset(&cascade.name)).join("imagesTs");
    let output = dir.join("selected");
    let request = SelectedRequest {
        dataset: cascade.id.clone(),
        folder: FolderRequest::new(&images, &output),
        options: PredictOptions::default(),
    };
    let report = cascade.pipeline.predict_selected(&request).unwrap();
    assert_eq!((report.done.len(), report.failed.len()), (1, 0));
    let raw = output.join("before_postprocessing");
    let folder = if raw.is_dir() { raw } else { output };
    let first = fs::read_dir(folder.join("previous_stage")).unwrap();
    let first = first.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().ends_with(".nii.gz")
    });
    assert_eq!(first.count(), 1);
}

/// Keeps warnings.
#[derive(Debug, Default)]
struct Warnings(Mutex<Vec<String>>);

impl Progress for Warnings {
    fn start(&self, what: &str, total: usize) -> Box<dyn Task> {
        NoProgress.start(what, total)
    }
    fn warn(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

#[test]
fn the_first_stage_is_trained_without_the_second_and_says_what_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut cascade = Cascade::new(dir.path());
    let warnings = Arc::new(Warnings::default());
    cascade.pipeline = cascade.pipeline.watched_by(warnings.clone());
    cascade.preprocess(FIRST);
    cascade.train(FIRST, 1).unwrap();
    let said = warnings.0.lock().unwrap().join("\n");
    let preprocess = format!("nnunet preprocess {} -c {SECOND}", cascade.name);
    assert!(said.contains(&preprocess), "{said}");
    let again = format!("nnunet train {} {FIRST} 1 --continue", cascade.name);
    assert!(said.contains(&again), "{said}");

    cascade.preprocess(SECOND);
    cascade.train(FIRST, 1).unwrap();
    assert_eq!(
        cascade.segmentations().cases().unwrap(),
        cascade.held_out(1)
    );
    let refusal = cascade.refusal();
    assert!(!refusal.contains("of fold 1"), "{refusal}");
    assert!(refusal.contains("of fold 2"), "{refusal}");

    // What a network says of cases that it was trained on is of no use.
    let all = cascade.request(FIRST, Fold::All);
    let never = AtomicBool::new(false);
    cascade.pipeline.train(&all, &Silent, &never).unwrap();
    assert_eq!(
        cascade.segmentations().cases().unwrap(),
        cascade.held_out(1)
    );
}
