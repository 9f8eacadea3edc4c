//! A designed configuration in the vocabulary of nnU-Net v2's plans.

use nnunet_schema::plans::{
    Architecture, Configuration, Dimensionality, EncoderDepths, ResamplingArguments,
    ResamplingFunction, StageNames, Stages,
};
use serde_json::Number;

use crate::designer::LOWRES;
use crate::facts::DatasetFacts;
use crate::search::Design;
use crate::{Encoder, Rules};

const RESAMPLING: &str = ResamplingFunction::Spline.name();

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
        data_identifier: format!("{}_{}", data_plans(rules, role), role.name),
        preprocessor_name: rules.preprocessor_name.clone(),
        batch_size: design.batch.chosen,
        patch_size: topology.patch.to_vec(),
        median_image_size_in_voxels: (design.median.iter())
            .map(|edge| written_edge(*edge, role))
            .collect(),
        spacing: design.spacing.to_vec(),
        normalization_schemes: facts.normalization.clone(),
        use_mask_for_norm: facts.use_mask.clone(),
        resampling_fn_data: RESAMPLING.to_owned(),
        resampling_fn_seg: RESAMPLING.to_owned(),
        resampling_fn_data_kwargs: ResamplingArguments::for_images(),
        resampling_fn_seg_kwargs: ResamplingArguments::for_labels(),
        resampling_fn_probabilities: RESAMPLING.to_owned(),
        resampling_fn_probabilities_kwargs: ResamplingArguments::for_probabilities(),
        architecture: Architecture::unet(
            dimensionality,
            &Stages {
                features: design.features.clone(),
                kernels: rows(&topology.kernels),
                strides: rows(&topology.strides),
                encoder: encoder(rules, design.features.len()),
                decoder_convolutions: rules.decoder_convolutions,
            },
        ),
        batch_dice: role.batch_dice,
        next_stage: role.next_stage.map(|name| StageNames::One(name.to_owned())),
        previous_stage: None,
        dummy_2d_augmentation: rules
            .slice_wise_augmentation_ratio
            .map(|ratio| N == 3 && is_flat(ratio, topology.patch)),
        extra: Default::default(),
    }
}

/// The plans whose preprocessed data a configuration uses.
fn data_plans(rules: &Rules, role: Role) -> &str {
    match &rules.shared_data_plans {
        Some(shared) if role.name != LOWRES => shared,
        _ => &rules.plans_name,
    }
}

/// An edge of the median shape, as the Python program writes it: whole numbers only for the low
/// resolution, whose shape is rounded.
fn written_edge(edge: f64, role: Role) -> Number {
    if role.name == LOWRES {
        return Number::from(edge as u64);
    }
    Number::from_f64(edge).unwrap_or_else(|| Number::from(edge as u64))
}

fn encoder(rules: &Rules, stages: usize) -> EncoderDepths {
    let depths = (0..stages)
        .map(|stage| rules.encoder_depth(stage))
        .collect();
    match rules.encoder {
        Encoder::Plain => EncoderDepths::Convolutions(depths),
        Encoder::Residual => EncoderDepths::Blocks(depths),
    }
}

/// Whether a patch is so much longer than deep that turning it out of its plane makes no sense.
fn is_flat<const N: usize>(ratio: f64, patch: [usize; N]) -> bool {
    let longest = patch.iter().copied().max().unwrap_or(1);
    (patch.first()).is_some_and(|depth| longest as f64 / *depth as f64 > ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_is_flat_above_a_ratio_of_three() {
        assert!(!is_flat(3.0, [32, 96, 96]));
        assert!(is_flat(3.0, [32, 64, 97]));
    }
}
