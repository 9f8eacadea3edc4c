//! Whether settings are in range.

use super::{
    Augmentation, BlurWidth, CascadeStep, Factor, IntensityStep, Interval, NoiseStrength, Reduction,
};
use crate::AugmentError;

impl Augmentation {
    /// Checks every probability and interval.
    ///
    /// # Errors
    /// [`AugmentError::Setting`] that names the first one out of its range.
    pub fn check(&self) -> Result<(), AugmentError> {
        let spatial = &self.spatial;
        probability("spatial.rotation_probability", spatial.rotation_probability)?;
        probability("spatial.scaling_probability", spatial.scaling_probability)?;
        interval("spatial.scale", spatial.scale, POSITIVE)?;
        probability("mirror_probability", self.mirror_probability)?;
        for (number, step) in self.intensity.iter().enumerate() {
            step.check(&format!("intensity[{number}]"))?;
        }
        for (number, step) in self.cascade.iter().enumerate() {
            step.check(&format!("cascade[{number}]"))?;
        }
        Ok(())
    }
}

impl CascadeStep {
    fn check(&self, at: &str) -> Result<(), AugmentError> {
        probability(&format!("{at}.probability"), self.probability())?;
        let of_labels = self.label_probability();
        probability(&format!("{at}.label_probability"), of_labels)?;
        match *self {
            Self::Operator { radius, .. } => interval(&format!("{at}.radius"), radius, RADII),
            Self::RemoveComponent { largest_share, .. } => {
                probability(&format!("{at}.largest_share"), largest_share)
            }
        }
    }
}

impl IntensityStep {
    fn check(&self, at: &str) -> Result<(), AugmentError> {
        let channel = match *self {
            Self::Blur {
                channel_probability,
                ..
            }
            | Self::LowResolution {
                channel_probability,
                ..
            } => channel_probability,
            _ => 1.0,
        };
        probability(&format!("{at}.probability"), self.probability())?;
        probability(&format!("{at}.channel_probability"), channel)?;
        let (name, range, limits) = match *self {
            Self::Noise { strength, .. } => match strength {
                NoiseStrength::Variance(v) => ("strength", v, NOT_NEGATIVE),
                NoiseStrength::StandardDeviation(v) => ("strength", v, NOT_NEGATIVE),
            },
            Self::Blur { width, .. } => match width {
                BlurWidth::Shared(v) | BlurWidth::PerAxis(v) => ("width", v, BLUR_WIDTHS),
            },
            Self::Brightness { factor, .. } | Self::Contrast { factor, .. } => {
                ("factor", factor.interval(), POSITIVE)
            }
            Self::LowResolution { reduction, .. } => match reduction {
                Reduction::Fraction(v) => ("reduction", v, FRACTIONS),
                Reduction::Divisor(v) => ("reduction", v, DIVISORS),
            },
            Self::Gamma { exponent, .. } => ("exponent", exponent.interval(), POSITIVE),
        };
        interval(&format!("{at}.{name}"), range, limits)
    }
}

impl Factor {
    const fn interval(self) -> Interval {
        match self {
            Self::Uniform(interval) | Self::TwoSided(interval) => interval,
        }
    }
}

/// An interval of allowed values, ends included, and its name.
type Limits = (f64, f64, &'static str);

const SMALLEST: f64 = 1e-6;
const POSITIVE: Limits = (SMALLEST, 1e6, "an interval above 0, low end first");
const NOT_NEGATIVE: Limits = (0.0, 1e6, "an interval from 0 up, low end first");
const BLUR_WIDTHS: Limits = (SMALLEST, 100.0, "an interval within 0 … 100, low end first");
const FRACTIONS: Limits = (SMALLEST, 1.0, "an interval within 0 … 1, low end first");
const RADII: Limits = (0.0, 50.0, "an interval within 0 … 50, low end first");
const DIVISORS: Limits = (1.0, 1e6, "an interval from 1 up, low end first");

fn interval(setting: &str, found: Interval, limits: Limits) -> Result<(), AugmentError> {
    let (low, high, expected) = limits;
    if found.low >= low && found.low <= found.high && found.high <= high {
        return Ok(());
    }
    let found = format!("{} … {}", found.low, found.high);
    Err(AugmentError::setting(
        format!("augmentation.{setting}"),
        found,
        expected,
    ))
}

fn probability(setting: &str, found: f64) -> Result<(), AugmentError> {
    if (0.0..=1.0).contains(&found) {
        return Ok(());
    }
    Err(AugmentError::setting(
        format!("augmentation.{setting}"),
        found,
        "a number from 0 to 1",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::*;

    #[test]
    fn the_rule_sets_are_valid_and_survive_json() {
        for augmentation in [
            Augmentation::paper(),
            Augmentation::v2(),
            Augmentation::none(),
        ] {
            augmentation.check().unwrap();
            let text = serde_json::to_string(&augmentation).unwrap();
            let back: Augmentation = serde_json::from_str(&text).unwrap();
            assert_eq!(back, augmentation);
        }
    }

    #[test]
    fn a_bad_setting_is_named() {
        let mut augmentation = Augmentation::paper();
        augmentation.intensity[1] = IntensityStep::Blur {
            probability: 0.2,
            channel_probability: 1.5,
            width: BlurWidth::Shared(Interval::new(0.5, 1.0)),
        };
        let message = augmentation.check().unwrap_err().to_string();
        assert!(
            message.contains("intensity[1].channel_probability"),
            "{message}"
        );
        augmentation.intensity.truncate(1);
        augmentation.spatial.scale = Interval::new(1.4, 0.7);
        assert!(augmentation.check().is_err());
        augmentation.spatial.scale = Interval::new(f64::NAN, 0.7);
        assert!(augmentation.check().is_err());
    }
}
