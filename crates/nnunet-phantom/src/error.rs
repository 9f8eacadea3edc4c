use std::path::PathBuf;

use nnunet_image::ImageError;
use nnunet_schema::SchemaError;

/// What can go wrong while phantoms are made or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PhantomError {
    /// A field of the configuration is out of its range.
    #[error("phantom configuration: `{field}` is {found}, expected {expected}")]
    Config {
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The folder of the dataset already holds cases of something else.
    #[error(
        "{} does not belong to this phantom dataset: choose another dataset name, or remove the \
         folder",
        file.display()
    )]
    ForeignFile {
        /// A file that would not have been written.
        file: PathBuf,
    },
    /// An image could not be written.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A document could not be written.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}
