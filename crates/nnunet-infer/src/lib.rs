//! From a trained model and an image to a label map.
//!
//! A case is covered by overlapping windows; each goes through the networks of all folds,
//! mirrored in all combinations of the axes that the training mirrored, and the averages are
//! added up weighted by a Gaussian (Online Methods, "Inference"). What the networks say is
//! brought back to the grid of the image: resampled, decided, put into the crop box, transposed.
//!
//! Windows are visited slice by slice along axis 0, and a slice is exported as soon as no later
//! window touches it. So the outputs of all classes exist for the depth of one window only, not
//! for a whole case; what grows with the case is the image and one label per voxel.
//!
//! [`Predictor`] is the whole way from a model folder, of this program or the Python program;
//! [`predict_with_network`] the part from a preprocessed case, for networks in memory;
//! [`Tiling::cut`], [`WindowSum`] and [`Recipe::label`] the parts around a network of one's own.
//! [`Tiling`] and [`importance_map`] stand alone.
//!
//! Probabilities of all classes at full resolution are made only for a [`ProbabilitySink`], slice
//! by slice; [`ensemble_folders`] averages saved ones.
// `forbid` would refuse the `s!` macro of ndarray, which allows itself a vetted unsafe block.
#![deny(unsafe_code)]

mod accumulator;
mod averaging;
mod cascade;
mod case_plan;
mod cut;
mod device_sums;
mod ensemble;
mod error;
mod export;
mod folder;
mod folds;
pub mod importance;
mod input;
mod leftovers;
mod memory;
mod mirror;
mod network;
mod next_stage;
pub mod options;
mod predict;
mod predictor;
pub mod probabilities;
mod recipe;
mod report;
mod request;
mod sliding;
mod sums;
pub mod tiling;
mod windows;

pub use averaging::Averaging;
pub use case_plan::CasePlan;
pub use ensemble::{
    EnsembleOptions, ensemble_case, ensemble_folders, has_probabilities, remove_probabilities,
};
pub use error::InferError;
pub use folder::{CaseFailure, PredictReport, predict_cascade};
pub use folds::trained_folds;
pub use importance::{TilingWeights, axis_importance, importance_map};
pub use memory::MemoryPlan;
pub use network::Network;
pub use options::{
    ExistingOutputs, Mirroring, Precision, PredictOptions, ProbabilityPrecision, SaveProbabilities,
    SumPlace, SumPrecision, WindowBatch,
};
pub use predict::{predict_with_network, predict_with_networks};
pub use predictor::Predictor;
pub use probabilities::{ProbabilitySink, ProbabilityStore, ProbabilityWriter};
pub use recipe::Recipe;
pub use report::{CaseOutcome, CaseRecord, LIBTORCH, RunReport, StageSeconds, peak_resident};
pub use request::{FolderRequest, Shard};
pub use tiling::{Tiling, axis_positions};
pub use windows::{Window, WindowSum, Windows};
