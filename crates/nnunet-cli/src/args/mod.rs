//! What the user typed: the options of the program here, those of each command in the file of its
//! subject.

mod data;
mod evaluate;
mod examples;
mod plan;
mod predict;
mod report;
mod run;
mod setup;
mod sharing;
mod train;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};
use nnunet::model::DeviceChoice;
use nnunet::schema::DatasetId;

pub(crate) use data::*;
pub(crate) use evaluate::*;
pub(crate) use plan::*;
pub(crate) use predict::*;
pub(crate) use report::*;
pub(crate) use run::*;
pub(crate) use setup::*;
pub(crate) use sharing::*;
pub(crate) use train::*;

/// The heading of the options that all commands have.
const EVERYWHERE: &str = "Options of every command";

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
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Settings file (default: `nnunet.toml` in the current folder, else
    /// `~/.config/nnunet/config.toml`); what is given as an option goes before it
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Say on stderr what is done: stages and decisions, with `-vv` every case too. The variable
    /// `NNUNET_LOG` chooses more finely, e.g. `nnunet_infer=debug`
    #[arg(short = 'v', long, global = true, help_heading = EVERYWHERE, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where datasets, preprocessed cases and models lie.
#[derive(Args, Clone, Debug)]
pub(crate) struct Roots {
    /// Folder of the raw datasets (else `raw` of the settings file, else `$nnUNet_raw`)
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DIR")]
    pub(crate) raw: Option<PathBuf>,
    /// Folder of fingerprints, plans and preprocessed cases (else `preprocessed` of the settings
    /// file, else `$nnUNet_preprocessed`)
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DIR")]
    pub(crate) preprocessed: Option<PathBuf>,
    /// Folder of trained models (else `results` of the settings file, else `$nnUNet_results`)
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DIR")]
    pub(crate) results: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a raw dataset of a folder of the Medical Segmentation Decathlon
    #[command(after_help = examples::CONVERT_MSD)]
    ConvertMsd(ConvertMsdArgs),
    /// Check a raw dataset: files, shapes, spacings, label values
    #[command(after_help = examples::VERIFY)]
    Verify(VerifyArgs),
    /// Collect the facts about a dataset that the planner works from
    #[command(after_help = examples::FINGERPRINT)]
    Fingerprint(FingerprintArgs),
    /// Design the pipeline: target spacing, patch size, batch size, network
    #[command(after_help = examples::PLAN)]
    Plan(PlanArgs),
    /// Split the cases into folds, those of a patient into the same
    #[command(after_help = examples::SPLIT)]
    Split(SplitArgs),
    /// Crop, resample and normalise all cases for a configuration
    #[command(after_help = examples::PREPROCESS)]
    Preprocess(PreprocessArgs),
    /// Draw patches of a case as training sees them: as they are and augmented
    #[command(after_help = examples::PREVIEW_AUGMENTATION)]
    PreviewAugmentation(PreviewArgs),
    /// Show the stages of the planned networks, and what they cost
    #[command(after_help = examples::MODEL_INFO)]
    ModelInfo(ModelInfoArgs),
    /// Train one configuration on one fold, then validate it on the held-out cases
    #[command(after_help = examples::TRAIN)]
    Train(TrainArgs),
    /// Segment new images with a trained model
    #[command(after_help = examples::PREDICT)]
    Predict(PredictArgs),
    /// Average the probabilities of several predictions
    #[command(after_help = examples::ENSEMBLE)]
    Ensemble(EnsembleArgs),
    /// Write the checkpoints of a model folder as the Python program's
    #[command(after_help = examples::EXPORT_CHECKPOINT)]
    ExportCheckpoint(ExportCheckpointArgs),
    /// Pack trained models into one file that other machines, and the Python program, install
    #[command(after_help = examples::EXPORT_MODEL)]
    ExportModel(ExportModelArgs),
    /// Install models from such a file, ours or the Python program's
    #[command(after_help = examples::INSTALL_MODEL)]
    InstallModel(InstallModelArgs),
    /// Compare predictions with references
    #[command(after_help = examples::EVALUATE)]
    Evaluate(EvaluateArgs),
    /// Pick the best configuration, or pair, by cross-validation, and its postprocessing
    #[command(after_help = examples::SELECT)]
    Select(SelectArgs),
    /// Remove small components from predictions where a selection found that this helps
    #[command(after_help = examples::POSTPROCESS)]
    Postprocess(PostprocessArgs),
    /// Rank methods by their results on several datasets, and say how sure the ranks are
    #[command(after_help = examples::COMPARE)]
    Compare(CompareArgs),
    /// Show how datasets differ: their fingerprints, each property relative to all datasets
    #[command(after_help = examples::COMPARE_FINGERPRINTS)]
    CompareFingerprints(CompareFingerprintsArgs),
    /// Train variants of the method on several datasets and compare them
    #[command(after_help = examples::EXPERIMENT)]
    Experiment(ExperimentArgs),
    /// Do the whole work on a dataset, from the raw images to the selected model
    #[command(after_help = examples::RUN)]
    Run(RunArgs),
    /// Print the jobs of a dataset for another program that runs them
    #[command(after_help = examples::JOBS)]
    Jobs(JobsArgs),
    /// Show how far the work on a dataset is
    #[command(after_help = examples::STATUS)]
    Status(StatusArgs),
    /// Show it all on one page: plan, training curves, scores, the best and the worst cases
    #[command(after_help = examples::REPORT)]
    Report(ReportArgs),
    /// Run the whole pipeline on labelled phantoms made on the spot
    #[command(after_help = examples::DEMO)]
    Demo(DemoArgs),
    /// Say what the program finds on this machine: libtorch, GPU, threads, memory, folders
    #[command(after_help = examples::DOCTOR)]
    Doctor(DoctorArgs),
    /// Print the script that completes commands in a shell
    #[command(after_help = examples::COMPLETIONS)]
    Completions(CompletionsArgs),
    /// Write a manual page for each command
    #[command(after_help = examples::MAN_PAGES)]
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

    /// The numbers to compute in, of commands that can be told.
    pub(crate) const fn precision(&mut self) -> Option<&mut Option<PrecisionChoice>> {
        match self {
            Self::Train(args) => Some(&mut args.variant.precision),
            Self::Predict(args) => Some(&mut args.precision),
            Self::Run(args) => Some(&mut args.graph.variant.precision),
            Self::Jobs(args) => Some(&mut args.graph.variant.precision),
            _ => None,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct DatasetArgs {
    /// Dataset, by number (`4`) or folder name (`Dataset004_Hippocampus`)
    pub(crate) dataset: DatasetId,
}

#[derive(Args, Debug)]
pub(crate) struct JsonArgs {
    /// Print one JSON document, and nothing else on stdout; `docs/json.md` says what is in it
    #[arg(long)]
    pub(crate) json: bool,
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
    #[arg(short = 'o', long, default_value = "demo", value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Channels of the phantoms: one, or two that complement each other
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2), value_name = "N")]
    pub(crate) channels: u8,
    /// Only make the phantoms, to try the other commands on
    #[arg(long)]
    pub(crate) data_only: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
}
