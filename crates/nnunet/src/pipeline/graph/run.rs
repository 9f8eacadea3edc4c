//! Running a graph on this machine: what is ready, one training per device.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use nnunet_model::DeviceChoice;
use nnunet_schema::Task;
use tracing::info;

use super::build::{Completeness, JobGraph};
use super::job::{Job, JobId, JobKind};
use super::lock::Owner;
use super::perform::{Attempt, Bench};
use super::request::GraphRequest;
use crate::pipeline::{Pipeline, PipelineError};

/// Which jobs of a graph are run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum JobChoice {
    /// All.
    #[default]
    All,
    /// Those of these kinds.
    Kinds(Vec<JobKind>),
    /// This one.
    One(JobId),
}

impl JobChoice {
    /// Whether a job is run.
    #[must_use]
    pub fn has(&self, job: &Job) -> bool {
        match self {
            Self::All => true,
            Self::Kinds(kinds) => kinds.contains(&job.work.kind()),
            Self::One(id) => job.id == *id,
        }
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct RunReport {
    /// The graph, as far as it was known in the end.
    pub graph: JobGraph,
    /// What came of each of its jobs, in its order.
    pub jobs: Vec<(JobId, JobEnd)>,
}

/// What came of a job in a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum JobEnd {
    /// It was done before.
    DoneBefore,
    /// It was run, and is done.
    Done,
    /// It was stopped with a checkpoint; the next run goes on.
    Stopped,
    /// Another process is at it.
    Elsewhere(Owner),
    /// It failed.
    Failed(PipelineError),
    /// It was not tried: it was not asked for, or something that it needs is not done, or the
    /// run was stopped before.
    NotTried,
}

impl JobEnd {
    const fn is_done(&self) -> bool {
        matches!(self, Self::Done | Self::DoneBefore)
    }

    /// For the log.
    const fn name(&self) -> &'static str {
        match self {
            Self::DoneBefore => "done before",
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Elsewhere(_) => "elsewhere",
            Self::Failed(_) => "failed",
            Self::NotTried => "not tried",
        }
    }
}

impl RunReport {
    /// The jobs that ended in such a way.
    pub fn which(&self, how: impl Fn(&JobEnd) -> bool) -> impl Iterator<Item = &JobId> {
        (self.jobs.iter()).filter_map(move |(id, end)| how(end).then_some(id))
    }

    /// Whether every job is done.
    #[must_use]
    pub fn is_all_done(&self) -> bool {
        self.graph.completeness == Completeness::Whole
            && self.jobs.iter().all(|(_, end)| end.is_done())
    }
}

impl Pipeline {
    /// Runs the jobs of a dataset that are not done: in order of need, one training at a time on
    /// each device, any other job one at a time. A job that fails stops those that need it, not
    /// the others. Setting `stop` ends the trainings under way with a checkpoint, and lets other
    /// jobs finish; the next run goes on.
    ///
    /// # Errors
    /// If the graph cannot be built, or `choice` names a job that it does not have; what goes
    /// wrong in a job is in the report.
    pub fn run_graph(
        &self,
        request: &GraphRequest,
        choice: &JobChoice,
        stop: &AtomicBool,
    ) -> Result<RunReport, PipelineError> {
        let first = self.graph(request)?;
        // What is planned may change what follows: it is known when the plans are made.
        self.keep_graph(&first)?;
        let preparation = JobGraph {
            jobs: (first.jobs.iter())
                .filter(|job| !job.work.kind().follows_the_plan())
                .cloned()
                .collect(),
            ..first
        };
        let before = self.run_jobs(request, &preparation, choice, stop, BTreeMap::new())?;
        let graph = self.graph(request)?;
        self.keep_graph(&graph)?;
        let mut ends = before;
        if graph.completeness == Completeness::Whole {
            // Jobs that wait for a plan that failed are not those of the plans that are there.
            ends = self.run_jobs(request, &graph, choice, stop, ends)?;
        }
        if let JobChoice::One(id) = choice
            && graph.job(id).is_none()
        {
            return Err(PipelineError::NoJob {
                asked: id.to_string(),
                known: graph.jobs.iter().map(|job| job.id.to_string()).collect(),
            });
        }
        let jobs = (graph.jobs.iter())
            .map(|job| {
                let end = ends.remove(&job.id).unwrap_or(JobEnd::NotTried);
                (job.id.clone(), end)
            })
            .collect();
        Ok(RunReport { graph, jobs })
    }

    fn run_jobs(
        &self,
        request: &GraphRequest,
        graph: &JobGraph,
        choice: &JobChoice,
        stop: &AtomicBool,
        ends: BTreeMap<JobId, JobEnd>,
    ) -> Result<BTreeMap<JobId, JobEnd>, PipelineError> {
        let bench = Bench {
            pipeline: self,
            request,
            graph,
            raw: self.raw_contents(&graph.dataset)?,
            stop,
        };
        let total = graph.jobs.len();
        let board = Board {
            bench,
            choice,
            task: self
                .progress
                .start(&format!("jobs of {}", graph.dataset), total),
            state: Mutex::new(BoardState {
                ends,
                under_way: Vec::new(),
                done_since: 0,
            }),
            changed: Condvar::new(),
        };
        for job in &graph.jobs {
            if board.lock().ends.get(&job.id).is_some_and(JobEnd::is_done) {
                board.task.step(job.id.as_str());
            }
        }
        let (first, others) = match request.devices.split_first() {
            Some((first, others)) => (*first, others),
            None => (DeviceChoice::Cpu, &[][..]),
        };
        loop {
            std::thread::scope(|scope| {
                for device in others {
                    scope.spawn(|| board.work(*device));
                }
                board.work(first);
            });
            // While this process did one job, others may have done theirs.
            if !board.look_again() {
                break;
            }
        }
        let state = board.state.into_inner();
        Ok(state.unwrap_or_else(PoisonError::into_inner).ends)
    }
}

/// What the workers share.
#[derive(Debug)]
struct Board<'a> {
    bench: Bench<'a>,
    choice: &'a JobChoice,
    task: Box<dyn Task>,
    state: Mutex<BoardState>,
    /// Signalled when a job ends.
    changed: Condvar,
}

#[derive(Debug)]
struct BoardState {
    ends: BTreeMap<JobId, JobEnd>,
    under_way: Vec<JobId>,
    /// Jobs that were run since those of other processes were looked at.
    done_since: usize,
}

/// Wakes the workers that wait when a job ends, even if by a panic: they would wait for ever.
struct Leaving<'a>(&'a Board<'a>);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.bench.stop.store(true, Ordering::Relaxed);
        }
        self.0.changed.notify_all();
    }
}

/// What a worker does next.
enum Next<'a> {
    Run(&'a Job),
    Wait,
    Leave,
}

impl Board<'_> {
    fn lock(&self) -> MutexGuard<'_, BoardState> {
        // What a worker that panicked leaves is whole: nothing is changed in two steps.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One worker: takes jobs until there are none left for it.
    fn work(&self, device: DeviceChoice) {
        loop {
            let mut state = self.lock();
            let job = match self.next(&state) {
                Next::Leave => return,
                Next::Wait => {
                    drop(self.changed.wait(state));
                    continue;
                }
                Next::Run(job) => job,
            };
            state.under_way.push(job.id.clone());
            drop(state);
            let leaving = Leaving(self);
            let attempt = match self.choice.has(job) {
                true => self.bench.attempt(job, device),
                false => self.bench.look(job),
            };
            let end = match attempt {
                Ok(Attempt::NotTried) => JobEnd::NotTried,
                Ok(Attempt::DoneBefore) => JobEnd::DoneBefore,
                Ok(Attempt::Done) => JobEnd::Done,
                Ok(Attempt::Stopped) => JobEnd::Stopped,
                Ok(Attempt::Elsewhere(owner)) => JobEnd::Elsewhere(owner),
                Err(error) => JobEnd::Failed(error),
            };
            info!(job = %job.id, end = end.name(), "job");
            if end.is_done() {
                self.task.step(job.id.as_str());
            }
            if let JobEnd::Failed(error) = &end {
                let progress = self.bench.pipeline.progress.as_ref();
                progress.warn(&format!("{} failed: {error}", job.id));
            }
            let mut state = self.lock();
            state.under_way.retain(|id| *id != job.id);
            if matches!(end, JobEnd::Done) {
                state.done_since += 1;
            }
            state.ends.insert(job.id.clone(), end);
            drop(state);
            drop(leaving);
        }
    }

    /// Whether jobs of other processes are worth another look.
    fn look_again(&self) -> bool {
        let mut state = self.lock();
        let before = state.ends.len();
        if std::mem::take(&mut state.done_since) > 0 {
            state
                .ends
                .retain(|_, end| !matches!(end, JobEnd::Elsewhere(_)));
        }
        state.ends.len() < before
    }

    fn next(&self, state: &BoardState) -> Next<'_> {
        if self.bench.stop.load(Ordering::Relaxed) {
            return Next::Leave;
        }
        let jobs = &self.bench.graph.jobs;
        let is_open =
            |job: &&Job| !state.ends.contains_key(&job.id) && !state.under_way.contains(&job.id);
        let is_ready = |job: &&Job| {
            (job.needs.iter()).all(|need| state.ends.get(need).is_some_and(JobEnd::is_done))
        };
        let is_training = |job: &Job| job.work.kind() == JobKind::Train;
        // All but trainings take the whole machine.
        let is_machine_taken = (state.under_way.iter())
            .filter_map(|id| self.bench.graph.job(id))
            .any(|job| !is_training(job));
        let ready = (jobs.iter())
            .filter(is_open)
            .filter(is_ready)
            .find(|job| is_training(job) || !is_machine_taken);
        match ready {
            Some(job) => Next::Run(job),
            None if state.under_way.is_empty() => Next::Leave,
            None => Next::Wait,
        }
    }
}
