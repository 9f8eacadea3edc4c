//! The decisions of each configuration.

use nnunet_schema::Configuration;
use serde_json::json;

use super::{ConfigurationExplanation, Decision, Explanation, Subject, dataset, per_axis};
use crate::designer::{FULLRES, LOWRES, SLICES};
use crate::facts::DatasetFacts;
use crate::{
    BatchReason, ConfigurationSearch, DimensionRules, Encoder, InitialPatch, PlanError,
    PlanOutcome, Rules, SliceSpacing, TopologyRule,
};

const ADAPTATION: &str =
    "Online Methods, Adaptation of network topology, patch size and batch size";

impl PlanOutcome {
    /// Why the plans are as they are: for every inferred value the rule, its inputs and its
    /// source.
    ///
    /// # Errors
    /// [`PlanError::Dataset`] if `plans` were changed since, so that a configuration cannot be
    /// read.
    pub fn explain(&self) -> Result<Explanation, PlanError> {
        let Self {
            plans,
            searches,
            lowres,
            rules,
            facts,
        } = self;
        let mut configurations = Vec::new();
        for name in plans.configuration_names() {
            let configuration = plans.configuration(name)?;
            let search = searches.iter().find(|search| search.configuration == name);
            configurations.push(ConfigurationExplanation {
                name: name.to_owned(),
                decisions: match search {
                    Some(search) => decisions(rules, facts, search, &configuration),
                    None => vec![inheritance(&configuration)],
                },
                search: search.cloned(),
            });
        }
        Ok(Explanation {
            dataset_name: plans.dataset_name.clone(),
            rules: rules.set,
            gpu_memory_gb: (plans.planning.as_ref()).map_or(0.0, |planning| planning.gpu_memory_gb),
            dataset: dataset::decisions(rules, facts, lowres.as_ref(), plans),
            lowres: lowres.clone(),
            configurations,
        })
    }
}

fn decisions(
    rules: &Rules,
    facts: &DatasetFacts,
    search: &ConfigurationSearch,
    configuration: &Configuration,
) -> Vec<Decision> {
    let dimension = match search.configuration.as_str() {
        SLICES => &rules.two_d,
        _ => &rules.three_d,
    };
    let mut decisions = vec![
        spacing(rules, facts, search),
        patch_size(facts, search, dimension, configuration),
        strides(rules, search, configuration),
        kernels(rules, configuration),
        features(dimension, configuration),
        depths(rules, configuration),
        batch_size(rules, search, dimension),
        batch_dice(search, configuration),
    ];
    decisions.extend(slice_wise(rules, configuration));
    decisions
}

fn spacing(rules: &Rules, facts: &DatasetFacts, search: &ConfigurationSearch) -> Decision {
    let rule = match (search.configuration.as_str(), rules.slice_spacing) {
        (LOWRES, _) => "The last spacing of the search for a low resolution.",
        (SLICES, SliceSpacing::Median) => {
            "The median spacing in the plane; slices are not resampled across it."
        }
        (SLICES, SliceSpacing::OfVolumes) => {
            "The target spacing in the plane; slices are not resampled across it."
        }
        _ => "The target spacing.",
    };
    Decision::new(Subject::TargetSpacing, json!(search.spacing), rule)
        .with("target spacing, mm", json!(facts.volumes.spacing))
        .from("Online Methods, Target spacing")
}

fn patch_size(
    facts: &DatasetFacts,
    search: &ConfigurationSearch,
    dimension: &DimensionRules,
    configuration: &Configuration,
) -> Decision {
    let first = match dimension.initial_patch {
        InitialPatch::MedianCase => "the median shape".to_owned(),
        InitialPatch::CoarsestEdge(edge) => format!(
            "{edge} voxels along the coarsest axis and as many millimetres along the others, at \
             most the median shape"
        ),
        InitialPatch::Extent(edge) => format!(
            "as many voxels as {edge} along each axis make, shared out so that all axes have the \
             same length in millimetres, at most the median shape"
        ),
    };
    let rule = format!(
        "Starts from {first}; while the estimate for a batch of {} is above the budget, the axis \
         that covers most of the median shape gets shorter by what its network divides.",
        dimension.patch_batch_size
    );
    let last = search.steps.last().map_or(0.0, |step| step.estimate);
    Decision::new(Subject::PatchSize, json!(configuration.patch_size), rule)
        .with("median shape", json!(search.median_shape))
        .with("patches tried", search.steps.len())
        .with("estimate, feature-map values per sample", last)
        .with("largest estimate allowed", search.allowed)
        .with("input and output maps counted", facts.ends)
        .from(ADAPTATION)
}

fn strides(rules: &Rules, search: &ConfigurationSearch, configuration: &Configuration) -> Decision {
    let compared = match rules.topology {
        TopologyRule::LargestGroup => "the finest axis",
        TopologyRule::Sticky => "the finest axis that can still be pooled",
    };
    let rule = format!(
        "Each pooling halves the axes whose spacing is less than {} times that of {compared}, as \
         long as {} voxels are left.",
        rules.like_spacing_ratio, rules.min_feature_map_edge
    );
    let strides = &configuration.architecture.arch_kwargs.strides;
    Decision::new(Subject::Strides, json!(strides), rule)
        .with("spacing, mm", json!(search.spacing))
        .with("patch size", json!(configuration.patch_size))
        .from(ADAPTATION)
}

fn kernels(rules: &Rules, configuration: &Configuration) -> Decision {
    let rule = match rules.topology {
        TopologyRule::LargestGroup => format!(
            "3 along the largest group of axes whose spacings differ by less than a factor of {}, 1 \
             along the others; the bottleneck has 3 along all.",
            rules.like_spacing_ratio
        ),
        TopologyRule::Sticky => format!(
            "3 along the axes whose spacing is, or was at an earlier stage, less than {} times that \
             of the finest; the bottleneck has 3 along all.",
            rules.like_spacing_ratio
        ),
    };
    let kernels = &configuration.architecture.arch_kwargs.kernel_sizes;
    Decision::new(Subject::Kernels, json!(kernels), rule).from(ADAPTATION)
}

fn features(dimension: &DimensionRules, configuration: &Configuration) -> Decision {
    let features = &configuration.architecture.arch_kwargs.features_per_stage;
    let rule = format!(
        "Doubled from stage to stage, at most {}.",
        dimension.feature_cap
    );
    Decision::new(Subject::Features, json!(features), rule)
        .with("of the first stage", json!(features.first()))
        .from("Online Methods, Architecture template")
}

fn depths(rules: &Rules, configuration: &Configuration) -> Decision {
    let network = &configuration.architecture.arch_kwargs;
    let (rule, source) = match rules.encoder {
        Encoder::Plain => (
            "Two convolutions per stage, in encoder and decoder.",
            "Online Methods, Architecture template",
        ),
        Encoder::Residual => (
            "Residual blocks in the encoder, more of them further down; a light decoder.",
            "nnU-Net v2, residual encoder presets",
        ),
    };
    let encoder = (network.n_blocks_per_stage.as_ref()).or(network.n_conv_per_stage.as_ref());
    let value = json!({"encoder": encoder, "decoder": network.n_conv_per_stage_decoder});
    Decision::new(Subject::Depths, value, rule).from(source)
}

fn batch_size(rules: &Rules, search: &ConfigurationSearch, dimension: &DimensionRules) -> Decision {
    let batch = search.batch;
    let rule = match batch.reason {
        BatchReason::FixedByHand => "Given by hand.".to_owned(),
        BatchReason::Memory => "As many samples as fit the memory that the patch leaves.".into(),
        BatchReason::DatasetSize => format!(
            "At most {} % of the voxels of the training set in one batch; memory would hold more.",
            rules.max_dataset_fraction * 100.0
        ),
        BatchReason::Minimum => format!(
            "The smallest batch, {}, although it holds more than {} % of the voxels of the \
             training set.",
            dimension.min_batch_size,
            rules.max_dataset_fraction * 100.0
        ),
        BatchReason::BelowMinimum => {
            "What the memory holds: the patch leaves room for fewer samples than the rules want."
                .into()
        }
    };
    Decision::new(Subject::BatchSize, batch.chosen, rule)
        .with("samples that fit", batch.affordable)
        .with("samples that the training set allows", batch.dataset_limit)
        .with(
            "estimate that fits a batch of the reference size",
            search.reference,
        )
        .with("reference batch size", dimension.reference_batch_size)
        .from(ADAPTATION)
}

fn batch_dice(search: &ConfigurationSearch, configuration: &Configuration) -> Decision {
    let rule = match search.configuration.as_str() {
        SLICES => "Slices may lack a class: the Dice loss takes the batch as one volume.",
        FULLRES if configuration.batch_dice => {
            "Patches see a small part of a case and may lack a class: the Dice loss takes the \
             batch as one volume."
        }
        _ => "Patches see enough of a case: the Dice loss is taken sample by sample.",
    };
    Decision::new(Subject::BatchDice, configuration.batch_dice, rule)
        .from("Online Methods, Training schedule")
}

fn slice_wise(rules: &Rules, configuration: &Configuration) -> Option<Decision> {
    let ratio = rules.slice_wise_augmentation_ratio?;
    let rule = format!(
        "Patches are rotated and scaled slice by slice if their longest edge is more than {ratio} \
         times their depth."
    );
    let found = configuration.dummy_2d_augmentation?;
    Some(
        Decision::new(Subject::SliceWiseAugmentation, found, rule)
            .with("patch size", json!(configuration.patch_size))
            .from("Supplement D, Data augmentation"),
    )
}

fn inheritance(configuration: &Configuration) -> Decision {
    let before = configuration.previous_stage.clone();
    let rule = format!(
        "Everything is taken over from the full resolution (patch {}, batch {}); the segmentation \
         of the stage before is a further input.",
        per_axis(&json!(configuration.patch_size)),
        configuration.batch_size
    );
    Decision::new(Subject::Inheritance, json!(before), rule)
        .from("Online Methods, Configuration of the U-Net cascade")
}
