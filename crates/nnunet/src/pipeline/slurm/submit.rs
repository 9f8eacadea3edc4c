//! Submitting what is not done and not in the queue.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use nnunet_schema::{Layout, SchemaError, atomic};

use super::arrange::{Arrangement, Standing};
use super::commands::Slurm;
use super::draft::{Draft, Drafter, Place, Program};
use super::error::SlurmError;
use super::profile::Profile;
use super::queue::Queue;
use super::record::{SubmissionRecord, Submitted, WorkDigest};
use super::standing::Known;
use crate::pipeline::graph::{GraphRequest, JobChoice, JobGraph, JobState, JobStatus};
use crate::pipeline::{Pipeline, PipelineError};

/// What jobs are submitted with.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The scheduler.
    pub slurm: Slurm,
    /// What jobs ask of it.
    pub profile: Profile,
    /// How they call the program.
    pub program: Program,
}

/// What would be submitted.
#[derive(Debug)]
pub struct SubmissionPreview {
    /// Which jobs, and which not.
    pub arrangement: Arrangement,
    /// The Slurm jobs, in the order of the arrangement's batches.
    pub drafts: Vec<Draft>,
    /// Why the queue was not looked at, if it was not.
    pub queue_unknown: Option<SlurmError>,
}

/// What was submitted.
#[derive(Debug)]
pub struct SubmissionReport {
    /// Which jobs, and which not.
    pub arrangement: Arrangement,
    /// The numbers in the queue of the arrangement's batches.
    pub numbers: Vec<u32>,
}

impl Pipeline {
    /// Submits the jobs of a dataset that are neither done nor in Slurm's queue, each after those
    /// that it needs. Their numbers are kept in the folder `jobs` of the dataset's results, with
    /// scripts and logs. One process submits at a time, as far as the file system has locks.
    ///
    /// As long as a job up to the split is open, these are submitted as one Slurm job, which
    /// submits the rest when it is through.
    ///
    /// # Errors
    /// If the graph cannot be built, a job is blocked or in the queue with other settings, a path
    /// is no UTF-8 text, or Slurm refuses; what was submitted before that is kept.
    pub fn submit_graph(
        &self,
        request: &GraphRequest,
        choice: &JobChoice,
        cluster: &Cluster,
    ) -> Result<SubmissionReport, PipelineError> {
        let dataset = self.layout.resolve(&request.dataset)?;
        let place = Place::of(&self.layout, &dataset);
        // Released when the file is closed, also by the death of this process.
        let _turn = turn(&place.lock())?;
        let graph = self.graph(request)?;
        self.keep_graph(&graph)?;
        let mut record = SubmissionRecord::load(&place.record())?;
        let queue = cluster.slurm.queue(&dataset, record.ids())?;
        let (arrangement, drafts) = self.drafts(&graph, choice, cluster, &record, &queue)?;
        cluster.slurm.cancel(&arrangement.doomed)?;
        if !drafts.is_empty() {
            write_text(&place.profile(), cluster.profile.text())?;
        }
        let mut numbers: Vec<u32> = Vec::with_capacity(drafts.len());
        for draft in &drafts {
            write_text(&draft.path, &draft.script)?;
            let id = |batch: usize| numbers.get(batch).map(u32::to_string).unwrap_or_default();
            let number = cluster.slurm.submit(&draft.arguments(id), &draft.path)?;
            for (job, id, log) in draft.submitted_as(number) {
                let Some(found) = graph.job(&job) else {
                    continue;
                };
                let work = WorkDigest::of(found, &cluster.program.options);
                let needs = (found.needs.iter()).filter(|need| !arrangement.done.contains(need));
                let after = needs
                    .filter_map(|need| Some((need.clone(), record.jobs.get(need)?.id)))
                    .collect();
                let submitted = Submitted {
                    id,
                    log,
                    after,
                    work,
                };
                record.jobs.insert(job, submitted);
            }
            // At once: what is in the queue must be known to be there.
            record.save(&place.record())?;
            numbers.push(number);
        }
        Ok(SubmissionReport {
            arrangement,
            numbers,
        })
    }

    /// What [`Pipeline::submit_graph`] would submit. Writes nothing, and does without Slurm.
    ///
    /// # Errors
    /// As [`Pipeline::submit_graph`], but for Slurm's.
    pub fn preview_submission(
        &self,
        request: &GraphRequest,
        choice: &JobChoice,
        cluster: &Cluster,
    ) -> Result<SubmissionPreview, PipelineError> {
        let graph = self.graph(request)?;
        let record = self.submissions(&graph.dataset)?;
        let (queue, queue_unknown) = match cluster.slurm.queue(&graph.dataset, record.ids()) {
            Ok(queue) => (queue, None),
            Err(error) => (Queue::default(), Some(error)),
        };
        let (arrangement, drafts) = self.drafts(&graph, choice, cluster, &record, &queue)?;
        Ok(SubmissionPreview {
            arrangement,
            drafts,
            queue_unknown,
        })
    }

    /// Which Slurm jobs the jobs of a dataset were submitted as.
    ///
    /// # Errors
    /// If the document cannot be read.
    pub fn submissions(&self, dataset: &str) -> Result<SubmissionRecord, PipelineError> {
        let place = Place::of(&self.layout, dataset);
        Ok(SubmissionRecord::load(&place.record())?)
    }

    fn drafts(
        &self,
        graph: &JobGraph,
        choice: &JobChoice,
        cluster: &Cluster,
        record: &SubmissionRecord,
        queue: &Queue,
    ) -> Result<(Arrangement, Vec<Draft>), PipelineError> {
        let statuses = self.assess(graph)?;
        let chosen = statuses.iter().filter(|status| choice.has(&status.job));
        for JobStatus { job, state, .. } in chosen {
            if let JobState::Blocked { problem } = state {
                let (job, problem) = (job.id.clone(), problem.clone());
                return Err(SlurmError::Blocked { job, problem }.into());
            }
        }
        let standings = Known {
            record,
            queue,
            own_job: cluster.slurm.own_job(),
            options: &cluster.program.options,
        }
        .standings(&statuses)?;
        let arrangement = Arrangement::of(graph, choice, |job| {
            standings.get(job).copied().unwrap_or(Standing::Open)
        });
        let layout = absolute(&self.layout)?;
        let drafter = Drafter {
            layout: &layout,
            dataset: &graph.dataset,
            profile: &cluster.profile,
            program: &cluster.program,
        };
        let drafts: Result<Vec<Draft>, SlurmError> = (arrangement.batches.iter())
            .map(|batch| drafter.draft(batch.clone()))
            .collect();
        Ok((arrangement, drafts?))
    }
}

/// The roots as they are called from anywhere.
fn absolute(layout: &Layout) -> Result<Layout, PipelineError> {
    let absolute =
        |path: &Path| std::path::absolute(path).map_err(|source| io_error("find", path, source));
    Ok(Layout {
        raw: absolute(&layout.raw)?,
        preprocessed: absolute(&layout.preprocessed)?,
        results: absolute(&layout.results)?,
    })
}

/// Waits until nobody else submits.
fn turn(path: &Path) -> Result<fs::File, PipelineError> {
    let taken = || {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        file.lock()?;
        Ok(file)
    };
    taken().map_err(|source| io_error("lock", path, source))
}

fn write_text(path: &Path, text: &str) -> Result<(), SchemaError> {
    atomic::write_with(path, |file| file.write_all(text.as_bytes()))
}

fn io_error(action: &'static str, path: &Path, source: std::io::Error) -> PipelineError {
    PipelineError::Schema(SchemaError::Io {
        action,
        path: path.to_path_buf(),
        source,
    })
}
