//! The U-Nets: an encoder that halves the resolution stage by stage, a decoder that comes back
//! over skip connections, and a segmentation output at each decoder level.

use nnunet_schema::Configuration;
use tch::{Device, Kind, Tensor};

use crate::ModelError;
use crate::blocks::{Arithmetic, Mode, State};
use crate::buffers::Buffers;
use crate::initialise;
use crate::parameters::Parameters;
use crate::spec::NetworkSpec;
use crate::table::StageTable;
use crate::topology::Topology;

impl Topology {
    /// The `count` highest-resolution outputs, highest first.
    fn forward(
        &self,
        x: &Tensor,
        state: State<'_>,
        count: usize,
    ) -> Result<Vec<Tensor>, ModelError> {
        let mut x = match &self.stem {
            Some(stem) => stem.forward(x, state)?,
            None => x.shallow_clone(),
        };
        let mut skips = Vec::with_capacity(self.encoder.len());
        for stage in &self.encoder {
            x = stage.forward(&x, state)?;
            skips.push(x.shallow_clone());
        }
        // The bottleneck is where the decoder starts, not a skip.
        skips.pop();
        let first_wanted = self.decoder.len().saturating_sub(count);
        let mut outputs = Vec::with_capacity(count);
        let decoder = (self.upsampling.iter().zip(&self.decoder)).zip(&self.outputs);
        for (s, ((upsampling, stack), output)) in decoder.enumerate() {
            let up = upsampling.forward(&x, state)?;
            // Popped, so that without gradients a skip is freed as soon as it is used.
            let joined = match skips.pop() {
                Some(skip) => Tensor::f_cat(&[up, skip], 1)?,
                None => up,
            };
            x = stack.forward(&joined, state)?;
            if s >= first_wanted {
                outputs.push(output.forward(&x, state)?);
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
    buffers: Buffers,
    mode: Mode,
    arithmetic: Arithmetic,
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
        let (topology, tensors) = Topology::new(&spec);
        Ok(Self {
            parameters: Parameters::zeros(tensors.parameters, device)?,
            buffers: Buffers::fresh(tensors.buffers, device)?,
            mode: Mode::default(),
            arithmetic: Arithmetic::default(),
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
        self.buffers.reset()?;
        initialise::draw(&self.parameters, seed)
    }

    /// Whether batch norms use the statistics of the batch or the running ones; a network with
    /// instance norms is the same in both. New networks are in [`Mode::Training`], which
    /// without gradients is [`Mode::Evaluation`].
    pub const fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// The mode that [`Self::set_mode`] set.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// In which numbers convolutions and activations are computed from now on. Inputs and outputs
    /// stay `f32`.
    pub const fn set_arithmetic(&mut self, arithmetic: Arithmetic) {
        self.arithmetic = arithmetic;
    }

    /// The numbers that [`Self::set_arithmetic`] set; `f32` at first.
    #[must_use]
    pub const fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
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

    /// Its running statistics, of which only networks with batch norms have some.
    #[must_use]
    pub const fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// All tensors that are saved, by name: parameters, then buffers.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.parameters.iter().chain(self.buffers.iter())
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
        let state = State {
            parameters: &self.parameters,
            buffers: &self.buffers,
            mode: self.mode,
            arithmetic: self.arithmetic,
        };
        let input = self.arithmetic.of(input)?;
        let outputs = self.topology.forward(&input, state, count)?;
        (outputs.into_iter())
            .map(|output| Ok(output.f_to_kind(Kind::Float)?))
            .collect()
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
            stages: StageTable::of_network(&self.spec),
        })
    }
}
