//! What the stamps and the queue say together.

use std::path::PathBuf;

use super::*;
use crate::pipeline::graph::{Job, Reason, Resources, Work};

fn preprocess() -> Job {
    job(Work::Preprocess {
        configuration: "2d".to_owned(),
    })
}

fn select() -> Job {
    job(Work::Select {
        configurations: vec!["2d".to_owned()],
        folds: vec!["0".to_owned()],
    })
}

fn job(work: Work) -> Job {
    Job {
        id: work.id(),
        work,
        needs: Vec::new(),
        inputs: Vec::new(),
        outputs: Vec::new(),
        stamp: PathBuf::new(),
        resources: Resources::default(),
    }
}

fn status(job: Job, state: JobState) -> JobStatus {
    JobStatus {
        job,
        state,
        seconds: None,
    }
}

fn open(job: Job) -> JobStatus {
    let reason = Reason::New;
    status(job, JobState::Ready { reason })
}

fn submitted(job: &Job, id: u32, after: &[(&Job, u32)]) -> (JobId, Submitted) {
    let after = after.iter();
    let submitted = Submitted {
        id: SlurmId::whole(id),
        log: PathBuf::new(),
        after: after
            .map(|(need, id)| (need.id.clone(), SlurmId::whole(*id)))
            .collect(),
        work: WorkDigest::of(job, &[]),
    };
    (job.id.clone(), submitted)
}

/// Preprocessing was submitted as 1, the selection as 2 after it, and the queue says this.
fn standings(statuses: &[JobStatus], queue: &str) -> Vec<Standing> {
    let (first, second) = (preprocess(), select());
    let record = SubmissionRecord {
        jobs: BTreeMap::from([
            submitted(&first, 1, &[]),
            submitted(&second, 2, &[(&first, 1)]),
        ]),
        ..SubmissionRecord::default()
    };
    let known = Known {
        record: &record,
        queue: &Queue::parse(queue, "n").unwrap(),
        own_job: None,
        options: &[],
    };
    let standings = known.standings(statuses).unwrap();
    statuses
        .iter()
        .map(|status| standings[&status.job.id])
        .collect()
}

const FIRST: Standing = Standing::Queued(SlurmId::whole(1));
const SECOND: Standing = Standing::Queued(SlurmId::whole(2));
const DOOMED: Standing = Standing::Doomed(SlurmId::whole(2));

#[test]
fn what_waits_for_something_that_failed_is_doomed() {
    let both = [open(preprocess()), open(select())];
    let waits = "2|PENDING|Dependency|n";
    let with = |first: &str| standings(&both, &format!("{first}\n{waits}"));
    assert_eq!(with("1|RUNNING|None|n"), [FIRST, SECOND]);
    assert_eq!(with("1|FAILED|NonZeroExitCode|n"), [Standing::Open, DOOMED]);
    assert_eq!(with("1|CANCELLED|None|n"), [Standing::Open, DOOMED]);
    assert_eq!(with(""), [Standing::Open, DOOMED]);
    let prepared = [status(preprocess(), JobState::Done), open(select())];
    assert_eq!(standings(&prepared, waits), [Standing::Done, SECOND]);
    // Slurm looks at how the job ended, not at what was done.
    let failed = format!("1|FAILED|NonZeroExitCode|n\n{waits}");
    assert_eq!(standings(&prepared, &failed), [Standing::Done, DOOMED]);
    let ended = format!("1|COMPLETED|None|n\n{waits}");
    assert_eq!(standings(&prepared, &ended), [Standing::Done, SECOND]);
}

#[test]
fn what_has_left_the_queue_undone_is_open_and_what_is_done_is_done() {
    let both = [open(preprocess()), open(select())];
    assert_eq!(standings(&both, ""), [Standing::Open, Standing::Open]);
    let done = [status(preprocess(), JobState::Done)];
    assert_eq!(standings(&done, "1|COMPLETING|None|n"), [Standing::Done]);
}

#[test]
fn other_work_of_the_same_name_is_not_taken_for_it() {
    let (asked, queued) = (open(select()), select());
    let mut other = queued.clone();
    other.work = Work::Select {
        configurations: vec!["2d".to_owned()],
        folds: vec!["0".to_owned(), "1".to_owned()],
    };
    let known = |record: &SubmissionRecord, own_job| {
        let queue = Queue::parse("2|PENDING|Resources|n", "n").unwrap();
        Known {
            record,
            queue: &queue,
            own_job,
            options: &[],
        }
        .standings(std::slice::from_ref(&asked))
    };
    let record = |job: &Job| SubmissionRecord {
        jobs: BTreeMap::from([submitted(job, 2, &[])]),
        ..SubmissionRecord::default()
    };
    let found = known(&record(&queued), None).unwrap();
    assert_eq!(found[&queued.id], SECOND);
    let said = known(&record(&other), None).unwrap_err().to_string();
    assert!(said.contains("`select` is in the queue as 2"), "{said}");
    assert!(said.contains("scancel 2"), "{said}");
    // A job does not wait for itself.
    let said = known(&record(&queued), Some(SlurmId::whole(2))).unwrap_err();
    assert!(matches!(said, SlurmError::StillOpen { .. }), "{said}");
}

#[test]
fn what_follows_the_plan_does_not_depend_on_the_options_of_the_rest() {
    let options = |epochs: &str| vec!["--epochs".to_owned(), epochs.to_owned()];
    let same =
        |job: &Job| WorkDigest::of(job, &options("10")) == WorkDigest::of(job, &options("20"));
    assert!(same(&preprocess()));
    // It is submitted with them by the job that plans.
    assert!(!same(&job(Work::Plan)));
}
