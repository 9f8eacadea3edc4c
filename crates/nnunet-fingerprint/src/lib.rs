//! What a planner must know of a dataset, and whether the dataset can be trained on at all.
//!
//! * [`extract`] reads every training case once and collects shapes, spacings and the statistics
//!   of foreground intensities (paper, online methods, "Dataset fingerprint").
//! * [`verify`] checks the files against the dataset's description and against each other, and
//!   reports everything that it finds.
//!
//! Both run on the rayon pool that they are called in. Memory is that of as many cases as the
//! pool has threads, and of the statistics, which is bounded whatever the size of the dataset.

#![forbid(unsafe_code)]

mod error;
mod extract;
mod sampling;
pub mod statistics;
mod tally;
mod verify;

pub use error::FingerprintError;
pub use extract::{ExtractOptions, extract};
pub use sampling::IntensitySampling;
pub use verify::{Finding, FindingKind, Severity, VerifyReport, verify};
