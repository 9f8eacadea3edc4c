//! How much memory training a network takes, counted in feature-map voxels.

use crate::Rules;
use crate::topology::Topology;

/// What of a network, besides its topology, decides on its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Channels {
    /// Input channels.
    pub(crate) inputs: usize,
    /// Output channels, background included.
    pub(crate) classes: usize,
    /// Features of the first stage.
    pub(crate) base_features: usize,
    /// Most features of a stage.
    pub(crate) feature_cap: usize,
}

/// The number of feature-map voxels of a training step per sample (paper, online methods:
/// the estimate that is compared to the reference).
///
/// Counted are the outputs of all convolutions of encoder and decoder, of the transposed
/// convolution of each level, the input and the segmentation; the bottleneck has no decoder.
pub(crate) fn estimate<const N: usize>(
    rules: &Rules,
    topology: &Topology<N>,
    channels: Channels,
) -> f64 {
    let bottleneck = rules.convolutions_per_stage as f64;
    let per_level = 2.0 * bottleneck + 1.0;
    let mut edges = topology.patch;
    let mut features = channels.base_features;
    let ends = channels.inputs as f64 + channels.classes as f64;
    let mut total = voxels(edges) * (per_level * features as f64 + ends);
    for (stage, stride) in topology.strides.iter().enumerate().skip(1) {
        for (edge, step) in edges.iter_mut().zip(stride) {
            *edge /= step;
        }
        features = features.saturating_mul(2).min(channels.feature_cap);
        let convolutions = if stage < topology.poolings() {
            per_level
        } else {
            bottleneck
        };
        total += voxels(edges) * convolutions * features as f64;
    }
    total
}

/// The product of the edges; as a float, so that it cannot overflow.
pub(crate) fn voxels<const N: usize>(edges: [usize; N]) -> f64 {
    edges.iter().map(|edge| *edge as f64).product()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_network_counted_by_hand() {
        let rules = Rules::paper();
        let topology = Topology::derive(&rules, [1.0; 2], [16, 8]);
        assert_eq!(topology.strides, [[1, 1], [2, 2], [2, 1]]);
        let channels = Channels {
            inputs: 2,
            classes: 3,
            base_features: 4,
            feature_cap: 6,
        };
        let by_hand = 128 * (5 * 4 + 2 + 3) + 32 * 5 * 6 + 16 * 2 * 6;
        assert_eq!(estimate(&rules, &topology, channels), f64::from(by_hand));
    }
}
