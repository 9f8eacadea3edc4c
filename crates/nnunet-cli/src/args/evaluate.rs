//! Arguments of the commands that judge predictions.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use nnunet::pipeline::{DEFAULT_PLANS, MethodResult, TRAINER};
use nnunet::schema::Fold;

use super::{DatasetArgs, DeviceArgs, JsonArgs};

#[derive(Args, Debug)]
pub(crate) struct EvaluateArgs {
    /// Folder of reference label maps
    #[arg(long, value_name = "DIR")]
    pub(crate) references: PathBuf,
    /// Folder of predicted label maps
    #[arg(long, value_name = "DIR")]
    pub(crate) predictions: PathBuf,
    /// The `dataset.json` that names the labels
    #[arg(long, value_name = "FILE")]
    pub(crate) dataset_json: PathBuf,
    /// Where to write the summary (default: `summary.json` beside the predictions); distances of
    /// surfaces go to `surfaces.json` beside it
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// What to do about references without a prediction
    #[arg(long, value_enum, default_value_t = Missing::Refuse, value_name = "WHAT")]
    pub(crate) missing: Missing,
    /// Measure the distances of surfaces too, in millimetres
    #[arg(long)]
    pub(crate) surface: bool,
    /// How far apart surfaces may be for the surface Dice to count them as equal
    #[arg(long, default_value_t = 1.0, requires = "surface", value_name = "MM")]
    pub(crate) tolerance: f64,
    /// Write a table of all cases and classes, with volumes
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

/// What to do about references without a prediction.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Missing {
    /// Stop and list them
    Refuse,
    /// Evaluate what is there
    Ignore,
}

#[derive(Args, Debug)]
pub(crate) struct SelectArgs {
    #[command(flatten)]
    pub(crate) dataset: DatasetArgs,
    /// Configurations that must take part (default: all that are trained and validated on these
    /// folds)
    #[arg(short = 'c', long = "configuration", alias = "configurations", value_name = "NAME", num_args = 1..)]
    pub(crate) configurations: Vec<String>,
    /// Names of the plans
    #[arg(short = 'p', long = "plans", value_name = "NAME", num_args = 1.., default_value = DEFAULT_PLANS)]
    pub(crate) plans: Vec<String>,
    /// Trainers, the first part of the names of model folders
    #[arg(long = "trainer", value_name = "NAME", num_args = 1.., default_value = TRAINER)]
    pub(crate) trainers: Vec<String>,
    /// Folds of the cross-validation
    #[arg(short = 'f', long = "folds", value_name = "FOLD", num_args = 1.., default_values = ["0", "1", "2", "3", "4"])]
    pub(crate) folds: Vec<Fold>,
    /// Only single configurations, no averages of two
    #[arg(long)]
    pub(crate) no_ensembling: bool,
    /// Keep the label maps of ensembles that are there already
    #[arg(long = "continue")]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct PostprocessArgs {
    /// Folder of predictions, with their `dataset.json`
    #[arg(short = 'i', long = "input", value_name = "DIR")]
    pub(crate) input: PathBuf,
    /// Folder for the postprocessed label maps
    #[arg(short = 'o', long = "output", value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// What to do: `postprocessing.json` of a selection, or of the Python program
    #[arg(long, value_name = "FILE")]
    pub(crate) postprocessing: PathBuf,
}

#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["methods", "list"])))]
pub(crate) struct CompareArgs {
    /// Results, each METHOD=DATASET=FILE with the `summary.json` of a method on a dataset; every
    /// method on every dataset
    #[arg(value_name = "METHOD=DATASET=FILE")]
    pub(crate) methods: Vec<MethodResult>,
    /// The same as a TOML file: a table per method, with a line DATASET = "FILE" per dataset
    #[arg(long, value_name = "FILE")]
    pub(crate) list: Option<PathBuf>,
    /// Folder for `comparison.json`, `comparison.txt`, `ranks.svg` and `ranks.png`
    #[arg(short = 'o', long, default_value = "comparison", value_name = "DIR")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) draws: DrawArgs,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

/// The virtual validation sets of a comparison.
#[derive(Args, Debug)]
pub(crate) struct DrawArgs {
    /// Virtual validation sets per dataset, drawn from its cases with replacement
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub(crate) draws: u32,
    /// Seed of the draws
    #[arg(long = "draw-seed", default_value_t = 0, value_name = "N")]
    pub(crate) seed: u64,
}

#[derive(Args, Debug)]
pub(crate) struct ExperimentArgs {
    /// What to do: datasets, folds and variants, as a TOML file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Folder for the summaries of the variants and their comparison (default: the name of the
    /// file without its ending)
    #[arg(short = 'o', long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) draws: DrawArgs,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    /// Threads that prepare batches
    #[arg(long, default_value = "2", value_name = "N")]
    pub(crate) loader_threads: NonZeroUsize,
}

#[derive(Args, Debug)]
pub(crate) struct CompareFingerprintsArgs {
    /// Datasets by number or name, or paths of `dataset_fingerprint.json` files, which are called
    /// as their folders
    #[arg(value_name = "DATASET|FILE", num_args = 2.., required = true)]
    pub(crate) datasets: Vec<String>,
    /// Folder for `fingerprints.json`, `.txt`, `.svg` and `.png`
    #[arg(short = 'o', long, default_value = "fingerprints", value_name = "DIR")]
    pub(crate) output: PathBuf,
}
