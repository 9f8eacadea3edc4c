//! The decisions that hold for all configurations.

use nnunet_schema::Plans;
use serde_json::{Value, json};

use super::{Decision, Subject};
use crate::facts::DatasetFacts;
use crate::target::{TargetReason, TargetSpacing};
use crate::{LowresComparison, LowresSearch, MaskRule, ResampledShapes, Rules};

pub(super) fn decisions(
    rules: &Rules,
    facts: &DatasetFacts,
    lowres: Option<&LowresSearch>,
    plans: &Plans,
) -> Vec<Decision> {
    let mut decisions = vec![
        target_spacing(rules, &facts.target),
        transposition(rules, facts, plans),
        median_shape(rules, facts),
        normalization(facts),
        nonzero_mask(rules, facts),
        resampling(),
        image_reader(plans),
    ];
    decisions.extend(lowres.map(|search| cascade(rules, search)));
    decisions
}

fn target_spacing(rules: &Rules, target: &TargetSpacing) -> Decision {
    let rule = match target.reason {
        TargetReason::FixedByHand => "Given by hand, in the order of the axes in the files.".into(),
        TargetReason::Median => format!(
            "The median spacing of the cases, as no axis is more than {} times coarser than the \
             others and has more than {0} times fewer voxels.",
            rules.anisotropy_threshold
        ),
        TargetReason::Percentile { .. } => format!(
            "The median spacing of the cases, but the {} % percentile along the axis that is more \
             than {} times coarser than the others and has more than {1} times fewer voxels, so \
             that few cases lose resolution; never finer than in the plane.",
            rules.coarse_axis_percentile, rules.anisotropy_threshold
        ),
    };
    let decision = Decision::new(Subject::TargetSpacing, json!(target.volumes), rule)
        .with("median spacing in the files, mm", json!(target.median))
        .with("median shape in the files", json!(target.size))
        .with("coarsest axis", target.coarsest);
    match target.reason {
        TargetReason::Percentile { found } => {
            decision.with("percentile along the coarsest axis, mm", found)
        }
        _ => decision,
    }
    .from("Online Methods, Target spacing")
}

fn transposition(rules: &Rules, facts: &DatasetFacts, plans: &Plans) -> Decision {
    let suppressed = (plans.planning.as_ref())
        .is_some_and(|planning| planning.overrides.transposition.is_fixed());
    let rule = if suppressed {
        "Suppressed by hand: axes stay as in the files."
    } else if rules.single_slice_axis_first {
        "The axis with the coarsest target spacing comes first, or one with a single voxel; 2D \
         networks work on slices across it."
    } else {
        "The axis with the coarsest target spacing comes first; 2D networks work on slices across \
         it."
    };
    let order = json!(facts.transposition);
    Decision::new(Subject::Transposition, order, rule)
        .with(
            "target spacing in the files, mm",
            json!(facts.target.volumes),
        )
        .from("Online Methods, Resampling")
}

fn median_shape(rules: &Rules, facts: &DatasetFacts) -> Decision {
    let rule = match rules.resampled_shapes {
        ResampledShapes::Exact => "The median along each axis of the shapes at the target spacing.",
        ResampledShapes::Whole => {
            "The median along each axis of the shapes at the target spacing, rounded case by case."
        }
    };
    Decision::new(Subject::MedianShape, json!(facts.volumes.shape), rule)
        .with("median shape after cropping", json!(facts.original_shape))
        .with("median spacing, mm", json!(facts.original_spacing))
        .with("cases", facts.cases)
        .from("Online Methods, Adaptation of network topology, patch size and batch size")
}

fn normalization(facts: &DatasetFacts) -> Decision {
    Decision::new(
        Subject::Normalization,
        json!(facts.normalization),
        "CT is clipped to the 0.5 and 99.5 percentiles of the foreground of the training cases and \
         standardised with their mean and deviation; other images are standardised one by one; \
         reserved channel names ask for other schemes.",
    )
    .with("channels", json!(facts.channel_names))
    .from("Online Methods, Intensity normalization")
}

fn nonzero_mask(rules: &Rules, facts: &DatasetFacts) -> Decision {
    let who = match rules.mask_rule {
        MaskRule::NotNamedCt => "channels not named CT",
        MaskRule::ZScore => "channels standardised one by one",
    };
    let rule = format!(
        "Statistics of {who} come from inside the nonzero mask if cropping to it leaves less than \
         {} % of the median case.",
        rules.mask_threshold * 100.0
    );
    let size = facts.relative_size;
    let size = if size.is_finite() {
        json!(size)
    } else {
        Value::Null
    };
    Decision::new(Subject::NonzeroMask, json!(facts.use_mask), rule)
        .with("median part that cropping leaves", size)
        .from("Online Methods, Intensity normalization")
}

fn resampling() -> Decision {
    Decision::new(
        Subject::Resampling,
        json!({"images": "order 3", "labels": "order 1", "coarse axis": "order 0"}),
        "Images by third-order splines, label maps by linear interpolation label by label; along \
         an axis that is more than 3 times coarser than the others apart, by nearest neighbour.",
    )
    .from("Online Methods, Resampling")
}

fn image_reader(plans: &Plans) -> Decision {
    Decision::new(
        Subject::ImageReader,
        plans.image_reader_writer.as_str(),
        "The first class of the Python program that reads files of this ending, unless \
         dataset.json names one.",
    )
    .from("nnU-Net v2")
}

fn cascade(rules: &Rules, search: &LowresSearch) -> Decision {
    let kept = match rules.lowres_comparison {
        LowresComparison::WholeVoxelsAbove => "more than",
        LowresComparison::ExactVoxelsAtLeast => "at least",
    };
    let rule = format!(
        "A low resolution is looked for while the median case has more than {} times the voxels of \
         the patch: the spacing grows by {:.0} % per step, first along axes more than {} times \
         finer than the coarsest. It is kept if it has {kept} {} times fewer voxels than the full \
         resolution; a cascade then refines its result.",
        rules.lowres_trigger,
        (rules.lowres_spacing_step - 1.0) * 100.0,
        rules.lowres_lagging_ratio,
        rules.lowres_min_reduction
    );
    let decision = Decision::new(Subject::Cascade, search.kept, rule)
        .with("voxels of the median case", search.full_voxels)
        .with(
            "voxels of the full-resolution patch",
            search.full_patch_voxels,
        )
        .with("resolutions tried", search.steps.len());
    match search.steps.last() {
        Some(last) => decision
            .with("last spacing, mm", json!(last.spacing))
            .with("voxels of the median case there", last.voxels),
        None => decision,
    }
    .from("Online Methods, Configuration of the U-Net cascade")
}
