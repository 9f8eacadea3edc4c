//! From the graph to Slurm jobs: which jobs become one of them, and which wait for which. Pure:
//! nothing is read, nothing is submitted.

use std::collections::{BTreeMap, BTreeSet};

use nnunet_schema::Fold;

use super::id::SlurmId;
use super::profile::JobClass;
use crate::pipeline::graph::{Accelerator, Job, JobChoice, JobGraph, JobId, JobKind, Work};

/// How far a job of the graph is, as far as submitting it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is done.
    Done,
    /// It is in the queue.
    Queued(SlurmId),
    /// It waits in the queue for something that has failed: it is to be removed, and submitted
    /// again.
    Doomed(SlurmId),
    /// It is to be submitted.
    Open,
}

/// One Slurm job, or one array of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Which jobs of the graph it runs.
    pub content: BatchContent,
    /// Which settings of the profile it has.
    pub class: JobClass,
    /// Whether it runs networks on a GPU.
    pub accelerator: Accelerator,
    /// What must have succeeded before it.
    pub after: Vec<After>,
}

/// Which jobs of the graph a Slurm job runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchContent {
    /// Those up to the split, one after the other.
    Preparation {
        /// Those that are not done.
        jobs: Vec<JobId>,
        /// Their kinds.
        kinds: Vec<JobKind>,
        /// The jobs that are known when these are done.
        rest: Rest,
    },
    /// One.
    Single(JobId),
    /// A configuration's trainings: an array, the index being the fold.
    Array {
        /// Name of the jobs up to the fold.
        prefix: String,
        /// Index and job.
        tasks: BTreeMap<u32, JobId>,
    },
}

/// Jobs that are known when the dataset is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rest {
    /// None are asked for.
    None,
    /// All.
    All,
    /// Those of these kinds.
    Kinds(Vec<JobKind>),
}

/// Something that must have succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum After {
    /// All of a batch of the same arrangement, by its place there.
    Batch(usize),
    /// One task of such a batch.
    Task(usize, u32),
    /// A job that is in the queue already.
    Queued(SlurmId),
}

/// What is to be submitted, and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrangement {
    /// To be submitted, each after those that it waits for.
    pub batches: Vec<Batch>,
    /// Jobs that are done.
    pub done: Vec<JobId>,
    /// Jobs that are in the queue already.
    pub queued: Vec<(JobId, SlurmId)>,
    /// To be removed from the queue before anything is submitted.
    pub doomed: Vec<SlurmId>,
    /// Jobs that cannot be submitted: something that they need is neither done nor asked for.
    pub left: Vec<JobId>,
}

impl Batch {
    /// What it is called: as the job that it runs, or as an array of trainings.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.content {
            BatchContent::Preparation { .. } => JobClass::Prepare.word().to_owned(),
            BatchContent::Single(job) => job.to_string(),
            BatchContent::Array { prefix, .. } => prefix.trim_end_matches('-').to_owned(),
        }
    }

    /// The jobs of the graph, each with its index if it is one of an array.
    #[must_use]
    pub fn jobs(&self) -> Vec<(&JobId, Option<u32>)> {
        match &self.content {
            BatchContent::Preparation { jobs, .. } => jobs.iter().map(|job| (job, None)).collect(),
            BatchContent::Single(job) => vec![(job, None)],
            BatchContent::Array { tasks, .. } => {
                let tasks = tasks.iter();
                tasks.map(|(task, job)| (job, Some(*task))).collect()
            }
        }
    }

    /// The indices of the array; none if it is no array.
    #[must_use]
    pub fn tasks(&self) -> Vec<u32> {
        match &self.content {
            BatchContent::Array { tasks, .. } => tasks.keys().copied().collect(),
            _ => Vec::new(),
        }
    }
}

impl Arrangement {
    /// Arranges the jobs of a graph that are chosen.
    ///
    /// If a job up to the split is open, all of these are one Slurm job and the rest is left to
    /// it: what follows may be others when it is done. Otherwise each job is one, and the
    /// trainings of a configuration are an array.
    #[must_use]
    pub fn of(graph: &JobGraph, choice: &JobChoice, standing: impl Fn(&JobId) -> Standing) -> Self {
        let mut arrangement = Self::default();
        let mut open: Vec<&Job> = Vec::new();
        for job in &graph.jobs {
            match standing(&job.id) {
                _ if !choice.has(job) => {}
                Standing::Done => arrangement.done.push(job.id.clone()),
                Standing::Queued(id) => arrangement.queued.push((job.id.clone(), id)),
                Standing::Doomed(id) => {
                    arrangement.doomed.push(id);
                    open.push(job);
                }
                Standing::Open => open.push(job),
            }
        }
        let is_prepared = (graph.jobs.iter())
            .filter(|job| !job.work.kind().follows_the_plan())
            .all(|job| standing(&job.id) == Standing::Done);
        match is_prepared {
            true => arrangement.add_models(graph, open, &standing),
            false => arrangement.add_preparation(graph, open, choice),
        }
        arrangement
    }

    fn add_preparation(&mut self, graph: &JobGraph, open: Vec<&Job>, choice: &JobChoice) {
        let (rest, jobs): (Vec<&Job>, Vec<&Job>) =
            (open.into_iter()).partition(|job| job.work.kind().follows_the_plan());
        let mut kinds: Vec<JobKind> = (graph.jobs.iter())
            .map(|job| job.work.kind())
            .filter(|kind| !kind.follows_the_plan())
            .collect();
        kinds.dedup();
        let asked_for_later = match choice {
            JobChoice::All => Rest::All,
            JobChoice::Kinds(kinds) => {
                let later = kinds.iter().filter(|kind| kind.follows_the_plan());
                match later.copied().collect::<Vec<_>>() {
                    none if none.is_empty() => Rest::None,
                    kinds => Rest::Kinds(kinds),
                }
            }
            JobChoice::One(_) => Rest::None,
        };
        if let JobChoice::Kinds(chosen) = choice {
            kinds.retain(|kind| chosen.contains(kind));
        }
        if jobs.is_empty() {
            // What they wait for is in the queue, and submits them, or is not asked for.
            self.left.extend(rest.into_iter().map(|job| job.id.clone()));
            return;
        }
        self.batches.push(Batch {
            content: BatchContent::Preparation {
                jobs: jobs.into_iter().map(|job| job.id.clone()).collect(),
                kinds,
                rest: asked_for_later,
            },
            class: JobClass::Prepare,
            accelerator: Accelerator::None,
            after: Vec::new(),
        });
    }

    fn add_models(
        &mut self,
        graph: &JobGraph,
        open: Vec<&Job>,
        standing: &impl Fn(&JobId) -> Standing,
    ) {
        let mut groups = groups(open);
        // A batch is placed when all that it needs is; each pass places what it can.
        loop {
            let before = groups.len();
            let mut unplaced = Vec::new();
            for group in groups {
                match self.after(graph, &group, standing) {
                    Some(after) => self.batches.push(group.batch(after)),
                    None => unplaced.push(group),
                }
            }
            groups = unplaced;
            if groups.is_empty() || groups.len() == before {
                break;
            }
        }
        let left = groups.iter().flat_map(Group::jobs);
        self.left.extend(left.map(|job| job.id.clone()));
    }

    /// What a group waits for; `None` if something that it needs is not placed.
    fn after(
        &self,
        graph: &JobGraph,
        group: &Group<'_>,
        standing: &impl Fn(&JobId) -> Standing,
    ) -> Option<Vec<After>> {
        let mut queued = BTreeSet::new();
        let mut placed: BTreeMap<usize, BTreeSet<&JobId>> = BTreeMap::new();
        for need in group.jobs().into_iter().flat_map(|job| &job.needs) {
            // Plans of another program have no job that makes them.
            if graph.job(need).is_none() {
                continue;
            }
            match standing(need) {
                Standing::Done => {}
                Standing::Queued(id) => {
                    queued.insert(After::Queued(id));
                }
                Standing::Open | Standing::Doomed(_) => {
                    let is_in = |batch: &Batch| batch.jobs().iter().any(|(job, _)| *job == need);
                    placed
                        .entry(self.batches.iter().position(is_in)?)
                        .or_default()
                        .insert(need);
                }
            }
        }
        let mut after: Vec<After> = Vec::new();
        for (index, needs) in placed {
            let jobs = self.batches[index].jobs();
            if needs.len() == jobs.len() {
                after.push(After::Batch(index));
                continue;
            }
            let tasks = jobs.into_iter().filter(|(job, _)| needs.contains(job));
            after.extend(tasks.filter_map(|(_, task)| Some(After::Task(index, task?))));
        }
        after.extend(queued);
        Some(after)
    }
}

/// Jobs that become one batch.
enum Group<'a> {
    One(&'a Job),
    /// The trainings of a configuration, by fold.
    Folds(&'a str, BTreeMap<u32, &'a Job>),
}

impl<'a> Group<'a> {
    fn jobs(&self) -> Vec<&'a Job> {
        match self {
            Self::One(job) => vec![job],
            Self::Folds(_, jobs) => jobs.values().copied().collect(),
        }
    }

    fn batch(&self, after: Vec<After>) -> Batch {
        let needs_gpu =
            (self.jobs().iter()).any(|job| job.resources.accelerator == Accelerator::Gpu);
        let (content, class) = match self {
            Self::One(job) => (
                BatchContent::Single(job.id.clone()),
                JobClass::of(job.work.kind()),
            ),
            Self::Folds(configuration, jobs) => {
                let prefix = format!("{}-{configuration}-", JobKind::Train);
                let tasks = jobs.iter().map(|(fold, job)| (*fold, job.id.clone()));
                let tasks = tasks.collect();
                (BatchContent::Array { prefix, tasks }, JobClass::Train)
            }
        };
        Batch {
            content,
            class,
            accelerator: match needs_gpu {
                true => Accelerator::Gpu,
                false => Accelerator::None,
            },
            after,
        }
    }
}

/// The configuration and the fold of a training that can be a task of an array.
fn numbered_fold(job: &Job) -> Option<(&str, u32)> {
    match &job.work {
        Work::Train {
            configuration,
            training,
            ..
        } => match training.fold {
            Fold::Number(fold) => Some((configuration, fold)),
            Fold::All => None,
        },
        _ => None,
    }
}

/// The trainings of a configuration together, every other job for itself; in the order of the
/// first of them.
fn groups(open: Vec<&Job>) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for job in open {
        let Some((configuration, fold)) = numbered_fold(job) else {
            groups.push(Group::One(job));
            continue;
        };
        let folds = groups.iter_mut().find_map(|group| match group {
            Group::Folds(of, jobs) if *of == configuration => Some(jobs),
            _ => None,
        });
        match folds {
            Some(jobs) => {
                jobs.insert(fold, job);
            }
            None => groups.push(Group::Folds(configuration, BTreeMap::from([(fold, job)]))),
        }
    }
    groups
}

#[cfg(test)]
mod tests;
