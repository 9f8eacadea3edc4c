//! The U-Nets of nnU-Net, built from a plan on libtorch.
//!
//! [`NetworkSpec`] is a configuration of the plans checked before anything is allocated;
//! [`UNet`] is the network with its weights, 2D and 3D by one code path. Tensors go in as
//! `(batch, channel, y, x)` or `(batch, channel, z, y, x)`, `f32`; logits come out.
//!
//! Parameters carry the names that they have in nnU-Net v2's modules (`encoder.stages.0.0.…`),
//! so weights can move between the two programs: [`PythonCheckpoint`] reads and writes the
//! Python program's `.pth` files. [`Checkpoint`] is one file that holds weights, optimiser state
//! and metadata, so that a crash never leaves parts that disagree. [`ModelInfo`] says what a
//! network costs before it is built.
#![deny(unsafe_code)] // but for blocks in `cuda` and `values`, which say why

mod blocks;
pub mod buffers;
pub mod checkpoint;
mod cuda;
pub mod device;
mod error;
pub mod info;
mod initialise;
mod layers;
mod layout;
mod metadata;
pub mod parameters;
mod planned;
pub mod python;
mod report;
pub mod spec;
mod table;
mod topology;
mod unet;
mod values;
pub mod weights;

pub use blocks::{Arithmetic, Mode};
pub use buffers::Buffers;
pub use checkpoint::{Checkpoint, CheckpointKind, CheckpointMetadata, TrainingLog};
pub use cuda::{CudaLibrary, libtorch_folder};
pub use device::DeviceChoice;
pub use error::ModelError;
pub use info::ModelInfo;
pub use parameters::Parameters;
pub use python::{PythonCheckpoint, PythonMetadata};
pub use spec::{EncoderKind, NetworkSpec, NormKind};
pub use table::StageTable;
pub use tch::{Device, Tensor};
pub use unet::UNet;
pub use values::{filled, with_values};
pub use weights::{LoadReport, Strictness};
