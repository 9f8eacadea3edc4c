//! Arguments of the commands about training.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use nnunet::schema::Fold;
use nnunet::train::TrainingConfig;

use super::{DatasetArgs, DeviceArgs, PlansName};

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
    #[command(flatten)]
    pub(crate) schedule: ScheduleArgs,
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

/// How long is trained.
#[derive(Args, Debug)]
pub(crate) struct ScheduleArgs {
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
    /// Numbers to compute in (default: fp16 on a GPU, fp32 on the processor)
    #[arg(long, value_enum, value_name = "NUMBERS")]
    pub(crate) precision: Option<PrecisionChoice>,
}

/// The numbers that a network computes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PrecisionChoice {
    /// Single precision
    Fp32,
    /// bfloat16: faster where the processor or the GPU has instructions for it
    Bf16,
    /// Half precision, in training with a scaled loss: for GPUs
    Fp16,
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
