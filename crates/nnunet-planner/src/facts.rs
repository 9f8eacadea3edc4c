//! What the rules need to know of a dataset, drawn from its fingerprint and checked.

use nnunet_schema::plans::NormalizationScheme;
use nnunet_schema::{AxisPermutation, DatasetDescription, DatasetFingerprint, Shape, Spacing};

use crate::statistics::{first_maximum, median, per_axis, percentile};
use crate::{PlanError, Rules, normalization};

/// No axis of a median case may be longer: far above any image, far below overflow.
const LONGEST_EDGE: usize = 1 << 30;

/// A dataset as the planner sees it; axes as transposed by the plan.
#[derive(Clone, Debug)]
pub(crate) struct DatasetFacts {
    /// Puts the coarsest axis of the target spacing first.
    pub(crate) transposition: AxisPermutation,
    /// The median case at the target spacing of the volumes.
    pub(crate) volumes: MedianCase,
    /// The median case at the target spacing of the slices, which lie across axis 0.
    pub(crate) slices: MedianCase,
    /// Per-axis median of the spacings as acquired.
    pub(crate) original_spacing: Spacing,
    /// Per-axis median of the shapes as acquired.
    pub(crate) original_shape: Shape,
    /// Number of training cases.
    pub(crate) cases: usize,
    /// Number of image channels.
    pub(crate) channels: usize,
    /// Number of classes, background included.
    pub(crate) classes: usize,
    /// One per channel.
    pub(crate) normalization: Vec<NormalizationScheme>,
    /// One per channel.
    pub(crate) use_mask: Vec<bool>,
}

/// The median case of a dataset at some spacing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MedianCase {
    /// The spacing, millimetres.
    pub(crate) spacing: [f64; 3],
    /// Per-axis median of the shapes at that spacing, not rounded.
    pub(crate) voxels: [f64; 3],
}

impl MedianCase {
    /// The median shape in whole voxels, at least one along each axis.
    pub(crate) fn shape(&self) -> [usize; 3] {
        self.voxels
            .map(|v| (v.round_ties_even().max(1.0) as usize).min(LONGEST_EDGE))
    }

    /// The same case at a coarser spacing.
    pub(crate) fn at(&self, spacing: [f64; 3]) -> Self {
        Self {
            spacing,
            voxels: std::array::from_fn(|a| self.spacing[a] / spacing[a] * self.voxels[a]),
        }
    }

    /// The number of voxels, not rounded.
    pub(crate) fn volume(&self) -> f64 {
        self.voxels.iter().product()
    }
}

impl DatasetFacts {
    /// Collects the facts; `target` is a target spacing fixed by hand, axes as in the files.
    pub(crate) fn collect(
        rules: &Rules,
        fingerprint: &DatasetFingerprint,
        description: &DatasetDescription,
        target: Option<Spacing>,
    ) -> Result<Self, PlanError> {
        check(fingerprint)?;
        let channel_names = description.ordered_channel_names();
        if channel_names.is_empty() || channel_names.len() != description.channels() {
            return Err(PlanError::Channels {
                found: description.channels(),
                numbered: channel_names.len(),
            });
        }
        let spacings: Vec<[f64; 3]> = fingerprint.spacings.iter().map(|s| s.mm()).collect();
        let shapes: Vec<[f64; 3]> = (fingerprint.shapes_after_crop.iter())
            .map(|shape| shape.voxels().map(|v| v as f64))
            .collect();

        let (volume_target, slice_target) = match target {
            Some(fixed) => (fixed.mm(), fixed.mm()),
            // Slices keep the distance at which they were acquired: the percentile rule for
            // anisotropic axes is for volumes.
            None => (
                volume_target_spacing(rules, &spacings, &shapes),
                central(rules, &spacings),
            ),
        };
        let volumes = median_case(&spacings, &shapes, volume_target)?;
        let slices = median_case(&spacings, &shapes, slice_target)?;
        let transposition = AxisPermutation::axis_first(slice_axis(rules, &volumes))?;
        let transposed = |case: MedianCase| MedianCase {
            spacing: transposition.apply(case.spacing),
            voxels: transposition.apply(case.voxels),
        };
        let original_spacing = Spacing::new(per_axis(&spacings, median))?;
        let original_shape = per_axis(&shapes, median).map(|v| v.round_ties_even() as usize);
        let (normalization, use_mask) = normalization::choose(
            rules,
            &channel_names,
            fingerprint.median_relative_size_after_cropping,
        );
        Ok(Self {
            transposition,
            volumes: transposed(volumes),
            slices: transposed(slices),
            original_spacing: transposition.apply_spacing(original_spacing),
            original_shape: transposition.apply_shape(Shape::new(original_shape)),
            cases: spacings.len(),
            channels: channel_names.len(),
            classes: description.label_scheme()?.foreground_labels().len() + 1,
            normalization,
            use_mask,
        })
    }
}

fn check(fingerprint: &DatasetFingerprint) -> Result<(), PlanError> {
    let (shapes, spacings) = (&fingerprint.shapes_after_crop, &fingerprint.spacings);
    if shapes.len() != spacings.len() {
        return Err(PlanError::UnequalCases {
            shapes: shapes.len(),
            spacings: spacings.len(),
        });
    }
    if shapes.is_empty() {
        return Err(PlanError::NoCases);
    }
    match shapes.iter().position(|shape| shape.voxels().contains(&0)) {
        Some(case) => Err(PlanError::EmptyCase {
            case,
            shape: shapes[case],
        }),
        None => Ok(()),
    }
}

/// The target spacing of volumes (paper, online methods: target spacing): the median,
/// except along an axis that is much coarser and much shorter than the others; there the 10th
/// percentile, so that few cases lose resolution, but never finer than in the plane.
fn volume_target_spacing(rules: &Rules, spacings: &[[f64; 3]], shapes: &[[f64; 3]]) -> [f64; 3] {
    let mut target = central(rules, spacings);
    let size = central(rules, shapes);
    let coarsest = first_maximum(&target);
    let others = || (0..3).filter(|a| *a != coarsest);
    let in_plane = others().map(|a| target[a]).fold(0.0, f64::max);
    let shortest = others().map(|a| size[a]).fold(f64::INFINITY, f64::min);
    let anisotropic = target[coarsest] > rules.anisotropy_threshold * in_plane
        && size[coarsest] * rules.anisotropy_threshold < shortest;
    if anisotropic {
        let along: Vec<f64> = spacings.iter().map(|s| s[coarsest]).collect();
        let fine = percentile(&along, rules.coarse_axis_percentile);
        target[coarsest] = if fine < in_plane {
            in_plane + rules.coarse_axis_margin_mm
        } else {
            fine
        };
    }
    target
}

fn central(rules: &Rules, rows: &[[f64; 3]]) -> [f64; 3] {
    per_axis(rows, |column| {
        percentile(column, rules.target_spacing_percentile)
    })
}

fn median_case(
    spacings: &[[f64; 3]],
    shapes: &[[f64; 3]],
    target: [f64; 3],
) -> Result<MedianCase, PlanError> {
    let resampled: Vec<[f64; 3]> = (spacings.iter().zip(shapes))
        .map(|(spacing, shape)| std::array::from_fn(|a| spacing[a] / target[a] * shape[a]))
        .collect();
    let voxels = per_axis(&resampled, median);
    if voxels.iter().all(|v| *v <= LONGEST_EDGE as f64) {
        Ok(MedianCase {
            spacing: target,
            voxels,
        })
    } else {
        Err(PlanError::Implausible {
            spacing: target,
            voxels,
            limit: LONGEST_EDGE,
        })
    }
}

/// The axis that becomes axis 0: the coarsest, or the one along which there is a single slice.
fn slice_axis(rules: &Rules, case: &MedianCase) -> usize {
    let single = case.shape().iter().position(|edge| *edge == 1);
    match single {
        Some(axis) if rules.single_slice_axis_first => axis,
        _ => first_maximum(&case.spacing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(spacings: &[[f64; 3]], shape: [f64; 3]) -> [f64; 3] {
        let shapes = vec![shape; spacings.len()];
        volume_target_spacing(&Rules::paper(), spacings, &shapes)
    }

    #[test]
    fn an_anisotropic_axis_takes_the_tenth_percentile() {
        let spacings = [[5.0, 1.0, 1.0], [10.0, 1.0, 1.0], [6.0, 1.0, 1.0]];
        let found = target(&spacings, [10.0, 200.0, 200.0]);
        assert!((found[0] - 5.2).abs() < 1e-12, "{found:?}");
        assert_eq!(found[1..], [1.0, 1.0]);
    }

    #[test]
    fn a_long_coarse_axis_is_not_anisotropic() {
        let spacings = [[5.0, 1.0, 1.0], [10.0, 1.0, 1.0], [6.0, 1.0, 1.0]];
        assert_eq!(target(&spacings, [100.0, 200.0, 200.0])[0], 6.0);
    }

    #[test]
    fn the_percentile_never_falls_below_the_plane() {
        let spacings = [[0.1, 1.0, 1.0], [10.0, 1.0, 1.0], [10.0, 1.0, 1.0]];
        let found = target(&spacings, [10.0, 200.0, 200.0]);
        assert!((1.0..10.0).contains(&found[0]));
        let spacings = [
            [0.1, 1.0, 1.0],
            [0.1, 1.0, 1.0],
            [10.0, 1.0, 1.0],
            [10.0, 1.0, 1.0],
        ];
        assert_eq!(target(&spacings, [10.0, 200.0, 200.0])[0], 1.00001);
    }

    #[test]
    fn a_single_slice_is_the_slice_axis() {
        let case = MedianCase {
            spacing: [1.0, 2.0, 2.0],
            voxels: [1.0, 100.0, 100.0],
        };
        assert_eq!(slice_axis(&Rules::paper(), &case), 0);
        let mut rules = Rules::paper();
        rules.single_slice_axis_first = false;
        assert_eq!(slice_axis(&rules, &case), 1);
    }
}
