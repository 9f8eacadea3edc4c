//! How well predictions agree with references: voxel overlap of labels and regions, summaries
//! of cases and folds, and the choice of the best configuration.
//!
//! The numbers and the document are those of nnU-Net v2's `summary.json`, in the paper
//! (arXiv 1904.08128) the Dice score that decides between the configurations (Online Methods,
//! "Ensemble selection").
//!
//! * [`evaluate_folder`] compares two folders, [`evaluate_case`] two label maps;
//! * [`Confusion`] counts voxels in one pass, [`Overlap`] and [`Tally`] add counts up;
//! * [`summarise`] takes means over cases, [`merge`] joins the folds of a cross-validation;
//! * [`select::best_configuration`] picks a model.
#![forbid(unsafe_code)]

mod case;
mod classes;
mod confusion;
mod error;
mod folder;
mod overlap;
pub mod select;
mod summarise;

pub use case::{LabelPair, evaluate_case, overlaps};
pub use classes::{Class, Classes};
pub use confusion::{Confusion, Label, Map};
pub use error::EvaluateError;
pub use folder::{EvaluateOptions, MissingPredictions, evaluate_folder};
pub use overlap::{Overlap, Tally};
pub use select::{ScoreBasis, Selection, best_configuration};
pub use summarise::{merge, summarise};
