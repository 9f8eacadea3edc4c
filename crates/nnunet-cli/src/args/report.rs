//! Arguments of the command that makes a report.

use std::path::PathBuf;

use clap::Args;

use super::{DatasetArgs, PlansName};

#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) dataset: DatasetArgs,
    #[command(flatten)]
    pub(crate) plans: PlansName,
    /// Show so many of the best cases and so many of the worst, slice by slice
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub(crate) cases: usize,
    /// Where to write the page (default: `report.html` among the results of the dataset)
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}
