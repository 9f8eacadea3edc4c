use std::fmt;
use std::io;

use nnunet_schema::{SchemaError, Shape};

/// What a [`CaseSource`](crate::CaseSource) may fail with: any error.
pub type SourceError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// The part of making a sample in which something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Opening a case.
    Open,
    /// Choosing where to crop.
    Crop,
    /// Reading intensities or labels of the crop.
    Read,
    /// Rotating and scaling.
    Spatial,
    /// Intensity transforms, mirroring and masking.
    Intensity,
    /// Making channels of the previous stage's segmentation, and disturbing them.
    Cascade,
    /// Downsampling the labels for deep supervision.
    Targets,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "opening it",
            Self::Crop => "choosing a crop",
            Self::Read => "reading a crop",
            Self::Spatial => "rotating and scaling",
            Self::Intensity => "transforming intensities",
            Self::Cascade => "encoding the previous stage",
            Self::Targets => "making deep-supervision targets",
        })
    }
}

/// Why no batch could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AugmentError {
    /// A setting is out of its range.
    #[error("loader setting `{setting}` is {found}, expected {expected}")]
    Setting {
        /// Path of the field.
        setting: String,
        /// Its value.
        found: String,
        /// What would be accepted.
        expected: &'static str,
    },
    /// There is nothing to sample from.
    #[error("the list of cases to sample from is empty: give at least one preprocessed case")]
    NoCases,
    /// Two cases disagree about the number of channels.
    #[error(
        "case `{case}` has {found} channels, but `{first}` has {expected}: \
         all cases of a configuration must have the same channels"
    )]
    Channels {
        /// The case that differs.
        case: String,
        /// Its number of channels.
        found: usize,
        /// The case that it was compared with.
        first: String,
        /// The number of channels of that one.
        expected: usize,
    },
    /// A cascade is trained, but a case lacks the segmentation by its previous stage.
    #[error(
        "case `{case}` has no segmentation by the previous stage of the cascade: \
         predict it with all folds of the previous configuration first"
    )]
    NoPreviousStage {
        /// The case.
        case: String,
    },
    /// An image and its labels, or a region and what was read of it, have different shapes.
    #[error("case `{case}`: the {what} has shape {found}, expected {expected}")]
    Shape {
        /// The case.
        case: String,
        /// Which array.
        what: &'static str,
        /// Its shape.
        found: Shape,
        /// The shape that it should have.
        expected: Shape,
    },
    /// The source of a case failed.
    #[error("case `{case}`: {stage} failed: {source}")]
    Source {
        /// The case.
        case: String,
        /// What was being done.
        stage: Stage,
        /// The source's own error.
        source: SourceError,
    },
    /// Something panicked in a worker thread; the worker goes on with the next batch.
    #[error("case `{case}`: panic while {stage}: {message}")]
    Panic {
        /// The case, or `-` before one was chosen.
        case: String,
        /// What was being done.
        stage: Stage,
        /// The message of the panic.
        message: String,
    },
    /// A plan does not describe a patch.
    #[error(transparent)]
    Plan(#[from] SchemaError),
    /// A worker thread could not be started.
    #[error("cannot start worker thread {number}: {source}; ask for fewer threads")]
    Thread {
        /// Which one.
        number: usize,
        /// The system's error.
        source: io::Error,
    },
}

impl AugmentError {
    pub(crate) fn setting(
        setting: impl Into<String>,
        found: impl fmt::Display,
        expected: &'static str,
    ) -> Self {
        Self::Setting {
            setting: setting.into(),
            found: found.to_string(),
            expected,
        }
    }
}
