//! The low resolution of a cascade, where the full-resolution patch sees too little of a case.

use crate::facts::MedianCase;
use crate::memory::voxels;
use crate::outcome::{LowresSearch, LowresStep};
use crate::search::Design;
use crate::{LowresComparison, PlanError, Rules};

/// Looks for the low resolution (paper, online methods: 3D U-Net cascade): the spacing grows in
/// small steps, first along the finer axes, until the patch that `design` finds for it covers
/// enough of the median case. It is kept if it has considerably fewer voxels than the full
/// resolution.
pub(crate) fn find_lowres(
    rules: &Rules,
    full: &MedianCase,
    full_patch: [usize; 3],
    mut design: impl FnMut(&MedianCase) -> Result<Design<3>, PlanError>,
) -> Result<(Option<Design<3>>, LowresSearch), PlanError> {
    let mut patch_voxels = voxels(full_patch);
    let mut search = LowresSearch::new(full.volume(), patch_voxels);
    let mut spacing = full.spacing;
    let mut case = *full;
    let mut lowres = None;
    while case.volume() > rules.lowres_trigger * patch_voxels {
        spacing = coarsened(rules, spacing);
        case = full.at(spacing);
        let found = match design(&case) {
            Ok(found) => found,
            // Coarser still would be smaller still.
            Err(PlanError::TooSmall { .. }) => return Ok((None, search)),
            Err(error) => return Err(error),
        };
        patch_voxels = voxels(found.topology.patch);
        search.steps.push(LowresStep {
            spacing,
            voxels: case.volume(),
            patch: found.topology.patch,
        });
        lowres = Some(found);
    }
    let whole = |shape: [f64; 3]| shape.iter().product::<f64>();
    let is_kept = |lowres: &Design<3>| match rules.lowres_comparison {
        LowresComparison::WholeVoxelsAbove => {
            rules.lowres_min_reduction * whole(lowres.median) < whole(full.shape)
        }
        LowresComparison::ExactVoxelsAtLeast => {
            full.volume() / case.volume() >= rules.lowres_min_reduction
        }
    };
    let lowres = lowres.filter(is_kept);
    search.kept = lowres.is_some();
    Ok((lowres, search))
}

/// The spacing one step coarser: along the axes that lag far behind the coarsest, or along all.
fn coarsened(rules: &Rules, spacing: [f64; 3]) -> [f64; 3] {
    let coarsest = spacing.iter().copied().fold(0.0, f64::max);
    let lags = spacing.map(|s| coarsest / s > rules.lowres_lagging_ratio);
    let any = lags.contains(&true);
    std::array::from_fn(|a| {
        if lags[a] || !any {
            spacing[a] * rules.lowres_spacing_step
        } else {
            spacing[a]
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finer_axes_catch_up_first() {
        let rules = Rules::paper();
        assert_eq!(coarsened(&rules, [3.0, 1.0, 2.0]), [3.0, 1.01, 2.0]);
        assert_eq!(coarsened(&rules, [2.0, 1.0, 1.0]), [2.02, 1.01, 1.01]);
    }

    #[test]
    fn a_patch_that_sees_a_quarter_needs_no_cascade() {
        let full = MedianCase {
            spacing: [1.0; 3],
            voxels: [64.0, 64.0, 63.0],
            shape: [64.0, 64.0, 63.0],
        };
        let found = find_lowres(&Rules::paper(), &full, [64, 32, 32], |_| {
            Err(PlanError::NoCases)
        });
        assert!(matches!(found, Ok((None, _))));
    }
}
