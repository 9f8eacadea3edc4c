//! Arguments of the commands that make a dataset ready.

use std::path::PathBuf;

use clap::Args;
use nnunet::schema::splits::CasePattern;

use super::{DatasetArgs, JsonArgs, PlansName, RulesChoice};

#[derive(Args, Debug)]
pub(crate) struct ConvertMsdArgs {
    /// The folder, e.g. `Task04_Hippocampus`
    pub(crate) source: PathBuf,
    /// Number of the new dataset (default: that of the task)
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=999), value_name = "N")]
    pub(crate) id: Option<u16>,
}

#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) dataset: DatasetArgs,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct FingerprintArgs {
    #[command(flatten)]
    pub(crate) dataset: DatasetArgs,
    /// Rules whose way of sampling intensities to follow: every tenth foreground voxel (paper),
    /// or as many random ones of each case (the others)
    #[arg(long, value_enum, default_value_t = RulesChoice::Paper)]
    pub(crate) rules: RulesChoice,
    /// Compute it anew even if it is there
    #[arg(long)]
    pub(crate) clean: bool,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct SplitArgs {
    #[command(flatten)]
    pub(crate) dataset: DatasetArgs,
    /// Regular expression that finds the patient in the name of a case: its first parentheses,
    /// e.g. `^(patient[0-9]+)_`
    #[arg(long, value_name = "REGEX", conflicts_with = "group_file")]
    pub(crate) group_pattern: Option<CasePattern>,
    /// File that names the patient of each case: a JSON object, or two columns of CSV or TSV
    #[arg(long, value_name = "FILE")]
    pub(crate) group_file: Option<PathBuf>,
    /// Replace other splits that are there already
    #[arg(long)]
    pub(crate) clean: bool,
}

#[derive(Args, Debug)]
pub(crate) struct PreprocessArgs {
    #[command(flatten)]
    pub(crate) dataset: DatasetArgs,
    #[command(flatten)]
    pub(crate) plans: PlansName,
    /// Configurations, e.g. `3d_fullres` (default: all of the plan)
    #[arg(short = 'c', long = "configuration", alias = "configurations", value_name = "NAME", num_args = 1..)]
    pub(crate) configurations: Vec<String>,
    /// Store intensities in half precision: three significant digits in half the space
    #[arg(long)]
    pub(crate) half: bool,
}
