//! The stages one after the other over a dataset folder.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use nnunet::evaluate::{EvaluateOptions, evaluate_folder};
use nnunet::infer::{
    EnsembleOptions, ExistingOutputs, FolderRequest, PredictOptions, Predictor,
    ProbabilityPrecision, SaveProbabilities, ensemble_folders,
};
use nnunet::model::DeviceChoice;
use nnunet::phantom::{PhantomConfig, PhantomDataset, write_dataset};
use nnunet::pipeline::{
    AugmentationChoice, Contest, DEFAULT_PLANS, Existing, Pipeline, PipelineError, PlanRequest,
    SelectRequest, SelectedRequest, TRAINER, TrainOutcome, TrainRequest,
};
use nnunet::schema::plans::PlanOverrides;
use nnunet::schema::{DatasetId, Fold, Layout, NoProgress, Plans};
use nnunet::train::{Silent, TrainingConfig};

const CONFIGURATIONS: [&str; 2] = ["2d", "3d_fullres"];

pub(crate) fn pipeline(folder: &Path) -> Pipeline {
    Pipeline::new(Layout {
        raw: folder.join("raw"),
        preprocessed: folder.join("preprocessed"),
        results: folder.join("results"),
    })
}

pub(crate) fn phantoms(pipeline: &Pipeline) -> (PhantomDataset, DatasetId) {
    let dataset = PhantomDataset {
        training_cases: 5,
        test_cases: 1,
        config: PhantomConfig::tiny(),
        ..PhantomDataset::default()
    };
    write_dataset(
        &pipeline.layout.raw,
        &dataset,
        &pipeline.formats,
        &NoProgress,
    )
    .unwrap();
    let id = DatasetId::Number(900);
    (dataset, id)
}

pub(crate) fn tiny_plan() -> PlanRequest {
    PlanRequest {
        overrides: PlanOverrides {
            base_features: Some(4),
            batch_size: Some(2),
            ..PlanOverrides::default()
        },
        ..PlanRequest::default()
    }
}

pub(crate) fn training(id: &DatasetId, configuration: &str, existing: Existing) -> TrainRequest {
    TrainRequest {
        dataset: id.clone(),
        plans_name: DEFAULT_PLANS.to_owned(),
        configuration: configuration.to_owned(),
        training: TrainingConfig {
            epochs: 2,
            iterations_per_epoch: 3,
            validation_iterations: 1,
            fold: Fold::Number(0),
            ..TrainingConfig::default()
        },
        device: DeviceChoice::Cpu,
        loader_threads: NonZeroUsize::MIN,
        augmentation: AugmentationChoice::Planned,
        pretrained: None,
        existing,
    }
}

#[test]
fn phantoms_become_a_selected_model_that_segments() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(folder.path());
    let (dataset, id) = phantoms(&pipeline);

    assert!(pipeline.verify(&id).unwrap().is_usable());
    pipeline.plan(&id, &tiny_plan()).unwrap();
    let stop = AtomicBool::new(false);
    for name in CONFIGURATIONS {
        let report = pipeline.preprocess(&id, DEFAULT_PLANS, name).unwrap();
        assert_eq!((report.done.len(), report.failed.len()), (5, 0));
        let request = training(&id, name, Existing::Replace);
        let outcome = pipeline.train(&request, &Silent, &stop).unwrap();
        let TrainOutcome::Finished { folder, validation } = outcome else {
            panic!("nobody stopped it");
        };
        assert_eq!(validation.metric_per_case.len(), 1);
        assert!(folder.join("checkpoint_final.safetensors").is_file());
        assert!(folder.join("validation/summary.json").is_file());
    }
    let request = SelectRequest {
        folds: vec![Fold::Number(0)],
        ..SelectRequest::new(id.clone())
    };
    let contest = pipeline.select(&request).unwrap();
    assert_eq!(contest.contestants.len(), 3);
    pair_is_the_mean_of_both(&pipeline, &dataset.name, &contest, folder.path());
    crate::report::tells_all_of_a_selected_model(&pipeline, &id);

    let raw = pipeline.layout.raw_dataset(&dataset.name);
    let output = folder.path().join("predictions");
    let request = SelectedRequest {
        dataset: id,
        folder: FolderRequest::new(&raw.join("imagesTs"), &output),
        options: PredictOptions::default(),
    };
    let report = pipeline.predict_selected(&request).unwrap();
    assert_eq!((report.done.len(), report.failed.len()), (1, 0));
    let summary = evaluate_folder(
        &raw.join("labelsTs"),
        &output,
        &pipeline.description(&dataset.name).unwrap(),
        &pipeline.formats,
        &EvaluateOptions::default(),
        &NoProgress,
    )
    .unwrap();
    assert_eq!(summary.mean.len(), 3);
    let again = SelectedRequest {
        options: PredictOptions {
            existing: ExistingOutputs::Keep,
            ..PredictOptions::default()
        },
        ..request
    };
    let report = pipeline.predict_selected(&again).unwrap();
    assert_eq!((report.done.len(), report.kept.len()), (0, 1));
}

/// The validation stored no probabilities, so that the selection computed them from the
/// preprocessed case; here they come from the image.
fn pair_is_the_mean_of_both(pipeline: &Pipeline, dataset: &str, contest: &Contest, folder: &Path) {
    let pair = &contest.contestants[2];
    let case = &pair.summary.metric_per_case[0];
    let prediction = Path::new(&case.prediction_file);
    let name = prediction.file_name().unwrap().to_str().unwrap();
    let case = name.strip_suffix(".nii.gz").unwrap();
    let images = folder.join("one_image");
    fs::create_dir(&images).unwrap();
    let channel = format!("{case}_0000.nii.gz");
    let image = pipeline
        .layout
        .raw_dataset(dataset)
        .join("imagesTr")
        .join(&channel);
    fs::copy(image, images.join(&channel)).unwrap();
    let members = CONFIGURATIONS.map(|name| {
        let model = (pipeline.layout).model(dataset, TRAINER, DEFAULT_PLANS, name);
        let options = PredictOptions {
            probabilities: SaveProbabilities {
                chunked: Some(ProbabilityPrecision::Single),
                npz: false,
            },
            ..PredictOptions::default()
        };
        let predictor = Predictor::load(&model, &[], options).unwrap();
        let output = folder.join("member").join(name);
        let report = predictor
            .predict_folder(&images, &output, &pipeline.formats, &NoProgress)
            .unwrap();
        assert_eq!((report.predicted.len(), report.failed.len()), (1, 0));
        output
    });
    let output = folder.join("mean");
    let (formats, options) = (&pipeline.formats, EnsembleOptions::default());
    ensemble_folders(&members, &output, options, formats, &NoProgress).unwrap();
    let read = |path: &Path| formats.read_labels(path).unwrap().labels;
    let [selected, expected] = [read(prediction), read(&output.join(name))];
    assert_eq!(selected, expected);
    let ensembles = pipeline.layout.results.join(dataset).join("ensembles");
    assert_eq!(fs::read_dir(ensembles).unwrap().count(), 1);
}

#[test]
fn a_stopped_training_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(folder.path());
    let (_, id) = phantoms(&pipeline);
    pipeline.plan(&id, &tiny_plan()).unwrap();
    pipeline.preprocess(&id, DEFAULT_PLANS, "2d").unwrap();

    let stopped = pipeline
        .train(
            &training(&id, "2d", Existing::Replace),
            &Silent,
            &AtomicBool::new(true),
        )
        .unwrap();
    assert!(matches!(stopped, TrainOutcome::Stopped { .. }));
    let finished = pipeline
        .train(
            &training(&id, "2d", Existing::Keep),
            &Silent,
            &AtomicBool::new(false),
        )
        .unwrap();
    assert!(matches!(finished, TrainOutcome::Finished { .. }));
}

#[test]
fn a_missing_stage_names_the_command_that_makes_it() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(folder.path());
    let (_, id) = phantoms(&pipeline);
    let stop = AtomicBool::new(false);
    let train = |pipeline: &Pipeline| {
        let request = training(&id, "2d", Existing::Replace);
        pipeline
            .train(&request, &Silent, &stop)
            .unwrap_err()
            .to_string()
    };
    assert!(train(&pipeline).contains("nnunet plan"));
    pipeline.plan(&id, &tiny_plan()).unwrap();
    assert!(train(&pipeline).contains("nnunet preprocess"));
    let unknown = pipeline.preprocess(&id, DEFAULT_PLANS, "4d").unwrap_err();
    assert!(matches!(unknown, PipelineError::Schema(_)));
    assert!(unknown.to_string().contains("2d, 3d_fullres"), "{unknown}");
}

#[test]
fn a_changed_plan_is_refused_where_cases_of_the_old_one_lie() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(folder.path());
    let (dataset, id) = phantoms(&pipeline);
    pipeline.plan(&id, &tiny_plan()).unwrap();
    pipeline
        .preprocess(&id, DEFAULT_PLANS, "3d_fullres")
        .unwrap();

    let path = pipeline.layout.plans(&dataset.name, DEFAULT_PLANS);
    let mut plans = Plans::load(&path).unwrap();
    let mut changed = plans.configuration("3d_fullres").unwrap();
    changed.spacing = changed.spacing.iter().map(|mm| mm * 2.0).collect();
    plans.insert("3d_fullres", &changed).unwrap();
    plans.save(&path).unwrap();
    let error = pipeline
        .preprocess(&id, DEFAULT_PLANS, "3d_fullres")
        .unwrap_err();
    assert!(error.to_string().contains("spacing"), "{error}");
}

#[test]
fn a_broken_case_fails_alone_and_leaves_nothing_half_made() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(folder.path());
    let (dataset, id) = phantoms(&pipeline);
    pipeline.plan(&id, &tiny_plan()).unwrap();
    let images = pipeline.layout.raw_dataset(&dataset.name).join("imagesTr");
    let mut files: Vec<_> = fs::read_dir(images)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    let bytes = fs::read(&files[2]).unwrap();
    fs::write(&files[2], &bytes[..bytes.len() / 2]).unwrap();

    let report = pipeline.preprocess(&id, DEFAULT_PLANS, "2d").unwrap();
    assert_eq!((report.done.len(), report.failed.len()), (4, 1));
    let (case, error) = &report.failed[0];
    assert!(files[2].to_string_lossy().contains(case.as_str()));
    assert!(
        error.to_string().contains(&*files[2].to_string_lossy()),
        "{error}"
    );
    fs::write(&files[2], &bytes).unwrap();
    let again = pipeline.preprocess(&id, DEFAULT_PLANS, "2d").unwrap();
    assert_eq!((again.done.len(), again.skipped.len()), (1, 4));
}
