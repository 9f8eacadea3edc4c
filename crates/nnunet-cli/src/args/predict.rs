//! Arguments of the commands that use a trained model.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use nnunet::infer::Shard;
use nnunet::schema::{DatasetId, Fold};

use super::{DeviceArgs, PrecisionChoice};

#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("with").required(true).args(["model", "selected"])))]
pub(crate) struct PredictArgs {
    /// Folder of images, named like the training images
    #[arg(short = 'i', long = "input", value_name = "DIR")]
    pub(crate) input: PathBuf,
    /// Folder for the label maps
    #[arg(short = 'o', long = "output", value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Model folder `RESULTS/DATASET/TRAINER__PLANS__CONFIGURATION`
    #[arg(short = 'm', long = "model", value_name = "DIR")]
    pub(crate) model: Option<PathBuf>,
    /// Follow the selection on this dataset: its best model, or pair of models, and the
    /// postprocessing that goes with it
    #[arg(
        long,
        value_name = "DATASET",
        conflicts_with_all = ["folds", "previous_stage", "save_probabilities", "npz", "postprocessing"]
    )]
    pub(crate) selected: Option<DatasetId>,
    /// Postprocess the label maps by this file (`postprocessing.json`)
    #[arg(long, value_name = "FILE")]
    pub(crate) postprocessing: Option<PathBuf>,
    /// Folds to average (default: all that are trained)
    #[arg(short = 'f', long = "folds", value_name = "FOLD", num_args = 1..)]
    pub(crate) folds: Vec<Fold>,
    /// Don't average over mirrored copies: up to eight times faster, a little less accurate
    #[arg(long)]
    pub(crate) no_mirroring: bool,
    /// Distance of neighbouring windows as a fraction of their edge
    #[arg(long, default_value_t = 0.5, value_name = "FRACTION")]
    pub(crate) step: f64,
    /// Numbers to compute in (default: half precision where it is safe on a GPU, fp32 on the
    /// processor)
    #[arg(long, value_enum, value_name = "NUMBERS")]
    pub(crate) precision: Option<PrecisionChoice>,
    /// Save the probabilities of all classes too, in chunks (`CASE.zarr`), as these numbers
    #[arg(
        long,
        value_enum,
        value_name = "NUMBERS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "f32"
    )]
    pub(crate) save_probabilities: Option<ProbabilityChoice>,
    /// Save them as the Python program does (`CASE.npz`)
    #[arg(long)]
    pub(crate) npz: bool,
    /// Most gigabytes that a case may take beside network and image: it takes smaller batches and
    /// numbers if that helps, and is refused before it begins if it does not
    #[arg(long, value_name = "GB", value_parser = gigabytes)]
    pub(crate) max_memory: Option<u64>,
    /// Most gigabytes of the GPU that a case may take beside the network's weights and feature maps;
    /// windows are added up in the memory of the processor if that helps
    #[arg(long, value_name = "GB", value_parser = gigabytes)]
    pub(crate) max_gpu_memory: Option<u64>,
    /// Only say what each case would take, and how it would be predicted
    #[arg(long, conflicts_with_all = ["selected", "postprocessing", "report"])]
    pub(crate) dry_run: bool,
    /// Only part I of N, counted from 0, so that several runs share a folder
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub(crate) shard: Option<Shard>,
    /// Label maps of the first stage of a cascade
    #[arg(long, value_name = "DIR")]
    pub(crate) previous_stage: Option<PathBuf>,
    /// Write what the run took as JSON beside the label maps
    #[arg(long)]
    pub(crate) report: bool,
    /// Skip cases whose label map is already there
    #[arg(long = "continue")]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
}

/// The numbers that probabilities are saved in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProbabilityChoice {
    /// 32 bits
    F32,
    /// 16 bits, floating: off by at most 0.00025
    F16,
    /// 16 bits in equal steps: off by at most 0.000008
    U16,
    /// 8 bits in equal steps: off by at most 0.002
    U8,
}

/// Gigabytes as bytes.
pub(super) fn gigabytes(text: &str) -> Result<u64, String> {
    match text.parse::<f64>() {
        Ok(gigabytes) if gigabytes >= 0.0 => Ok((gigabytes * 1e9) as u64),
        _ => Err("expected a number of gigabytes, e.g. 7.5".to_owned()),
    }
}

fn shard(text: &str) -> Result<Shard, String> {
    let parts = text
        .split_once('/')
        .and_then(|(index, count)| Some((index.trim().parse().ok()?, count.trim().parse().ok()?)));
    let (index, count) = parts.ok_or("expected I/N, e.g. 0/4")?;
    Shard::new(index, count).map_err(|error| error.to_string())
}

#[derive(Args, Debug)]
pub(crate) struct EnsembleArgs {
    /// Folders of predictions with saved probabilities
    #[arg(short = 'i', long = "input", value_name = "DIR", num_args = 1.., required = true)]
    pub(crate) inputs: Vec<PathBuf>,
    /// Folder for the label maps
    #[arg(short = 'o', long = "output", value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Save the mean too, as the Python program does (`CASE.npz`)
    #[arg(long)]
    pub(crate) npz: bool,
    /// Skip cases whose label map is already there
    #[arg(long = "continue")]
    pub(crate) resume: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ExportCheckpointArgs {
    /// Model folder `RESULTS/DATASET/TRAINER__PLANS__CONFIGURATION`; the `.pth` files go beside its
    /// checkpoints
    #[arg(short = 'm', long = "model", value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// Folds (default: all that are trained)
    #[arg(short = 'f', long = "folds", value_name = "FOLD", num_args = 1..)]
    pub(crate) folds: Vec<Fold>,
    /// Which checkpoint
    #[arg(long, value_enum, default_value_t = CheckpointChoice::Final, value_name = "WHICH")]
    pub(crate) checkpoint: CheckpointChoice,
}

/// The checkpoints that a training leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckpointChoice {
    /// After the last epoch
    Final,
    /// After the epoch with the best moving average
    Best,
    /// Of an unfinished training
    Latest,
}
