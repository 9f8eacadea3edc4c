use std::path::PathBuf;

use crate::splits::SplitError;

/// What can go wrong while reading, checking or writing a document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The file could not be opened, read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `read`, `write`, `list`, …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The file is not the JSON document that it should be.
    #[error("{}: at `{json_path}`: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where in the document, e.g. `configurations.2d.patch_size[1]`.
        json_path: String,
        /// What was found and what was expected.
        message: String,
    },
    /// The document is well formed, but a value in it cannot be right.
    #[error("{document}: `{json_path}` {message}")]
    Invalid {
        /// The kind of document, e.g. `dataset.json`.
        document: &'static str,
        /// Where in the document.
        json_path: String,
        /// What was found and what was expected.
        message: String,
    },
    /// A spacing with a zero, negative, NaN or infinite entry.
    #[error("spacing {found:?} is not usable: every entry must be finite and above zero (mm)")]
    Spacing {
        /// The offending values.
        found: [f64; 3],
    },
    /// Three numbers that are not a permutation of the axes.
    #[error("{found:?} is not a permutation of the axes 0, 1, 2")]
    Permutation {
        /// The offending values.
        found: Vec<usize>,
    },
    /// A dataset that is not there, or is there more than once.
    #[error("dataset `{asked}` {problem}")]
    Dataset {
        /// The number or the name that was asked for.
        asked: String,
        /// What was found instead.
        problem: String,
    },
    /// A configuration that the plans don't have.
    #[error("{plans} has no configuration `{asked}`; it has: {known}")]
    UnknownConfiguration {
        /// The name of the plans.
        plans: String,
        /// The configuration asked for.
        asked: String,
        /// Those that exist.
        known: String,
    },
    /// A configuration of plans that is malformed, or whose values cannot be right.
    #[error("plans `{plans}` of {dataset}: `{json_path}` {message}")]
    Configuration {
        /// The name of the plans.
        plans: String,
        /// The dataset that they are for.
        dataset: String,
        /// Where in the document, e.g. `configurations.2d.patch_size[1]`.
        json_path: String,
        /// What was found and what was expected.
        message: String,
    },
    /// Cases cannot be split, or splits cannot be used.
    #[error(transparent)]
    Split(#[from] SplitError),
}
