//! One job from its first stamp to its last.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Instant;

use nnunet_model::{Checkpoint, CheckpointKind, DeviceChoice};
use nnunet_preprocess::CaseStore;
use nnunet_schema::{DatasetId, Fold, SchemaError, Splits, layout};
use nnunet_train::{ProgressObserver, TrainingConfig};

use super::build::JobGraph;
use super::inputs::{RawContents, case_of};
use super::job::{Job, Work};
use super::lock::{Acquired, DEAD_AFTER, HEARTBEAT, JobLock, Owner};
use super::request::GraphRequest;
use super::stamp::{Digests, Stamp, StampState};
use super::state::{Reason, Standing, lock_error};
use crate::pipeline::prepare::all_preprocessed;
use crate::pipeline::train::VALIDATION;
use crate::pipeline::variant::trainer_name;
use crate::pipeline::{
    Existing, Pipeline, PipelineError, ReportRequest, SelectRequest, TrainOutcome, TrainRequest,
};

/// What came of a job.
#[derive(Debug)]
pub(super) enum Attempt {
    /// It was done before.
    DoneBefore,
    /// It is done now.
    Done,
    /// Stopped on request, to be gone on with.
    Stopped,
    /// Another process is at it.
    Elsewhere(Owner),
    /// It is not done, and was not asked for.
    NotTried,
}

/// What jobs are run with.
#[derive(Debug)]
pub(super) struct Bench<'a> {
    pub(super) pipeline: &'a Pipeline,
    pub(super) request: &'a GraphRequest,
    pub(super) graph: &'a JobGraph,
    pub(super) raw: RawContents,
    pub(super) stop: &'a AtomicBool,
}

impl Bench<'_> {
    /// Runs a job if it is not done and no other process is at it.
    pub(super) fn attempt(
        &self,
        job: &Job,
        device: DeviceChoice,
    ) -> Result<Attempt, PipelineError> {
        let path = job.lock();
        let acquired = JobLock::acquire(&path, DEAD_AFTER);
        let (lock, dead) = match acquired.map_err(|source| lock_error("lock", &path, source))? {
            Acquired::Theirs(owner) => return Ok(Attempt::Elsewhere(owner)),
            Acquired::Ours(lock, dead) => (lock, dead),
        };
        // Only now: whoever had the lock before may have done it.
        let inputs = self.raw.digests(job)?;
        let (reason, before) = match self.pipeline.standing(job, &inputs, &self.raw)? {
            Standing::Done(Some(_)) => return Ok(Attempt::DoneBefore),
            Standing::Done(None) => {
                let found = Stamp::beginning(&job.id, inputs, 0);
                Stamp {
                    state: StampState::Done,
                    ..found
                }
                .save(&job.stamp)?;
                return Ok(Attempt::DoneBefore);
            }
            Standing::InTheWay(path, problem) => {
                return Err(PipelineError::MadeOtherwise { path, problem });
            }
            Standing::Open(reason, before) => (reason, before),
        };
        self.announce(job, &reason, dead.as_ref());
        let stamp = self.begin(job, inputs, before)?;
        let start = Instant::now();
        if !self.with_heartbeat(job, &lock, || self.perform(job, device))? {
            return Ok(Attempt::Stopped);
        }
        Stamp {
            state: StampState::Done,
            seconds: Some(start.elapsed().as_secs_f64()),
            ..stamp
        }
        .save(&job.stamp)?;
        Ok(Attempt::Done)
    }

    /// Whether a job that is not asked for is done.
    pub(super) fn look(&self, job: &Job) -> Result<Attempt, PipelineError> {
        let inputs = self.raw.digests(job)?;
        Ok(match self.pipeline.standing(job, &inputs, &self.raw)? {
            Standing::Done(_) => Attempt::DoneBefore,
            _ => Attempt::NotTried,
        })
    }

    fn announce(&self, job: &Job, reason: &Reason, dead: Option<&Owner>) {
        let after = dead.map_or_else(String::new, |owner| {
            let (host, pid) = (&owner.host, owner.pid);
            format!("; takes over from process {pid} on {host}, which has died")
        });
        self.pipeline
            .progress
            .note(&format!("{}: {reason}{after}", job.id));
    }

    /// Removes what was made of other inputs, and stamps the job as begun.
    ///
    /// The stamp keeps the older inputs until all is removed: if that is interrupted, it begins
    /// again.
    fn begin(
        &self,
        job: &Job,
        inputs: Digests,
        before: Option<Stamp>,
    ) -> Result<Stamp, PipelineError> {
        let attempts = before.as_ref().map_or(0, |stamp| stamp.attempts) + 1;
        if let Some(before) = before {
            let changed = before.changes(&inputs);
            if !changed.is_empty() || before.state == StampState::Clearing {
                let state = StampState::Clearing;
                Stamp { state, ..before }.save(&job.stamp)?;
                clear(job, &changed)?;
            }
        }
        let stamp = Stamp::beginning(&job.id, inputs, attempts);
        stamp.save(&job.stamp)?;
        Ok(stamp)
    }

    /// Does the work while another thread says that this process lives; whether it got through.
    /// If the lock is lost, the work is stopped.
    fn with_heartbeat(
        &self,
        job: &Job,
        lock: &JobLock,
        work: impl FnOnce() -> Result<bool, PipelineError>,
    ) -> Result<bool, PipelineError> {
        let (ended, is_ended) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let heart = scope.spawn(move || {
                while is_ended.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                    // A folder that cannot be reached for a moment is no reason to give up.
                    if matches!(lock.beat(), Ok(false)) {
                        self.stop.store(true, Ordering::Relaxed);
                        return false;
                    }
                }
                true
            });
            let outcome = work();
            drop(ended);
            // A thread that panicked has not found the lock lost.
            match heart.join().unwrap_or(true) {
                true => outcome,
                false => Err(PipelineError::LockLost {
                    job: job.id.to_string(),
                }),
            }
        })
    }

    /// Does the work of a job; whether it got through.
    fn perform(&self, job: &Job, device: DeviceChoice) -> Result<bool, PipelineError> {
        let id = DatasetId::Name(self.graph.dataset.clone());
        match &job.work {
            Work::Verify => self.verify(&id)?,
            Work::Fingerprint => {
                let plan = self.plan_request()?.unwrap_or_default();
                let sampling = plan.rules.set.into();
                self.pipeline
                    .fingerprint(&id, sampling, Existing::Replace)?;
            }
            Work::Plan => {
                let request = self.plan_request()?.unwrap_or_default();
                self.pipeline.plan(&id, &request)?;
            }
            Work::Split => self.split(&id)?,
            Work::Preprocess { configuration } => {
                let plans = &self.graph.plans_name;
                let report = self.pipeline.preprocess(&id, plans, configuration)?;
                all_preprocessed(&report)?;
            }
            Work::Train {
                configuration,
                training,
                ..
            } => return self.train(id, configuration, training, device),
            Work::Select {
                configurations,
                folds,
            } => self.select(id, configurations, folds, device)?,
            Work::Report => {
                let request = ReportRequest {
                    plans_name: self.graph.plans_name.clone(),
                    ..ReportRequest::new(id)
                };
                self.pipeline.save_report(&request, None)?;
            }
        }
        Ok(true)
    }

    fn plan_request(&self) -> Result<Option<crate::pipeline::PlanRequest>, PipelineError> {
        let (dataset, name) = (&self.graph.dataset, &self.graph.plans_name);
        let found = self.pipeline.found_plans(dataset, name)?;
        self.request.plan_request(found.as_ref())
    }

    fn verify(&self, id: &DatasetId) -> Result<(), PipelineError> {
        let report = self.pipeline.verify(id)?;
        for finding in report.warnings() {
            self.pipeline.progress.warn(&finding.to_string());
        }
        match report.errors().next() {
            None => Ok(()),
            Some(first) => Err(PipelineError::Unusable {
                dataset: self.graph.dataset.clone(),
                errors: report.errors().count(),
                first: first.to_string(),
            }),
        }
    }

    /// Splits that are there stay; cases that they leave out are told.
    fn split(&self, id: &DatasetId) -> Result<(), PipelineError> {
        let path = self.pipeline.layout.splits(&self.graph.dataset);
        if !path.is_file() {
            self.pipeline.split(id, None, Existing::Keep)?;
            return Ok(());
        }
        let (_, left_out) = Splits::load_for(&path, &self.raw.case_names())?;
        for left_out in left_out {
            let path = path.display();
            self.pipeline
                .progress
                .warn(&format!("{path} leaves out {left_out}"));
        }
        Ok(())
    }

    fn train(
        &self,
        dataset: DatasetId,
        configuration: &str,
        training: &TrainingConfig,
        device: DeviceChoice,
    ) -> Result<bool, PipelineError> {
        let what = format!("train {configuration} fold {}", training.fold);
        let progress = self.pipeline.progress.as_ref();
        let observer = ProgressObserver::new(progress, &what, training.epochs);
        let request = TrainRequest {
            dataset,
            plans_name: self.graph.plans_name.clone(),
            configuration: configuration.to_owned(),
            training: training.clone(),
            augmentation: self.request.augmentation,
            pretrained: None,
            device,
            loader_threads: self.request.loader_threads,
            existing: Existing::Keep,
        };
        let outcome = self.pipeline.train(&request, &observer, self.stop)?;
        Ok(matches!(outcome, TrainOutcome::Finished { .. }))
    }

    fn select(
        &self,
        dataset: DatasetId,
        configurations: &[String],
        folds: &[String],
        device: DeviceChoice,
    ) -> Result<(), PipelineError> {
        let training = &self.request.training;
        let numbers = folds.iter().filter_map(|fold| fold.parse::<Fold>().ok());
        let request = SelectRequest {
            trainers: vec![trainer_name(training, self.request.augmentation)],
            plans: vec![self.graph.plans_name.clone()],
            configurations: configurations.to_vec(),
            folds: numbers.collect(),
            device,
            ..SelectRequest::new(dataset)
        };
        self.pipeline.select(&request)?;
        Ok(())
    }
}

/// Removes what would pass for a result of the inputs of now: all that depends on one of those
/// that have changed.
fn clear(job: &Job, changed: &[String]) -> Result<(), PipelineError> {
    match &job.work {
        Work::Preprocess { .. } => match job.outputs.first() {
            Some(folder) => clear_store(folder, changed),
            None => Ok(()),
        },
        Work::Train { .. } => match job.fold_folder() {
            Some(folder) => clear_training(folder),
            None => Ok(()),
        },
        // They write their results over the older ones.
        Work::Verify
        | Work::Fingerprint
        | Work::Plan
        | Work::Split
        | Work::Select { .. }
        | Work::Report => Ok(()),
    }
}

/// The cases that have changed, or all if anything else has.
fn clear_store(folder: &Path, changed: &[String]) -> Result<(), PipelineError> {
    let Ok(store) = CaseStore::open(folder) else {
        return Ok(());
    };
    let cases: Vec<&str> = changed.iter().filter_map(|key| case_of(key)).collect();
    if cases.len() < changed.len() {
        return Ok(store.discard()?);
    }
    for case in cases {
        store.remove(case)?;
    }
    Ok(())
}

fn clear_training(folder: &Path) -> Result<(), PipelineError> {
    let summary = layout::summary(&folder.join(VALIDATION));
    match std::fs::remove_file(&summary) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            return Err(PipelineError::Schema(SchemaError::Io {
                action: "remove",
                path: summary,
                source,
            }));
        }
        _ => {}
    }
    for kind in [
        CheckpointKind::Final,
        CheckpointKind::Latest,
        CheckpointKind::Best,
    ] {
        Checkpoint::remove(folder, kind)?;
    }
    Ok(())
}
