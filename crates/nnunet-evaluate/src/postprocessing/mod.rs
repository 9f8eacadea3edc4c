//! Removing all but the largest component, where cross-validation says that it helps.
//!
//! Many organs are one piece, and a network's stray islands are then wrong for certain. Whether
//! that is so is decided on the predictions of the cross-validation (paper, Online Methods,
//! "Postprocessing"): [`determine_postprocessing`] first tries the whole foreground as one object,
//! then each class, and keeps what improves the Dice. The outcome is a [`Postprocessing`]
//! document, which [`Postprocessing::apply`] carries out on one label map and [`apply_to_folder`]
//! on all of a folder.

mod determine;
mod document;
mod folder;
mod keep_largest;
mod pickle;
mod rules;
mod trial;

pub use determine::determine_postprocessing;
pub use document::{Change, Decision, Means, Postprocessing};
pub use folder::{Cleaned, apply_to_folder};
pub use keep_largest::{KeepLargest, LabelsOrRegions};
pub use pickle::PickleOutcome;
pub use rules::{ClassCriterion, PostprocessingRules};
