//! The work on a dataset as a graph of jobs: verify, fingerprint, plan, split, preprocess for each
//! configuration, train each configuration on each fold, select, report.
//!
//! A [`JobGraph`] is data, built from what is asked for ([`GraphRequest`]) and what the plans say;
//! [`Pipeline::assess`] compares it with what lies on the disk, [`Pipeline::run_graph`] runs what
//! is not done. A job calls the method of [`Pipeline`] of its name.
//!
//! **What counts as done.** Each job has a stamp in the folder `jobs` of the dataset (among the
//! preprocessed ones up to preprocessing, among the results from training on). It is written last,
//! and holds digests of all that the result depends on. If one of them differs, the job is done
//! again, and what was made of the older inputs is removed first; if the stamp says that the job
//! was begun, it goes on, a training from its last checkpoint. Results that lie there without a
//! stamp, made by the single commands, count as done if they are complete and were made with the
//! same settings; if with others, they are left alone and the job says so.
//!
//! **One process per job.** A lock beside the stamp names the owner; its heart beats in it. The
//! successor of a dead owner takes over: at once on the same machine, after two minutes on another.

mod build;
mod estimate;
mod inputs;
mod job;
mod lock;
mod perform;
mod request;
mod run;
mod stamp;
mod state;

use std::fmt;
use std::path::PathBuf;

use nnunet_schema::{Plans, Splits, abridged};

pub use build::{Completeness, Facts, JobGraph};
pub use job::{Accelerator, Input, Job, JobId, JobKind, Resources, Work};
pub use lock::Owner;
pub use request::{Extent, GraphRequest, Planning};
pub use run::{JobChoice, JobEnd, RunReport};
pub use stamp::{Stamp, StampState};
pub use state::{JobState, JobStatus, Reason};

use super::{Pipeline, PipelineError};

/// Changed inputs that a message lists before it only counts.
const LISTED: usize = 3;
/// Folds of the splits that the method makes.
const FOLDS: u32 = 5;

impl Pipeline {
    /// The graph of a dataset, as far as it is known: up to the split if there are no plans yet.
    ///
    /// # Errors
    /// If the dataset is not there, a document cannot be read, or the plans lack a configuration
    /// that is asked for.
    pub fn graph(&self, request: &GraphRequest) -> Result<JobGraph, PipelineError> {
        let dataset = self.layout.resolve(&request.dataset)?;
        let splits = self.layout.splits(&dataset);
        let folds = match splits.is_file() {
            true => u32::try_from(Splits::load(&splits)?.0.len()).unwrap_or(FOLDS),
            false => FOLDS,
        };
        let facts = Facts {
            description: self.description(&dataset)?,
            plans: self.found_plans(&dataset, request.plans_name())?,
            layout: self.layout.clone(),
            folds,
            threads: self.threads.get(),
            dataset,
        };
        JobGraph::build(request, &facts)
    }

    /// Keeps a graph with the dataset's results, for those who ask how far it is.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep_graph(&self, graph: &JobGraph) -> Result<(), PipelineError> {
        Ok(stamp::write_json(
            &self.kept_graph_path(&graph.dataset),
            graph,
        )?)
    }

    /// The graph of the last run.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn kept_graph(&self, dataset: &str) -> Result<Option<JobGraph>, PipelineError> {
        Ok(stamp::read_json(&self.kept_graph_path(dataset))?)
    }

    fn kept_graph_path(&self, dataset: &str) -> PathBuf {
        self.layout.results.join(dataset).join("jobs/graph.json")
    }

    /// The plans of this name, if they are there.
    fn found_plans(&self, dataset: &str, name: &str) -> Result<Option<Plans>, PipelineError> {
        let path = self.layout.plans(dataset, name);
        match path.is_file() {
            true => Ok(Some(Plans::load(&path)?)),
            false => Ok(None),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("not done yet"),
            Self::Interrupted => f.write_str("goes on where it was interrupted"),
            Self::InputsChanged { changed } => {
                write!(f, "changed: {}", abridged(changed, LISTED))
            }
            Self::OutputMissing { missing } => write!(f, "missing: {}", missing.display()),
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Ready { reason } => write!(f, "ready: {reason}"),
            Self::Waiting { on } => {
                let on = on.iter().map(JobId::as_str);
                write!(f, "waits for {}", abridged(on, LISTED))
            }
            Self::Running { owner } => {
                write!(f, "running: process {} on {}", owner.pid, owner.host)
            }
            Self::Blocked { problem } => write!(f, "blocked: {problem}"),
        }
    }
}

#[cfg(test)]
mod tests;
