use std::fs;
use std::path::Path;

use ndarray::{Array4, Axis};
use nnunet_image::LabelMap;
use nnunet_infer::{ProbabilityPrecision, ProbabilitySink, ProbabilityWriter};
use nnunet_schema::{DatasetDescription, Plans, Splits};

use super::*;
use crate::pipeline::{PlanRequest, testing};

mod python;

const FOLDS: [Fold; 2] = [Fold::Number(0), Fold::Number(1)];

/// A dataset with references and plans, and models that exist only by what they predicted.
struct Trained {
    pipeline: Pipeline,
    dataset: String,
    plans: Plans,
    description: DatasetDescription,
    _folder: tempfile::TempDir,
}

impl Trained {
    fn new() -> Self {
        Self::planned(&PlanRequest::default())
    }

    fn planned(request: &PlanRequest) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (pipeline, dataset) = testing::phantoms(folder.path());
        let id = DatasetId::Name(dataset.clone());
        let plans = pipeline.plan(&id, request).unwrap().plans;
        let description = pipeline.description(&dataset).unwrap();
        let cases: Vec<String> = (pipeline.raw_dataset(&id).unwrap().cases.into_iter())
            .map(|case| case.id)
            .collect();
        let splits = Splits::five_fold(&cases).unwrap();
        splits.save(&pipeline.layout.splits(&dataset)).unwrap();
        Self {
            dataset,
            plans,
            description,
            pipeline,
            _folder: folder,
        }
    }

    fn request(&self) -> SelectRequest {
        SelectRequest {
            folds: FOLDS.into(),
            ..SelectRequest::new(DatasetId::Name(self.dataset.clone()))
        }
    }

    fn validation(&self, configuration: &str, fold: Fold) -> PathBuf {
        let layout = &self.pipeline.layout;
        let model = layout.model(&self.dataset, TRAINER, DEFAULT_PLANS, configuration);
        layout::fold(&model, fold).join("validation")
    }

    /// The case that a fold holds out: with five cases it is one.
    fn held_out(&self, fold: Fold) -> String {
        let splits = Splits::load(&self.pipeline.layout.splits(&self.dataset)).unwrap();
        splits.fold(fold, &[]).unwrap().val[0].clone()
    }

    /// A model of a configuration that is wrong in every `period`th voxel, where it is as sure as
    /// `sure`; elsewhere it is right and quite sure. Everywhere it sees an island of label 1.
    fn model(&self, configuration: &str, period: usize, sure: f32) {
        for fold in FOLDS {
            let case = self.held_out(fold);
            let ending = &self.description.file_ending;
            let name = format!("{case}{ending}");
            let raw = self.pipeline.layout.raw_dataset(&self.dataset);
            let mut map = (self.pipeline.formats)
                .read_labels(&layout::training_labels(&raw).join(&name))
                .unwrap();
            let (z, y, x) = map.labels.dim();
            let mut probabilities = Array4::from_elem((4, z, y, x), 0.0_f32);
            for (i, ((z, y, x), label)) in map.labels.indexed_iter_mut().enumerate() {
                let is_wrong = i % period == 0;
                if is_wrong {
                    *label = (*label + 1) % 4;
                }
                if [z, y, x] == [0, 0, 0] {
                    *label = 1;
                }
                let sure = if is_wrong { sure } else { 0.8 };
                for class in 0..4_usize {
                    let is_it = usize::try_from(*label).unwrap() == class;
                    probabilities[[class, z, y, x]] = if is_it { sure } else { (1.0 - sure) / 3.0 };
                }
            }
            self.write(configuration, fold, &case, &map, &probabilities);
        }
        let model = self.validation(configuration, FOLDS[0]);
        let model = model.ancestors().nth(2).unwrap();
        self.plans.save(&layout::model_plans(model)).unwrap();
        self.description.save(&layout::dataset_json(model)).unwrap();
    }

    fn write(
        &self,
        configuration: &str,
        fold: Fold,
        case: &str,
        map: &LabelMap,
        probabilities: &Array4<f32>,
    ) {
        let folder = self.validation(configuration, fold);
        let path = folder.join(format!("{case}{}", self.description.file_ending));
        self.pipeline.formats.write_labels(&path, map).unwrap();
        fs::write(layout::summary(&folder), "{}").unwrap();
        let chunked = folder.join(format!("{case}.zarr"));
        let mut sink = ProbabilityWriter::new(&chunked, ProbabilityPrecision::Single);
        sink.begin(probabilities.dim().into(), 1).unwrap();
        for slice in probabilities.axis_iter(Axis(1)) {
            sink.slice(slice).unwrap();
        }
        sink.end().unwrap();
    }

    fn forget_probabilities(&self, configuration: &str) {
        for fold in FOLDS {
            let path = self.validation(configuration, fold);
            fs::remove_dir_all(path.join(format!("{}.zarr", self.held_out(fold)))).unwrap();
        }
    }
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = (fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn two_models_that_err_in_other_places_are_best_together() {
    let trained = Trained::new();
    trained.model("2d", 7, 0.5);
    trained.model("3d_fullres", 5, 0.5);
    let contest = trained.pipeline.select(&trained.request()).unwrap();

    let names: Vec<String> = (contest.contestants.iter())
        .map(|c| c.candidate.name(&FOLDS))
        .collect();
    let pair =
        "ensemble___nnUNetTrainer__nnUNetPlans__2d___nnUNetTrainer__nnUNetPlans__3d_fullres___0_1";
    assert_eq!(
        names,
        [
            "nnUNetTrainer__nnUNetPlans__2d",
            "nnUNetTrainer__nnUNetPlans__3d_fullres",
            pair
        ]
    );
    let winner = contest.winner().unwrap();
    assert_eq!(contest.selection.name, pair);
    let dice: Vec<f64> = (contest.contestants.iter())
        .map(|c| c.summary.foreground_mean.dice)
        .collect();
    assert!(dice[2] > dice[0] && dice[0] > dice[1], "{dice:?}");

    let results = trained.pipeline.layout.results.join(&trained.dataset);
    assert_eq!(winner.folder, results.join("ensembles").join(pair));
    let ending = &trained.description.file_ending;
    let mut expected: Vec<String> = FOLDS
        .map(|fold| format!("{}{ending}", trained.held_out(fold)))
        .into();
    let documents = [
        "dataset.json",
        "plans.json",
        "postprocessed",
        "postprocessing.json",
    ];
    expected.extend(documents.map(str::to_owned));
    expected.push("summary.json".to_owned());
    expected.sort();
    assert_eq!(files(&winner.folder), expected);
    assert_eq!(
        files(&results),
        [
            "ensembles",
            "inference_information.json",
            "inference_instructions.txt",
            "nnUNetTrainer__nnUNetPlans__2d",
            "nnUNetTrainer__nnUNetPlans__3d_fullres",
        ]
    );
    assert_eq!(files(&results.join("ensembles")), [pair]);

    // The island of both models goes.
    let accepted = contest.postprocessing.steps();
    assert!(!accepted.is_empty());
    let best = &contest.information.best_model_or_ensemble;
    assert_eq!(best.result_on_crossval_pre_pp, dice[2]);
    assert!(best.result_on_crossval_post_pp > dice[2]);
    let after = Summary::load(&layout::summary(&winner.folder.join("postprocessed"))).unwrap();
    assert_eq!(after.foreground_mean.dice, best.result_on_crossval_post_pp);

    let selected = (trained.pipeline)
        .selected(&DatasetId::Name(trained.dataset.clone()))
        .unwrap();
    assert_eq!(selected.models.len(), 2);
    assert_eq!(selected.folds, FOLDS);
    assert_eq!(selected.postprocessing, contest.postprocessing);
    assert!(contest.instructions.contains("nnunet ensemble"));
}

#[test]
fn averages_that_are_there_are_kept_if_that_is_asked_for() {
    let trained = Trained::new();
    trained.model("2d", 7, 0.5);
    trained.model("3d_fullres", 5, 0.5);
    let first = trained.pipeline.select(&trained.request()).unwrap();
    trained.forget_probabilities("2d");
    let again = SelectRequest {
        existing: Existing::Keep,
        ..trained.request()
    };
    let second = trained.pipeline.select(&again).unwrap();
    assert_eq!(second.selection, first.selection);
    // There is no network that could compute them anew, and no preprocessed cases.
    let error = trained.pipeline.select(&trained.request()).unwrap_err();
    assert!(error.to_string().contains("nnunet preprocess"), "{error}");
    // Single models need no probabilities.
    let single = SelectRequest {
        ensembling: Ensembling::Off,
        ..trained.request()
    };
    let contest = trained.pipeline.select(&single).unwrap();
    assert_eq!(contest.contestants.len(), 2);
    assert!(!contest.information.ensembling_allowed);
}

#[test]
fn models_that_lack_a_fold_stand_aside_unless_they_are_named() {
    let trained = Trained::new();
    trained.model("2d", 7, 0.5);
    trained.model("3d_fullres", 5, 0.5);
    fs::remove_file(layout::summary(&trained.validation("3d_fullres", FOLDS[1]))).unwrap();
    let contest = trained.pipeline.select(&trained.request()).unwrap();
    assert_eq!(contest.contestants.len(), 1);
    let [unfinished] = contest.unfinished.as_slice() else {
        panic!("expected one, found {:?}", contest.unfinished);
    };
    assert_eq!(unfinished.model.configuration, "3d_fullres");
    assert_eq!(unfinished.folds, [FOLDS[1]]);

    let named = SelectRequest {
        configurations: vec!["2d".to_owned(), "3d_fullres".to_owned()],
        ..trained.request()
    };
    let error = trained.pipeline.select(&named).unwrap_err().to_string();
    assert!(
        error.contains("nnunet train") && error.contains("3d_fullres 1"),
        "{error}"
    );

    let folds = SelectRequest {
        folds: vec![Fold::Number(4)],
        ..trained.request()
    };
    let error = trained.pipeline.select(&folds).unwrap_err().to_string();
    assert!(error.contains("2d lacks the folds 4"), "{error}");
    let all = SelectRequest {
        folds: vec![Fold::All],
        ..trained.request()
    };
    assert!(matches!(
        trained.pipeline.select(&all),
        Err(PipelineError::NothingSelectable { .. })
    ));
}

#[test]
fn cases_that_are_missing_or_doubled_are_listed() {
    let trained = Trained::new();
    trained.model("2d", 7, 0.5);
    let [first, second] = FOLDS.map(|fold| trained.held_out(fold));
    let ending = &trained.description.file_ending;
    let [here, there] = [
        trained
            .validation("2d", FOLDS[0])
            .join(format!("{first}{ending}")),
        trained
            .validation("2d", FOLDS[1])
            .join(format!("{first}{ending}")),
    ];
    fs::copy(&here, &there).unwrap();
    fs::remove_file(
        trained
            .validation("2d", FOLDS[1])
            .join(format!("{second}{ending}")),
    )
    .unwrap();
    let error = trained
        .pipeline
        .select(&trained.request())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&format!("{first} is in the folds 0 and 1")),
        "{error}"
    );
    assert!(
        error.contains(&format!("{second} is in no fold")),
        "{error}"
    );
}
