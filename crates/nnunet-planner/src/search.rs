//! The search for the largest patch that fits the budget, and the batch that fills it.

use std::collections::HashSet;

use crate::assignment::Assignment;
use crate::batch::{BatchDecision, choose_batch};
use crate::memory::{Channels, estimate};
use crate::topology::Topology;
use crate::{InitialPatch, PlanError};

/// Patches that one call of the planner may try, over all configurations; an ordinary dataset
/// takes a few thousand, an odd one tens of thousands.
const MAX_STEPS: usize = 200_000;

/// Counts the steps of a plan, so that no input keeps the planner busy for ever.
#[derive(Debug)]
pub(crate) struct StepLimit {
    left: usize,
}

impl StepLimit {
    pub(crate) const fn new() -> Self {
        Self { left: MAX_STEPS }
    }

    pub(crate) fn take(
        &mut self,
        configuration: &'static str,
        patch: &[usize],
    ) -> Result<(), PlanError> {
        self.left = (self.left.checked_sub(1)).ok_or_else(|| PlanError::SearchTooLong {
            configuration,
            patch: patch.to_vec(),
            limit: MAX_STEPS,
        })?;
        Ok(())
    }
}

/// A configuration designed.
#[derive(Clone, Debug)]
pub(crate) struct Design<const N: usize> {
    pub(crate) spacing: [f64; N],
    pub(crate) median: [f64; N],
    pub(crate) topology: Topology<N>,
    pub(crate) features: Vec<usize>,
    pub(crate) batch: BatchDecision,
    /// Largest estimate per sample that fits, at the reference batch size.
    pub(crate) reference: f64,
    /// Largest estimate that a patch is accepted with.
    pub(crate) allowed: f64,
    /// Every patch tried with its estimate, the accepted one last.
    pub(crate) steps: Vec<([usize; N], f64)>,
}

impl<const N: usize> Assignment<'_, N> {
    /// Designs the configuration (paper, online methods: network topology, patch size and
    /// batch size): start from a large patch and shorten the axis that covers
    /// most of the median case until the network fits, then fill the budget with the batch.
    ///
    /// A patch fixed by hand is only made divisible. A batch size fixed by hand above the one
    /// that must fit makes the patch pay for it.
    pub(crate) fn design(&self, limit: &mut StepLimit) -> Result<Design<N>, PlanError> {
        let reference = self.dimension.reference_estimate
            * (self.gpu_memory_gb / self.rules.reference_gpu_memory_gb);
        let mut topology = match self.patch {
            Some(patch) => self.topology(patch),
            None => {
                let first = initial_patch(self.dimension.initial_patch, self.spacing, self.median);
                Topology::derive(self.rules, self.spacing, first)
            }
        };
        if topology.strides.len() < self.rules.min_stages {
            return Err(PlanError::TooSmall {
                configuration: self.configuration,
                patch: topology.patch.to_vec(),
                spacing: self.spacing.to_vec(),
                edge: 2 * self.rules.min_feature_map_edge,
            });
        }
        let mut cost = estimate(self.rules, &topology, self.first_channels());
        let mut steps = vec![(topology.patch, cost)];
        let allowed = reference * self.reference_batches_left();
        if self.patch.is_none() {
            let mut tried = HashSet::from([topology.patch]);
            while cost > allowed {
                limit.take(self.configuration, &topology.patch)?;
                let Some(smaller) = self.shrink(&topology, &tried) else {
                    break;
                };
                topology = smaller;
                cost = estimate(self.rules, &topology, self.channels);
                tried.insert(topology.patch);
                steps.push((topology.patch, cost));
            }
        }
        let batch = choose_batch(self, topology.patch, cost, reference)?;
        Ok(Design {
            spacing: self.spacing,
            median: self.median,
            features: topology.features(self.channels.base_features, self.channels.feature_cap),
            topology,
            batch,
            reference,
            allowed,
            steps,
        })
    }

    fn topology(&self, patch: [usize; N]) -> Topology<N> {
        Topology::derive(self.rules, self.spacing, patch.map(|edge| edge as f64))
    }

    /// The published 2D planner estimates its first patch with fewer features than the network
    /// has; features fixed by hand are always counted as they are.
    fn first_channels(&self) -> Channels {
        let mut channels = self.channels;
        if channels.base_features == self.rules.base_features {
            channels.base_features = self.dimension.first_estimate_base_features;
        }
        channels
    }

    /// How many times the smallest batch that must fit the reference batch is.
    fn reference_batches_left(&self) -> f64 {
        let smallest = self.dimension.patch_batch_size;
        let smallest = self.batch_size.unwrap_or(smallest).max(smallest);
        self.dimension.reference_batch_size as f64 / smallest as f64
    }

    /// The next smaller patch: the axis with the largest part of the median case (the last of
    /// equals) gets shorter by what its topology after the step divides. Axes that cannot be
    /// shortened, or only back to a patch already tried, are passed over for the next; `None`
    /// if no axis is left.
    fn shrink(&self, topology: &Topology<N>, tried: &HashSet<[usize; N]>) -> Option<Topology<N>> {
        let patch = topology.patch;
        let part = |a: usize| patch[a] as f64 / self.median[a];
        let mut axes: [usize; N] = std::array::from_fn(|a| a);
        axes.sort_by(|a, b| part(*a).total_cmp(&part(*b)));
        axes.into_iter().rev().find_map(|axis| {
            let shortened = |by: usize| {
                let mut shorter = patch;
                shorter[axis] = patch[axis].checked_sub(by).filter(|edge| *edge > 0)?;
                Some(self.topology(shorter))
            };
            let step = shortened(topology.divisor[axis])?.divisor[axis];
            let is_allowed = |t: &Topology<N>| {
                t.strides.len() >= self.rules.min_stages && !tried.contains(&t.patch)
            };
            shortened(step).filter(is_allowed)
        })
    }
}

/// The first patch: isotropic in millimetres, or the median case where that is smaller.
fn initial_patch<const N: usize>(
    rule: InitialPatch,
    spacing: [f64; N],
    median: [f64; N],
) -> [f64; N] {
    let density = spacing.map(|s| 1.0 / s);
    let wanted = match rule {
        InitialPatch::MedianCase => return median,
        InitialPatch::CoarsestEdge(edge) => {
            let mean = density.iter().sum::<f64>() / N as f64;
            let relative = density.map(|d| d / mean);
            let scale = 1.0 / relative.iter().copied().fold(f64::INFINITY, f64::min) * edge;
            relative.map(|r| r * scale)
        }
        InitialPatch::Extent(edge) => {
            let per_voxel = edge.powi(N as i32) / density.iter().product::<f64>();
            let scale = per_voxel.powf(1.0 / N as f64);
            density.map(|d| d * scale)
        }
    };
    std::array::from_fn(|a| {
        let voxels = wanted[a].round_ties_even();
        // Also where spacings are so extreme that there is no such patch.
        if voxels >= 1.0 {
            voxels.min(median[a])
        } else {
            median[a]
        }
    })
}
