//! How much memory a network needs at the very least, in bytes.

use nnunet_schema::Configuration;
use serde_json::Value;

use crate::Encoder;

/// Bytes of a weight, a gradient or a momentum: single precision, also in mixed training.
const WEIGHT_BYTES: u128 = 4;

/// The memory that a network cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Footprint {
    /// Trainable values, exactly.
    pub parameters: u64,
    /// Bytes of a training step with the batch of the configuration, at least.
    pub training_bytes: u64,
    /// Bytes of a pass over one patch without gradients, at least.
    pub inference_bytes: u64,
}

/// How feature maps are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// 32 bits.
    Single,
    /// 16 bits; weights keep 32.
    Mixed,
}

impl Precision {
    const fn bytes(self) -> u128 {
        match self {
            Self::Single => 4,
            Self::Mixed => 2,
        }
    }
}

/// The memory that the network of a configuration needs at the very least: what does not have
/// it is too small, what has it may still be.
///
/// `channels` are those that the network sees: in the second step of a cascade one more per
/// foreground class. `heads` are its outputs: classes with the background, or regions.
///
/// Counted exactly are the parameters: weights and biases of the convolutions and the transposed
/// convolutions, scale and shift of the norms, the projections of residual blocks (without
/// bias), the stem of a residual encoder, and the segmentation output of every decoder stage.
///
/// Counted for training are, in single precision, the parameters, their gradients and the
/// momentum, all of which this program's optimiser keeps between the steps; and for the whole
/// batch what the backward pass reads: the input of each convolution (so the images, and what the
/// decoder joins), the input of each norm, the pooled input of each projection, and the logits of
/// the outputs with a weight in the loss: all but the deepest, which has none unless it is the
/// only one. Batches wait in main memory.
/// Activations and the sum of a residual block overwrite their input.
///
/// Counted for inference are the parameters, in single precision, and the maps of one patch at
/// the worst moment: input and output of one step, and the skip connections that wait for the
/// decoder. The step that joins upsampled and skipped maps makes a copy of both.
///
/// Not counted, and together easily as much again: the workspace of the convolutions (cuDNN),
/// what the allocator keeps in reserve and loses to fragments, the context of the CUDA driver
/// and its kernels (half a gigabyte), copies of the weights in 16 bits, gradients of feature
/// maps, and what the loss keeps; in inference several patches at once and the aggregated
/// outputs of a case.
///
/// Never fails: where lists of the configuration disagree, stages that one of them lacks are
/// left out, and what exceeds the range of `u64` gives its maximum.
#[must_use]
pub fn footprint(
    configuration: &Configuration,
    channels: usize,
    heads: usize,
    precision: Precision,
) -> Footprint {
    let network = Network::new(configuration, channels, heads);
    let parameters = network.parameters();
    // Weights, gradients and momentum.
    let states = parameters.saturating_mul(3 * WEIGHT_BYTES);
    let kept = network
        .kept_values()
        .saturating_mul(configuration.batch_size as u128)
        .saturating_mul(precision.bytes());
    let weights = parameters.saturating_mul(WEIGHT_BYTES);
    let live = network.live_values().saturating_mul(precision.bytes());
    Footprint {
        parameters: narrow(parameters),
        training_bytes: narrow(states.saturating_add(kept)),
        inference_bytes: narrow(weights.saturating_add(live)),
    }
}

fn narrow(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// The last component of a dotted Python path.
pub(crate) fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// The kind of network: by its class, or by the list that describes the encoder if the class is
/// none that is known.
pub(crate) fn encoder(configuration: &Configuration) -> Encoder {
    let architecture = &configuration.architecture;
    match last(&architecture.network_class_name) {
        "PlainConvUNet" => Encoder::Plain,
        "ResidualEncoderUNet" => Encoder::Residual,
        _ if architecture.arch_kwargs.n_blocks_per_stage.is_some() => Encoder::Residual,
        _ => Encoder::Plain,
    }
}

fn product(factors: impl IntoIterator<Item = usize>) -> u128 {
    (factors.into_iter()).fold(1, |product, factor| product.saturating_mul(factor as u128))
}

fn sum(values: impl IntoIterator<Item = u128>) -> u128 {
    values.into_iter().fold(0, u128::saturating_add)
}

/// A network in numbers that do not overflow.
struct Network {
    encoder: Encoder,
    /// Input channels.
    channels: u128,
    heads: u128,
    /// Values of the bias of a convolution, per output channel.
    bias: u128,
    /// Values of a norm, per channel.
    affine: u128,
    /// Maps that a norm keeps, per map: its input, or none without a norm.
    norm: u128,
    /// Full resolution first.
    stages: Vec<Stage>,
}

/// One resolution.
struct Stage {
    features: u128,
    /// Values of a kernel for one pair of channels.
    kernel: u128,
    /// The same of the transposed convolution that leads out of the stage.
    stride: u128,
    voxels: u128,
    /// Convolutions or residual blocks in the encoder.
    depth: u128,
    /// Convolutions in the decoder.
    decoder: u128,
}

impl Stage {
    /// Values of all maps of the stage.
    const fn maps(&self) -> u128 {
        self.features.saturating_mul(self.voxels)
    }
}

impl Network {
    fn new(configuration: &Configuration, channels: usize, heads: usize) -> Self {
        let network = &configuration.architecture.arch_kwargs;
        let encoder = encoder(configuration);
        let depths = match encoder {
            Encoder::Plain => &network.n_conv_per_stage,
            Encoder::Residual => &network.n_blocks_per_stage,
        };
        let mut edges = configuration.patch_size.clone();
        let rows = network.features_per_stage.iter().zip(&network.strides);
        let rows = rows.zip(&network.kernel_sizes);
        let rows = rows.zip(depths.iter().flatten()).enumerate();
        let stages = rows.map(|(level, (((features, stride), kernel), depth))| {
            for (edge, step) in edges.iter_mut().zip(stride) {
                // Zero is refused elsewhere.
                *edge = edge.div_ceil((*step).max(1));
            }
            // The plan lists the deepest stage first.
            let decoder = network.n_conv_per_stage_decoder.iter().rev().nth(level);
            Stage {
                features: *features as u128,
                kernel: product(kernel.iter().copied()),
                stride: product(stride.iter().copied()),
                voxels: product(edges.iter().copied()),
                depth: *depth as u128,
                decoder: decoder.copied().unwrap_or(0) as u128,
            }
        });
        let stages = stages.collect();
        let affine = (network.norm_op_kwargs.as_ref()).and_then(|options| options.get("affine"));
        let has_norm = network.norm_op.is_some();
        Self {
            encoder,
            channels: channels as u128,
            heads: heads as u128,
            bias: u128::from(network.conv_bias),
            affine: if has_norm && affine == Some(&Value::Bool(true)) {
                2
            } else {
                0
            },
            norm: u128::from(has_norm),
            stages,
        }
    }

    /// Each stage with the number of channels that come in.
    fn encoder_stages(&self) -> impl Iterator<Item = (u128, &Stage)> {
        let first = match (self.encoder, self.stages.first()) {
            (Encoder::Residual, Some(stage)) => stage.features,
            _ => self.channels,
        };
        let inputs = std::iter::once(first).chain(self.stages.iter().map(|stage| stage.features));
        inputs.zip(&self.stages)
    }

    /// Each decoder stage with the stage below it, full resolution first.
    fn decoder_stages(&self) -> impl DoubleEndedIterator<Item = (&Stage, &Stage)> {
        self.stages.windows(2).filter_map(|pair| match pair {
            [stage, below] => Some((stage, below)),
            _ => None,
        })
    }

    /// Values of the image.
    fn image(&self) -> u128 {
        let voxels = self.stages.first().map_or(0, |stage| stage.voxels);
        self.channels.saturating_mul(voxels)
    }
}

/// Parameters.
impl Network {
    fn parameters(&self) -> u128 {
        let stem = match (self.encoder, self.stages.first()) {
            (Encoder::Residual, Some(stage)) => self.unit(self.channels, stage),
            _ => 0,
        };
        let encoder = self
            .encoder_stages()
            .map(|(inputs, stage)| match self.encoder {
                Encoder::Plain => self.stack(inputs, stage, stage.depth),
                Encoder::Residual => self.blocks(inputs, stage),
            });
        let decoder = (self.decoder_stages()).map(|(stage, below)| self.decoder(stage, below));
        sum([stem].into_iter().chain(encoder).chain(decoder))
    }

    /// A convolution.
    fn convolution(&self, inputs: u128, outputs: u128, kernel: u128) -> u128 {
        let weights = inputs.saturating_mul(outputs).saturating_mul(kernel);
        weights.saturating_add(self.bias.saturating_mul(outputs))
    }

    /// A convolution and its norm.
    fn unit(&self, inputs: u128, stage: &Stage) -> u128 {
        let convolution = self.convolution(inputs, stage.features, stage.kernel);
        convolution.saturating_add(self.affine.saturating_mul(stage.features))
    }

    /// `count` units, one after the other.
    fn stack(&self, inputs: u128, stage: &Stage, count: u128) -> u128 {
        match count.checked_sub(1) {
            None => 0,
            Some(others) => self
                .unit(inputs, stage)
                .saturating_add(others.saturating_mul(self.unit(stage.features, stage))),
        }
    }

    /// The residual blocks of a stage: two units each, and a projection in the first where the
    /// number of channels changes.
    fn blocks(&self, inputs: u128, stage: &Stage) -> u128 {
        if stage.depth == 0 {
            return 0;
        }
        let units = self.stack(inputs, stage, stage.depth.saturating_mul(2));
        let projection = if inputs == stage.features {
            0
        } else {
            let weights = inputs.saturating_mul(stage.features);
            weights.saturating_add(self.affine.saturating_mul(stage.features))
        };
        units.saturating_add(projection)
    }

    /// The way up into a stage, its convolutions, and its segmentation output.
    fn decoder(&self, stage: &Stage, below: &Stage) -> u128 {
        let features = stage.features;
        let up = self.convolution(below.features, features, below.stride);
        let convolutions = self.stack(features.saturating_mul(2), stage, stage.decoder);
        // Always with a bias.
        let output = features.saturating_add(1).saturating_mul(self.heads);
        sum([up, convolutions, output])
    }
}

/// Values that the backward pass reads, per sample.
impl Network {
    fn kept_values(&self) -> u128 {
        // The input of the norm, and the activated output.
        let per_unit = self.norm + 1;
        let encoder = self.encoder_stages().map(|(inputs, stage)| {
            let maps = stage.maps();
            match self.encoder {
                Encoder::Plain => stage.depth.saturating_mul(per_unit).saturating_mul(maps),
                Encoder::Residual => {
                    let units = stage.depth.saturating_mul(2).saturating_mul(per_unit);
                    let units = units.saturating_mul(maps);
                    units.saturating_add(self.kept_by_projection(inputs, stage))
                }
            }
        });
        let stem = match (self.encoder, self.stages.first()) {
            (Encoder::Residual, Some(stage)) => per_unit.saturating_mul(stage.maps()),
            _ => 0,
        };
        let decoder = self.decoder_stages().map(|(stage, _)| {
            // Upsampled and skipped maps joined.
            let joined = if stage.decoder == 0 { 0 } else { 2 };
            let units = stage.decoder.saturating_mul(per_unit);
            units.saturating_add(joined).saturating_mul(stage.maps())
        });
        let ends = [self.image(), stem, self.kept_logits()];
        sum(ends.into_iter().chain(encoder).chain(decoder))
    }

    fn kept_by_projection(&self, inputs: u128, stage: &Stage) -> u128 {
        if stage.depth == 0 || inputs == stage.features {
            return 0;
        }
        let pooled = match stage.stride {
            1 => 0,
            _ => inputs.saturating_mul(stage.voxels),
        };
        pooled.saturating_add(self.norm.saturating_mul(stage.maps()))
    }

    fn kept_logits(&self) -> u128 {
        let outputs = self.stages.len().saturating_sub(1);
        let weighted = outputs.saturating_sub(1).max(1).min(outputs);
        let voxels = sum((self.stages.iter().take(weighted)).map(|stage| stage.voxels));
        self.heads.saturating_mul(voxels)
    }
}

/// The values alive at the worst moment of a pass.
#[derive(Default)]
struct Live {
    /// Skip connections.
    waiting: u128,
    most: u128,
}

impl Live {
    /// A step that works on these maps besides the skip connections.
    fn step<const N: usize>(&mut self, maps: [u128; N]) {
        self.most = self.most.max(sum(maps).saturating_add(self.waiting));
    }
}

/// Values alive without gradients.
impl Network {
    fn live_values(&self) -> u128 {
        let mut live = Live::default();
        // What comes into a stage, where it is not a skip connection anyway.
        let mut input = self.image();
        if let (Encoder::Residual, Some(stage)) = (self.encoder, self.stages.first()) {
            self.live_unit(&mut live, input, stage);
            input = stage.maps();
        }
        let deepest = self.stages.len().saturating_sub(1);
        for (level, (inputs, stage)) in self.encoder_stages().enumerate() {
            match self.encoder {
                Encoder::Plain => self.live_stack(&mut live, input, stage, stage.depth),
                Encoder::Residual => self.live_blocks(&mut live, input, inputs, stage),
            }
            if level < deepest {
                live.waiting = live.waiting.saturating_add(stage.maps());
            }
            input = 0;
        }
        for (stage, below) in self.decoder_stages().rev() {
            let up = stage.maps();
            let joined = up.saturating_mul(2);
            live.step([below.maps(), up]);
            live.step([up, joined]);
            live.waiting = live.waiting.saturating_sub(up);
            self.live_stack(&mut live, joined, stage, stage.decoder);
        }
        if let Some(stage) = self.stages.first() {
            live.step([stage.maps(), self.heads.saturating_mul(stage.voxels)]);
        }
        live.most
    }

    /// A convolution and its norm.
    fn live_unit(&self, live: &mut Live, input: u128, stage: &Stage) {
        let maps = stage.maps();
        live.step([input, maps]);
        live.step([maps, self.norm.saturating_mul(maps)]);
    }

    fn live_stack(&self, live: &mut Live, input: u128, stage: &Stage, count: u128) {
        if count > 0 {
            self.live_unit(live, input, stage);
        }
        if count > 1 {
            self.live_unit(live, stage.maps(), stage);
        }
    }

    /// The blocks of a stage: their input waits for the sum at the end.
    fn live_blocks(&self, live: &mut Live, input: u128, inputs: u128, stage: &Stage) {
        let maps = stage.maps();
        let norm = self.norm.saturating_mul(maps);
        if stage.depth > 0 {
            live.step([input, maps, maps]);
            live.step([input, maps, norm]);
        }
        if stage.depth > 0 && inputs != stage.features {
            let projected = match stage.stride {
                1 => input,
                _ => inputs.saturating_mul(stage.voxels),
            };
            live.step([maps, projected, maps]);
            live.step([maps, maps, norm]);
        }
        if stage.depth > 1 {
            live.step([maps, maps, maps]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_end_with_a_class() {
        assert_eq!(last("torch.nn.modules.conv.Conv3d"), "Conv3d");
        assert_eq!(last("Conv3d"), "Conv3d");
        assert_eq!(last(""), "");
    }

    #[test]
    fn what_does_not_fit_is_the_maximum() {
        assert_eq!(narrow(7), 7);
        assert_eq!(narrow(u128::MAX), u64::MAX);
        assert_eq!(product([usize::MAX; 5]), u128::MAX);
        assert_eq!(sum([u128::MAX, 1]), u128::MAX);
    }
}
