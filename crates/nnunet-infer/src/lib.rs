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
//! [`Predictor`] is the whole way from a model folder; [`predict_with_network`] the part from a
//! preprocessed case, for networks in memory; [`Tiling`] and [`importance_map`] stand alone.
#![forbid(unsafe_code)]

mod accumulator;
mod averaging;
mod cut;
mod error;
mod export;
mod folder;
pub mod importance;
mod memory;
mod mirror;
mod network;
pub mod options;
mod predictor;
mod recipe;
mod sliding;
pub mod tiling;

pub use averaging::Averaging;
pub use error::InferError;
pub use folder::{CaseFailure, PredictReport};
pub use importance::{TilingWeights, axis_importance, importance_map};
pub use memory::MemoryPlan;
pub use network::Network;
pub use options::{ExistingOutputs, Mirroring, Precision, PredictOptions, WindowBatch};
pub use predictor::{Predictor, trained_folds};
pub use recipe::{Recipe, predict_with_network, predict_with_networks};
pub use tiling::{Tiling, axis_positions};
