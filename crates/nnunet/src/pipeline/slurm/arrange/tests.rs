//! Which jobs become one Slurm job, and which wait for which.

use std::path::PathBuf;

use nnunet_train::TrainingConfig;

use super::*;
use crate::pipeline::graph::{Completeness, Resources};

fn job(work: Work, needs: &[&str]) -> Job {
    let accelerator = match work.kind() {
        JobKind::Train => Accelerator::Gpu,
        _ => Accelerator::None,
    };
    Job {
        id: work.id(),
        work,
        needs: needs.iter().map(|need| JobId::new(*need)).collect(),
        inputs: Vec::new(),
        outputs: Vec::new(),
        stamp: PathBuf::new(),
        resources: Resources {
            accelerator,
            ..Resources::default()
        },
    }
}

fn train(configuration: &str, fold: Fold, needs: &[&str]) -> Job {
    let training = Box::new(TrainingConfig {
        fold,
        ..TrainingConfig::default()
    });
    let work = Work::Train {
        configuration: configuration.to_owned(),
        training,
        keeps_for: Vec::new(),
    };
    job(work, needs)
}

fn preprocess(configuration: &str) -> Job {
    let configuration = configuration.to_owned();
    job(Work::Preprocess { configuration }, &["plan", "verify"])
}

fn preparation() -> Vec<Job> {
    vec![
        job(Work::Verify, &[]),
        job(Work::Fingerprint, &["verify"]),
        job(Work::Plan, &["fingerprint"]),
        job(Work::Split, &["plan"]),
    ]
}

/// A cascade of two folds, of which the second stage is trained on one.
fn cascade() -> JobGraph {
    let mut jobs = preparation();
    jobs.extend([preprocess("low"), preprocess("full")]);
    let first = ["split", "preprocess-low", "preprocess-full"];
    let folds = [Fold::Number(0), Fold::Number(1)];
    jobs.extend(folds.map(|fold| train("low", fold, &first)));
    let second = ["split", "preprocess-full", "train-low-0", "train-low-1"];
    jobs.push(train("cascade", Fold::Number(0), &second));
    let selection = Work::Select {
        configurations: vec!["low".to_owned(), "cascade".to_owned()],
        folds: vec!["0".to_owned()],
    };
    jobs.push(job(selection, &["train-low-0", "train-cascade-0"]));
    JobGraph {
        dataset: "Dataset900_Phantom".to_owned(),
        plans_name: "nnUNetPlans".to_owned(),
        completeness: Completeness::Whole,
        jobs,
    }
}

/// With these jobs done and those in the queue.
fn arranged(
    graph: &JobGraph,
    choice: &JobChoice,
    done: &[&str],
    queued: &[(&str, SlurmId)],
) -> Arrangement {
    Arrangement::of(graph, choice, |job| {
        let name = job.as_str();
        let in_queue = queued.iter().find(|(queued, _)| *queued == name);
        match in_queue {
            _ if done.contains(&name) => Standing::Done,
            Some((_, id)) => Standing::Queued(*id),
            None => Standing::Open,
        }
    })
}

fn names(arrangement: &Arrangement) -> Vec<String> {
    arrangement.batches.iter().map(Batch::name).collect()
}

const PREPARED: [&str; 4] = ["verify", "fingerprint", "plan", "split"];

fn with_prepared<'a>(others: &[&'a str]) -> Vec<&'a str> {
    PREPARED.iter().chain(others).copied().collect()
}

#[test]
fn the_stages_of_a_cascade_are_arrays_one_after_the_other() {
    let arrangement = arranged(&cascade(), &JobChoice::All, &PREPARED, &[]);
    let batches = &arrangement.batches;
    assert_eq!(
        names(&arrangement),
        [
            "preprocess-low",
            "preprocess-full",
            "train-low",
            "train-cascade",
            "select"
        ]
    );
    assert_eq!(batches[0].after, []);
    assert_eq!(batches[2].tasks(), [0, 1]);
    assert_eq!(batches[2].after, [After::Batch(0), After::Batch(1)]);
    // After all folds of the first stage.
    assert_eq!(batches[3].after, [After::Batch(1), After::Batch(2)]);
    // After the folds that are selected from.
    assert_eq!(batches[4].after, [After::Task(2, 0), After::Batch(3)]);
    assert_eq!(batches[2].class, JobClass::Train);
    assert_eq!(batches[2].accelerator, Accelerator::Gpu);
    assert_eq!(batches[4].class, JobClass::Select);
    assert_eq!(batches[4].accelerator, Accelerator::None);
    assert_eq!(arrangement.done.len(), 4);
    assert!(arrangement.left.is_empty());
}

#[test]
fn before_it_is_planned_one_job_prepares_and_submits_the_rest() {
    let graph = JobGraph {
        jobs: preparation(),
        completeness: Completeness::UntilPlanned,
        ..cascade()
    };
    let arrangement = arranged(&graph, &JobChoice::All, &["verify"], &[]);
    let [batch] = arrangement.batches.as_slice() else {
        panic!("{arrangement:?}");
    };
    let BatchContent::Preparation { jobs, kinds, rest } = &batch.content else {
        panic!("{batch:?}");
    };
    assert_eq!(
        jobs.iter().map(JobId::as_str).collect::<Vec<_>>(),
        PREPARED[1..]
    );
    let expected = [
        JobKind::Verify,
        JobKind::Fingerprint,
        JobKind::Plan,
        JobKind::Split,
    ];
    assert_eq!(kinds, &expected);
    assert_eq!(rest, &Rest::All);
    assert_eq!(
        (batch.class, &batch.after),
        (JobClass::Prepare, &Vec::new())
    );

    // The same if there are plans, but they are made again: what follows may be others.
    let again = arranged(&cascade(), &JobChoice::All, &["verify"], &[]);
    assert_eq!(names(&again), ["prepare"]);

    // In the queue it is not submitted again, nor is what it will submit.
    let queued = PREPARED.map(|job| (job, SlurmId::whole(7)));
    let waiting = arranged(&cascade(), &JobChoice::All, &[], &queued);
    assert_eq!(names(&waiting), [""; 0]);
    assert_eq!((waiting.queued.len(), waiting.left.len()), (4, 6));
}

#[test]
fn only_what_is_asked_for_is_prepared() {
    let rest_of = |kinds: &[JobKind]| {
        let choice = JobChoice::Kinds(kinds.to_vec());
        let arrangement = arranged(&cascade(), &choice, &[], &[]);
        arrangement
            .batches
            .into_iter()
            .next()
            .map(|batch| match batch.content {
                BatchContent::Preparation { kinds, rest, .. } => (kinds, rest),
                other => panic!("{other:?}"),
            })
    };
    let only_verify = rest_of(&[JobKind::Verify]);
    assert_eq!(only_verify, Some((vec![JobKind::Verify], Rest::None)));
    let until = [
        JobKind::Verify,
        JobKind::Fingerprint,
        JobKind::Plan,
        JobKind::Preprocess,
    ];
    let rest = Rest::Kinds(vec![JobKind::Preprocess]);
    assert_eq!(rest_of(&until), Some((until[..3].to_vec(), rest)));
    assert_eq!(rest_of(&[JobKind::Train]), None);
}

#[test]
fn what_is_done_or_in_the_queue_is_not_submitted() {
    let done = with_prepared(&["preprocess-low", "preprocess-full", "train-low-0"]);
    let queued = [("train-low-1", SlurmId::task(7, 1))];
    let arrangement = arranged(&cascade(), &JobChoice::All, &done, &queued);
    assert_eq!(names(&arrangement), ["train-cascade", "select"]);
    let in_queue = After::Queued(SlurmId::task(7, 1));
    assert_eq!(arrangement.batches[0].after, [in_queue]);
    // What it needs of the first stage is done.
    assert_eq!(arrangement.batches[1].after, [After::Batch(0)]);
    assert_eq!(arrangement.queued.len(), 1);

    // One fold of two is left: an array of one, by its own number.
    let arrangement = arranged(&cascade(), &JobChoice::All, &done, &[]);
    assert_eq!(arrangement.batches[0].name(), "train-low");
    assert_eq!(arrangement.batches[0].tasks(), [1]);
    let all: Vec<&str> = with_prepared(&[
        "preprocess-low",
        "preprocess-full",
        "train-low-0",
        "train-low-1",
        "train-cascade-0",
        "select",
    ]);
    let nothing = arranged(&cascade(), &JobChoice::All, &all, &[]);
    assert!(nothing.batches.is_empty() && nothing.done.len() == 10);
}

#[test]
fn what_cannot_be_reached_is_left() {
    let trainings = JobChoice::Kinds(vec![JobKind::Train]);
    let arrangement = arranged(&cascade(), &trainings, &PREPARED, &[]);
    assert!(arrangement.batches.is_empty(), "{arrangement:?}");
    assert_eq!(arrangement.left.len(), 3);
    let done = with_prepared(&["preprocess-low", "preprocess-full"]);
    let arrangement = arranged(&cascade(), &trainings, &done, &[]);
    assert_eq!(names(&arrangement), ["train-low", "train-cascade"]);
    // Preprocessing is done, and not asked for.
    assert!(arrangement.done.is_empty());
}

#[test]
fn a_training_on_all_cases_is_no_task_of_an_array() {
    let mut graph = cascade();
    graph.jobs.truncate(6);
    for fold in [Fold::All, Fold::Number(2)] {
        graph.jobs.push(train("full", fold, &["preprocess-full"]));
    }
    let done = with_prepared(&["preprocess-low", "preprocess-full"]);
    let arrangement = arranged(&graph, &JobChoice::All, &done, &[]);
    assert_eq!(names(&arrangement), ["train-full-all", "train-full"]);
    assert_eq!(arrangement.batches[0].tasks(), [0; 0]);
    assert_eq!(arrangement.batches[0].class, JobClass::Train);
    assert_eq!(arrangement.batches[1].tasks(), [2]);
}
