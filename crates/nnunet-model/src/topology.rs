//! The layers of a whole network and the names of their tensors, as declarations.

use crate::buffers::BufferSpec;
use crate::layers::{Bias, Conv, ConvNorm, Declarations};
use crate::parameters::ParameterSpec;
use crate::spec::{EncoderKind, NetworkSpec, StageSpec};

/// Convolutions with norm and activation, one after the other; the first has the stride.
#[derive(Debug)]
pub(crate) struct ConvStack(pub(crate) Vec<ConvNorm>);

impl ConvStack {
    fn new(
        d: &mut Declarations,
        name: &str,
        net: &NetworkSpec,
        (inputs, outputs): (usize, usize),
        (kernel, stride): (&[usize], &[usize]),
        count: usize,
    ) -> Self {
        let ones = vec![1; stride.len()];
        let convs = (0..count).map(|j| {
            let (inputs, stride) = match j {
                0 => (inputs, stride),
                _ => (outputs, ones.as_slice()),
            };
            ConvNorm::new(
                d,
                &format!("{name}.convs.{j}"),
                net,
                (inputs, outputs),
                (kernel, stride),
                (net.bias.into(), 1.0),
            )
        });
        Self(convs.collect())
    }
}

/// `activation(second(activation(first(x))) + skip(x))`.
#[derive(Debug)]
pub(crate) struct ResidualBlock {
    pub(crate) first: ConvNorm,
    pub(crate) second: ConvNorm,
    /// Window and stride of the average pooling on the skip.
    pub(crate) pool: Option<Vec<i64>>,
    pub(crate) projection: Option<ConvNorm>,
}

impl ResidualBlock {
    /// The blocks of an encoder stage; the first has the stride.
    fn stage(
        d: &mut Declarations,
        name: &str,
        net: &NetworkSpec,
        inputs: usize,
        stage: &StageSpec,
    ) -> Vec<Self> {
        let ones = vec![1; stage.stride.len()];
        let blocks = (0..stage.blocks).map(|b| {
            let name = format!("{name}.blocks.{b}");
            match b {
                0 => Self::new(d, &name, net, (inputs, stage), &stage.stride),
                _ => Self::new(d, &name, net, (stage.features, stage), &ones),
            }
        });
        blocks.collect()
    }

    fn new(
        d: &mut Declarations,
        name: &str,
        net: &NetworkSpec,
        (inputs, stage): (usize, &StageSpec),
        stride: &[usize],
    ) -> Self {
        let (outputs, kernel) = (stage.features, stage.kernel.as_slice());
        let ones = vec![1; stride.len()];
        let strided = stride.iter().any(|s| *s != 1);
        let bias = Bias::from(net.bias);
        let mut conv = |part: &str, inputs, geometry: (&[usize], &[usize]), bias_and_scale| {
            let name = format!("{name}.{part}");
            ConvNorm::new(d, &name, net, (inputs, outputs), geometry, bias_and_scale)
        };
        let first = conv("conv1", inputs, (kernel, stride), (bias, 1.0));
        // The last norm starts at zero, so that a block begins as its skip.
        let second = conv("conv2", outputs, (kernel, &ones), (bias, 0.0));
        let projection = (inputs != outputs).then(|| {
            let part = format!("skip.{}", usize::from(strided));
            conv(&part, inputs, (&ones, &ones), (Bias::Absent, 1.0))
        });
        Self {
            first,
            second,
            pool: strided.then(|| stride.iter().map(|s| *s as i64).collect()),
            projection,
        }
    }
}

/// One stage of the encoder.
#[derive(Debug)]
pub(crate) enum EncoderStage {
    Plain(ConvStack),
    Residual(Vec<ResidualBlock>),
}

/// The layers of a network without their weights.
#[derive(Debug)]
pub(crate) struct Topology {
    pub(crate) stem: Option<ConvStack>,
    /// Full resolution first.
    pub(crate) encoder: Vec<EncoderStage>,
    /// Deepest first, as the next two.
    pub(crate) decoder: Vec<ConvStack>,
    pub(crate) upsampling: Vec<Conv>,
    pub(crate) outputs: Vec<Conv>,
}

impl Topology {
    /// The layers of `spec` and their tensors, in the order of nnU-Net v2's module.
    pub(crate) fn new(spec: &NetworkSpec) -> (Self, Declarations) {
        let mut d = Declarations::default();
        let ones = vec![1; spec.axes()];
        let mut features = spec.channels;
        let stem = match (spec.encoder, spec.stages.first()) {
            (EncoderKind::Residual, Some(first)) => {
                let wide = (features, first.features);
                features = first.features;
                let geometry = (first.kernel.as_slice(), ones.as_slice());
                let stem = ConvStack::new(&mut d, "encoder.stem", spec, wide, geometry, 1);
                Some(stem)
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
        let levels: Vec<(&StageSpec, &StageSpec)> =
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
        (topology, d)
    }
}

impl NetworkSpec {
    /// Number of trainable values.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        self.checked_parameter_count().unwrap_or(usize::MAX)
    }

    /// The same, unless it cannot be counted.
    pub(crate) fn checked_parameter_count(&self) -> Option<usize> {
        (self.parameters().iter()).try_fold(0_usize, |sum, p| sum.checked_add(p.checked_len()?))
    }

    /// All parameters in the order in which nnU-Net v2's module lists them (the order that the
    /// numbers in a Python optimiser state refer to).
    #[must_use]
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        Topology::new(self).1.parameters
    }

    /// All buffers in the order in which nnU-Net v2's module lists them.
    #[must_use]
    pub fn buffers(&self) -> Vec<BufferSpec> {
        Topology::new(self).1.buffers
    }
}
