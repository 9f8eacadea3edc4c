//! Arguments of the commands about the whole work on a dataset.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use nnunet::model::DeviceChoice;
use nnunet::pipeline::graph::JobKind;
use nnunet::schema::{DatasetId, Fold};

use super::{JsonArgs, PlanningArgs, PlansName, ScheduleArgs, VariantArgs};

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Dataset, by number (`4`) or folder name (`Dataset004_Hippocampus`)
    pub(crate) dataset: DatasetId,
    /// Only jobs of these kinds, as far as what they need is done
    #[arg(long, value_enum, value_name = "KIND", num_args = 1.., conflicts_with = "job")]
    pub(crate) only: Vec<KindChoice>,
    /// Only this job, if what it needs is done; `nnunet jobs` has the names
    #[arg(long, value_name = "JOB")]
    pub(crate) job: Option<String>,
    /// Run nothing: show the jobs, how far each is and why, and how long it may take; with
    /// `--slurm` the scripts
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Submit the jobs to Slurm, with what this TOML file says of the cluster (default:
    /// `nnunet/slurm.toml` in `$XDG_CONFIG_HOME`, else in `~/.config`)
    #[arg(long, value_name = "PROFILE", num_args = 0..=1, conflicts_with = "job")]
    pub(crate) slurm: Option<Option<PathBuf>>,
    #[command(flatten)]
    pub(crate) graph: GraphArgs,
}

#[derive(Args, Debug)]
pub(crate) struct JobsArgs {
    /// Dataset, by number (`4`) or folder name (`Dataset004_Hippocampus`)
    pub(crate) dataset: DatasetId,
    /// How they are printed
    #[arg(long, value_enum, default_value_t = JobsFormat::Jsonl, value_name = "FORMAT")]
    pub(crate) format: JobsFormat,
    #[command(flatten)]
    pub(crate) graph: GraphArgs,
}

#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    /// Dataset, by number (`4`) or folder name (`Dataset004_Hippocampus`)
    pub(crate) dataset: DatasetId,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

/// What the work on a dataset is to be.
#[derive(Args, Debug)]
pub(crate) struct GraphArgs {
    /// Configurations (default: all of the plan); those that they continue are trained too
    #[arg(short = 'c', long, alias = "configuration", value_name = "NAME", num_args = 1..)]
    pub(crate) configurations: Vec<String>,
    /// Folds
    #[arg(short = 'f', long, value_name = "FOLD", num_args = 1.., default_values = ["0", "1", "2", "3", "4"])]
    pub(crate) folds: Vec<Fold>,
    /// Only `3d_fullres` (`2d` where there is nothing else), on fold 0: where computing is scarce
    #[arg(long, conflicts_with_all = ["configurations", "folds"])]
    pub(crate) fast: bool,
    #[command(flatten)]
    pub(crate) plans: PlansName,
    #[command(flatten)]
    pub(crate) planning: PlanningArgs,
    #[command(flatten)]
    pub(crate) schedule: ScheduleArgs,
    #[command(flatten)]
    pub(crate) variant: VariantArgs,
    /// Where networks run, one training at a time on each: `cpu`, `cuda:N` (default: the first
    /// GPU, or the CPU if there is none)
    #[arg(long = "device", value_name = "DEVICE", num_args = 1..)]
    pub(crate) devices: Vec<DeviceChoice>,
    /// Threads that prepare batches, of each training
    #[arg(long, default_value = "2", value_name = "N")]
    pub(crate) loader_threads: NonZeroUsize,
}

/// How jobs are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum JobsFormat {
    /// A JSON object per line, each job after those that it needs
    Jsonl,
}

/// The kinds of jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindChoice {
    /// Check the raw dataset
    Verify,
    /// Compute its fingerprint
    Fingerprint,
    /// Plan
    Plan,
    /// Split the cases into folds
    Split,
    /// Preprocess
    Preprocess,
    /// Train and validate
    Train,
    /// Select the best model and its postprocessing
    Select,
    /// Make the report
    Report,
}

impl From<KindChoice> for JobKind {
    fn from(choice: KindChoice) -> Self {
        match choice {
            KindChoice::Verify => Self::Verify,
            KindChoice::Fingerprint => Self::Fingerprint,
            KindChoice::Plan => Self::Plan,
            KindChoice::Split => Self::Split,
            KindChoice::Preprocess => Self::Preprocess,
            KindChoice::Train => Self::Train,
            KindChoice::Select => Self::Select,
            KindChoice::Report => Self::Report,
        }
    }
}
