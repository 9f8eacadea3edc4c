use std::path::PathBuf;

use super::id::SlurmId;
use crate::pipeline::graph::JobId;

/// What can go wrong between the graph of jobs and Slurm.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlurmError {
    /// A profile that cannot be read or meant.
    #[error("{}: {problem}", path.display())]
    Profile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A key that profiles do not have.
    #[error("{}: there is no `{key}`{}; there are {}", path.display(), inside(table), known.join(", "))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The table that it stands in; none at the top.
        table: Option<&'static str>,
        /// The key.
        key: String,
        /// The keys that there are.
        known: Vec<&'static str>,
    },
    /// A program of Slurm cannot be started.
    #[error("cannot run `{program}`: {source}: is Slurm installed on this machine, and in PATH?")]
    NotRun {
        /// The program.
        program: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A program of Slurm failed.
    #[error("`{command}` failed: {said}{}", hint.map_or(String::new(), |hint| format!(": {hint}")))]
    Failed {
        /// What was run.
        command: String,
        /// What it said.
        said: String,
        /// What may help.
        hint: Option<&'static str>,
    },
    /// A program of Slurm said something that is not understood.
    #[error("`{program}` said `{said}`, expected {expected}")]
    NotUnderstood {
        /// The program.
        program: &'static str,
        /// What it said.
        said: String,
        /// What was expected.
        expected: &'static str,
    },
    /// A job of this name is in the queue, but it is other work.
    #[error(
        "`{job}` is in the queue as {id}, with other options: give the same options, wait for it, \
         or remove it with `scancel {id}`"
    )]
    QueuedOtherwise {
        /// The job.
        job: JobId,
        /// Its number in the queue.
        id: SlurmId,
    },
    /// A job cannot be run as things are.
    #[error("`{job}` cannot be submitted: {problem}")]
    Blocked {
        /// The job.
        job: JobId,
        /// What is in its way.
        problem: String,
    },
    /// The jobs up to the split ran, and are to be run again.
    #[error(
        "{} not done, though the Slurm job {id} has just run them: has the dataset changed \
         meanwhile? Submit again", jobs.join(", ")
    )]
    StillOpen {
        /// The jobs.
        jobs: Vec<String>,
        /// The Slurm job that ran them, which this process is in.
        id: SlurmId,
    },
    /// A path or an option that cannot be written into a script.
    #[error("{} is no UTF-8 text, and cannot be written into a script: rename it", path.display())]
    NotText {
        /// The path.
        path: PathBuf,
    },
}

fn inside(table: &Option<&'static str>) -> String {
    table.map_or(String::new(), |table| format!(" in [{table}]"))
}
