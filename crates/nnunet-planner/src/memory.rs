//! How much memory training a network takes, counted in feature-map voxels.

use nnunet_schema::plans::ArchitectureArguments;

use crate::topology::Topology;
use crate::{Encoder, Rules};

/// What of a network, besides its topology, decides on its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Channels {
    /// Input and output channels, as far as the rules count them.
    pub(crate) ends: usize,
    /// Features of the first stage.
    pub(crate) base_features: usize,
    /// Most features of a stage.
    pub(crate) feature_cap: usize,
}

/// The memory estimate of the rules for a network that they derived.
pub(crate) fn estimate<const N: usize>(
    rules: &Rules,
    topology: &Topology<N>,
    channels: Channels,
) -> f64 {
    let features = topology.features(channels.base_features, channels.feature_cap);
    let stages = topology.strides.iter().zip(features).enumerate();
    let stages = stages.map(|(stage, (stride, features))| StageCost {
        stride: stride.as_slice(),
        features,
        encoder: encoder_maps(rules.encoder, rules.encoder_depth(stage)),
        decoder: rules.decoder_convolutions,
    });
    count(&topology.patch, channels.ends, stages)
}

/// The memory estimate of the rules for a network that a plan describes: the number of values
/// in its feature maps per sample (paper, online methods).
///
/// Counted are the outputs of all convolutions of encoder and decoder (of a residual encoder
/// also those of the stem and of the projections that bring the input of a stage to its shape),
/// of the transposed convolution of each level, and `ends` maps at full resolution for input
/// and segmentation, which [`EstimateEnds`](crate::EstimateEnds) defines. `patch` is in voxels,
/// as in the plan. Stages that the plan does not describe count nothing.
#[must_use]
pub fn feature_map_values(network: &ArchitectureArguments, patch: &[usize], ends: usize) -> f64 {
    let (encoder, depths) = match (&network.n_blocks_per_stage, &network.n_conv_per_stage) {
        (Some(blocks), _) => (Encoder::Residual, blocks.as_slice()),
        (None, Some(convolutions)) => (Encoder::Plain, convolutions.as_slice()),
        (None, None) => (Encoder::Plain, &[][..]),
    };
    let decoder = |stage: usize| {
        // The plan lists the deepest stage first.
        let from_below = network.n_conv_per_stage_decoder.iter().rev();
        from_below.copied().nth(stage).unwrap_or(0)
    };
    let stages = network.strides.iter().zip(&network.features_per_stage);
    let stages = stages.zip(depths).enumerate();
    let stages = stages.map(|(stage, ((stride, features), depth))| StageCost {
        stride,
        features: *features,
        encoder: encoder_maps(encoder, *depth),
        decoder: decoder(stage),
    });
    count(patch, ends, stages)
}

/// What one stage of a network adds to the estimate.
struct StageCost<'a> {
    stride: &'a [usize],
    features: usize,
    /// Maps in the encoder.
    encoder: usize,
    /// Convolutions in the decoder.
    decoder: usize,
}

fn encoder_maps(encoder: Encoder, depth: usize) -> usize {
    match encoder {
        Encoder::Plain => depth,
        // The stem, or the projection.
        Encoder::Residual => depth.saturating_mul(2).saturating_add(1),
    }
}

fn count<'a>(patch: &[usize], ends: usize, stages: impl Iterator<Item = StageCost<'a>>) -> f64 {
    let mut edges = patch.to_vec();
    let mut total = product(&edges) * ends as f64;
    let mut stages = stages.peekable();
    while let Some(stage) = stages.next() {
        for (edge, step) in edges.iter_mut().zip(stage.stride) {
            *edge /= (*step).max(1);
        }
        // The transposed convolution belongs to the level that it leads to.
        let decoder = stages.peek().map_or(0.0, |_| stage.decoder as f64 + 1.0);
        total += product(&edges) * (stage.encoder as f64 + decoder) * stage.features as f64;
    }
    total
}

/// The product of the edges; as a float, so that it cannot overflow.
pub(crate) fn voxels<const N: usize>(edges: [usize; N]) -> f64 {
    product(&edges)
}

fn product(edges: &[usize]) -> f64 {
    edges.iter().map(|edge| *edge as f64).product()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_network_counted_by_hand() {
        let rules = Rules::paper();
        let topology = Topology::derive(&rules, [1.0; 2], [16.0, 8.0]);
        assert_eq!(topology.strides, [[1, 1], [2, 2], [2, 1]]);
        let channels = Channels {
            ends: 2 + 3,
            base_features: 4,
            feature_cap: 6,
        };
        let by_hand = 128 * (5 * 4 + 2 + 3) + 32 * 5 * 6 + 16 * 2 * 6;
        assert_eq!(estimate(&rules, &topology, channels), f64::from(by_hand));
    }

    #[test]
    fn the_reference_estimates_of_the_python_program_are_met() {
        let three = |rules: &Rules| {
            let topology = Topology::derive(rules, [1.0; 3], [128.0; 3]);
            assert_eq!(topology.strides.len(), 6);
            let channels = Channels {
                ends: 3,
                base_features: 32,
                feature_cap: 320,
            };
            estimate(rules, &topology, channels)
        };
        assert_eq!(three(&Rules::v2()), 452_796_416.0);
        let topology = Topology::derive(&Rules::v2(), [1.0; 2], [512.0; 2]);
        let channels = Channels {
            ends: 3,
            base_features: 32,
            feature_cap: 512,
        };
        assert_eq!(estimate(&Rules::v2(), &topology, channels), 82_886_656.0);
    }

    #[test]
    fn plans_that_make_no_sense_are_counted_without_a_panic() {
        let mut network: ArchitectureArguments = serde_json::from_value(serde_json::json!({
            "n_stages": 2, "features_per_stage": [usize::MAX, 8], "conv_op": "c",
            "kernel_sizes": [[3, 3], [3, 3]], "strides": [[1, 1], [0, 2]],
            "n_blocks_per_stage": [usize::MAX, 1], "n_conv_per_stage_decoder": [],
            "conv_bias": true, "norm_op": null, "norm_op_kwargs": null, "dropout_op": null,
            "dropout_op_kwargs": null, "nonlin": null, "nonlin_kwargs": null
        }))
        .unwrap();
        assert!(feature_map_values(&network, &[16, 16], 3) > 1e30);
        network.strides.clear();
        assert_eq!(feature_map_values(&network, &[16, 16], 3), 768.0);
    }
}
