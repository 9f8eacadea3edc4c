//! How far each job is: what lies on the disk, compared with what the job would be made of now.

use std::path::{Path, PathBuf};

use nnunet_preprocess::CaseStore;
use nnunet_schema::{Plans, Splits, layout};
use serde::{Deserialize, Serialize};

use super::build::JobGraph;
use super::inputs::RawContents;
use super::job::{Job, JobId, Work};
use super::lock::{DEAD_AFTER, JobLock, Owner};
use super::stamp::{Digests, Stamp, StampState};
use crate::pipeline::finished::FoundTraining;
use crate::pipeline::{Pipeline, PipelineError};

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum JobState {
    /// Its result is there.
    Done,
    /// It can be run.
    Ready {
        /// Why it must be.
        reason: Reason,
    },
    /// Others must be done before it.
    Waiting {
        /// Those of them that are not.
        on: Vec<JobId>,
    },
    /// A process is at it.
    Running {
        /// Which.
        owner: Owner,
    },
    /// It cannot be run: something is in its way.
    Blocked {
        /// What, and what to do about it.
        problem: String,
    },
}

/// Why a job must be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// It has never been.
    New,
    /// It was begun and not finished: it goes on.
    Interrupted,
    /// It was made of something else.
    InputsChanged {
        /// What has changed.
        changed: Vec<String>,
    },
    /// A part of its result is gone.
    OutputMissing {
        /// Which.
        missing: PathBuf,
    },
}

/// A job and how far it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobStatus {
    /// The job.
    pub job: Job,
    /// How far it is.
    pub state: JobState,
    /// How long it took, or may still take: as long as others of its kind and configuration took,
    /// else a guess; `None` where nothing is known.
    pub seconds: Option<f64>,
}

/// What lies at the places of a job's outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A complete result.
    Complete,
    /// Nothing, or less than that: this is missing.
    Incomplete(PathBuf),
    /// A complete result of something else.
    Otherwise(PathBuf, String),
}

/// What is to be done about a job.
#[derive(Debug)]
pub(super) enum Standing {
    /// Nothing. Its stamp, if it has one.
    Done(Option<Stamp>),
    /// To be run, for this reason; its stamp, if it has one.
    Open(Reason, Option<Stamp>),
    /// It cannot be run.
    InTheWay(PathBuf, String),
}

impl Pipeline {
    /// How far each job of a graph is. Only looks, at nothing but the disk.
    ///
    /// # Errors
    /// If the raw dataset or a document cannot be read.
    pub fn assess(&self, graph: &JobGraph) -> Result<Vec<JobStatus>, PipelineError> {
        let raw = self.raw_contents(&graph.dataset)?;
        let mut statuses: Vec<JobStatus> = Vec::with_capacity(graph.jobs.len());
        for job in &graph.jobs {
            let is_open = |need: &&JobId| {
                (statuses.iter()).any(|s| s.job.id == **need && s.state != JobState::Done)
            };
            let on: Vec<JobId> = job.needs.iter().filter(is_open).cloned().collect();
            let state = match job.running()? {
                Some(owner) => JobState::Running { owner },
                None if !on.is_empty() => JobState::Waiting { on },
                None => match self.standing(job, &raw.digests(job)?, &raw)? {
                    Standing::Done(_) => JobState::Done,
                    Standing::Open(reason, _) => JobState::Ready { reason },
                    Standing::InTheWay(path, problem) => JobState::Blocked {
                        problem: PipelineError::MadeOtherwise { path, problem }.to_string(),
                    },
                },
            };
            let seconds = Stamp::load(&job.stamp)?.and_then(|stamp| stamp.seconds);
            let job = job.clone();
            statuses.push(JobStatus {
                job,
                state,
                seconds,
            });
        }
        guess_times(&mut statuses);
        Ok(statuses)
    }

    /// Compares the stamp of a job with what it would be made of now.
    pub(super) fn standing(
        &self,
        job: &Job,
        now: &Digests,
        raw: &RawContents,
    ) -> Result<Standing, PipelineError> {
        let Some(stamp) = Stamp::load(&job.stamp)? else {
            return Ok(match self.found(job, raw)? {
                // What is to be had without an image being read is looked at anew.
                Found::Complete if job.work.is_judged_by_outputs() => Standing::Done(None),
                Found::Otherwise(path, problem) => Standing::InTheWay(path, problem),
                _ => Standing::Open(Reason::New, None),
            });
        };
        let changed = stamp.changes(now);
        let reason = match stamp.state {
            _ if !changed.is_empty() => Reason::InputsChanged { changed },
            StampState::Clearing | StampState::Begun => Reason::Interrupted,
            StampState::Done => match self.found(job, raw)? {
                Found::Complete => return Ok(Standing::Done(Some(stamp))),
                Found::Incomplete(missing) => Reason::OutputMissing { missing },
                Found::Otherwise(path, problem) => return Ok(Standing::InTheWay(path, problem)),
            },
        };
        Ok(Standing::Open(reason, Some(stamp)))
    }

    /// What lies at the places of a job's outputs.
    fn found(&self, job: &Job, raw: &RawContents) -> Result<Found, PipelineError> {
        if let Some(missing) = job.outputs.iter().find(|path| !path.exists()) {
            return Ok(Found::Incomplete(missing.clone()));
        }
        match &job.work {
            Work::Plan => found_plans(job),
            Work::Split => match job.outputs.first() {
                Some(path) => {
                    Splits::load_for(path, &raw.case_names())?;
                    Ok(Found::Complete)
                }
                None => Ok(Found::Complete),
            },
            Work::Preprocess { .. } => match job.outputs.first() {
                Some(folder) => Ok(found_cases(job, folder, &raw.case_names())),
                None => Ok(Found::Complete),
            },
            Work::Train {
                training,
                keeps_for,
                ..
            } => {
                let Some(folder) = job.fold_folder() else {
                    return Ok(Found::Complete);
                };
                match FoundTraining::look(folder, training)? {
                    FoundTraining::Finished => {}
                    FoundTraining::Unfinished => {
                        return Ok(Found::Incomplete(folder.to_path_buf()));
                    }
                    FoundTraining::Other => {
                        let problem = "a finished training with other settings".to_owned();
                        return Ok(Found::Otherwise(folder.to_path_buf(), problem));
                    }
                }
                let held_out = match keeps_for.is_empty() {
                    true => Vec::new(),
                    false => raw.held_out(training.fold)?,
                };
                let model = folder.parent().unwrap_or(folder);
                let kept = (keeps_for.iter())
                    .map(|next| lacking(&layout::predicted_next_stage(model, next), &held_out));
                let lacking = kept.into_iter().find(|found| *found != Found::Complete);
                Ok(lacking.unwrap_or(Found::Complete))
            }
            Work::Verify | Work::Fingerprint | Work::Select { .. } | Work::Report => {
                Ok(Found::Complete)
            }
        }
    }
}

impl Work {
    /// Whether a complete result that lies there without a stamp is as good as one with it.
    const fn is_judged_by_outputs(&self) -> bool {
        !matches!(self, Self::Verify | Self::Select { .. } | Self::Report)
    }
}

impl Job {
    /// Where its lock lies.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.stamp.with_extension("lock")
    }

    /// The living process that is at it.
    fn running(&self) -> Result<Option<Owner>, PipelineError> {
        let lock = self.lock();
        JobLock::look(&lock, DEAD_AFTER).map_err(|source| lock_error("read", &lock, source))
    }

    /// The fold folder of a training.
    pub(super) fn fold_folder(&self) -> Option<&Path> {
        self.outputs.first()?.parent()
    }
}

pub(super) fn lock_error(
    action: &'static str,
    path: &Path,
    source: std::io::Error,
) -> PipelineError {
    PipelineError::Schema(nnunet_schema::SchemaError::Io {
        action,
        path: path.to_path_buf(),
        source,
    })
}

/// Fills in how long jobs may take that are not done.
fn guess_times(statuses: &mut [JobStatus]) {
    let kin = |job: &Job| match &job.work {
        Work::Train { configuration, .. } => format!("train {configuration}"),
        other => other.id().to_string(),
    };
    let measured: Vec<(String, f64)> = (statuses.iter())
        .filter_map(|status| Some((kin(&status.job), status.seconds?)))
        .collect();
    for status in statuses.iter_mut().filter(|s| s.state != JobState::Done) {
        let kin = kin(&status.job);
        let longest = (measured.iter())
            .filter(|(of, _)| *of == kin)
            .map(|(_, seconds)| *seconds)
            .max_by(f64::total_cmp);
        status.seconds = longest.or(status.job.resources.seconds);
    }
}

/// Whether plans were made as the job would make them; those without a record are not.
fn found_plans(job: &Job) -> Result<Found, PipelineError> {
    let Some(path) = job.outputs.first() else {
        return Ok(Found::Complete);
    };
    let record = Plans::load(path)?.planning;
    let is_same = record.is_some_and(|record| {
        let made = serde_json::json!({
            "rules": record.rules,
            "gpu_memory_gb": record.gpu_memory_gb,
            "overrides": record.overrides,
        });
        job.setting(super::build::PLANNING) == Some(&made)
    });
    Ok(match is_same {
        true => Found::Complete,
        false => {
            let problem =
                "plans made by other rules, for other hardware or with other values fixed by hand";
            Found::Otherwise(path.clone(), problem.to_owned())
        }
    })
}

/// Whether a store has all these cases, preprocessed as the job would do it.
fn found_cases(job: &Job, folder: &Path, cases: &[String]) -> Found {
    let settings = |store: CaseStore| serde_json::to_value(&store.header().settings).ok();
    let found = CaseStore::open(folder).ok().and_then(settings);
    match (found, job.setting(super::build::PREPROCESSING)) {
        (Some(found), Some(wanted)) if found != *wanted => {
            let problem = "cases that were preprocessed by other plans".to_owned();
            Found::Otherwise(folder.to_path_buf(), problem)
        }
        _ => lacking(folder, cases),
    }
}

/// Whether a store has all these cases.
fn lacking(folder: &Path, cases: &[String]) -> Found {
    match CaseStore::open(folder) {
        Ok(store) => match cases.iter().find(|case| !store.contains(case)) {
            None => Found::Complete,
            Some(case) => Found::Incomplete(folder.join(case)),
        },
        Err(_) => Found::Incomplete(folder.to_path_buf()),
    }
}
