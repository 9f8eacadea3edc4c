//! The published lists of transforms.

use super::{
    Augmentation, BlurWidth, CascadeStep, Factor, IntensityStep, Interpolation, Interval,
    LabelVote, NoiseStrength, Polarity, Reduction, ScaleEffect, SpatialStep,
};

impl Augmentation {
    /// What the paper lists (arXiv 1904.08128v2, supplement D). Where its text is silent (labels,
    /// interpolation, contrast about the mean, one blur width per channel) the program that its
    /// results were made with decides.
    #[must_use]
    pub fn paper() -> Self {
        let gamma = |polarity| IntensityStep::Gamma {
            probability: 0.15,
            exponent: Factor::Uniform(Interval::new(0.7, 1.5)),
            polarity,
        };
        Self {
            spatial: SpatialStep {
                rotation_probability: 0.2,
                scaling_probability: 0.2,
                scale: Interval::new(0.7, 1.4),
                scale_effect: ScaleEffect::Magnifies,
                interpolation: Interpolation::Cubic,
                labels: LabelVote::Half,
            },
            intensity: vec![
                IntensityStep::Noise {
                    probability: 0.15,
                    strength: NoiseStrength::Variance(Interval::new(0.0, 0.1)),
                },
                IntensityStep::Blur {
                    probability: 0.2,
                    channel_probability: 0.5,
                    width: BlurWidth::Shared(Interval::new(0.5, 1.5)),
                },
                IntensityStep::Brightness {
                    probability: 0.15,
                    factor: Factor::Uniform(Interval::new(0.7, 1.3)),
                },
                IntensityStep::Contrast {
                    probability: 0.15,
                    factor: Factor::Uniform(Interval::new(0.65, 1.5)),
                },
                IntensityStep::LowResolution {
                    probability: 0.25,
                    channel_probability: 0.5,
                    reduction: Reduction::Divisor(Interval::new(1.0, 2.0)),
                    upsampling: Interpolation::Cubic,
                },
                gamma(Polarity::Inverted),
                gamma(Polarity::Plain),
            ],
            mirror_probability: 0.5,
            cascade: CascadeStep::published(1.0),
        }
    }

    /// What the Python program does by default (nnU-Net v2).
    #[must_use]
    pub fn v2() -> Self {
        let factor = Factor::TwoSided(Interval::new(0.75, 1.25));
        let gamma = |probability, polarity| IntensityStep::Gamma {
            probability,
            exponent: Factor::TwoSided(Interval::new(0.7, 1.5)),
            polarity,
        };
        Self {
            spatial: SpatialStep {
                rotation_probability: 0.2,
                scaling_probability: 0.2,
                scale: Interval::new(0.7, 1.4),
                scale_effect: ScaleEffect::Shrinks,
                interpolation: Interpolation::Linear,
                labels: LabelVote::Most,
            },
            intensity: vec![
                IntensityStep::Noise {
                    probability: 0.1,
                    strength: NoiseStrength::StandardDeviation(Interval::new(0.0, 0.1)),
                },
                IntensityStep::Blur {
                    probability: 0.2,
                    channel_probability: 0.5,
                    width: BlurWidth::PerAxis(Interval::new(0.5, 1.0)),
                },
                IntensityStep::Brightness {
                    probability: 0.15,
                    factor,
                },
                IntensityStep::Contrast {
                    probability: 0.15,
                    factor,
                },
                IntensityStep::LowResolution {
                    probability: 0.25,
                    channel_probability: 0.5,
                    reduction: Reduction::Fraction(Interval::new(0.5, 1.0)),
                    upsampling: Interpolation::Linear,
                },
                gamma(0.1, Polarity::Inverted),
                gamma(0.3, Polarity::Plain),
            ],
            mirror_probability: 0.5,
            cascade: CascadeStep::published(0.5),
        }
    }

    /// Nothing but crops.
    #[must_use]
    pub fn none() -> Self {
        let mut none = Self::v2();
        none.spatial.rotation_probability = 0.0;
        none.spatial.scaling_probability = 0.0;
        none.intensity.clear();
        none.mirror_probability = 0.0;
        none.cascade.clear();
        none
    }
}
