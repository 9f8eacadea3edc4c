//! The spacing that cases are resampled to.

use nnunet_schema::Spacing;

use crate::statistics::{first_maximum, per_axis, percentile};
use crate::{Rules, SliceSpacing};

/// The target spacing, and what led to it; axes as in the files.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TargetSpacing {
    /// Median spacing of the cases, millimetres.
    pub(crate) median: [f64; 3],
    /// Median shape of the cases, voxels.
    pub(crate) size: [f64; 3],
    /// The coarsest axis.
    pub(crate) coarsest: usize,
    /// How it was decided.
    pub(crate) reason: TargetReason,
    /// The target of volumes, millimetres.
    pub(crate) volumes: [f64; 3],
    /// The target of slices, millimetres.
    pub(crate) slices: [f64; 3],
}

/// What decided on a target spacing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum TargetReason {
    /// The user.
    FixedByHand,
    /// No axis is much coarser and much shorter than the others: the median.
    Median,
    /// The coarsest axis is; this percentile of the spacings along it.
    Percentile {
        /// The percentile, millimetres.
        found: f64,
    },
}

impl TargetSpacing {
    /// Chooses the target (paper, online methods: target spacing): the median,
    /// except along an axis that is much coarser and much shorter than the others; there the
    /// 10th percentile, so that few cases lose resolution, but never finer than in the plane.
    pub(crate) fn choose(
        rules: &Rules,
        spacings: &[[f64; 3]],
        shapes: &[[f64; 3]],
        fixed: Option<Spacing>,
    ) -> Self {
        let (median, size) = (central(rules, spacings), central(rules, shapes));
        let coarsest = first_maximum(&median);
        let (reason, volumes) = match fixed {
            Some(fixed) => (TargetReason::FixedByHand, fixed.mm()),
            None if is_anisotropic(rules, median, size, coarsest) => {
                let along: Vec<f64> = spacings.iter().map(|s| s[coarsest]).collect();
                let found = percentile(&along, rules.coarse_axis_percentile);
                let in_plane = largest_but(median, coarsest);
                let mut target = median;
                target[coarsest] = if found < in_plane {
                    in_plane + rules.coarse_axis_margin_mm
                } else {
                    found
                };
                (TargetReason::Percentile { found }, target)
            }
            None => (TargetReason::Median, median),
        };
        let slices = match (fixed, rules.slice_spacing) {
            (None, SliceSpacing::Median) => median,
            _ => volumes,
        };
        Self {
            median,
            size,
            coarsest,
            reason,
            volumes,
            slices,
        }
    }
}

fn is_anisotropic(rules: &Rules, spacing: [f64; 3], size: [f64; 3], coarsest: usize) -> bool {
    let shortest = (0..3)
        .filter(|a| *a != coarsest)
        .map(|a| size[a])
        .fold(f64::INFINITY, f64::min);
    spacing[coarsest] > rules.anisotropy_threshold * largest_but(spacing, coarsest)
        && size[coarsest] * rules.anisotropy_threshold < shortest
}

/// The largest value along the other axes.
fn largest_but(values: [f64; 3], axis: usize) -> f64 {
    (0..3)
        .filter(|a| *a != axis)
        .map(|a| values[a])
        .fold(0.0, f64::max)
}

fn central(rules: &Rules, rows: &[[f64; 3]]) -> [f64; 3] {
    per_axis(rows, |column| {
        percentile(column, rules.target_spacing_percentile)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(spacings: &[[f64; 3]], shape: [f64; 3]) -> [f64; 3] {
        let shapes = vec![shape; spacings.len()];
        TargetSpacing::choose(&Rules::paper(), spacings, &shapes, None).volumes
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
}
