//! From preprocessed cases to batches that a network trains on: which case, where in it, what
//! is done to the patch, and the threads that do it ahead of time.
//!
//! [`BatchLoader`] is the way in. It asks [`CaseSource`]s for as little as a sample needs, and
//! delivers [`Batch`]es in order. [`Augmentation`] says which transforms there are and how
//! strong: plain data, with the paper's list ([`Augmentation::paper`]) and that of the Python
//! program ([`Augmentation::v2`]). What happens to a sample is drawn first ([`SampleDraw`]) and
//! applied second, and follows from the sample's [`SampleAddress`] alone: neither the number of
//! threads nor an interruption changes it.
//!
//! For the second stage of a cascade, [`LoaderConfig::previous_labels`] turns the segmentation that
//! the first stage made of a case ([`CascadeCase`]) into channels behind those of the image.
//!
//! Arrays are `(channel, z, y, x)` for images and `(z, y, x)` for labels; a 2D patch is a volume
//! of one slice.
//!
//! ```
//! use std::sync::Arc;
//!
//! use ndarray::{Array3, Array4};
//! use nnunet_augment::{
//!     Augmentation, AugmentationSetup, BatchLoader, LoaderConfig, LoaderMode, MemoryCase,
//!     PatchGeometry,
//! };
//! use nnunet_schema::Shape;
//!
//! # fn main() -> Result<(), nnunet_augment::AugmentError> {
//! let data = Array4::from_shape_fn((1, 20, 24, 28), |(_, z, y, x)| (z + y * x) as f32);
//! let labels = Array3::from_shape_fn((20, 24, 28), |(z, _, _)| i16::from(z > 10));
//! let case = Arc::new(MemoryCase::new("case_1", data, labels)?);
//!
//! let setup = AugmentationSetup::for_patch(Shape::new([8, 12, 12]), PatchGeometry::Volume);
//! let mode = LoaderMode::Training(Augmentation::paper());
//! let mut loader = BatchLoader::new(vec![case], LoaderConfig::new(mode, setup, 2), 1)?;
//! loader.request(0, 0..5);
//! for batch in &mut loader {
//!     assert_eq!(batch?.shape, [2, 1, 8, 12, 12]);
//! }
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod augmentation;
mod batch;
mod cascade;
mod config;
mod draw;
mod encoding;
mod error;
mod fill;
mod loader;
mod pool;
mod queue;
mod random;
mod sample;
mod sampler;
mod setup;
mod simd;
mod source;
mod statistics;
mod stored;
mod targets;
pub mod transforms;

pub use augmentation::Augmentation;
pub use batch::{Batch, BatchAddress, Target};
pub use cascade::CascadeCase;
pub use config::{ForegroundRule, FreeCrops, LoaderConfig, LoaderMode};
pub use draw::SampleDraw;
pub use encoding::{encode_classes, target_classes};
pub use error::{AugmentError, SourceError, Stage};
pub use fill::{Crop, FillTimes, fill_patch};
pub use loader::BatchLoader;
pub use pool::LentBatch;
pub use random::{Generator, Purpose, SampleAddress};
pub use sampler::{CropDraw, draw_crop};
pub use setup::{AugmentationSetup, PatchGeometry};
pub use source::{CaseSource, MemoryCase, VoxelGroup};
pub use statistics::LoaderStatistics;
pub use targets::{downsample_labels, output_divisors, target_shape};
