//! A designed configuration in the vocabulary of nnU-Net v2's plans.

use nnunet_schema::plans::{
    Architecture, Configuration, Dimensionality, ResamplingArguments, StageNames,
};

use crate::Rules;
use crate::facts::DatasetFacts;
use crate::search::Design;

const RESAMPLING: &str = "resample_data_or_seg_to_shape";

/// The place of a configuration among the others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Role {
    pub(crate) name: &'static str,
    pub(crate) batch_dice: bool,
    pub(crate) next_stage: Option<&'static str>,
}

/// The entry of `configurations` for a design.
pub(crate) fn configuration<const N: usize>(
    rules: &Rules,
    facts: &DatasetFacts,
    design: &Design<N>,
    role: Role,
) -> Configuration {
    let topology = &design.topology;
    let rows = |values: &[[usize; N]]| values.iter().map(|row| row.to_vec()).collect();
    let dimensionality = if N == 2 {
        Dimensionality::Two
    } else {
        Dimensionality::Three
    };
    Configuration {
        data_identifier: format!("{}_{}", rules.plans_name, role.name),
        preprocessor_name: rules.preprocessor_name.clone(),
        batch_size: design.batch.chosen,
        patch_size: topology.patch.to_vec(),
        median_image_size_in_voxels: design.median.iter().map(|v| *v as f64).collect(),
        spacing: design.spacing.to_vec(),
        normalization_schemes: facts.normalization.clone(),
        use_mask_for_norm: facts.use_mask.clone(),
        resampling_fn_data: RESAMPLING.to_owned(),
        resampling_fn_seg: RESAMPLING.to_owned(),
        resampling_fn_data_kwargs: ResamplingArguments::for_images(),
        resampling_fn_seg_kwargs: ResamplingArguments::for_labels(),
        resampling_fn_probabilities: RESAMPLING.to_owned(),
        resampling_fn_probabilities_kwargs: ResamplingArguments::for_probabilities(),
        architecture: Architecture::plain_unet(
            dimensionality,
            design.features.clone(),
            rows(&topology.kernels),
            rows(&topology.strides),
            rules.convolutions_per_stage,
        ),
        batch_dice: role.batch_dice,
        next_stage: role.next_stage.map(|name| StageNames::One(name.to_owned())),
        previous_stage: None,
        dummy_2d_augmentation: Some(N == 3 && is_flat(rules, topology.patch)),
        extra: Default::default(),
    }
}

/// Whether a patch is so much longer than deep that turning it out of its plane makes no sense.
fn is_flat<const N: usize>(rules: &Rules, patch: [usize; N]) -> bool {
    let longest = patch.iter().copied().max().unwrap_or(1);
    (patch.first())
        .is_some_and(|depth| longest as f64 / *depth as f64 > rules.slice_wise_augmentation_ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_is_flat_above_a_ratio_of_three() {
        assert!(!is_flat(&Rules::paper(), [32, 96, 96]));
        assert!(is_flat(&Rules::paper(), [32, 64, 97]));
    }
}
