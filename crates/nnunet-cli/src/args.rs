//! What the user typed.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use nnunet::infer::Shard;
use nnunet::model::DeviceChoice;
use nnunet::schema::layout::{ENV_PREPROCESSED, ENV_RAW, ENV_RESULTS};
use nnunet::schema::splits::CasePattern;
use nnunet::schema::{DatasetId, Fold};
use nnunet::train::TrainingConfig;

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
    /// Run the whole pipeline on labelled phantoms made on the spot
    Demo(DemoArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ConvertMsdArgs {
    /// The folder, e.g. `Task04_Hippocampus`
    pub(crate) source: PathBuf,
    /// Number of the new dataset (default: that of the task)
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=999), value_name = "N")]
    pub(crate) id: Option<u16>,
}

impl Command {
    /// Whether large tensors are allocated and freed over and over.
    pub(crate) const fn runs_networks(&self) -> bool {
        matches!(self, Self::Train(_) | Self::Predict(_) | Self::Demo(_))
    }
}

#[derive(Args, Debug)]
pub(crate) struct DatasetArgs {
    /// Dataset, by number (`4`) or folder name (`Dataset004_Hippocampus`)
    pub(crate) dataset: DatasetId,
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
    /// Rules to plan by
    #[arg(long, value_enum, default_value_t = RulesChoice::Paper)]
    pub(crate) rules: RulesChoice,
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
    /// Say why each value is as it is
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "text"
    )]
    pub(crate) explain: Option<ExplainFormat>,
    /// Draw the networks: an SVG per configuration into this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) draw: Option<PathBuf>,
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
    #[arg(short = 'c', long = "configuration", value_name = "NAME", num_args = 1..)]
    pub(crate) configurations: Vec<String>,
    /// Store intensities in half precision: three significant digits in half the space
    #[arg(long)]
    pub(crate) half: bool,
}

#[derive(Args, Debug)]
pub(crate) struct PreviewArgs {
    #[command(flatten)]
    pub(crate) dataset: DatasetArgs,
    /// Configuration, e.g. `3d_fullres`; it must be preprocessed
    pub(crate) configuration: String,
    #[command(flatten)]
    pub(crate) plans: PlansName,
    /// The picture, a PNG file
    #[arg(
        short = 'o',
        long,
        default_value = "augmentation.png",
        value_name = "FILE"
    )]
    pub(crate) output: PathBuf,
    /// The case (default: the first)
    #[arg(long, value_name = "CASE")]
    pub(crate) case: Option<String>,
    /// Channel of the image, counted from 0
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) channel: usize,
    /// Patches, a row each; the last third of them holds foreground for sure
    #[arg(long, default_value = "4", value_name = "N")]
    pub(crate) patches: NonZeroUsize,
    /// Augmented versions of each patch
    #[arg(long, default_value = "5", value_name = "N")]
    pub(crate) versions: NonZeroUsize,
    /// Seed of patches and versions
    #[arg(long, default_value_t = TrainingConfig::default().seed, value_name = "N")]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) augmentation: AugmentationArgs,
    /// Write what was drawn for each version, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) draws: Option<PathBuf>,
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
    #[arg(short = 'c', long = "configuration", value_name = "NAME", num_args = 1..)]
    pub(crate) configurations: Vec<String>,
    /// Another patch than the planned one, in the order of the network's axes
    #[arg(long, value_name = "A,B,C", value_delimiter = ',', num_args = 1)]
    pub(crate) patch_size: Option<Vec<usize>>,
    /// For programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    pub(crate) dataset: DatasetArgs,
    /// Configuration, e.g. `3d_fullres`
    pub(crate) configuration: String,
    /// Fold: 0 to 4, or `all`
    pub(crate) fold: Fold,
    #[command(flatten)]
    pub(crate) plans: PlansName,
    /// Epochs
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub(crate) epochs: usize,
    /// Training steps per epoch
    #[arg(long, default_value_t = 250, value_name = "N")]
    pub(crate) iterations: usize,
    /// Validation steps per epoch (default: a fifth of the training steps)
    #[arg(long, value_name = "N")]
    pub(crate) validation_iterations: Option<usize>,
    /// Seed of all randomness
    #[arg(long, default_value_t = TrainingConfig::default().seed, value_name = "N")]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) variant: VariantArgs,
    /// Begin with these weights (`.safetensors`, or `.pth` of the Python program) but for the
    /// segmentation outputs
    #[arg(long, value_name = "FILE")]
    pub(crate) pretrained: Option<PathBuf>,
    /// Of the pretrained weights, take those that match in name and shape and leave the rest
    #[arg(long, requires = "pretrained")]
    pub(crate) matching_only: bool,
    /// Go on from the last checkpoint
    #[arg(long = "continue")]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    /// Threads that prepare batches
    #[arg(long, default_value = "2", value_name = "N")]
    pub(crate) loader_threads: NonZeroUsize,
}

/// How a training differs from the method; what differs goes into a model folder of its own.
#[derive(Args, Debug)]
pub(crate) struct VariantArgs {
    /// What is minimised
    #[arg(long, value_enum, default_value_t = LossChoice::DiceCe, value_name = "LOSS")]
    pub(crate) loss: LossChoice,
    /// How it is minimised
    #[arg(long, value_enum, default_value_t = OptimizerChoice::Sgd, value_name = "NAME")]
    pub(crate) optimizer: OptimizerChoice,
    /// Learning rate of the first epoch (default: 0.01, with Adam 3e-4)
    #[arg(long, value_name = "RATE")]
    pub(crate) learning_rate: Option<f64>,
    /// Momentum of SGD
    #[arg(long, default_value_t = TrainingConfig::default().momentum, value_name = "M")]
    pub(crate) momentum: f64,
    #[command(flatten)]
    pub(crate) augmentation: AugmentationArgs,
    /// Compute in bfloat16: faster where the processor or the GPU has instructions for it
    #[arg(long)]
    pub(crate) bf16: bool,
}

#[derive(Args, Debug)]
pub(crate) struct AugmentationArgs {
    /// What is done to the patches (default: as the rules of the plans have it)
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) augmentation: Option<AugmentationName>,
}

/// The losses that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LossChoice {
    /// Dice and cross-entropy
    DiceCe,
    /// Cross-entropy
    Ce,
    /// Cross-entropy of the worst tenth of the voxels
    Topk10,
    /// Dice and topk10
    DiceTopk10,
    /// Dice
    Dice,
}

/// The optimisers that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OptimizerChoice {
    /// Stochastic gradient descent with Nesterov momentum
    Sgd,
    /// Adam
    Adam,
}

/// The augmentations that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AugmentationName {
    /// The paper's
    Paper,
    /// nnU-Net v2's
    V2,
    /// None
    None,
}

#[derive(Args, Debug)]
pub(crate) struct DeviceArgs {
    /// `cpu`, `cuda` or `cuda:N` (default: the first GPU, or the CPU if there is none)
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<DeviceChoice>,
}

#[derive(Args, Debug)]
pub(crate) struct PredictArgs {
    /// Folder of images, named like the training images
    #[arg(short = 'i', long = "input", value_name = "DIR")]
    pub(crate) input: PathBuf,
    /// Folder for the label maps
    #[arg(short = 'o', long = "output", value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Model folder `RESULTS/DATASET/TRAINER__PLANS__CONFIGURATION`
    #[arg(short = 'm', long = "model", value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// Folds to average (default: all that are trained)
    #[arg(short = 'f', long = "folds", value_name = "FOLD", num_args = 1..)]
    pub(crate) folds: Vec<Fold>,
    /// Don't average over mirrored copies: up to eight times faster, a little less accurate
    #[arg(long)]
    pub(crate) no_mirroring: bool,
    /// Distance of neighbouring windows as a fraction of their edge
    #[arg(long, default_value_t = 0.5, value_name = "FRACTION")]
    pub(crate) step: f64,
    /// Save the probabilities of all classes too, in chunks (`CASE.zarr`)
    #[arg(long)]
    pub(crate) save_probabilities: bool,
    /// Save them as the Python program does (`CASE.npz`)
    #[arg(long)]
    pub(crate) npz: bool,
    /// Most gigabytes that a case may take beside network and image: refused before it begins
    #[arg(long, value_name = "GB")]
    pub(crate) max_memory: Option<f64>,
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
    /// Where to write the summary (default: `summary.json` beside the predictions)
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// What to do about references without a prediction
    #[arg(long, value_enum, default_value_t = Missing::Refuse, value_name = "WHAT")]
    pub(crate) missing: Missing,
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
