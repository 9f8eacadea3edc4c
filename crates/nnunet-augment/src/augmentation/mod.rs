//! Which transforms there are, how often and how strong: plain data.

mod cascade;
mod check;
mod presets;

use serde::{Deserialize, Serialize};

pub use cascade::CascadeStep;

/// Numbers from `low` to `high`, all equally likely.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Smallest.
    pub low: f64,
    /// Largest; may equal `low`.
    pub high: f64,
}

impl Interval {
    /// The numbers from `low` to `high`.
    #[must_use]
    pub const fn new(low: f64, high: f64) -> Self {
        Self { low, high }
    }
}

/// How a factor around 1 is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Factor {
    /// Uniformly from the whole interval.
    Uniform(Interval),
    /// Below 1 and above 1 equally often, uniformly within either side.
    TwoSided(Interval),
}

/// How intensities between voxels are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// Linear along each axis.
    Linear,
    /// Interpolating cubic B-spline.
    Cubic,
}

/// Which label a point between voxels gets. The eight voxels around it (four in plane) vote
/// with the weights of linear interpolation; voxels outside vote for label `-1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelVote {
    /// The label with most votes, as in nnU-Net v2 (whose half-precision scores, so whose ties,
    /// are reproduced); among equals that of the nearest voxel if it is one of them, otherwise
    /// the lowest.
    Most,
    /// The label with at least half of the votes (the highest of two), as in the program of the
    /// paper; background where there is none.
    Half,
}

/// What a scale above 1 does to the objects in the patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScaleEffect {
    /// It magnifies them, as the paper says.
    Magnifies,
    /// It shrinks them: the factor multiplies the sampling coordinates, as in the programs.
    Shrinks,
}

/// Rotation and scaling, done in one interpolation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpatialStep {
    /// Probability of a rotation. The largest angle follows from the patch
    /// ([`AugmentationSetup`](crate::AugmentationSetup)).
    pub rotation_probability: f64,
    /// Probability of a scaling, independent of the rotation.
    pub scaling_probability: f64,
    /// The scale, one for all axes.
    pub scale: Interval,
    /// What a scale above 1 does.
    pub scale_effect: ScaleEffect,
    /// How intensities are interpolated. Outside the crop they are 0.
    pub interpolation: Interpolation,
    /// How labels are interpolated.
    pub labels: LabelVote,
}

/// How noise strength is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseStrength {
    /// The variance from an interval, as the paper says.
    Variance(Interval),
    /// The standard deviation from an interval, as the programs do.
    StandardDeviation(Interval),
}

/// How the widths of a blur are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlurWidth {
    /// One standard deviation, in voxels, for all axes of a channel.
    Shared(Interval),
    /// One per axis.
    PerAxis(Interval),
}

/// How much resolution is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reduction {
    /// Edges are multiplied by a fraction from this interval (at most 1).
    Fraction(Interval),
    /// Edges are divided by a number from this interval (at least 1).
    Divisor(Interval),
}

/// Whether a gamma curve acts on the image or on its negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Polarity {
    /// On the image as it is.
    Plain,
    /// On its negative, which is turned back afterwards.
    Inverted,
}

/// One transform of intensities. `probability` is that of the transform for the sample,
/// `channel_probability` that of each channel then.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum IntensityStep {
    /// Adds Gaussian noise, of one strength for all channels.
    Noise {
        /// Of the sample.
        probability: f64,
        /// In units of the normalised image.
        strength: NoiseStrength,
    },
    /// Blurs with a Gaussian.
    Blur {
        /// Of the sample.
        probability: f64,
        /// Of each channel.
        channel_probability: f64,
        /// Standard deviation.
        width: BlurWidth,
    },
    /// Multiplies every channel by a factor of its own.
    Brightness {
        /// Of the sample.
        probability: f64,
        /// The factor.
        factor: Factor,
    },
    /// Multiplies the distance to the mean by a factor, channel by channel, and clips to the
    /// values that there were.
    Contrast {
        /// Of the sample.
        probability: f64,
        /// The factor.
        factor: Factor,
    },
    /// Samples down (nearest voxel) and up again.
    LowResolution {
        /// Of the sample.
        probability: f64,
        /// Of each channel.
        channel_probability: f64,
        /// How far down, the same for all axes; the first axis of slices and stacks is kept.
        reduction: Reduction,
        /// How the way up is interpolated.
        upsampling: Interpolation,
    },
    /// Bends intensities, mapped to 0 … 1, by a power; mean and deviation are restored.
    Gamma {
        /// Of the sample.
        probability: f64,
        /// The exponent, one per channel.
        exponent: Factor,
        /// On the image or its negative.
        polarity: Polarity,
    },
}

/// All transforms of a training sample, in order: [`spatial`](Self::spatial), the
/// [`intensity`](Self::intensity) steps as listed, mirroring, the [`cascade`](Self::cascade) steps
/// as listed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Augmentation {
    /// Rotation and scaling.
    pub spatial: SpatialStep,
    /// Transforms of intensities, done in this order.
    pub intensity: Vec<IntensityStep>,
    /// Probability that an axis is mirrored, for each allowed axis.
    pub mirror_probability: f64,
    /// Disturbances of the previous stage's segmentation, done in this order; without effect
    /// unless there is one.
    #[serde(default)]
    pub cascade: Vec<CascadeStep>,
}

impl Augmentation {
    /// Whether patches are ever rotated or scaled.
    #[must_use]
    pub fn is_spatial(&self) -> bool {
        self.spatial.rotation_probability > 0.0 || self.spatial.scaling_probability > 0.0
    }
}

impl IntensityStep {
    /// Probability of the transform for a sample.
    #[must_use]
    pub const fn probability(&self) -> f64 {
        match *self {
            Self::Noise { probability, .. }
            | Self::Blur { probability, .. }
            | Self::Brightness { probability, .. }
            | Self::Contrast { probability, .. }
            | Self::LowResolution { probability, .. }
            | Self::Gamma { probability, .. } => probability,
        }
    }
}
