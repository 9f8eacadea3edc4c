//! Labelled synthetic volumes: learnable but not trivial, and the same on every machine.
//!
//! A phantom is a body on an empty (exactly zero) background, with three structures to find:
//!
//! | label | name | shape | looks (one channel) |
//! |---|---|---|---|
//! | 1 | organ | dented ellipsoid in any pose | bright and smooth |
//! | 2 | vessel | bent tube from the bottom to the top | brightest |
//! | 3 | lesion | balls melted together | dark and grainy |
//!
//! and two that look like them and are background: a striped box as bright as the organ, and a
//! rim under the surface that is nearly so. A bias field, textures and noise lie over everything.
//!
//! Spacing, shape, pose and the arrangement of the structures change from case to case, and slices
//! are further apart than voxels in them, so that cropping, resampling and the planner's rules for
//! anisotropic data have something to do.
//!
//! ```
//! use nnunet_phantom::{Phantom, PhantomConfig};
//!
//! let phantom = Phantom::generate(&PhantomConfig::default(), 0)?;
//! assert_eq!(phantom.image.shape(), phantom.labels.shape());
//! # Ok::<(), nnunet_phantom::PhantomError>(())
//! ```
//!
//! [`write_dataset`] writes a whole dataset in the layout of nnU-Net.
#![forbid(unsafe_code)]

mod anatomy;
mod config;
mod dataset;
mod error;
mod random;
mod render;
mod shapes;

use nnunet_image::{Image, LabelMap};

pub use config::{Contrast, Noise, PhantomConfig};
pub use dataset::{PhantomDataset, write_dataset};
pub use error::PhantomError;

/// Label of the organ.
pub const ORGAN: i16 = 1;
/// Label of the vessel.
pub const VESSEL: i16 = 2;
/// Label of the lesion.
pub const LESION: i16 = 3;

/// An image and what is in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Phantom {
    /// Intensities: whole numbers, 0 outside the body and above 0 inside.
    pub image: Image,
    /// 0 for background, [`ORGAN`], [`VESSEL`] or [`LESION`].
    pub labels: LabelMap,
}

impl Phantom {
    /// The phantom number `index` of a configuration. It depends on the configuration and the
    /// number alone, to the last bit, whatever the machine and the number of threads.
    ///
    /// # Errors
    /// [`PhantomError::Config`] if a field of the configuration is out of its range.
    pub fn generate(config: &PhantomConfig, index: u64) -> Result<Self, PhantomError> {
        config.check()?;
        render::render(config, index)
    }
}
