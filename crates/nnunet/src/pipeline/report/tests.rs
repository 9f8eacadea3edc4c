//! Reports on results that lie there without a selection.

use std::fs;
use std::path::{Path, PathBuf};

use nnunet_evaluate::postprocessing::KeepLargest;
use nnunet_evaluate::{Classes, EvaluateOptions, evaluate_folder};
use nnunet_fingerprint::IntensitySampling;
use nnunet_report::data::{Members, Rank, Verdict};
use nnunet_schema::{DatasetId, NoProgress};

use super::*;
use crate::pipeline::{Existing, TRAINER, testing};

const LOG: &str = r#"{"epoch":0,"learning_rate":0.01,"train_loss":0.5,"validation_loss":null,"dice_per_class":[null],"mean_dice":null,"ema_dice":null,"started":10.0,"finished":14.5}
"#;

/// Phantoms with a model whose folds were validated by "predictions" that are the references, of
/// which the first case of each fold lacks every label above 1.
struct Results {
    folder: tempfile::TempDir,
    pipeline: Pipeline,
    dataset: String,
}

impl Results {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (pipeline, dataset) = testing::phantoms(folder.path());
        let id = DatasetId::Name(dataset.clone());
        let sampling = IntensitySampling::Paper;
        pipeline.fingerprint(&id, sampling, Existing::Keep).unwrap();
        Self {
            folder,
            pipeline,
            dataset,
        }
    }

    fn fold(&self, trainer: &str, configuration: &str, fold: &str) -> PathBuf {
        let layout = &self.pipeline.layout;
        let model = layout.model(&self.dataset, trainer, DEFAULT_PLANS, configuration);
        model.join(format!("fold_{fold}"))
    }

    /// Validates a fold on these cases, counted from 0.
    fn validate(&self, fold: &Path, cases: &[usize]) {
        let raw = self.pipeline.raw_dataset(&self.id()).unwrap();
        let validation = fold.join("validation");
        fs::create_dir_all(&validation).unwrap();
        fs::write(fold.join("training_log.jsonl"), LOG).unwrap();
        let references = self
            .folder
            .path()
            .join("references")
            .join(fold.file_name().unwrap());
        fs::create_dir_all(&references).unwrap();
        for (place, number) in cases.iter().enumerate() {
            let case = &raw.cases[*number];
            let label = case.label.as_ref().unwrap();
            let name = label.file_name().unwrap();
            fs::copy(label, references.join(name)).unwrap();
            let mut map = self.pipeline.formats.read_labels(label).unwrap();
            if place == 0 {
                map.labels.mapv_inplace(|value| value.min(1));
            }
            let target = validation.join(name);
            self.pipeline.formats.write_labels(&target, &map).unwrap();
        }
        let summary = evaluate_folder(
            &references,
            &validation,
            &raw.description,
            &self.pipeline.formats,
            &EvaluateOptions::default(),
            &NoProgress,
        );
        summary
            .unwrap()
            .save(&layout::summary(&validation))
            .unwrap();
    }

    fn id(&self) -> DatasetId {
        DatasetId::Name(self.dataset.clone())
    }

    fn report(&self) -> Report {
        self.pipeline
            .report(&ReportRequest::new(self.id()))
            .unwrap()
    }
}

#[test]
fn folds_that_are_validated_count_before_there_is_a_selection() {
    let results = Results::new();
    results.validate(&results.fold(TRAINER, "3d_fullres", "0"), &[0, 1]);
    results.validate(&results.fold(TRAINER, "3d_fullres", "1"), &[2, 3, 4]);
    results.validate(&results.fold("nnUNetTrainerNoDA", "2d", "0"), &[0, 1]);
    // Holds no case out, and is no validation.
    results.validate(&results.fold(TRAINER, "2d", "all"), &[0]);

    let report = results.report();
    assert_eq!(report.overview.outcome, None);
    let validation = report.validation.present().unwrap();
    let found: Vec<(&str, &str, usize)> = (validation.candidates.iter())
        .map(|one| (one.name.as_str(), one.folds.as_str(), one.cases.len()))
        .collect();
    assert_eq!(found, [("3d_fullres", "0 1", 5), ("2d (NoDA)", "0", 2)]);
    for one in &validation.candidates {
        assert_eq!(
            (one.members, one.verdict),
            (Members::Single, Verdict::Undecided)
        );
    }
    assert_eq!(validation.classes, ["organ", "vessel", "lesion"]);

    let volumes = report
        .fingerprint
        .present()
        .unwrap()
        .volumes
        .present()
        .unwrap();
    for class in volumes {
        assert_eq!(
            class.millilitres.len() + class.cases_without,
            5,
            "{}",
            class.class
        );
        assert!(
            class
                .millilitres
                .iter()
                .all(|ml| (0.001..1000.0).contains(ml))
        );
    }

    // The first model has the better mean, as fewer of its cases lack labels.
    let gallery = report.cases.present().unwrap();
    assert_eq!(gallery.predicted_by, "3d_fullres");
    let ranks: Vec<Rank> = gallery.cases.iter().map(|case| case.rank).collect();
    assert_eq!(
        ranks,
        [1, 2, 3]
            .map(Rank::Best)
            .into_iter()
            .chain([2, 1].map(Rank::Worst))
            .collect::<Vec<_>>()
    );
    assert_eq!(gallery.cases[0].dice, 1.0);
    assert!(gallery.cases[4].dice < 0.7, "{}", gallery.cases[4].dice);
    assert!(
        gallery
            .cases
            .iter()
            .all(|case| case.stack.present().is_some())
    );

    let trainings = report.trainings.present().unwrap();
    let of: Vec<(&str, &str)> = (trainings.iter())
        .map(|one| (one.model.as_str(), one.fold.as_str()))
        .collect();
    let expected = [
        ("2d", "all"),
        ("3d_fullres", "0"),
        ("3d_fullres", "1"),
        ("2d (NoDA)", "0"),
    ];
    assert_eq!(of, expected);
    assert!(trainings[0].epochs[0].validation_loss.is_nan());
    let jobs = report.jobs.present().unwrap();
    assert_eq!((jobs.len(), jobs[0].seconds), (4, Some(4.5)));
    assert!(matches!(&report.selection, Part::Missing(why) if why.contains("nnunet select")));
}

#[test]
fn a_report_is_made_of_what_can_be_read() {
    let results = Results::new();
    let fold = results.fold(TRAINER, "2d", "0");
    results.validate(&fold, &[0, 1]);
    // An image is gone, and a log and a fingerprint are damaged.
    let raw = results.pipeline.raw_dataset(&results.id()).unwrap();
    fs::remove_file(&raw.cases[1].images[0]).unwrap();
    fs::write(fold.join("training_log.jsonl"), "{}\n").unwrap();
    let fingerprint = results.pipeline.layout.fingerprint(&results.dataset);
    fs::write(&fingerprint, "{").unwrap();

    let report = results.report();
    let Part::Missing(why) = &report.fingerprint else {
        panic!("it was damaged");
    };
    assert!(why.contains("dataset_fingerprint.json"), "{why}");
    let gallery = report.cases.present().unwrap();
    let stacks: Vec<bool> = (gallery.cases.iter())
        .map(|case| case.stack.present().is_some())
        .collect();
    // The whole prediction, and so the best, is that of the case without an image.
    assert_eq!(stacks, [false, true]);
    assert!(report.trainings.present().is_none());
    let page = page(&report);
    assert!(page.contains("dataset_fingerprint.json"));
}

#[test]
fn datasets_beside_it_are_compared() {
    let results = Results::new();
    let layout = &results.pipeline.layout;
    let own = layout.fingerprint(&results.dataset);
    let other = layout.fingerprint("Dataset001_Other");
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    fs::copy(&own, &other).unwrap();
    // A folder without a fingerprint is no dataset to compare with.
    fs::create_dir_all(layout.preprocessed_dataset("Dataset002_Empty")).unwrap();
    let report = results.report();
    let comparison = &report.fingerprint.present().unwrap().comparison;
    let comparison = comparison.present().unwrap();
    assert_eq!(
        comparison.datasets,
        ["Dataset001_Other", results.dataset.as_str()]
    );
    assert_eq!(comparison.own, 1);
    assert_eq!(comparison.properties[0].values, [5.0, 5.0]);
}

#[test]
fn what_postprocessing_keeps_has_the_name_of_its_classes() {
    let results = Results::new();
    let description = results.pipeline.description(&results.dataset).unwrap();
    let classes = Classes::of(&description).unwrap();
    let whole = KeepLargest::of_all(classes.classes());
    let one = KeepLargest::of_class(&classes.classes()[1]);
    let two = KeepLargest::of_all(&classes.classes()[..2]);
    let name = |step: &KeepLargest| selection::object(&step.labels_or_regions, &classes);
    assert_eq!(name(&whole), "the whole foreground");
    assert_eq!(name(&one), "vessel");
    assert_eq!(name(&two), "the labels 1, 2");
}
