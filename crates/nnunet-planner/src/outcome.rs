//! What the planner hands back besides the plans: how each decision came about.

use nnunet_schema::Plans;
use serde::Serialize;

use crate::Rules;
use crate::batch::BatchDecision;
use crate::facts::DatasetFacts;
use crate::search::Design;

/// Plans, and how they came about.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlanOutcome {
    /// The plans.
    pub plans: Plans,
    /// One search per configuration of its own, in the order of the plans. (The second step of
    /// a cascade has none: it inherits its design.)
    pub searches: Vec<ConfigurationSearch>,
    /// The search for a low resolution; none for single slices.
    pub lowres: Option<LowresSearch>,
    pub(crate) rules: Rules,
    pub(crate) facts: DatasetFacts,
}

/// How one configuration was designed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ConfigurationSearch {
    /// The configuration, e.g. `3d_fullres`.
    pub configuration: String,
    /// Its target spacing, millimetres, axes as transposed; two entries in 2D.
    pub spacing: Vec<f64>,
    /// The median shape of the cases at that spacing.
    pub median_shape: Vec<f64>,
    /// Largest estimate that fits the budget, per sample at the reference batch size.
    pub reference: f64,
    /// Largest estimate that a patch was accepted with: the reference, or more where the rules
    /// want the patch to leave room for fewer samples than the reference batch.
    pub allowed: f64,
    /// Every patch tried, the accepted one last.
    pub steps: Vec<SearchStep>,
    /// How the batch size came about.
    pub batch: BatchDecision,
}

/// One patch that the search tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SearchStep {
    /// The patch, already divisible by its network's poolings.
    pub patch: Vec<usize>,
    /// Memory estimate of its network, feature-map voxels per sample.
    pub estimate: f64,
}

impl ConfigurationSearch {
    pub(crate) fn of<const N: usize>(name: &str, design: &Design<N>) -> Self {
        Self {
            configuration: name.to_owned(),
            spacing: design.spacing.to_vec(),
            median_shape: design.median.to_vec(),
            reference: design.reference,
            allowed: design.allowed,
            steps: (design.steps.iter())
                .map(|(patch, estimate)| SearchStep {
                    patch: patch.to_vec(),
                    estimate: *estimate,
                })
                .collect(),
            batch: design.batch,
        }
    }
}

/// The search for the low resolution of a cascade.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LowresSearch {
    /// Voxels of the median case at full resolution.
    pub full_voxels: f64,
    /// Voxels of the patch at full resolution.
    pub full_patch_voxels: f64,
    /// Every resolution tried; none if the patch covers enough of the case.
    pub steps: Vec<LowresStep>,
    /// Whether the last of them is in the plans.
    pub kept: bool,
}

/// One resolution that the search tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LowresStep {
    /// The spacing, millimetres, axes as transposed.
    pub spacing: [f64; 3],
    /// Voxels of the median case at that spacing.
    pub voxels: f64,
    /// The patch found for it.
    pub patch: [usize; 3],
}

impl LowresSearch {
    pub(crate) const fn new(full_voxels: f64, full_patch_voxels: f64) -> Self {
        Self {
            full_voxels,
            full_patch_voxels,
            steps: Vec::new(),
            kept: false,
        }
    }
}
