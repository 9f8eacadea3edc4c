//! Training of nnU-Net's networks.
//!
//! [`Trainer`] takes batches from two [`BatchSource`]s and turns them into a network: Dice and
//! cross-entropy at several resolutions, stochastic gradient descent with Nesterov momentum
//! under a polynomial schedule (or another loss, or Adam), an online estimate of the Dice after each epoch, and
//! checkpoints from which a training goes on exactly as if it had never stopped. It knows one
//! folder, the fold's, and neither where batches come from nor what becomes of the network.
#![forbid(unsafe_code)]

pub mod batch;
mod config;
mod error;
pub mod journal;
pub mod loss;
pub mod observer;
pub mod online;
pub mod optimizer;
pub mod scaling;
pub mod schedule;
mod state;
mod tensors;
mod trainer;

pub use batch::{Batch, BatchSource, Target};
pub use config::{LossKind, OptimizerKind, TrainingConfig, ValidTrainingConfig};
pub use error::TrainError;
pub use journal::{LoggedEpoch, log_path, read_log};
pub use loss::SegmentationLoss;
pub use nnunet_model::checkpoint::EpochRecord;
pub use observer::{EpochTiming, ProgressObserver, Silent, TrainObserver};
pub use optimizer::Optimizer;
pub use scaling::{LossScale, LossScaling, Update};
pub use state::{Outcome, Position};
pub use trainer::{Trainer, TrainerSetup};
