//! The values that a user fixed by hand, checked.

use nnunet_schema::plans::PlanOverrides;

use crate::{Budget, PlanError, Rules};

/// Longest edge of a patch that anyone means, voxels.
const LONGEST_PATCH_EDGE: usize = 1 << 20;

/// Overrides that make sense on their own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckedOverrides {
    pub(crate) base_features: Option<usize>,
    pub(crate) batch_size: Option<usize>,
    /// At most one of the patches is given.
    pub(crate) patch_2d: Option<[usize; 2]>,
    pub(crate) patch_3d: Option<[usize; 3]>,
}

impl CheckedOverrides {
    pub(crate) fn new(rules: &Rules, overrides: &PlanOverrides) -> Result<Self, PlanError> {
        let cap = rules.two_d.feature_cap.min(rules.three_d.feature_cap);
        if let Some(features) = overrides.base_features
            && !(1..=cap).contains(&features)
        {
            return Err(refuse(
                "number of base features",
                features.to_string(),
                format!("1 to {cap}"),
            ));
        }
        if overrides.batch_size == Some(0) {
            return Err(refuse("batch size", "0".into(), "at least 1".into()));
        }
        let patch = overrides.patch_size.as_deref();
        if let Some(patch) = patch
            && (!matches!(patch.len(), 2 | 3)
                || patch.iter().any(|e| !(1..=LONGEST_PATCH_EDGE).contains(e)))
        {
            return Err(refuse(
                "patch size",
                format!("{patch:?}"),
                format!("two or three edges of 1 to {LONGEST_PATCH_EDGE} voxels"),
            ));
        }
        Ok(Self {
            base_features: overrides.base_features,
            batch_size: overrides.batch_size,
            patch_2d: patch.and_then(|p| p.try_into().ok()),
            patch_3d: patch.and_then(|p| p.try_into().ok()),
        })
    }
}

/// Refuses a patch that is shorter than the smallest feature map where the cases are not.
pub(crate) fn check_patch(rules: &Rules, patch: &[usize], median: &[f64]) -> Result<(), PlanError> {
    let least: Vec<usize> = (median.iter())
        .map(|edge| rules.min_feature_map_edge.min(*edge as usize))
        .collect();
    if patch.iter().zip(&least).all(|(edge, least)| edge >= least) {
        Ok(())
    } else {
        Err(refuse(
            "patch size",
            format!("{patch:?}"),
            format!("at least {least:?} voxels"),
        ))
    }
}

/// Refuses a patch for volumes where there are none.
pub(crate) fn refuse_volume_patch(patch: [usize; 3]) -> PlanError {
    refuse(
        "patch size",
        format!("{patch:?}"),
        "two edges: the cases are single slices and have no 3D configuration".into(),
    )
}

/// Refuses a budget that is not above zero.
pub(crate) fn check_budget(budget: &Budget) -> Result<(), PlanError> {
    let found = budget.gpu_memory_gb;
    if found.is_finite() && found > 0.0 {
        Ok(())
    } else {
        Err(PlanError::Budget { found })
    }
}

fn refuse(field: &'static str, found: String, expected: String) -> PlanError {
    PlanError::Override {
        field,
        found,
        expected,
    }
}
