use crate::PhantomError;

/// What the phantoms of a dataset look like. Ranges are `[lowest, highest]`, both included; every
/// case draws its own values from them.
///
/// | field | default | meaning | range |
/// |---|---|---|---|
/// | `seed` | 2024 | another seed, other phantoms | any |
/// | `contrast` | single | one channel or two | |
/// | `in_plane_voxels` | 48–64 | voxels along y and x, each drawn on its own | ≥ 16 |
/// | `slices` | 24–40 | voxels along z | ≥ 8 |
/// | `in_plane_spacing` | 1.0–1.3 | mm along y and x (equal) | > 0 |
/// | `slice_spacing` | 2.0–3.0 | mm along z | > 0 |
/// | `body_radius` | 23–30 | mm, half axes of the body along y and x | > 0 |
/// | `body_half_height` | 26–34 | mm, half axis of the body along z | > 0 |
/// | `tilt` | 0.15 | rotation of the whole body about each axis, about radians | 0–0.5 |
/// | `noise` | Rician | distribution of the noise | |
/// | `noise_level` | 0.06 | its standard deviation, tissue being 1 | 0–0.5 |
/// | `bias` | 0.15 | how far the bias field departs from 1 | 0–0.6 |
/// | `texture` | 1.0 | strength of all textures, 0 for none | 0–2 |
///
/// Shapes follow the size of the body, the spacing and the limits on voxels; a body too large
/// for the limits is made smaller.
#[derive(Clone, Debug, PartialEq)]
pub struct PhantomConfig {
    /// Seed of everything random; a case depends on it and on the number of the case alone.
    pub seed: u64,
    /// The channels and what they show.
    pub contrast: Contrast,
    /// Voxels along y and x.
    pub in_plane_voxels: [usize; 2],
    /// Voxels along z.
    pub slices: [usize; 2],
    /// Spacing along y and x, mm.
    pub in_plane_spacing: [f64; 2],
    /// Spacing along z, mm.
    pub slice_spacing: [f64; 2],
    /// Half axes of the body along y and x, mm.
    pub body_radius: [f64; 2],
    /// Half axis of the body along z, mm.
    pub body_half_height: [f64; 2],
    /// Largest tangent of half the rotation angle about each axis, times two: about the largest
    /// angle in radians.
    pub tilt: f64,
    /// Distribution of the noise.
    pub noise: Noise,
    /// Standard deviation of the noise; the body's tissue has intensity 1.
    pub noise_level: f64,
    /// Largest departure of the multiplicative bias field from 1.
    pub bias: f64,
    /// Factor on the amplitude of all textures.
    pub texture: f64,
}

/// The channels of the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contrast {
    /// One channel in which every structure can be seen.
    Single,
    /// Two channels: the first shows the organ, the second vessel and lesion, so that a model
    /// needs both.
    Complementary,
}

impl Contrast {
    /// Number of channels.
    #[must_use]
    pub const fn channels(self) -> usize {
        match self {
            Self::Single => 1,
            Self::Complementary => 2,
        }
    }
}

/// The distribution of the noise inside the body; outside, images are exactly 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// Added to the signal.
    Gaussian,
    /// The magnitude of a complex signal with Gaussian noise, as in magnetic resonance.
    Rician,
}

impl Default for PhantomConfig {
    fn default() -> Self {
        Self {
            seed: 2024,
            contrast: Contrast::Single,
            in_plane_voxels: [48, 64],
            slices: [24, 40],
            in_plane_spacing: [1.0, 1.3],
            slice_spacing: [2.0, 3.0],
            body_radius: [23.0, 30.0],
            body_half_height: [26.0, 34.0],
            tilt: 0.15,
            noise: Noise::Rician,
            noise_level: 0.06,
            bias: 0.15,
            texture: 1.0,
        }
    }
}

impl PhantomConfig {
    /// The default with two channels.
    #[must_use]
    pub fn two_channels() -> Self {
        Self {
            contrast: Contrast::Complementary,
            ..Self::default()
        }
    }

    /// Much smaller volumes (24–30 voxels in plane, 12–16 slices) of the same kind, for tests
    /// that run the whole pipeline in seconds.
    #[must_use]
    pub fn tiny() -> Self {
        Self {
            in_plane_voxels: [24, 30],
            slices: [12, 16],
            in_plane_spacing: [1.8, 2.2],
            slice_spacing: [4.0, 5.0],
            ..Self::default()
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`PhantomError::Config`] with the first field that is out of its range.
    pub fn check(&self) -> Result<(), PhantomError> {
        voxels(
            "in_plane_voxels",
            self.in_plane_voxels,
            16,
            "16 ≤ lowest ≤ highest ≤ 1024",
        )?;
        voxels("slices", self.slices, 8, "8 ≤ lowest ≤ highest ≤ 1024")?;
        for (field, range) in [
            ("in_plane_spacing", self.in_plane_spacing),
            ("slice_spacing", self.slice_spacing),
            ("body_radius", self.body_radius),
            ("body_half_height", self.body_half_height),
        ] {
            let [low, high] = range;
            let expected = "0.1 ≤ lowest ≤ highest ≤ 1000 (mm)";
            require(
                low >= 0.1 && low <= high && high <= 1e3,
                field,
                range,
                expected,
            )?;
        }
        for (field, value, highest, expected) in [
            ("tilt", self.tilt, 0.5, "0 to 0.5"),
            ("noise_level", self.noise_level, 0.5, "0 to 0.5"),
            ("bias", self.bias, 0.6, "0 to 0.6"),
            ("texture", self.texture, 2.0, "0 to 2"),
        ] {
            require((0.0..=highest).contains(&value), field, value, expected)?;
        }
        Ok(())
    }
}

fn voxels(
    field: &'static str,
    range: [usize; 2],
    fewest: usize,
    expected: &'static str,
) -> Result<(), PhantomError> {
    let [low, high] = range;
    require(
        low >= fewest && low <= high && high <= 1024,
        field,
        range,
        expected,
    )
}

fn require(
    holds: bool,
    field: &'static str,
    found: impl std::fmt::Debug,
    expected: &'static str,
) -> Result<(), PhantomError> {
    if holds {
        return Ok(());
    }
    Err(PhantomError::Config {
        field,
        found: format!("{found:?}"),
        expected,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_presets_are_valid() {
        for config in [
            PhantomConfig::default(),
            PhantomConfig::two_channels(),
            PhantomConfig::tiny(),
        ] {
            config.check().unwrap();
        }
    }

    #[test]
    fn a_bad_field_is_named() {
        let config = PhantomConfig {
            slice_spacing: [3.0, 2.0],
            ..PhantomConfig::default()
        };
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains("`slice_spacing` is [3.0, 2.0]"), "{error}");
        let config = PhantomConfig {
            bias: f64::NAN,
            ..PhantomConfig::default()
        };
        assert!(config.check().is_err());
        let config = PhantomConfig {
            slices: [2, 4],
            ..PhantomConfig::default()
        };
        assert!(config.check().is_err());
    }
}
