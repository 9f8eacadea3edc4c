//! Trained models as one file that is given away: exported and installed.
//!
//! The archive is the zip of the Python program's `nnUNetv2_export_model_to_zip`: the files of the
//! model folders with their paths below the folder of results. Beside them it has
//! `DATASET/checksums.sha256`, in the format of `sha256sum`, which the Python program unpacks like
//! any other file.

mod archive;
mod checksums;
mod content;
mod documents;
mod error;
mod export;
mod install;
mod place;
mod request;
mod scratch;
#[cfg(test)]
mod tests;

use nnunet_evaluate::select::ModelName;
use nnunet_schema::Fold;

pub use error::{Damage, DamageKind, SharingError};
pub use export::ExportReport;
pub use install::{InstallRequest, Installation, SizeLimit, Verification};
pub use request::{ExportRequest, ExportedModels, OwnCheckpoints};

/// The folder of the ensembles' cross-validations, beside the model folders.
const ENSEMBLES: &str = "ensembles";
/// The outcome of a selection, beside the model folders.
const INFORMATION: &str = "inference_information.json";
/// The checksums of all other files, beside the model folders.
const CHECKSUMS: &str = "checksums.sha256";

/// A model that is exported or installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedModel {
    /// The model.
    pub name: ModelName,
    /// Its folds.
    pub folds: Vec<Fold>,
}
