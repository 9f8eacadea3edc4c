//! Arguments of the commands that give models away and take them.

use std::path::PathBuf;

use clap::Args;
use nnunet::pipeline::{DEFAULT_PLANS, TRAINER};
use nnunet::schema::Fold;

use super::{CheckpointChoice, DatasetArgs};

#[derive(Args, Debug)]
pub(crate) struct ExportModelArgs {
    #[command(flatten)]
    pub(crate) dataset: DatasetArgs,
    /// The archive, e.g. `hippocampus.zip`
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Only the models that the selection chose, with the folds that it was made on
    #[arg(long, conflicts_with_all = ["configurations", "folds", "plans", "trainer"])]
    pub(crate) selected: bool,
    /// Configurations (default: all that are trained); those that they continue go along
    #[arg(short = 'c', long = "configuration", alias = "configurations", value_name = "NAME", num_args = 1..)]
    pub(crate) configurations: Vec<String>,
    /// Folds (default: all that are trained)
    #[arg(short = 'f', long = "folds", value_name = "FOLD", num_args = 1..)]
    pub(crate) folds: Vec<Fold>,
    /// Name of the plans
    #[arg(short = 'p', long = "plans", value_name = "NAME", default_value = DEFAULT_PLANS)]
    pub(crate) plans: String,
    /// Trainer, the first part of the names of model folders
    #[arg(long = "trainer", value_name = "NAME", default_value = TRAINER)]
    pub(crate) trainer: String,
    /// Which checkpoints; predicting takes the final one
    #[arg(long = "checkpoint", value_enum, value_name = "WHICH", num_args = 1.., default_value = "final")]
    pub(crate) checkpoints: Vec<CheckpointChoice>,
    /// Add this program's own checkpoints, with the settings of the training and the state of any
    /// optimiser: twice the size, and predictions are the same without
    #[arg(long)]
    pub(crate) own_checkpoints: bool,
}

#[derive(Args, Debug)]
pub(crate) struct InstallModelArgs {
    /// The archive, of `nnunet export-model` or the Python program's `nnUNetv2_export_model_to_zip`
    #[arg(value_name = "FILE")]
    pub(crate) archive: PathBuf,
    /// Replace models that are there already
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Most gigabytes that the files of the archive may have together
    #[arg(long, default_value = "100", value_name = "GB", value_parser = super::gigabytes)]
    pub(crate) max_size: u64,
}
