//! Parameters are drawn first and applied second: a draw is a plain value that can be logged,
//! stored and replayed.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::augmentation::{
    Augmentation, BlurWidth, CascadeStep, Factor, IntensityStep, Interval, NoiseStrength,
    Reduction, ScaleEffect, SpatialStep,
};
use crate::setup::{AugmentationSetup, PatchGeometry};
use crate::transforms::{BinaryOperator, CascadeDraw, IntensityDraw, SpatialDraw};

/// What happens to one sample. Steps that were not drawn are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SampleDraw {
    /// Rotation and scaling; absent: the centre of the crop is taken as it is.
    pub spatial: Option<SpatialDraw>,
    /// Transforms of intensities, in order.
    pub intensity: Vec<IntensityDraw>,
    /// The axes `(z, y, x)` that are mirrored.
    pub mirror: [bool; 3],
    /// Disturbances of the previous stage's segmentation, in order.
    #[serde(default)]
    pub cascade: Vec<CascadeDraw>,
}

impl Augmentation {
    /// Draws what happens to a sample of so many channels; the previous stage of a cascade is
    /// drawn apart ([`draw_cascade`](Self::draw_cascade)).
    pub fn draw(
        &self,
        setup: &AugmentationSetup,
        channels: usize,
        generator: &mut impl Rng,
    ) -> SampleDraw {
        let spatial = draw_spatial(&self.spatial, setup, generator);
        let intensity = (self.intensity.iter())
            .filter_map(|step| draw_intensity(step, setup.geometry, channels, generator))
            .collect();
        let mirror = setup
            .mirror_axes
            .map(|allowed| allowed && generator.random_bool(self.mirror_probability));
        SampleDraw {
            spatial,
            intensity,
            mirror,
            cascade: Vec::new(),
        }
    }

    /// Draws what happens to a previous stage's segmentation of so many labels.
    pub fn draw_cascade(&self, labels: usize, generator: &mut impl Rng) -> Vec<CascadeDraw> {
        let mut draws = Vec::new();
        for step in &self.cascade {
            if !generator.random_bool(step.probability()) {
                continue;
            }
            let mut order: Vec<usize> = (0..labels).collect();
            order.shuffle(generator);
            for label in order {
                if generator.random_bool(step.label_probability()) {
                    draws.push(draw_disturbance(step, label, generator));
                }
            }
        }
        draws
    }
}

fn draw_disturbance(step: &CascadeStep, label: usize, generator: &mut impl Rng) -> CascadeDraw {
    match *step {
        CascadeStep::Operator { radius, .. } => {
            let operators = BinaryOperator::ALL;
            CascadeDraw::Operator {
                label,
                operator: operators[generator.random_range(0..operators.len())],
                radius: radius.draw(generator),
            }
        }
        CascadeStep::RemoveComponent { largest_share, .. } => CascadeDraw::RemoveComponent {
            label,
            largest_share,
            choice: generator.random(),
        },
    }
}

fn draw_spatial(
    step: &SpatialStep,
    setup: &AugmentationSetup,
    generator: &mut impl Rng,
) -> Option<SpatialDraw> {
    let rotated = generator.random_bool(step.rotation_probability);
    let scaled = generator.random_bool(step.scaling_probability);
    if !rotated && !scaled {
        return None;
    }
    let mut angles = [0.0; 3];
    if rotated {
        let range = Interval::new(-setup.max_angle, setup.max_angle);
        match setup.geometry {
            PatchGeometry::Volume => angles = [(); 3].map(|()| range.draw(generator)),
            // In plane, that is about the first axis.
            PatchGeometry::Slice | PatchGeometry::Stack => angles[0] = range.draw(generator),
        }
    }
    let mut scale = 1.0;
    if scaled {
        let drawn = step.scale.draw(generator);
        scale = match step.scale_effect {
            ScaleEffect::Magnifies => 1.0 / drawn,
            ScaleEffect::Shrinks => drawn,
        };
    }
    Some(SpatialDraw {
        angles,
        scale,
        interpolation: step.interpolation,
        labels: step.labels,
    })
}

fn draw_intensity(
    step: &IntensityStep,
    geometry: PatchGeometry,
    channels: usize,
    generator: &mut impl Rng,
) -> Option<IntensityDraw> {
    if !generator.random_bool(step.probability()) {
        return None;
    }
    Some(match *step {
        IntensityStep::Noise { strength, .. } => IntensityDraw::Noise {
            deviation: strength.draw(generator),
            seed: generator.next_u64(),
        },
        IntensityStep::Blur {
            channel_probability,
            width,
            ..
        } => IntensityDraw::Blur {
            widths: per_channel(channels, channel_probability, generator, |g| width.draw(g))?,
        },
        IntensityStep::Brightness { factor, .. } => IntensityDraw::Brightness {
            factors: (0..channels).map(|_| factor.draw(generator)).collect(),
        },
        IntensityStep::Contrast { factor, .. } => IntensityDraw::Contrast {
            factors: (0..channels).map(|_| factor.draw(generator)).collect(),
        },
        IntensityStep::LowResolution {
            channel_probability,
            reduction,
            upsampling,
            ..
        } => IntensityDraw::LowResolution {
            fractions: per_channel(channels, channel_probability, generator, |g| {
                let fraction = reduction.draw(g);
                match geometry {
                    PatchGeometry::Volume => [fraction; 3],
                    PatchGeometry::Slice | PatchGeometry::Stack => [1.0, fraction, fraction],
                }
            })?,
            upsampling,
        },
        IntensityStep::Gamma {
            exponent, polarity, ..
        } => IntensityDraw::Gamma {
            exponents: (0..channels).map(|_| exponent.draw(generator)).collect(),
            polarity,
        },
    })
}

/// A value for each channel that is chosen; `None` if none is.
fn per_channel<T, G: Rng>(
    channels: usize,
    probability: f64,
    generator: &mut G,
    mut draw: impl FnMut(&mut G) -> T,
) -> Option<Vec<Option<T>>> {
    let drawn: Vec<_> = (0..channels)
        .map(|_| (generator.random_bool(probability)).then(|| draw(generator)))
        .collect();
    drawn.iter().any(Option::is_some).then_some(drawn)
}

impl Interval {
    fn draw(self, generator: &mut impl Rng) -> f64 {
        self.low + (self.high - self.low) * generator.random::<f64>()
    }
}

impl Factor {
    fn draw(self, generator: &mut impl Rng) -> f64 {
        match self {
            Self::Uniform(interval) => interval.draw(generator),
            Self::TwoSided(Interval { low, high }) => {
                if low < 1.0 && generator.random_bool(0.5) {
                    Interval::new(low, 1.0).draw(generator)
                } else {
                    Interval::new(low.max(1.0), high).draw(generator)
                }
            }
        }
    }
}

impl NoiseStrength {
    fn draw(self, generator: &mut impl Rng) -> f64 {
        match self {
            Self::Variance(interval) => interval.draw(generator).sqrt(),
            Self::StandardDeviation(interval) => interval.draw(generator),
        }
    }
}

impl BlurWidth {
    fn draw(self, generator: &mut impl Rng) -> [f64; 3] {
        match self {
            Self::Shared(interval) => [interval.draw(generator); 3],
            Self::PerAxis(interval) => [(); 3].map(|()| interval.draw(generator)),
        }
    }
}

impl Reduction {
    fn draw(self, generator: &mut impl Rng) -> f64 {
        match self {
            Self::Fraction(interval) => interval.draw(generator),
            Self::Divisor(interval) => 1.0 / interval.draw(generator),
        }
    }
}
