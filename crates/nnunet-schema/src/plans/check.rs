//! What must hold of a configuration beyond the types of its values.

use super::{ArchitectureArguments, Configuration};

/// `(key, message)` of a value that cannot be right.
type Fault = (String, String);

impl Configuration {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let axes = self.patch_size.len();
        require(axes == 2 || axes == 3, "patch_size", || {
            format!("has {axes} entries, expected 2 or 3")
        })?;
        require(!self.patch_size.contains(&0), "patch_size", || {
            format!("is {:?}, expected entries above zero", self.patch_size)
        })?;
        require(self.batch_size > 0, "batch_size", || {
            "is 0, expected at least one sample".to_owned()
        })?;
        require(self.spacing.len() == axes, "spacing", || {
            format!("has {} entries for {axes} axes", self.spacing.len())
        })?;
        let usable = self.spacing.iter().all(|s| s.is_finite() && *s > 0.0);
        require(usable, "spacing", || {
            format!("is {:?}, expected millimetres above zero", self.spacing)
        })?;
        let (schemes, masks) = (&self.normalization_schemes, &self.use_mask_for_norm);
        require(schemes.len() == masks.len(), "use_mask_for_norm", || {
            format!(
                "has {} entries, but `normalization_schemes` has {}",
                masks.len(),
                schemes.len()
            )
        })?;
        check_stages(&self.architecture.arch_kwargs, axes)
            .map_err(|(key, message)| (format!("architecture.arch_kwargs.{key}"), message))
    }
}

fn check_stages(a: &ArchitectureArguments, axes: usize) -> Result<(), Fault> {
    require(a.n_stages > 0, "n_stages", || {
        "is 0, expected at least one stage".to_owned()
    })?;
    let depth = |list: &Option<Vec<usize>>| list.as_ref().map_or(a.n_stages, Vec::len);
    for (key, found, expected) in [
        ("features_per_stage", a.features_per_stage.len(), a.n_stages),
        ("kernel_sizes", a.kernel_sizes.len(), a.n_stages),
        ("strides", a.strides.len(), a.n_stages),
        ("n_conv_per_stage", depth(&a.n_conv_per_stage), a.n_stages),
        (
            "n_blocks_per_stage",
            depth(&a.n_blocks_per_stage),
            a.n_stages,
        ),
        (
            "n_conv_per_stage_decoder",
            a.n_conv_per_stage_decoder.len(),
            a.n_stages - 1,
        ),
    ] {
        require(found == expected, key, || {
            let stages = a.n_stages;
            format!("has {found} entries for {stages} stages, expected {expected}")
        })?;
    }
    for (key, rows) in [("kernel_sizes", &a.kernel_sizes), ("strides", &a.strides)] {
        let wrong = (rows.iter()).position(|row| row.len() != axes || row.contains(&0));
        if let Some(stage) = wrong {
            let message = format!("is {:?}, expected {axes} entries above zero", rows[stage]);
            return Err((format!("{key}[{stage}]"), message));
        }
    }
    Ok(())
}

fn require(holds: bool, key: &str, message: impl FnOnce() -> String) -> Result<(), Fault> {
    if holds {
        Ok(())
    } else {
        Err((key.to_owned(), message()))
    }
}
