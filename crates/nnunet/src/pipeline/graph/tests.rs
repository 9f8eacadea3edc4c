//! What counts as done, and what does not any more.

use std::fs;
use std::sync::atomic::AtomicBool;

use nnunet_schema::plans::PlanOverrides;
use nnunet_schema::{DatasetId, Fold};
use nnunet_train::TrainingConfig;

use super::*;
use crate::pipeline::{Existing, PlanRequest, testing};

/// Phantoms of which the cases are preprocessed in 2D, and nothing is trained.
struct Prepared {
    folder: tempfile::TempDir,
    pipeline: Pipeline,
    request: GraphRequest,
}

impl Prepared {
    fn unprepared() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (pipeline, _) = testing::phantoms(folder.path());
        let request = GraphRequest {
            planning: Planning::By(Box::new(PlanRequest {
                overrides: PlanOverrides {
                    base_features: Some(4),
                    batch_size: Some(2),
                    ..PlanOverrides::default()
                },
                ..PlanRequest::default()
            })),
            extent: Extent::Chosen {
                configurations: vec!["2d".to_owned()],
                folds: vec![Fold::Number(0)],
            },
            training: TrainingConfig {
                epochs: 1,
                iterations_per_epoch: 1,
                validation_iterations: 1,
                ..TrainingConfig::default()
            },
            ..GraphRequest::new(DatasetId::Number(900))
        };
        Self {
            folder,
            pipeline,
            request,
        }
    }

    fn new() -> Self {
        let prepared = Self::unprepared();
        prepared.run();
        prepared
    }

    /// Runs all jobs up to preprocessing; which of them were run.
    fn run(&self) -> Vec<String> {
        let kinds = vec![
            JobKind::Verify,
            JobKind::Fingerprint,
            JobKind::Plan,
            JobKind::Split,
            JobKind::Preprocess,
        ];
        let never = AtomicBool::new(false);
        let report = self
            .pipeline
            .run_graph(&self.request, &JobChoice::Kinds(kinds), &never);
        let report = report.unwrap();
        let failed = report.which(|end| matches!(end, JobEnd::Failed(_)));
        assert_eq!(failed.count(), 0, "{report:?}");
        let run = report.which(|end| matches!(end, JobEnd::Done));
        run.map(ToString::to_string).collect()
    }

    fn state(&self, id: &str) -> JobState {
        let graph = self.pipeline.graph(&self.request).unwrap();
        let statuses = self.pipeline.assess(&graph).unwrap();
        let status = statuses.into_iter().find(|s| s.job.id.as_str() == id);
        status.unwrap().state
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    fn first_image(&self) -> PathBuf {
        let raw = self.pipeline.raw_dataset(&self.request.dataset).unwrap();
        raw.cases[0].images[0].clone()
    }
}

const CHANGED: fn(&[&str]) -> JobState = |names| JobState::Ready {
    reason: Reason::InputsChanged {
        changed: names.iter().map(ToString::to_string).collect(),
    },
};

#[test]
fn what_is_done_is_not_done_again() {
    let prepared = Prepared::unprepared();
    assert_eq!(
        prepared.state("verify"),
        JobState::Ready {
            reason: Reason::New
        }
    );
    let run = prepared.run();
    assert_eq!(
        run,
        ["verify", "fingerprint", "plan", "split", "preprocess-2d"]
    );
    assert_eq!(prepared.run(), [""; 0]);
    assert_eq!(prepared.state("preprocess-2d"), JobState::Done);
    let training = prepared.state("train-2d-0");
    assert_eq!(
        training,
        JobState::Ready {
            reason: Reason::New
        }
    );
    let selection = prepared.state("select");
    assert!(
        matches!(selection, JobState::Waiting { .. }),
        "{selection:?}"
    );
}

#[test]
fn a_changed_image_is_named_and_its_case_alone_preprocessed_again() {
    let prepared = Prepared::new();
    let image = prepared.first_image();
    let raw = prepared
        .pipeline
        .raw_dataset(&prepared.request.dataset)
        .unwrap();
    let (first, second) = (&raw.cases[0], &raw.cases[1]);
    let store = prepared.path("preprocessed/Dataset900_Phantom/nnUNetPlans_2d");
    let written = |case: &str| {
        fs::metadata(store.join(format!("{case}.json")))
            .unwrap()
            .modified()
            .unwrap()
    };
    let before = [written(&first.id), written(&second.id)];

    // The same again: only the time differs.
    let bytes = fs::read(&image).unwrap();
    fs::write(&image, &bytes).unwrap();
    assert_eq!(prepared.state("verify"), JobState::Done);

    // An organ with a hole: no spacing changes by it, and no shape.
    let (formats, label) = (&prepared.pipeline.formats, first.label.as_ref().unwrap());
    let mut labels = formats.read_labels(label).unwrap();
    let organ = labels.labels.iter_mut().find(|label| **label == 1);
    *organ.unwrap() = 0;
    formats.write_labels(label, &labels).unwrap();
    let case = format!("case {}", first.id);
    assert_eq!(prepared.state("verify"), CHANGED(&[&case]));
    let waiting = prepared.state("preprocess-2d");
    assert!(matches!(waiting, JobState::Waiting { .. }), "{waiting:?}");
    let run = prepared.run();
    assert_eq!(run, ["verify", "fingerprint", "plan", "preprocess-2d"]);
    assert!(written(&first.id) > before[0]);
    assert_eq!(written(&second.id), before[1]);
    assert_eq!(prepared.run(), [""; 0]);
}

#[test]
fn other_values_fixed_by_hand_make_other_plans_and_what_follows() {
    let mut prepared = Prepared::new();
    let Planning::By(plan) = &mut prepared.request.planning else {
        panic!("it was asked for");
    };
    plan.overrides.base_features = Some(6);
    assert_eq!(prepared.state("plan"), CHANGED(&[build::PLANNING]));
    // Preprocessed cases know nothing of features.
    assert_eq!(prepared.run(), ["plan"]);
    let plans = prepared
        .pipeline
        .plans("Dataset900_Phantom", "nnUNetPlans")
        .unwrap();
    let features = plans.configuration("2d").unwrap().architecture.arch_kwargs;
    assert_eq!(features.features_per_stage[0], 6);
}

#[test]
fn a_job_that_was_killed_goes_on_and_one_killed_over_its_cleaning_begins_anew() {
    let prepared = Prepared::new();
    let graph = prepared.pipeline.graph(&prepared.request).unwrap();
    let job = graph.job(&JobId::new("preprocess-2d")).unwrap();
    let stamp = Stamp::load(&job.stamp).unwrap().unwrap();
    assert_eq!((stamp.state, stamp.attempts), (StampState::Done, 1));
    for state in [StampState::Begun, StampState::Clearing] {
        let killed = Stamp {
            state,
            ..stamp.clone()
        };
        killed.save(&job.stamp).unwrap();
        let interrupted = JobState::Ready {
            reason: Reason::Interrupted,
        };
        assert_eq!(prepared.state("preprocess-2d"), interrupted);
        assert_eq!(prepared.run(), ["preprocess-2d"]);
    }
    let stamp = Stamp::load(&job.stamp).unwrap().unwrap();
    assert_eq!((stamp.state, stamp.attempts), (StampState::Done, 2));
}

#[test]
fn a_missing_result_is_named_and_made_again() {
    let prepared = Prepared::new();
    let store = prepared.path("preprocessed/Dataset900_Phantom/nnUNetPlans_2d");
    let case = prepared
        .pipeline
        .raw_dataset(&prepared.request.dataset)
        .unwrap()
        .cases[2]
        .id
        .clone();
    fs::remove_file(store.join(format!("{case}.json"))).unwrap();
    let missing = store.join(&case);
    let reason = Reason::OutputMissing { missing };
    assert_eq!(prepared.state("preprocess-2d"), JobState::Ready { reason });
    assert_eq!(prepared.run(), ["preprocess-2d"]);
}

#[test]
fn what_the_single_commands_made_counts_if_it_was_made_as_asked() {
    let mut prepared = Prepared::unprepared();
    let (id, pipeline) = (&prepared.request.dataset, &prepared.pipeline);
    let Planning::By(plan) = prepared.request.planning.clone() else {
        panic!("it was asked for");
    };
    pipeline.plan(id, &plan).unwrap();
    pipeline.split(id, None, Existing::Keep).unwrap();
    pipeline.preprocess(id, "nnUNetPlans", "2d").unwrap();
    // Whether the images are as they should be is not seen from these.
    assert_eq!(prepared.run(), ["verify"]);

    prepared.request.planning = Planning::By(Box::default());
    fs::remove_file(prepared.path("preprocessed/Dataset900_Phantom/jobs/plan-nnUNetPlans.json"))
        .unwrap();
    let blocked = prepared.state("plan");
    assert!(
        matches!(&blocked, JobState::Blocked { problem } if problem.contains("nnUNetPlans.json")),
        "{blocked:?}"
    );
    fs::remove_file(
        prepared.path("preprocessed/Dataset900_Phantom/jobs/preprocess-nnUNetPlans_2d.json"),
    )
    .unwrap();
    let mut plans = prepared
        .pipeline
        .plans("Dataset900_Phantom", "nnUNetPlans")
        .unwrap();
    let mut coarser = plans.configuration("2d").unwrap();
    coarser.spacing = coarser.spacing.iter().map(|mm| mm * 2.0).collect();
    plans.insert("2d", &coarser).unwrap();
    plans
        .save(&prepared.path("preprocessed/Dataset900_Phantom/nnUNetPlans.json"))
        .unwrap();
    // Who asks for nothing takes what is there.
    prepared.request.planning = Planning::AsFound {
        plans_name: "nnUNetPlans".to_owned(),
    };
    assert_eq!(prepared.state("plan"), JobState::Done);
    // But not cases of other plans.
    let blocked = prepared.state("preprocess-2d");
    assert!(
        matches!(&blocked, JobState::Blocked { problem } if problem.contains("other plans")),
        "{blocked:?}"
    );
}

#[test]
fn a_dataset_with_errors_is_not_gone_on_with() {
    let prepared = Prepared::unprepared();
    let image = prepared.first_image();
    let bytes = fs::read(&image).unwrap();
    fs::write(&image, &bytes[..bytes.len() / 2]).unwrap();
    let never = AtomicBool::new(false);
    let report = prepared
        .pipeline
        .run_graph(&prepared.request, &JobChoice::All, &never)
        .unwrap();
    let failed: Vec<&JobId> = report
        .which(|end| matches!(end, JobEnd::Failed(_)))
        .collect();
    assert_eq!(failed, [&JobId::new("verify")]);
    assert_eq!(
        report.which(|end| matches!(end, JobEnd::NotTried)).count(),
        3
    );
    // Repaired, it is.
    fs::write(&image, &bytes).unwrap();
    assert_eq!(prepared.run().len(), 5);
}

#[test]
fn a_job_of_another_process_is_left_to_it() {
    let prepared = Prepared::unprepared();
    let graph = prepared.pipeline.graph(&prepared.request).unwrap();
    let lock = graph.job(&JobId::new("fingerprint")).unwrap().lock();
    // Another thread of this process is a living owner, too.
    let taken = lock::JobLock::acquire(&lock, lock::DEAD_AFTER).unwrap();
    let state = prepared.state("fingerprint");
    assert!(matches!(state, JobState::Running { .. }), "{state:?}");
    let never = AtomicBool::new(false);
    let report = prepared
        .pipeline
        .run_graph(&prepared.request, &JobChoice::All, &never)
        .unwrap();
    let elsewhere: Vec<&JobId> = report
        .which(|end| matches!(end, JobEnd::Elsewhere(_)))
        .collect();
    assert_eq!(elsewhere, [&JobId::new("fingerprint")]);
    assert!(
        !prepared
            .pipeline
            .layout
            .fingerprint("Dataset900_Phantom")
            .exists()
    );
    drop(taken);
    assert_eq!(prepared.run().len(), 4);
}
