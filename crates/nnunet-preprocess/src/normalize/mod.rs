//! Normalisation of intensities, one channel at a time.
//!
//! Plans name a scheme per channel; [`Normalizers`] finds what carries it out. Another scheme is
//! an implementation of [`Normalizer`] that is registered under the name used in the plans.

mod schemes;

use std::fmt::Debug;
use std::sync::Arc;

use ndarray::{ArrayView3, ArrayViewMut3};
use nnunet_schema::plans::NormalizationScheme;
use nnunet_schema::{IntensityProperties, RuleSet};

pub use schemes::{Ct, RescaleTo01, RgbTo01, Unchanged, ZScore};

/// One way to normalise a channel.
pub trait Normalizer: Debug + Send + Sync {
    /// Changes the intensities of `channel` `(z, y, x)` in place.
    ///
    /// # Errors
    /// [`NormalizationProblem`] if the channel or the context is not what the scheme needs.
    fn normalize(
        &self,
        channel: ArrayViewMut3<'_, f32>,
        context: &NormalizationContext<'_>,
    ) -> Result<(), NormalizationProblem>;
}

/// What a normaliser may look at besides the intensities.
#[derive(Clone, Copy, Debug)]
pub struct NormalizationContext<'a> {
    /// Labels on the grid of the channel; below 0 outside the nonzero region.
    pub labels: ArrayView3<'a, i16>,
    /// Which voxels the statistics come from.
    pub region: Region,
    /// Statistics of the channel's foreground over the dataset, from the plans.
    pub intensities: Option<&'a IntensityProperties>,
    /// Where the rule sets differ.
    pub convention: Convention,
}

/// The voxels that a normaliser takes its statistics from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// All voxels of the cropped image.
    WholeImage,
    /// Those inside the nonzero region, where the labels are not negative.
    Nonzero,
}

/// Where the rule sets treat intensities differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    /// The paper's program: the deviation of a z-score gets 1e-8 added, and with
    /// [`Region::Nonzero`] the voxels outside become 0.
    Paper,
    /// nnU-Net v2: the deviation is at least 1e-8, and with [`Region::Nonzero`] a z-score leaves
    /// the voxels outside as they are.
    V2,
}

impl From<RuleSet> for Convention {
    fn from(rules: RuleSet) -> Self {
        match rules {
            RuleSet::Paper => Self::Paper,
            _ => Self::V2,
        }
    }
}

/// Why a channel cannot be normalised: what was found and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NormalizationProblem(pub String);

/// The known normalisers, by the scheme that plans name.
#[derive(Clone, Debug)]
pub struct Normalizers {
    known: Vec<(NormalizationScheme, Arc<dyn Normalizer>)>,
}

impl Default for Normalizers {
    /// The schemes of nnU-Net v2.
    fn default() -> Self {
        Self {
            known: vec![
                (NormalizationScheme::ZScore, Arc::new(ZScore)),
                (NormalizationScheme::Ct, Arc::new(Ct)),
                (NormalizationScheme::None, Arc::new(Unchanged)),
                (NormalizationScheme::RescaleTo01, Arc::new(RescaleTo01)),
                (NormalizationScheme::RgbTo01, Arc::new(RgbTo01)),
            ],
        }
    }
}

impl Normalizers {
    /// Adds a normaliser, or replaces the one of the same scheme.
    pub fn register(&mut self, scheme: NormalizationScheme, normalizer: Arc<dyn Normalizer>) {
        self.known.retain(|(known, _)| *known != scheme);
        self.known.push((scheme, normalizer));
    }

    /// The normaliser of a scheme.
    #[must_use]
    pub fn get(&self, scheme: &NormalizationScheme) -> Option<&Arc<dyn Normalizer>> {
        let found = self.known.iter().find(|(known, _)| known == scheme);
        found.map(|(_, normalizer)| normalizer)
    }

    /// The class names of all known schemes.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.known.iter().map(|(s, _)| s.clone().into()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_scheme_can_be_registered() {
        let mut known = Normalizers::default();
        let own = NormalizationScheme::Other("MyNormalization".into());
        assert!(known.get(&own).is_none());
        known.register(own.clone(), Arc::new(Unchanged));
        assert!(known.get(&own).is_some());
        assert_eq!(known.names().len(), 6);
    }
}
