//! Whether the networks fit the memory that the plans are made for.

use nnunet_schema::{Configuration, Plans};

use super::Report;
use crate::rules::BatchRounding;
use crate::{DimensionRules, EstimateEnds, Rules, feature_map_values};

/// A dataset has a background and something to segment.
const FEWEST_CLASSES: usize = 2;

/// Warns of a batch that needs more memory than there is by the estimate of the rules (paper,
/// online methods), on whose scale a network with the reference estimate at the reference batch
/// size fills the reference GPU.
///
/// Networks that cannot be built are passed over: they have no estimate.
pub(super) fn check(
    report: &mut Report<'_>,
    plans: &Plans,
    configuration: &Configuration,
    rules: &Rules,
) {
    if report.has_errors() {
        return;
    }
    let dimension = match configuration.patch_size.len() {
        2 => &rules.two_d,
        _ => &rules.three_d,
    };
    let available = (plans.planning.as_ref())
        .map_or(rules.reference_gpu_memory_gb, |record| record.gpu_memory_gb);
    let sample = gb_per_sample(rules, dimension, configuration);
    let needed = sample * configuration.batch_size as f64;
    let counted = counted_part(rules, dimension);
    if (needed - tolerance(dimension) * sample) * counted <= available {
        return;
    }
    let affordable = (available / sample).floor();
    let (key, advice) = if affordable >= 1.0 {
        (
            "batch_size",
            format!("reduce it to {affordable}, or patch_size"),
        )
    } else {
        ("patch_size", "reduce it".to_owned())
    };
    let message = format!(
        "needs about {needed:.1} GB for a batch of {} patches of {:?} voxels by the `{}` rules, \
         but {available:.1} GB are available: {advice}, or plan for more memory",
        configuration.batch_size, configuration.patch_size, rules.set
    );
    report.warning(key, message);
}

fn gb_per_sample(rules: &Rules, dimension: &DimensionRules, configuration: &Configuration) -> f64 {
    let ends = match rules.estimate_ends {
        EstimateEnds::ChannelsAndClasses => {
            (configuration.normalization_schemes.len()).saturating_add(FEWEST_CLASSES)
        }
        EstimateEnds::LabelEntries => FEWEST_CLASSES,
    };
    let network = &configuration.architecture.arch_kwargs;
    let estimate = feature_map_values(network, &configuration.patch_size, ends);
    estimate / dimension.reference_estimate / dimension.reference_batch_size as f64
        * rules.reference_gpu_memory_gb
}

/// The published 2D planner estimates its first patch with fewer features than the network has;
/// plans with that patch are not to be warned of.
fn counted_part(rules: &Rules, dimension: &DimensionRules) -> f64 {
    (dimension.first_estimate_base_features as f64 / rules.base_features as f64).min(1.0)
}

/// Samples by which the rules' own batches may exceed the budget, with a margin for the last
/// digit of a product that fills it.
fn tolerance(dimension: &DimensionRules) -> f64 {
    match dimension.batch_rounding {
        BatchRounding::Nearest => 0.5 + 1e-9,
        BatchRounding::Samples | BatchRounding::ReferenceBatches => 1e-9,
    }
}
