//! The documents that pass between the stages of nnU-Net, one module per document on disk.
//!
//! Everything here is plain data: it is read from and written to the very JSON that nnU-Net v2
//! uses, so that a dataset, a plan or a model can move between the two programs in either
//! direction. No arrays, no images, no torch.
//!
//! Axis order is `(z, y, x)`, slowest first, wherever three numbers stand for the axes of an
//! image; a 2D image is a volume with one slice.
#![forbid(unsafe_code)]

pub mod atomic;
pub mod dataset;
mod error;
pub mod fingerprint;
pub mod geometry;
pub mod layout;
pub mod mt19937;
mod names;
pub mod plans;
pub mod progress;
pub mod python_json;
pub mod splits;
pub mod summary;

pub use dataset::{DatasetDescription, LabelScheme, LabelValue};
pub use error::SchemaError;
pub use fingerprint::{DatasetFingerprint, IntensityProperties};
pub use geometry::{AxisPermutation, Shape, Spacing};
pub use layout::{DatasetId, Layout};
pub use names::abridged;
pub use plans::{Configuration, Plans, RuleSet};
pub use progress::{NoProgress, Progress, Task};
pub use splits::{Fold, Grouping, Split, Splits};
pub use summary::Summary;
