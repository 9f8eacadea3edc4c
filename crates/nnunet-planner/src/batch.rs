//! The batch size that fills what the patch leaves of the budget.

use serde::Serialize;

use crate::PlanError;
use crate::assignment::Assignment;
use crate::memory::voxels;
use crate::rules::BatchRounding;

/// What the rules want a patch to leave memory for, at least.
const SMALLEST_BATCH: usize = 2;

/// How a batch size came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BatchDecision {
    /// Samples that fit the budget.
    pub affordable: usize,
    /// Samples that make up the largest part of the training set allowed in one batch.
    pub dataset_limit: usize,
    /// What was chosen.
    pub chosen: usize,
    /// Why.
    pub reason: BatchReason,
}

/// What decided on a batch size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BatchReason {
    /// The memory.
    Memory,
    /// The size of the training set.
    DatasetSize,
    /// The smallest batch that the rules allow.
    Minimum,
    /// The user.
    FixedByHand,
    /// The memory, which holds fewer samples than the rules want.
    BelowMinimum,
}

/// Chooses the batch size for a patch that was decided on, with memory estimate `cost` per
/// sample; `reference` is the estimate that fits at the reference batch size.
///
/// Memory that is left after the patch goes to the batch, as long as a batch does not cover too
/// much of the training set. Where a patch fixed by hand needs more than the reference, the
/// batch gets smaller than the rules want rather than the plan fails.
pub(crate) fn choose_batch<const N: usize>(
    assignment: &Assignment<'_, N>,
    patch: [usize; N],
    cost: f64,
    reference: f64,
) -> Result<BatchDecision, PlanError> {
    let (rules, dimension) = (assignment.rules, assignment.dimension);
    let reference_batch = dimension.reference_batch_size as f64;
    let batches = reference / cost;
    let affordable = match dimension.batch_rounding {
        BatchRounding::ReferenceBatches if batches >= 1.0 => batches.floor() * reference_batch,
        BatchRounding::Nearest => (batches * reference_batch).round_ties_even(),
        _ => (batches * reference_batch).floor(),
    } as usize;
    let dataset_limit = (rules.max_dataset_fraction * assignment.dataset_voxels / voxels(patch))
        .round_ties_even() as usize;
    let minimum = dimension.min_batch_size;

    let (chosen, reason) = if let Some(fixed) = assignment.batch_size {
        if cost * fixed as f64 > reference * reference_batch {
            return Err(over_budget(assignment, patch, cost, fixed));
        }
        (fixed, BatchReason::FixedByHand)
    } else if affordable == 0 {
        return Err(over_budget(assignment, patch, cost, 1));
    } else if affordable < dimension.patch_batch_size.min(SMALLEST_BATCH) {
        (affordable, BatchReason::BelowMinimum)
    } else if affordable <= dataset_limit {
        (affordable, BatchReason::Memory)
    } else if dataset_limit >= minimum {
        (dataset_limit, BatchReason::DatasetSize)
    } else {
        (minimum, BatchReason::Minimum)
    };
    Ok(BatchDecision {
        affordable,
        dataset_limit,
        chosen,
        reason,
    })
}

fn over_budget<const N: usize>(
    assignment: &Assignment<'_, N>,
    patch: [usize; N],
    cost: f64,
    batch_size: usize,
) -> PlanError {
    let dimension = assignment.dimension;
    let batches = batch_size as f64 / dimension.reference_batch_size as f64;
    PlanError::OverBudget {
        configuration: assignment.configuration,
        patch: patch.to_vec(),
        base_features: assignment.channels.base_features,
        batch_size,
        needed_gb: cost * batches / dimension.reference_estimate
            * assignment.rules.reference_gpu_memory_gb,
        budget_gb: assignment.gpu_memory_gb,
    }
}
