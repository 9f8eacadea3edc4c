//! The U-Nets: an encoder that halves the resolution stage by stage, a decoder that comes back
//! over skip connections, and a segmentation output at each decoder level.

use nnunet_schema::Configuration;
use tch::{Device, Tensor};

use crate::blocks::{Bias, Conv, ConvStack, Declarations, ResidualBlock};
use crate::initialise;
use crate::parameters::{ParameterSpec, Parameters};
use crate::spec::{EncoderKind, NetworkSpec};
use crate::{ModelError, spec};

/// One stage of the encoder.
#[derive(Debug)]
enum EncoderStage {
    Plain(ConvStack),
    Residual(Vec<ResidualBlock>),
}

impl EncoderStage {
    fn forward(&self, x: &Tensor, p: &Parameters) -> Result<Tensor, ModelError> {
        match self {
            Self::Plain(stack) => stack.forward(x, p),
            Self::Residual(blocks) => {
                (blocks.iter()).try_fold(x.shallow_clone(), |x, block| block.forward(&x, p))
            }
        }
    }
}

/// The layers of a network without their weights.
#[derive(Debug)]
pub(crate) struct Topology {
    stem: Option<ConvStack>,
    /// Full resolution first.
    encoder: Vec<EncoderStage>,
    /// Deepest first, as the next two.
    decoder: Vec<ConvStack>,
    upsampling: Vec<Conv>,
    outputs: Vec<Conv>,
}

impl Topology {
    /// The layers of `spec` and their parameters, in the order of nnU-Net v2's module.
    pub(crate) fn new(spec: &NetworkSpec) -> (Self, Vec<ParameterSpec>) {
        let mut d = Declarations::default();
        let ones = vec![1; spec.axes()];
        let mut features = spec.channels;
        let stem = match (spec.encoder, spec.stages.first()) {
            (EncoderKind::Residual, Some(first)) => {
                let wide = (features, first.features);
                features = first.features;
                let geometry = (first.kernel.as_slice(), ones.as_slice());
                Some(ConvStack::new(
                    &mut d,
                    "encoder.stem",
                    spec,
                    wide,
                    geometry,
                    1,
                ))
            }
            _ => None,
        };
        let mut encoder = Vec::new();
        for (i, stage) in spec.stages.iter().enumerate() {
            encoder.push(match spec.encoder {
                EncoderKind::Plain => EncoderStage::Plain(ConvStack::new(
                    &mut d,
                    &format!("encoder.stages.{i}.0"),
                    spec,
                    (features, stage.features),
                    (&stage.kernel, &stage.stride),
                    stage.blocks,
                )),
                EncoderKind::Residual => EncoderStage::Residual(ResidualBlock::stage(
                    &mut d,
                    &format!("encoder.stages.{i}"),
                    spec,
                    features,
                    stage,
                )),
            });
            features = stage.features;
        }
        // Pairs of a level and the one below it, deepest first.
        let levels: Vec<(&spec::StageSpec, &spec::StageSpec)> =
            (spec.stages.iter().zip(spec.stages.iter().skip(1)))
                .rev()
                .collect();
        let decoder = (levels.iter().zip(&spec.decoder_convolutions).enumerate())
            .map(|(s, ((level, _), count))| {
                let name = format!("decoder.stages.{s}");
                let wide = (level.features.saturating_mul(2), level.features);
                ConvStack::new(&mut d, &name, spec, wide, (&level.kernel, &ones), *count)
            })
            .collect();
        let bias = Bias::from(spec.bias);
        let upsampling = (levels.iter().enumerate())
            .map(|(s, (level, below))| {
                let name = format!("decoder.transpconvs.{s}");
                let wide = (below.features, level.features);
                Conv::transposed(&mut d, &name, wide, &below.stride, bias)
            })
            .collect();
        let outputs = (levels.iter().enumerate())
            .map(|(s, (level, _))| {
                let name = format!("decoder.seg_layers.{s}");
                let wide = (level.features, spec.heads);
                Conv::new(&mut d, &name, wide, &ones, &ones, Bias::Added)
            })
            .collect();
        let topology = Self {
            stem,
            encoder,
            decoder,
            upsampling,
            outputs,
        };
        (topology, d.specs)
    }

    /// The `count` highest-resolution outputs, highest first.
    fn forward(&self, x: &Tensor, p: &Parameters, count: usize) -> Result<Vec<Tensor>, ModelError> {
        let mut x = match &self.stem {
            Some(stem) => stem.forward(x, p)?,
            None => x.shallow_clone(),
        };
        let mut skips = Vec::with_capacity(self.encoder.len());
        for stage in &self.encoder {
            x = stage.forward(&x, p)?;
            skips.push(x.shallow_clone());
        }
        // The bottleneck is where the decoder starts, not a skip.
        skips.pop();
        let first_wanted = self.decoder.len().saturating_sub(count);
        let mut outputs = Vec::with_capacity(count);
        let decoder = (self.upsampling.iter().zip(&self.decoder)).zip(&self.outputs);
        for (s, ((upsampling, stack), output)) in decoder.enumerate() {
            let up = upsampling.forward(&x, p)?;
            // Popped, so that without gradients a skip is freed as soon as it is used.
            let joined = match skips.pop() {
                Some(skip) => Tensor::f_cat(&[up, skip], 1)?,
                None => up,
            };
            x = stack.forward(&joined, p)?;
            if s >= first_wanted {
                outputs.push(output.forward(&x, p)?);
            }
        }
        outputs.reverse();
        Ok(outputs)
    }
}

/// A U-Net with its weights on a device.
///
/// Inputs are `(batch, channel, y, x)` in 2D and `(batch, channel, z, y, x)` in 3D, `f32`, on
/// [`Self::device`], with edges that are multiples of [`NetworkSpec::stride_product`]. Outputs
/// are logits of the same axes, one channel per head. Gradients are recorded unless the caller
/// runs it under `tch::no_grad`, or calls [`Self::infer`].
#[derive(Debug)]
pub struct UNet {
    spec: NetworkSpec,
    topology: Topology,
    parameters: Parameters,
    device: Device,
}

impl UNet {
    /// Builds the network of `configuration` with fresh weights (seed 0; draw others with
    /// [`Self::initialise`]).
    ///
    /// # Errors
    /// As [`NetworkSpec::new`]; [`ModelError::Torch`] if memory does not suffice.
    pub fn new(
        configuration: &Configuration,
        channels: usize,
        heads: usize,
        device: Device,
    ) -> Result<Self, ModelError> {
        let spec = NetworkSpec::new(configuration, channels, heads)?;
        let mut network = Self::zeros(spec, device)?;
        network.initialise(0)?;
        Ok(network)
    }

    /// Builds a network whose weights are all zero, to be loaded into.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if memory does not suffice.
    pub fn zeros(spec: NetworkSpec, device: Device) -> Result<Self, ModelError> {
        let (topology, parameters) = Topology::new(&spec);
        Ok(Self {
            parameters: Parameters::zeros(parameters, device)?,
            spec,
            topology,
            device,
        })
    }

    /// Draws fresh weights: Kaiming normal (fan-in, leaky ReLU 0.01) for convolutions, zero
    /// biases, norms that start as the identity, and residual blocks that start as their skip.
    /// The same seed gives the same weights on every device.
    ///
    /// # Errors
    /// [`ModelError::Torch`] if memory does not suffice.
    pub fn initialise(&mut self, seed: u64) -> Result<(), ModelError> {
        initialise::draw(&self.parameters, seed)
    }

    /// What the network looks like.
    #[must_use]
    pub const fn spec(&self) -> &NetworkSpec {
        &self.spec
    }

    /// Its weights.
    #[must_use]
    pub const fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Where its weights are, and its inputs must be.
    #[must_use]
    pub const fn device(&self) -> Device {
        self.device
    }

    /// The logits at full resolution.
    ///
    /// # Errors
    /// [`ModelError::Input`] if the shape does not fit; [`ModelError::Torch`] if memory does
    /// not suffice.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor, ModelError> {
        let outputs = self.forward_outputs(input, 1)?;
        let shape = || ModelError::architecture("n_stages", "leaves no output");
        outputs.into_iter().next().ok_or_else(shape)
    }

    /// As [`Self::forward`], without recording gradients.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn infer(&self, input: &Tensor) -> Result<Tensor, ModelError> {
        let _guard = tch::no_grad_guard();
        self.forward(input)
    }

    /// The logits of every decoder level, full resolution first: [`NetworkSpec::outputs`] of
    /// them, each with the resolution of its encoder stage.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn forward_deep_supervision(&self, input: &Tensor) -> Result<Vec<Tensor>, ModelError> {
        self.forward_outputs(input, self.spec.outputs())
    }

    /// The logits of the `count` decoder levels of highest resolution, full resolution first;
    /// the others' are not computed.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn forward_outputs(&self, input: &Tensor, count: usize) -> Result<Vec<Tensor>, ModelError> {
        self.check_input(&input.size())?;
        self.topology.forward(input, &self.parameters, count)
    }

    fn check_input(&self, found: &[i64]) -> Result<(), ModelError> {
        let multiples = self.spec.stride_product();
        let fits = match found {
            [batch, channels, edges @ ..] => {
                *batch > 0
                    && usize::try_from(*channels) == Ok(self.spec.channels)
                    && edges.len() == multiples.len()
                    && (edges.iter().zip(&multiples))
                        .all(|(e, m)| *e > 0 && usize::try_from(*e).is_ok_and(|e| e % m == 0))
            }
            _ => false,
        };
        if fits {
            return Ok(());
        }
        Err(ModelError::Input {
            found: found.to_vec(),
            problem: format!(
                "expected (batch, {}, …) with edges that are multiples of {multiples:?}",
                self.spec.channels
            ),
        })
    }
}
