//! The U-Nets of nnU-Net, built from a plan on libtorch.
//!
//! [`NetworkSpec`] is a configuration of the plans checked before anything is allocated;
//! [`UNet`] is the network with its weights, 2D and 3D by one code path. Tensors go in as
//! `(batch, channel, y, x)` or `(batch, channel, z, y, x)`, `f32`; logits come out.
//!
//! Parameters carry the names that they have in nnU-Net v2's modules (`encoder.stages.0.0.…`),
//! so weights can move between the two programs. [`Checkpoint`] is one file that holds
//! weights, optimiser state and metadata, so that a crash never leaves parts that disagree.
#![deny(unsafe_code)] // but for one block in `cuda`, which says why

mod blocks;
pub mod checkpoint;
mod cuda;
pub mod device;
mod error;
mod initialise;
mod layout;
pub mod parameters;
pub mod spec;
mod unet;
pub mod weights;

pub use checkpoint::{Checkpoint, CheckpointKind, CheckpointMetadata, TrainingLog};
pub use cuda::CudaLibrary;
pub use device::DeviceChoice;
pub use error::ModelError;
pub use parameters::Parameters;
pub use spec::{EncoderKind, NetworkSpec};
pub use tch::{Device, Tensor};
pub use unet::UNet;
pub use weights::{LoadReport, Strictness};
