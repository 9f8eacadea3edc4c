//! Which case, and where in it.

use std::sync::Arc;

use nnunet_schema::Shape;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::config::{ForegroundRule, FreeCrops};
use crate::fill::Crop;
use crate::source::VoxelGroup;
use crate::{AugmentError, CaseSource, LoaderConfig, Stage};

/// The crop of a sample, as drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CropDraw {
    /// Number of the case in the loader's list.
    pub case: usize,
    /// Where it is cropped.
    pub crop: Crop,
}

impl ForegroundRule {
    /// Whether sample `sample` of a batch must hold foreground.
    pub(crate) fn is_forced(
        self,
        sample: u64,
        batch_size: usize,
        generator: &mut impl Rng,
    ) -> bool {
        match self {
            Self::Share(share) => {
                let free = (batch_size as f64 * (1.0 - share)).round_ties_even();
                // The paper rounds "with a forced minimum of 1".
                let most = batch_size - usize::from(share > 0.0 && batch_size > 0);
                sample as f64 >= free.min(most as f64)
            }
            Self::Probability(probability) => generator.random_bool(probability),
        }
    }
}

/// Draws the case and the crop of one sample of a batch: cases are equally likely.
///
/// # Errors
/// [`AugmentError::NoCases`], or [`AugmentError::Source`] if the case cannot name its voxels.
pub fn draw_crop(
    cases: &[Arc<dyn CaseSource>],
    config: &LoaderConfig,
    sample: u64,
    generator: &mut impl Rng,
) -> Result<CropDraw, AugmentError> {
    if cases.is_empty() {
        return Err(AugmentError::NoCases);
    }
    let case = generator.random_range(0..cases.len());
    let forced = (config.foreground).is_forced(sample, config.batch_size, generator);
    let crop = crop_case(&*cases[case], config, forced, generator)?;
    Ok(CropDraw { case, crop })
}

fn crop_case(
    case: &dyn CaseSource,
    config: &LoaderConfig,
    forced: bool,
    generator: &mut impl Rng,
) -> Result<Crop, AugmentError> {
    let shape = config.crop_shape();
    let bounds = StartBounds::new(case.shape(), shape, config.setup.patch);
    let group = if forced {
        choose_group(case, generator)
    } else {
        annotated_group(case, config.free_crops)
    };
    let start = match group {
        None => bounds.draw(generator),
        Some((group, count)) => {
            let index = generator.random_range(0..count);
            let voxel = case.voxel(group, index);
            let voxel = voxel.map_err(|source| AugmentError::Source {
                case: case.id().to_owned(),
                stage: Stage::Crop,
                source,
            })?;
            bounds.around(voxel, shape)
        }
    };
    Ok(Crop { start, shape })
}

/// A foreground class, all equally likely; annotated voxels only where there is no class.
fn choose_group(case: &dyn CaseSource, generator: &mut impl Rng) -> Option<(VoxelGroup, usize)> {
    let mut groups = case.voxel_groups();
    groups.retain(|(_, count)| *count > 0);
    if groups.len() > 1 {
        groups.retain(|(group, _)| *group != VoxelGroup::Annotated);
    }
    if groups.is_empty() {
        return None;
    }
    let chosen = generator.random_range(0..groups.len());
    groups.get(chosen).copied()
}

fn annotated_group(case: &dyn CaseSource, free: FreeCrops) -> Option<(VoxelGroup, usize)> {
    if free == FreeCrops::Anywhere {
        return None;
    }
    let mut groups = case.voxel_groups().into_iter();
    groups.find(|(group, count)| *group == VoxelGroup::Annotated && *count > 0)
}

/// Between which positions a crop may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct StartBounds {
    low: [i64; 3],
    high: [i64; 3],
}

impl StartBounds {
    /// A crop may hang over the border by half of what it is longer than the patch, or than the
    /// case if that is still shorter.
    fn new(case: Shape, crop: Shape, patch: Shape) -> Self {
        let mut bounds = Self {
            low: [0; 3],
            high: [0; 3],
        };
        for axis in 0..3 {
            let [case, crop, patch] = [case, crop, patch].map(|shape| shape[axis] as i64);
            let surplus = (crop - patch).max(crop - case);
            let odd = surplus.rem_euclid(2);
            bounds.low[axis] = -(surplus.div_euclid(2) + odd);
            bounds.high[axis] = case + surplus.div_euclid(2) + odd - crop;
        }
        bounds
    }

    fn draw(&self, generator: &mut impl Rng) -> [i64; 3] {
        std::array::from_fn(|axis| {
            let low = self.low[axis];
            generator.random_range(low..=self.high[axis].max(low))
        })
    }

    /// A crop with a voxel in its middle. It is kept from beginning too early but not from
    /// ending too late, as in the reference.
    fn around(&self, voxel: [usize; 3], crop: Shape) -> [i64; 3] {
        std::array::from_fn(|axis| {
            (voxel[axis] as i64 - (crop[axis] / 2) as i64).max(self.low[axis])
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::random::Generator;
    use rand::SeedableRng;

    #[test]
    fn a_third_of_each_batch_is_forced() {
        let mut generator = Generator::seed_from_u64(0);
        for (batch, forced) in [(1, 1), (2, 1), (3, 1), (4, 1), (5, 2), (9, 3), (12, 4)] {
            let rule = ForegroundRule::Share(0.33);
            let found = (0..batch as u64)
                .filter(|sample| rule.is_forced(*sample, batch, &mut generator))
                .count();
            assert_eq!(found, forced, "batch of {batch}");
        }
    }

    #[test]
    fn bounds_are_the_references() {
        // need = 73 − 40 = 33: low = −17, high = 50 + 16 + 1 − 73.
        let bounds = StartBounds::new(
            Shape::new([50, 20, 60]),
            Shape::new([73, 80, 64]),
            Shape::new([40, 56, 40]),
        );
        assert_eq!(bounds.low, [-17, -30, -12]);
        assert_eq!(bounds.high, [-6, -30, 8]);
    }

    proptest! {
        #[test]
        fn some_start_is_always_allowed(
            case in [1_usize..100, 1..100, 1..100],
            patch in [1_usize..60, 1..60, 1..60],
            extra in [0_usize..40, 0..40, 0..40],
        ) {
            let crop = Shape::new(std::array::from_fn(|a| patch[a] + extra[a]));
            let bounds = StartBounds::new(case.into(), crop, patch.into());
            for axis in 0..3 {
                prop_assert!(bounds.low[axis] <= bounds.high[axis]);
                // What hangs over is not more than the surplus, and the case is reached.
                prop_assert!(bounds.low[axis] + (crop[axis] as i64) > 0);
                prop_assert!(bounds.high[axis] < case[axis] as i64);
            }
        }
    }
}
