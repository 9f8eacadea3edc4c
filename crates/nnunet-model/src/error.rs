use std::path::PathBuf;

use nnunet_schema::SchemaError;

use crate::report::LoadReport;
use crate::table::StageTable;

/// What can go wrong while a network is built, run, saved or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The plans ask for a network or a layer that is not built here.
    #[error("the plans ask for `{key}` = `{found}`, which is not supported: expected {expected}")]
    UnsupportedArchitecture {
        /// The key of the plans, e.g. `network_class_name`.
        key: &'static str,
        /// Its value.
        found: String,
        /// The values that are supported.
        expected: &'static str,
    },
    /// The plans contradict themselves, or describe a network that cannot exist.
    #[error("the plans' `{key}` {problem}{stages}")]
    Architecture {
        /// The key of the plans, e.g. `kernel_sizes`.
        key: &'static str,
        /// What was found and what was expected.
        problem: String,
        /// The stages as planned.
        stages: StageTable,
    },
    /// An input that the network cannot process.
    #[error("network input of shape {found:?} is not usable: {problem}{stages}")]
    Input {
        /// The shape of the input.
        found: Vec<i64>,
        /// What was expected.
        problem: String,
        /// The stages of the network.
        stages: StageTable,
    },
    /// A device that is not there, or a text that names none.
    #[error("device `{asked}`: {problem}")]
    Device {
        /// The device as asked for.
        asked: String,
        /// What is wrong, and what there is.
        problem: String,
    },
    /// The weights in a file are not those of the network.
    #[error("{} does not fit the network: {report}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What fits and what does not.
        report: Box<LoadReport>,
    },
    /// A file that should hold weights or a checkpoint and does not.
    #[error("{} is not a usable weight file: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        problem: String,
    },
    /// A fold folder without the checkpoint asked for.
    #[error("{} has no {wanted}; it has: {found}. Train the fold first", folder.display())]
    NoCheckpoint {
        /// The fold folder.
        folder: PathBuf,
        /// The checkpoint, or the checkpoints of which one would do.
        wanted: String,
        /// The checkpoints that are there.
        found: String,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Libtorch refused an operation, or ran out of memory.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl ModelError {
    pub(crate) fn architecture(key: &'static str, problem: impl Into<String>) -> Self {
        Self::Architecture {
            key,
            problem: problem.into(),
            stages: StageTable::default(),
        }
    }

    pub(crate) fn file(path: &std::path::Path, problem: impl Into<String>) -> Self {
        Self::File {
            path: path.to_path_buf(),
            problem: problem.into(),
        }
    }
}
