//! How well predictions agree with references: voxel overlap of labels and regions, summaries
//! of cases and folds, and the choice of the best configuration.
//!
//! The numbers and the document are those of nnU-Net v2's `summary.json`, in the paper
//! (arXiv 1904.08128) the Dice score that decides between the configurations (Online Methods,
//! "Ensemble selection").
//!
//! * [`evaluate_folder`] compares two folders, [`evaluate_case`] two label maps;
//! * [`Confusion`] counts voxels in one pass, [`Overlap`] and [`Tally`] add counts up;
//! * [`summarise`] takes means over cases, [`CrossValidation`] collects the predictions of all
//!   folds and [`merge`] their summaries, [`write_csv`] writes a table;
//! * [`surface`] measures how far surfaces are apart, in millimetres, with the exact [`distance`]
//!   transform;
//! * [`select::best_configuration`] picks a model;
//! * [`postprocessing`] decides whether small [`components`] are removed, and removes them;
//! * [`mod@compare`] ranks methods over datasets, and says how sure that is.
#![forbid(unsafe_code)]

mod boxes;
mod case;
mod classes;
pub mod compare;
pub mod components;
mod confusion;
mod crossval;
mod csv;
pub mod distance;
mod error;
mod folder;
mod overlap;
mod pairs;
pub mod postprocessing;
mod rows;
pub mod select;
mod summarise;
pub mod surface;

pub use case::{LabelPair, evaluate_case, overlaps};
pub use classes::{Class, Classes};
pub use confusion::{Confusion, Label, Map};
pub use crossval::{CrossValidation, HeldOut};
pub use csv::{CaseTable, write_csv};
pub use error::EvaluateError;
pub use folder::{
    EvaluateOptions, Measured, MissingPredictions, evaluate_folder, evaluate_pairs, measure_pairs,
};
pub use overlap::{Overlap, Tally};
pub use pairs::CasePair;
pub use select::{ScoreBasis, Selection, best_configuration};
pub use summarise::{merge, summarise};
