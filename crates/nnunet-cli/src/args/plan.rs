//! Arguments of the commands about plans.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use nnunet::schema::DatasetId;

use super::{JsonArgs, PlansName};

#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["dataset", "fingerprint", "check"])))]
pub(crate) struct PlanArgs {
    /// Dataset, by number (`4`) or folder name (`Dataset004_Hippocampus`)
    pub(crate) dataset: Option<DatasetId>,
    /// Plan from this fingerprint instead of a dataset folder
    #[arg(long, value_name = "FILE", requires = "dataset_json")]
    pub(crate) fingerprint: Option<PathBuf>,
    /// The description that belongs to the fingerprint
    #[arg(long, value_name = "FILE", requires = "fingerprint")]
    pub(crate) dataset_json: Option<PathBuf>,
    /// Where to write the plans (default: the dataset's preprocessed folder, or nowhere with
    /// `--fingerprint`)
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Only check plans that were edited by hand
    #[arg(long, value_name = "PLANS")]
    pub(crate) check: Option<PathBuf>,
    /// Name of the plans (default: that of the rules, e.g. `nnUNetPlans`)
    #[arg(short = 'p', long = "plans", value_name = "NAME")]
    pub(crate) plans: Option<String>,
    #[command(flatten)]
    pub(crate) planning: PlanningArgs,
    /// Say why each value is as it is
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "text",
        conflicts_with = "json"
    )]
    pub(crate) explain: Option<ExplainFormat>,
    /// Draw the networks: an SVG per configuration into this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) draw: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

/// What may be asked of the planner.
#[derive(Args, Debug)]
pub(crate) struct PlanningArgs {
    /// Rules to plan by (default: paper)
    #[arg(long, value_enum, value_name = "RULES")]
    pub(crate) rules: Option<RulesChoice>,
    /// GPU memory that the plan may use, in gigabytes (default: 8, resenc-l 24, resenc-xl 40)
    #[arg(long, value_name = "GB")]
    pub(crate) gpu_memory: Option<f64>,
    /// Features of the first stage, instead of 32
    #[arg(long, value_name = "N")]
    pub(crate) base_features: Option<usize>,
    /// Batch size of every configuration, instead of the largest that fits
    #[arg(long, value_name = "N")]
    pub(crate) batch_size: Option<usize>,
    /// Patch size, coarsest axis first: `a,b,c` for 3D configurations, `b,c` for 2D
    #[arg(long, value_name = "A,B,C", value_delimiter = ',', num_args = 1)]
    pub(crate) patch_size: Option<Vec<usize>>,
    /// Spacing in millimetres that cases are resampled to, axes as in the files (z,y,x)
    #[arg(long, value_name = "A,B,C", value_delimiter = ',', num_args = 1)]
    pub(crate) target_spacing: Option<Vec<f64>>,
    /// Keep the order of the axes instead of putting the coarsest first
    #[arg(long)]
    pub(crate) suppress_transpose: bool,
}

/// The published rule sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RulesChoice {
    /// The nnU-Net paper
    Paper,
    /// nnU-Net v2
    V2,
    /// nnU-Net v2's residual encoder for 8 GB
    ResencM,
    /// nnU-Net v2's residual encoder for 24 GB
    ResencL,
    /// nnU-Net v2's residual encoder for 40 GB
    ResencXl,
}

/// How an explanation is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExplainFormat {
    /// For people
    Text,
    /// For programs
    Json,
}

#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["dataset", "model"])))]
pub(crate) struct ModelInfoArgs {
    /// Dataset, by number (`4`) or folder name (`Dataset004_Hippocampus`)
    pub(crate) dataset: Option<DatasetId>,
    /// A model folder instead of a dataset
    #[arg(short = 'm', long, value_name = "DIR")]
    pub(crate) model: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) plans: PlansName,
    /// Configurations (default: all of the plan)
    #[arg(short = 'c', long = "configuration", alias = "configurations", value_name = "NAME", num_args = 1..)]
    pub(crate) configurations: Vec<String>,
    /// Another patch than the planned one, in the order of the network's axes
    #[arg(long, value_name = "A,B,C", value_delimiter = ',', num_args = 1)]
    pub(crate) patch_size: Option<Vec<usize>>,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}
