//! The programs of Slurm that are called.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::{Command, Output};

use super::error::SlurmError;
use super::id::SlurmId;
use super::queue::{FORMAT, Queue};
use super::script::queue_name;

const SBATCH: &str = "sbatch";
const SCANCEL: &str = "scancel";
const SQUEUE: &str = "squeue";
/// The variable in which Slurm tells a job its number.
const OWN_JOB: &str = "SLURM_JOB_ID";
/// The variable that says where Slurm's configuration lies; the only one of its own that a job
/// passes on to those that it submits.
const CONFIGURATION: &str = "SLURM_CONF";
/// What they say of jobs that have left the queue.
const UNKNOWN_JOB: &str = "Invalid job id specified";
const MAY_NOT_SUBMIT: &str = "if this is a node that may not submit, put `submit_from = \"here\"` \
                              into the profile";

/// Slurm, as its programs in `PATH` show it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slurm;

impl Slurm {
    /// The Slurm job that this process is in, if it is in one.
    #[must_use]
    pub fn own_job(&self) -> Option<SlurmId> {
        let number = std::env::var(OWN_JOB).ok()?;
        number.parse().ok().map(SlurmId::whole)
    }

    /// Submits a script; the number of the job.
    ///
    /// # Errors
    /// If `sbatch` is not there or refuses.
    pub fn submit(&self, arguments: &[OsString], script: &Path) -> Result<u32, SlurmError> {
        let mut command = Command::new(SBATCH);
        command.args(arguments).arg("--parsable").arg(script);
        if self.own_job().is_some() {
            // What this job was given is none of the next one's.
            for (name, _) in std::env::vars_os() {
                let is_own = name.to_string_lossy().starts_with("SLURM_");
                if is_own && name != OsStr::new(CONFIGURATION) {
                    command.env_remove(name);
                }
            }
        }
        let hint = self.own_job().map(|_| MAY_NOT_SUBMIT);
        let said = output_of(SBATCH, &mut command, hint)?;
        // `number` or `number;cluster`.
        let number = said.trim().split(';').next().unwrap_or_default();
        number.parse().map_err(|_| SlurmError::NotUnderstood {
            program: SBATCH,
            said: said.trim().to_owned(),
            expected: "the number of the job",
        })
    }

    /// Removes jobs from the queue; those that have left it already are no error.
    ///
    /// # Errors
    /// If `scancel` is not there or fails.
    pub fn cancel(&self, jobs: &[SlurmId]) -> Result<(), SlurmError> {
        if jobs.is_empty() {
            return Ok(());
        }
        let mut command = Command::new(SCANCEL);
        command.args(jobs.iter().map(SlurmId::to_string));
        match output_of(SCANCEL, &mut command, None) {
            Err(SlurmError::Failed { said, .. }) if said.contains(UNKNOWN_JOB) => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// What the queue says of these jobs of a dataset; those of which it knows nothing are left
    /// out.
    ///
    /// # Errors
    /// If `squeue` is not there or fails.
    pub fn queue(
        &self,
        dataset: &str,
        ids: impl IntoIterator<Item = SlurmId>,
    ) -> Result<Queue, SlurmError> {
        let jobs: BTreeSet<u32> = ids.into_iter().map(|id| id.job).collect();
        if jobs.is_empty() {
            return Ok(Queue::default());
        }
        let jobs: Vec<String> = jobs.iter().map(u32::to_string).collect();
        let mut command = Command::new(SQUEUE);
        command
            .args(["--noheader", "--array", "--states=all"])
            .arg(format!("--format={FORMAT}"))
            .arg(format!("--jobs={}", jobs.join(",")));
        match output_of(SQUEUE, &mut command, None) {
            Ok(text) => Queue::parse(&text, &queue_name(dataset, "")),
            Err(SlurmError::Failed { said, .. }) if said.contains(UNKNOWN_JOB) => {
                Ok(Queue::default())
            }
            Err(error) => Err(error),
        }
    }
}

fn output_of(
    program: &'static str,
    command: &mut Command,
    hint: Option<&'static str>,
) -> Result<String, SlurmError> {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .map_err(|source: io::Error| SlurmError::NotRun { program, source })?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&stderr).trim().replace('\n', "; ");
    let words = command.get_args().map(OsStr::to_string_lossy);
    let words: Vec<_> = words.collect();
    Err(SlurmError::Failed {
        command: format!("{program} {}", words.join(" ")),
        said: match said.is_empty() {
            true => status.to_string(),
            false => said,
        },
        hint,
    })
}
