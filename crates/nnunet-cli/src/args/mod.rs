//! What the user typed: the options of the program here, those of each command in the file of its
//! subject.

mod data;
mod evaluate;
mod plan;
mod predict;
mod run;
mod setup;
mod train;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use nnunet::model::DeviceChoice;
use nnunet::schema::DatasetId;
use nnunet::schema::layout::{ENV_PREPROCESSED, ENV_RAW, ENV_RESULTS};

pub(crate) use data::*;
pub(crate) use evaluate::*;
pub(crate) use plan::*;
pub(crate) use predict::*;
pub(crate) use run::*;
pub(crate) use setup::*;
pub(crate) use train::*;

/// Designs, trains and runs segmentation pipelines for biomedical images.
///
/// Give it a folder of labelled images in nnU-Net's layout; it looks at them, plans a pipeline,
/// trains it and segments new images, with nobody turning a knob.
#[derive(Debug, Parser)]
#[command(name = "nnunet", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// The three root folders
    #[command(flatten)]
    pub(crate) roots: Roots,
    /// CPU threads (default: all)
    #[arg(long, global = true, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where datasets, preprocessed cases and models lie.
#[derive(Args, Clone, Debug)]
pub(crate) struct Roots {
    /// Folder of the raw datasets
    #[arg(long, global = true, env = ENV_RAW, value_name = "DIR")]
    pub(crate) raw: Option<PathBuf>,
    /// Folder of fingerprints, plans and preprocessed cases
    #[arg(long, global = true, env = ENV_PREPROCESSED, value_name = "DIR")]
    pub(crate) preprocessed: Option<PathBuf>,
    /// Folder of trained models
    #[arg(long, global = true, env = ENV_RESULTS, value_name = "DIR")]
    pub(crate) results: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a raw dataset of a folder of the Medical Segmentation Decathlon
    ConvertMsd(ConvertMsdArgs),
    /// Check a raw dataset: files, shapes, spacings, label values
    Verify(DatasetArgs),
    /// Collect the facts about a dataset that the planner works from
    Fingerprint(FingerprintArgs),
    /// Design the pipeline: target spacing, patch size, batch size, network
    Plan(PlanArgs),
    /// Split the cases into folds, those of a patient into the same
    Split(SplitArgs),
    /// Crop, resample and normalise all cases for a configuration
    Preprocess(PreprocessArgs),
    /// Draw patches of a case as training sees them: as they are and augmented
    PreviewAugmentation(PreviewArgs),
    /// Show the stages of the planned networks, and what they cost
    ModelInfo(ModelInfoArgs),
    /// Train one configuration on one fold, then validate it on the held-out cases
    Train(TrainArgs),
    /// Segment new images with a trained model
    Predict(PredictArgs),
    /// Average the probabilities of several predictions
    Ensemble(EnsembleArgs),
    /// Write the checkpoints of a model folder as the Python program's
    ExportCheckpoint(ExportCheckpointArgs),
    /// Compare predictions with references
    Evaluate(EvaluateArgs),
    /// Pick the best configuration, or pair, by cross-validation, and its postprocessing
    Select(SelectArgs),
    /// Remove small components from predictions where a selection found that this helps
    Postprocess(PostprocessArgs),
    /// Rank methods by their results on several datasets, and say how sure the ranks are
    Compare(CompareArgs),
    /// Show how datasets differ: their fingerprints, each property relative to all datasets
    CompareFingerprints(CompareFingerprintsArgs),
    /// Train variants of the method on several datasets and compare them
    Experiment(ExperimentArgs),
    /// Do the whole work on a dataset, from the raw images to the selected model
    Run(RunArgs),
    /// Print the jobs of a dataset for another program that runs them
    Jobs(JobsArgs),
    /// Show how far the work on a dataset is
    Status(StatusArgs),
    /// Run the whole pipeline on labelled phantoms made on the spot
    Demo(DemoArgs),
    /// Say what the program finds on this machine: libtorch, GPU, threads, memory, folders
    Doctor(DoctorArgs),
    /// Print the script that completes commands in a shell
    Completions(CompletionsArgs),
    /// Write a manual page for each command
    ManPages(ManPagesArgs),
}

impl Command {
    /// Whether large tensors are allocated and freed over and over.
    pub(crate) const fn runs_networks(&self) -> bool {
        matches!(
            self,
            Self::Train(_)
                | Self::Predict(_)
                | Self::Select(_)
                | Self::Experiment(_)
                | Self::Run(_)
                | Self::Demo(_)
        )
    }
}

#[derive(Args, Debug)]
pub(crate) struct DatasetArgs {
    /// Dataset, by number (`4`) or folder name (`Dataset004_Hippocampus`)
    pub(crate) dataset: DatasetId,
}

#[derive(Args, Debug)]
pub(crate) struct PlansName {
    /// Name of the plans
    #[arg(
        short = 'p',
        long = "plans",
        default_value = "nnUNetPlans",
        value_name = "NAME"
    )]
    pub(crate) plans: String,
}

#[derive(Args, Debug)]
pub(crate) struct DeviceArgs {
    /// `cpu`, `cuda` or `cuda:N` (default: the first GPU, or the CPU if there is none)
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<DeviceChoice>,
}

#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Folder for everything the demo makes
    #[arg(long, default_value = "demo", value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Channels of the phantoms: one, or two that complement each other
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2), value_name = "N")]
    pub(crate) channels: u8,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
}
