//! What the planner hands back besides the plans: how each decision came about.

use nnunet_schema::Plans;

use crate::batch::BatchDecision;
use crate::search::Design;

/// Plans, and the searches that led to them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlanOutcome {
    /// The plans.
    pub plans: Plans,
    /// One search per configuration of its own, in the order of the plans. (The second step of
    /// a cascade has none: it inherits its design.)
    pub searches: Vec<ConfigurationSearch>,
}

/// How one configuration was designed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConfigurationSearch {
    /// The configuration, e.g. `3d_fullres`.
    pub configuration: String,
    /// Its target spacing, millimetres, axes as transposed; two entries in 2D.
    pub spacing: Vec<f64>,
    /// The median shape of the cases at that spacing.
    pub median_shape: Vec<usize>,
    /// Largest estimate that fits the budget, per sample at the reference batch size.
    pub reference: f64,
    /// Every patch tried, the accepted one last.
    pub steps: Vec<SearchStep>,
    /// How the batch size came about.
    pub batch: BatchDecision,
}

/// One patch that the search tried.
#[derive(Clone, Debug, PartialEq)]
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
