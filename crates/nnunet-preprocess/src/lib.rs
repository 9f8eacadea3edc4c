//! From a raw case to what the network sees: crop to nonzero, normalise, resample; and the store
//! that keeps the results on disk so that training reads patches without reading cases.
//!
//! [`CasePipeline`] turns one image (and its labels, if any) into a [`PreprocessedCase`] by the
//! rules of a plan; [`preprocess_dataset`] does so for all cases of a dataset and writes them
//! into a [`CaseStore`]. [`resample`] and [`normalize`] stand alone and are used by export too.
//!
//! Arrays are `(channel, z, y, x)` for images and `(z, y, x)` for labels. Everything in a
//! preprocessed case is in the *transposed* axes of the plan; only
//! [`CaseProperties::spacing`] and [`CaseProperties::geometry`] speak of the file's axes.
// `forbid` would refuse the `s!` macro of ndarray, which allows itself a vetted unsafe block.
#![deny(unsafe_code)]

mod case;
mod class_locations;
mod dataset;
mod error;
mod memory;
pub mod normalize;
mod pipeline;
mod placement;
pub mod resample;
mod store;

pub use case::{CaseProperties, PreprocessedCase};
pub use class_locations::{ClassLocations, ClassVoxels};
pub use dataset::{PreprocessOptions, PreprocessReport, preprocess_dataset};
pub use error::PreprocessError;
pub use pipeline::CasePipeline;
pub use store::{CaseStore, Precision, PreprocessingSettings, StepOrder, StoreHeader, StoredCase};
