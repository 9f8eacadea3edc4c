//! Disturbances of the previous stage's segmentation.

use serde::{Deserialize, Serialize};

use super::Interval;

/// One kind of disturbance. `probability` is that for the sample, `label_probability` that of
/// each label then; labels are visited in random order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CascadeStep {
    /// Dilates, erodes, opens or closes a label with a ball, all four equally likely.
    Operator {
        /// Of the sample.
        probability: f64,
        /// Of each label.
        label_probability: f64,
        /// Radius of the ball, in voxels.
        radius: Interval,
    },
    /// Removes one connected component of a label, all small ones equally likely.
    RemoveComponent {
        /// Of the sample.
        probability: f64,
        /// Of each label.
        label_probability: f64,
        /// Components that cover this share of the patch or more stay.
        largest_share: f64,
    },
}

impl CascadeStep {
    /// Both, as the paper has them (arXiv 1904.08128v2, supplement D): operators with
    /// probability 0.4 and radii up to 8, removal with 0.2 of components below 15 % of the
    /// patch. The paper means all labels; nnU-Net v2 takes half of them.
    pub(super) fn published(label_probability: f64) -> Vec<Self> {
        vec![
            Self::Operator {
                probability: 0.4,
                label_probability,
                radius: Interval::new(1.0, 8.0),
            },
            Self::RemoveComponent {
                probability: 0.2,
                label_probability,
                largest_share: 0.15,
            },
        ]
    }

    /// Probability of the disturbance for a sample.
    #[must_use]
    pub const fn probability(&self) -> f64 {
        match *self {
            Self::Operator { probability, .. } | Self::RemoveComponent { probability, .. } => {
                probability
            }
        }
    }

    /// Probability of each label then.
    #[must_use]
    pub const fn label_probability(&self) -> f64 {
        match *self {
            Self::Operator {
                label_probability, ..
            }
            | Self::RemoveComponent {
                label_probability, ..
            } => label_probability,
        }
    }
}
