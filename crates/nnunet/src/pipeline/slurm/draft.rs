//! From a batch to what `sbatch` is given: a script, where it lies, and what it is called with.

use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

use nnunet_schema::Layout;

use super::arrange::{After, Batch, BatchContent, Rest};
use super::error::SlurmError;
use super::id::SlurmId;
use super::profile::Profile;
use super::script::{Script, Variable, Word, file_name, queue_name};
use crate::pipeline::graph::{JobId, JobKind};

/// The variable that bounds the threads of libtorch.
pub const OMP_THREADS: &str = "OMP_NUM_THREADS";

/// How jobs call the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its file, where the nodes find it too.
    pub executable: PathBuf,
    /// Options of `nnunet run` that all jobs are given: what is trained, and how.
    pub options: Vec<String>,
    /// Threads of each job; else as many as the processors that it asks for.
    pub threads: Option<NonZeroUsize>,
    /// Set before it is run.
    pub environment: Vec<Variable>,
}

/// A Slurm job that can be submitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// What it runs and what it waits for.
    pub batch: Batch,
    /// Where the script lies.
    pub path: PathBuf,
    /// The script.
    pub script: String,
    /// What it prints goes into a file that begins so.
    log: PathBuf,
}

/// Where scripts and logs of a dataset lie.
#[derive(Clone, Debug)]
pub(super) struct Place {
    folder: PathBuf,
}

impl Place {
    pub(super) fn of(layout: &Layout, dataset: &str) -> Self {
        Self {
            folder: layout.results.join(dataset).join("jobs"),
        }
    }

    pub(super) fn record(&self) -> PathBuf {
        self.folder.join("slurm.json")
    }

    /// Held while somebody submits.
    pub(super) fn lock(&self) -> PathBuf {
        self.folder.join("slurm.lock")
    }

    /// The profile that the job that plans submits the rest with.
    pub(super) fn profile(&self) -> PathBuf {
        self.folder.join("slurm/profile.toml")
    }

    /// A script, or a log, of a batch.
    fn file(&self, batch: &str) -> PathBuf {
        self.folder.join("slurm").join(file_name(batch))
    }
}

/// What the scripts of a dataset have in common.
#[derive(Clone, Debug)]
pub(super) struct Drafter<'a> {
    pub(super) layout: &'a Layout,
    pub(super) dataset: &'a str,
    pub(super) profile: &'a Profile,
    pub(super) program: &'a Program,
}

impl Drafter<'_> {
    pub(super) fn draft(&self, batch: Batch) -> Result<Draft, SlurmError> {
        let place = Place::of(self.layout, self.dataset);
        let mut settings = self.profile.settings(batch.class);
        let given = (self.program.threads)
            .and_then(|threads| u32::try_from(threads.get()).ok())
            .and_then(NonZeroU32::new);
        settings.cpus = settings.cpus.or(given);
        let threads = given.or(settings.cpus);
        let script = Script {
            name: queue_name(self.dataset, &batch.name()),
            tasks: batch.tasks(),
            accelerator: batch.accelerator,
            environment: self.environment(threads),
            commands: self.commands(&batch, threads, &place)?,
            settings,
        };
        let file = place.file(&batch.name());
        Ok(Draft {
            path: file.with_added_extension("sh"),
            script: script.render(),
            log: file,
            batch,
        })
    }

    fn environment(&self, threads: Option<NonZeroU32>) -> Vec<Variable> {
        let Some(threads) = threads else {
            return self.program.environment.clone();
        };
        let given = self.program.environment.iter();
        let others = given
            .filter(|variable| variable.name != OMP_THREADS)
            .cloned();
        let threads = Variable {
            name: OMP_THREADS.to_owned(),
            value: threads.to_string(),
        };
        others.chain([threads]).collect()
    }

    fn commands(
        &self,
        batch: &Batch,
        threads: Option<NonZeroU32>,
        place: &Place,
    ) -> Result<Vec<Vec<Word>>, SlurmError> {
        let job = |word: Word| self.command(vec![plain("--job"), word], threads);
        Ok(match &batch.content {
            BatchContent::Single(id) => vec![job(plain(id.as_str()))?],
            BatchContent::Array { prefix, .. } => vec![job(Word::WithTask(prefix.clone()))?],
            BatchContent::Preparation { kinds, rest, .. } => {
                let mut commands = vec![self.command(only(kinds), threads)?];
                let later = match rest {
                    Rest::None => None,
                    Rest::All => Some(Vec::new()),
                    Rest::Kinds(kinds) => Some(only(kinds)),
                };
                if let Some(chosen) = later {
                    let given = self.program.threads.and(threads);
                    let mut words = vec![plain("--slurm"), plain(text(&place.profile())?)];
                    words.extend(chosen);
                    commands.push(self.command(words, given)?);
                }
                commands
            }
        })
    }

    /// `nnunet run` of the dataset with the options of all jobs and these.
    fn command(
        &self,
        chosen: Vec<Word>,
        threads: Option<NonZeroU32>,
    ) -> Result<Vec<Word>, SlurmError> {
        let Layout {
            raw,
            preprocessed,
            results,
        } = self.layout;
        let mut words = vec![plain(text(&self.program.executable)?)];
        for (option, root) in [
            ("--raw", raw),
            ("--preprocessed", preprocessed),
            ("--results", results),
        ] {
            words.extend([plain(option), plain(text(root)?)]);
        }
        if let Some(threads) = threads {
            words.extend([plain("--threads"), plain(&threads.to_string())]);
        }
        words.extend([plain("run"), plain(self.dataset)]);
        words.extend(chosen);
        words.extend(self.program.options.iter().map(|option| plain(option)));
        Ok(words)
    }
}

impl Draft {
    /// The options that `sbatch` is given beside those in the script; `id` is the number of a
    /// batch of the same arrangement.
    pub fn arguments(&self, id: impl Fn(usize) -> String) -> Vec<OsString> {
        let pattern = match self.batch.tasks().is_empty() {
            true => "-%j.log",
            false => "-%A_%a.log",
        };
        let mut output = OsString::from("--output=");
        // Slurm replaces what follows a `%` in the path, too.
        output.push(self.log.to_string_lossy().replace('%', "%%"));
        output.push(pattern);
        let mut arguments = vec![output];
        if !self.batch.after.is_empty() {
            let after = self.batch.after.iter().map(|after| match after {
                After::Batch(index) => id(*index),
                After::Task(index, task) => format!("{}_{task}", id(*index)),
                After::Queued(queued) => queued.to_string(),
            });
            let after: Vec<String> = after.collect();
            arguments.push(format!("--dependency=afterok:{}", after.join(":")).into());
            arguments.push("--kill-on-invalid-dep=yes".into());
        }
        arguments
    }

    /// Its jobs, each with its number and its log, once `sbatch` has said which number it has.
    pub(super) fn submitted_as(&self, number: u32) -> Vec<(JobId, SlurmId, PathBuf)> {
        let jobs = self.batch.jobs().into_iter();
        jobs.map(|(job, task)| {
            let id = SlurmId { job: number, task };
            let mut log = self.log.clone().into_os_string();
            log.push(format!("-{id}.log"));
            (job.clone(), id, log.into())
        })
        .collect()
    }
}

fn plain(word: &str) -> Word {
    Word::Plain(word.to_owned())
}

fn only(kinds: &[JobKind]) -> Vec<Word> {
    let words = kinds.iter().map(|kind| plain(kind.word()));
    std::iter::once(plain("--only")).chain(words).collect()
}

/// A path as a word: scripts are texts.
fn text(path: &Path) -> Result<&str, SlurmError> {
    path.to_str().ok_or_else(|| SlurmError::NotText {
        path: path.to_path_buf(),
    })
}

#[cfg(test)]
mod tests;
