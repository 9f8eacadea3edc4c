//! What of a configuration is drawn.

use nnunet_schema::Configuration;

/// A U-Net as far as the plan describes it, full resolution first.
#[derive(Debug)]
pub(super) struct Network<'a> {
    pub(super) stages: Vec<Stage<'a>>,
    pub(super) encoder: Block,
}

/// What the stages of the encoder are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    Convolution,
    Residual,
}

/// One resolution. Lists are empty and values absent where the plan is too short.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    pub(super) features: Option<usize>,
    /// Edges of the feature maps, voxels.
    pub(super) size: Vec<Option<usize>>,
    pub(super) kernel: &'a [usize],
    /// Stride of its first convolution.
    pub(super) stride: &'a [usize],
    /// Convolutions or residual blocks of the encoder.
    pub(super) encoder: usize,
    /// Convolutions of the decoder; the bottleneck has none.
    pub(super) decoder: usize,
}

impl<'a> Network<'a> {
    pub(super) fn read(configuration: &'a Configuration) -> Self {
        let network = &configuration.architecture.arch_kwargs;
        let (encoder, depths) = match (&network.n_blocks_per_stage, &network.n_conv_per_stage) {
            (Some(blocks), _) => (Block::Residual, blocks.as_slice()),
            (None, Some(convolutions)) => (Block::Convolution, convolutions.as_slice()),
            (None, None) => (Block::Convolution, &[][..]),
        };
        // Not `n_stages`: a slip in one number must not draw millions of empty rows.
        let count = (network.features_per_stage.len())
            .max(network.strides.len())
            .max(network.kernel_sizes.len())
            .max(depths.len());
        let mut size: Vec<_> = configuration.patch_size.iter().copied().map(Some).collect();
        let stages = (0..count).map(|stage| {
            let stride = nth_row(&network.strides, stage);
            size = strided(&size, stride);
            Stage {
                features: network.features_per_stage.get(stage).copied(),
                size: size.clone(),
                kernel: nth_row(&network.kernel_sizes, stage),
                stride,
                encoder: depths.get(stage).copied().unwrap_or(0),
                // The plan lists the deepest stage first.
                decoder: (count.checked_sub(stage + 2))
                    .and_then(|from_below| network.n_conv_per_stage_decoder.get(from_below))
                    .copied()
                    .unwrap_or(0),
            }
        });
        Self {
            stages: stages.collect(),
            encoder,
        }
    }

    /// How many segmentations the network gives while it is trained.
    pub(super) fn outputs(&self) -> usize {
        self.stages.len().saturating_sub(1)
    }

    /// Whether output `output`, 0 at full resolution, counts in the loss: all but the lowest.
    pub(super) fn has_loss(&self, output: usize) -> bool {
        output == 0 || output + 1 < self.outputs()
    }

    /// Numerator and denominator of the weight of an output in the loss.
    pub(super) fn loss_weight(&self, output: usize) -> (f64, f64) {
        let counted = self.outputs().saturating_sub(1).max(1);
        let halvings = |n: usize| 2_f64.powi(i32::try_from(n).unwrap_or(i32::MAX));
        let above = counted.saturating_sub(output + 1);
        (halvings(above), halvings(counted) - 1.0)
    }
}

impl Stage<'_> {
    /// Whether its first convolution changes the size.
    pub(super) fn is_strided(&self) -> bool {
        self.stride.iter().any(|step| *step != 1)
    }
}

fn nth_row(rows: &[Vec<usize>], row: usize) -> &[usize] {
    rows.get(row).map_or(&[], Vec::as_slice)
}

fn strided(size: &[Option<usize>], stride: &[usize]) -> Vec<Option<usize>> {
    let steps = stride.iter().copied().map(Some);
    let steps = steps.chain(std::iter::repeat(None));
    let pairs = size.iter().zip(steps);
    pairs
        .map(|(edge, step)| match (*edge, step) {
            (Some(edge), Some(step)) if step > 0 => Some(edge.div_ceil(step)),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use nnunet_schema::plans::{Architecture, Dimensionality, EncoderDepths, Stages};
    use serde_json::json;

    use super::*;

    /// Three stages in 2D.
    pub(in crate::draw) fn configuration() -> Configuration {
        let stages = Stages {
            features: vec![4, 8, 16],
            kernels: vec![vec![1, 3], vec![3, 3], vec![3, 3]],
            strides: vec![vec![1, 1], vec![1, 2], vec![2, 2]],
            encoder: EncoderDepths::Convolutions(vec![2, 2, 3]),
            decoder_convolutions: 2,
        };
        serde_json::from_value(json!({
            "data_identifier": "", "preprocessor_name": "", "batch_size": 2,
            "patch_size": [10, 25], "median_image_size_in_voxels": [20, 50], "spacing": [2, 1],
            "normalization_schemes": [], "use_mask_for_norm": [], "resampling_fn_data": "",
            "resampling_fn_seg": "", "resampling_fn_data_kwargs": {},
            "resampling_fn_seg_kwargs": {}, "resampling_fn_probabilities": "",
            "resampling_fn_probabilities_kwargs": {}, "batch_dice": false,
            "architecture": Architecture::unet(Dimensionality::Two, &stages)
        }))
        .unwrap()
    }

    fn sizes(network: &Network<'_>) -> Vec<Vec<Option<usize>>> {
        let stages = network.stages.iter();
        stages.map(|stage| stage.size.clone()).collect()
    }

    #[test]
    fn sizes_are_halved_and_rounded_up() {
        let configuration = configuration();
        let network = Network::read(&configuration);
        let sizes = sizes(&network);
        let expected = [[10, 25], [10, 13], [5, 7]].map(|size| size.map(Some).to_vec());
        assert_eq!(sizes, expected);
        let decoder: Vec<_> = network.stages.iter().map(|stage| stage.decoder).collect();
        assert_eq!(decoder, [2, 2, 0]);
    }

    #[test]
    fn what_is_missing_is_unknown() {
        let mut configuration = configuration();
        let plan = &mut configuration.architecture.arch_kwargs;
        plan.n_stages = usize::MAX;
        plan.features_per_stage.truncate(1);
        plan.strides = vec![vec![1, 0], vec![2]];
        plan.kernel_sizes.clear();
        plan.n_conv_per_stage_decoder = vec![7];
        let network = Network::read(&configuration);
        let expected = [[Some(10), None], [Some(5), None], [None, None]];
        assert_eq!(sizes(&network), expected.map(|size| size.to_vec()));
        assert_eq!(network.stages[1].features, None);
        let decoder: Vec<_> = network.stages.iter().map(|stage| stage.decoder).collect();
        assert_eq!(decoder, [0, 7, 0]);
    }

    #[test]
    fn the_lowest_output_has_no_loss_unless_it_is_the_only_one() {
        let configuration = configuration();
        let mut network = Network::read(&configuration);
        assert_eq!(network.outputs(), 2);
        assert_eq!([0, 1].map(|n| network.has_loss(n)), [true, false]);
        assert_eq!(network.loss_weight(0), (1.0, 1.0));
        network.stages.truncate(2);
        assert!(network.has_loss(0));
        assert_eq!(network.loss_weight(0), (1.0, 1.0));
    }

    #[test]
    fn six_stages_share_the_loss_in_fifteenths() {
        let mut configuration = configuration();
        let plan = &mut configuration.architecture.arch_kwargs;
        plan.features_per_stage = vec![32; 6];
        let network = Network::read(&configuration);
        let weights = [0, 1, 2, 3].map(|n| network.loss_weight(n));
        assert_eq!(weights, [8.0, 4.0, 2.0, 1.0].map(|weight| (weight, 15.0)));
        assert!(!network.has_loss(4));
    }
}
