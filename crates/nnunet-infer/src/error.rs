use std::fmt::Display;
use std::path::{Path, PathBuf};

use nnunet_image::ImageError;
use nnunet_model::ModelError;
use nnunet_preprocess::PreprocessError;
use nnunet_schema::{SchemaError, Shape};

/// What can go wrong between a trained model and a label map.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InferError {
    /// Windows that don't advance, or leave gaps.
    #[error("the step of the windows is {found} of their edge, expected above 0 and at most 1")]
    Step {
        /// The step that was asked for.
        found: f64,
    },
    /// Mirror axes that the network does not have.
    #[error("the checkpoint mirrors the axes {found:?}, but the network has the axes 0 to {last}")]
    MirrorAxes {
        /// The axes of the checkpoint.
        found: Vec<usize>,
        /// The last axis that there is.
        last: usize,
    },
    /// The second stage of a cascade, which needs the labels of the first.
    #[error(
        "configuration `{configuration}` continues the predictions of `{previous}`: predict with \
         that one first and give its label maps"
    )]
    Cascade {
        /// The configuration.
        configuration: String,
        /// The one whose predictions it needs.
        previous: String,
    },
    /// Label maps of a previous stage for a model that has none.
    #[error(
        "configuration `{configuration}` has no previous stage, but label maps of one are given"
    )]
    NoCascade {
        /// The configuration.
        configuration: String,
    },
    /// Labels of a previous stage that lie on another grid than the case.
    #[error(
        "case `{case}`: the previous stage's labels have {found} voxels, expected {expected}: \
         predict it with the previous stage again"
    )]
    PreviousShape {
        /// The case.
        case: String,
        /// Voxels of the labels.
        found: Shape,
        /// Voxels of the case.
        expected: Shape,
    },
    /// Network outputs that would have to be resampled in a way that is not built here.
    #[error("configuration `{configuration}`: `{key}` {problem}")]
    Resampling {
        /// The configuration.
        configuration: String,
        /// The key of the plans.
        key: &'static str,
        /// What was found and what was expected.
        problem: String,
    },
    /// A label that does not fit the type of label maps.
    #[error(
        "dataset.json has the label {found}, but label maps hold labels up to {}",
        i16::MAX
    )]
    Label {
        /// The label.
        found: u16,
    },
    /// A model folder that is not one.
    #[error("{} is not usable as a model folder: {problem}", folder.display())]
    ModelFolder {
        /// The folder.
        folder: PathBuf,
        /// What was found and what was expected.
        problem: String,
    },
    /// Nothing to predict with.
    #[error("case `{case}`: no network was given, expected at least one")]
    NoNetworks {
        /// The case.
        case: String,
    },
    /// An image with more or fewer channels than the model.
    #[error(
        "case `{case}` has {found} image channels, but the model was trained with {expected}: \
         the files of a case are CASE_0000, CASE_0001, …, one per channel of dataset.json"
    )]
    Channels {
        /// The case.
        case: String,
        /// Channels of the image.
        found: usize,
        /// Channels of the model.
        expected: usize,
    },
    /// A preprocessed case that contradicts its own properties.
    #[error("case `{case}`: {problem}; preprocess it again")]
    Properties {
        /// The case.
        case: String,
        /// What was found and what was expected.
        problem: String,
    },
    /// Outputs of more or fewer classes than the model has.
    #[error("case `{case}`: there are outputs of {found} classes, the model has {expected}")]
    Outputs {
        /// The case.
        case: String,
        /// Classes of the outputs.
        found: usize,
        /// Classes of the model.
        expected: usize,
    },
    /// A network whose output is not one value per class and voxel.
    #[error("case `{case}`: the network returned the shape {found:?}, expected {expected:?}")]
    NetworkOutput {
        /// The case.
        case: String,
        /// Shape of the output.
        found: Vec<i64>,
        /// Shape that belongs to the input: (batch, classes, …).
        expected: Vec<i64>,
    },
    /// A part of a folder that there is not.
    #[error("there is no part {index} of {count}: parts are numbered from 0")]
    Shard {
        /// The number that was asked for.
        index: usize,
        /// The number of parts.
        count: usize,
    },
    /// Predictions that cannot be averaged.
    #[error("ensemble: {problem}")]
    Ensemble {
        /// What was found and what was expected.
        problem: String,
    },
    /// Windows that do not belong to their tiling.
    #[error("windows of an image: {problem}")]
    Windows {
        /// What was found and what was expected.
        problem: String,
    },
    /// Saved probabilities that cannot be read or written.
    #[error("cannot {action} the probabilities {}: {problem}", path.display())]
    Probabilities {
        /// `read` or `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A network that overflowed, or has broken weights.
    #[error(
        "case `{case}`: the network's output is NaN or infinite in slice {slice} of axis 0; \
         predict in single precision, and check the weights and the intensities of the image"
    )]
    NonFinite {
        /// The case.
        case: String,
        /// The first slice with such a value, in the preprocessed case.
        slice: usize,
    },
    /// More memory than the user allowed.
    #[error(
        "case `{case}` needs {needed} bytes of {place} beside the network ({plan}), but the limit \
         is {limit}: {advice}"
    )]
    MemoryLimit {
        /// The case.
        case: String,
        /// Which memory.
        place: &'static str,
        /// Bytes of the image, the sliding window and the label map, or of what lies on a device.
        needed: u64,
        /// The limit in bytes.
        limit: u64,
        /// What they are for.
        plan: String,
        /// What would fit, or what to do.
        advice: String,
    },
    /// More memory than the machine has.
    #[error("case `{case}`: no memory for {bytes} bytes of network output")]
    OutOfMemory {
        /// The case.
        case: String,
        /// The bytes that were asked for.
        bytes: usize,
    },
    /// More memory than the device has, even for a single window.
    #[error(
        "case `{case}`: the device has no memory for one window: predict on the processor, close \
         other programs on the device, or predict with fewer folds ({problem})"
    )]
    DeviceMemory {
        /// The case.
        case: String,
        /// What libtorch said.
        problem: String,
    },
    /// A fault of this program while it worked on a case; other cases are not affected.
    #[error("case `{case}`: internal fault: {problem}")]
    Internal {
        /// The case.
        case: String,
        /// What the fault was.
        problem: String,
    },
    /// A document is missing or wrong, or a file cannot be written.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// An image cannot be read, or a label map cannot be written.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A case cannot be preprocessed.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// The network cannot be built, loaded or run.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Libtorch refused an operation, or ran out of memory.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl InferError {
    pub(crate) fn probabilities(action: &'static str, path: &Path, problem: impl Display) -> Self {
        Self::Probabilities {
            action,
            path: path.to_path_buf(),
            problem: problem.to_string(),
        }
    }
}
