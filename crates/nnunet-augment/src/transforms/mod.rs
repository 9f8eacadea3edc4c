//! The transforms, one file each: given what was drawn, they change a patch in place.
//!
//! A patch is a contiguous array `(channel, z, y, x)` with labels `(z, y, x)`.

use serde::{Deserialize, Serialize};

use crate::augmentation::{Interpolation, Polarity};
use crate::{AugmentError, SampleDraw};

pub(crate) mod axis;
mod blur;
mod brightness;
mod bspline;
mod cascade;
mod contrast;
mod gamma;
mod interpolation;
mod labels;
mod low_resolution;
mod mask;
mod mirror;
mod moments;
mod motion;
mod noise;
mod normal;
mod power;
mod sampling;
mod spatial;

pub use cascade::{BinaryOperator, CascadeDraw, encode_previous_stage};
pub(crate) use labels::OUTSIDE;
use mask::{clear_outside, zero_outside};
pub use mirror::mirror;
pub(crate) use motion::{Motion, Window};
pub(crate) use spatial::GROUP;
pub use spatial::SpatialDraw;

/// A patch in somebody's buffers.
#[derive(Debug)]
pub struct PatchMut<'a> {
    /// Intensities `(channel, z, y, x)`.
    pub(crate) data: &'a mut [f32],
    /// Labels `(z, y, x)`.
    pub(crate) labels: &'a mut [i16],
    /// Labels `(z, y, x)` of the previous stage of a cascade.
    pub(crate) previous: Option<&'a mut [i16]>,
    /// Voxels along `(z, y, x)`.
    pub(crate) shape: [usize; 3],
}

impl<'a> PatchMut<'a> {
    /// Wraps intensities `(channel, z, y, x)` and labels `(z, y, x)`, both contiguous.
    ///
    /// # Errors
    /// [`AugmentError::Setting`] if the lengths do not match the shape.
    pub fn new(
        shape: [usize; 3],
        data: &'a mut [f32],
        labels: &'a mut [i16],
    ) -> Result<Self, AugmentError> {
        let volume: usize = shape.iter().product();
        if volume == 0
            || labels.len() != volume
            || data.is_empty()
            || !data.len().is_multiple_of(volume)
        {
            return Err(AugmentError::setting(
                "patch",
                format!("{} intensities and {} labels", data.len(), labels.len()),
                "buffers that hold one or more channels, and the labels, of the shape",
            ));
        }
        Ok(Self {
            data,
            labels,
            previous: None,
            shape,
        })
    }

    /// Adds labels `(z, y, x)` of the previous stage of a cascade, contiguous; they go where the
    /// labels go.
    ///
    /// # Errors
    /// [`AugmentError::Setting`] if the length does not match the shape.
    pub fn with_previous_stage(mut self, previous: &'a mut [i16]) -> Result<Self, AugmentError> {
        if previous.len() != self.labels.len() {
            return Err(AugmentError::setting(
                "patch.previous",
                format!("{} labels", previous.len()),
                "as many labels of the previous stage as the patch has voxels",
            ));
        }
        self.previous = Some(previous);
        Ok(self)
    }

    /// Number of channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.data.len() / self.labels.len()
    }

    fn channels_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.data.chunks_exact_mut(self.labels.len())
    }
}

/// Buffers that are kept from sample to sample; one per thread.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    pub(crate) image: Vec<f32>,
    pub(crate) labels: Vec<i16>,
    pub(crate) one: Vec<f32>,
    pub(crate) two: Vec<f32>,
}

/// One intensity transform as drawn. Vectors have one entry per channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum IntensityDraw {
    /// Adds Gaussian noise.
    Noise {
        /// Its standard deviation.
        deviation: f64,
        /// Seed of the noise.
        seed: u64,
    },
    /// Blurs with a Gaussian.
    Blur {
        /// Standard deviations along `(z, y, x)`, in voxels, of the channels that are blurred.
        widths: Vec<Option<[f64; 3]>>,
    },
    /// Multiplies intensities.
    Brightness {
        /// The factor.
        factors: Vec<f64>,
    },
    /// Multiplies the distance to the mean, within the values that there were.
    Contrast {
        /// The factor.
        factors: Vec<f64>,
    },
    /// Samples down and up again.
    LowResolution {
        /// The fractions of the edges `(z, y, x)` that are kept, of the channels that are
        /// sampled down.
        fractions: Vec<Option<[f64; 3]>>,
        /// How the way up is interpolated.
        upsampling: Interpolation,
    },
    /// Bends intensities by a power.
    Gamma {
        /// The exponent.
        exponents: Vec<f64>,
        /// On the image or its negative.
        polarity: Polarity,
    },
}

impl IntensityDraw {
    /// Applies the transform; channels beyond the drawn ones stay as they are.
    pub fn apply(&self, patch: &mut PatchMut<'_>, scratch: &mut Scratch) {
        let shape = patch.shape;
        match self {
            Self::Noise { deviation, seed } => noise::add(patch.data, *deviation, *seed),
            Self::Blur { widths } => {
                for (channel, widths) in patch.channels_mut().zip(widths) {
                    if let Some(widths) = widths {
                        blur::gaussian(channel, shape, *widths, scratch);
                    }
                }
            }
            Self::Brightness { factors } => {
                for (channel, factor) in patch.channels_mut().zip(factors) {
                    brightness::multiply(channel, *factor);
                }
            }
            Self::Contrast { factors } => {
                for (channel, factor) in patch.channels_mut().zip(factors) {
                    contrast::stretch(channel, *factor);
                }
            }
            Self::LowResolution {
                fractions,
                upsampling,
            } => {
                for (channel, fractions) in patch.channels_mut().zip(fractions) {
                    if let Some(fractions) = fractions {
                        low_resolution::simulate(channel, shape, *fractions, *upsampling, scratch);
                    }
                }
            }
            Self::Gamma {
                exponents,
                polarity,
            } => {
                for (channel, exponent) in patch.channels_mut().zip(exponents) {
                    gamma::bend(channel, *exponent, *polarity);
                }
            }
        }
    }
}

impl SampleDraw {
    /// Applies everything that follows the spatial transform: intensities, then mirroring.
    pub fn apply_after_spatial(&self, patch: &mut PatchMut<'_>, scratch: &mut Scratch) {
        for transform in &self.intensity {
            transform.apply(patch, scratch);
        }
        mirror(patch, self.mirror);
    }

    /// Applies everything that follows [`fill_patch`](crate::fill_patch) and ends with what the
    /// network sees: intensities and mirroring, then zeros in the masked channels outside the
    /// nonzero region, and background for labels below 0.
    pub fn finish(
        &self,
        patch: &mut PatchMut<'_>,
        masked_channels: &[bool],
        scratch: &mut Scratch,
    ) {
        self.apply_after_spatial(patch, scratch);
        zero_outside(patch, masked_channels);
        clear_outside(patch);
    }
}
