//! The work on a dataset as one HTML page: fingerprint, plan with its reasons, training curves,
//! cross-validation, the best and the worst cases slice by slice, the selection, what it took.
//!
//! The page holds everything itself (styles, script, figures, images) and forbids the browser to
//! load anything; it can be mailed, archived and printed. It follows the reader's choice of a light
//! or a dark display, fits narrow screens, and says in words what its figures show.
//!
//! This crate knows no files: [`Report`] is plain data, [`page`] turns it into text. Whatever comes
//! from a dataset is escaped.
#![forbid(unsafe_code)]

mod chart;
pub mod data;
mod page;

pub use data::{Part, Report};
pub use page::page;
