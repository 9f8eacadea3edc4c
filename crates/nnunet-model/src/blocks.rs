//! The layers that the U-Nets are made of: each declares its parameters, then runs on them.

use tch::{Device, Tensor};

use crate::ModelError;
use crate::layout::{self, Layout};
use crate::parameters::{Initial, ParameterSpec, Parameters, Slot};
use crate::spec::{NetworkSpec, StageSpec};

/// Slope of the activation: the initial weights depend on it.
const LEAKY_SLOPE: f64 = 0.01;

/// Collects the parameters of a network in order.
#[derive(Debug, Default)]
pub(crate) struct Declarations {
    pub(crate) specs: Vec<ParameterSpec>,
}

impl Declarations {
    fn push(&mut self, name: String, shape: Vec<usize>, initial: Initial) -> Slot {
        self.specs.push(ParameterSpec {
            name,
            shape,
            initial,
        });
        Slot(self.specs.len() - 1)
    }
}

/// Whether a convolution adds a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bias {
    Added,
    Absent,
}

impl From<bool> for Bias {
    fn from(added: bool) -> Self {
        if added { Self::Added } else { Self::Absent }
    }
}

/// A convolution or transposed convolution.
#[derive(Debug)]
pub(crate) struct Conv {
    weight: Slot,
    bias: Option<Slot>,
    stride: Vec<i64>,
    padding: Vec<i64>,
    ones: Vec<i64>,
    zeros: Vec<i64>,
    transposed: bool,
    layout: Layout,
}

impl Conv {
    /// `in → out` with "same" padding.
    pub(crate) fn new(
        d: &mut Declarations,
        name: &str,
        features: (usize, usize),
        kernel: &[usize],
        stride: &[usize],
        bias: Bias,
    ) -> Self {
        let (inputs, outputs) = features;
        let shape = [&[outputs, inputs], kernel].concat();
        let fan_in = inputs as f64 * kernel.iter().product::<usize>() as f64;
        let padding = kernel.iter().map(|k| (k / 2) as i64).collect();
        Self::declare(
            d,
            name,
            shape,
            fan_in,
            features,
            bias,
            (stride, padding, false),
        )
    }

    /// `in → out`, each edge times `stride`, without overlap.
    pub(crate) fn transposed(
        d: &mut Declarations,
        name: &str,
        features: (usize, usize),
        stride: &[usize],
        bias: Bias,
    ) -> Self {
        let (inputs, outputs) = features;
        let shape = [&[inputs, outputs], stride].concat();
        // As torch counts it: dimension 1 of the weight, which here is the outputs.
        let fan_in = outputs as f64 * stride.iter().product::<usize>() as f64;
        let padding = vec![0; stride.len()];
        Self::declare(
            d,
            name,
            shape,
            fan_in,
            features,
            bias,
            (stride, padding, true),
        )
    }

    fn declare(
        d: &mut Declarations,
        name: &str,
        shape: Vec<usize>,
        fan_in: f64,
        (inputs, outputs): (usize, usize),
        bias: Bias,
        (stride, padding, transposed): (&[usize], Vec<i64>, bool),
    ) -> Self {
        // Kaiming normal, fan-in, for a leaky ReLU.
        let deviation = (2.0 / (1.0 + LEAKY_SLOPE * LEAKY_SLOPE) / fan_in).sqrt();
        let spatial = shape.get(2..).unwrap_or_default();
        let layout = Layout::of_convolution(inputs, outputs, spatial);
        let weight = d.push(
            format!("{name}.weight"),
            shape,
            Initial::Normal { deviation },
        );
        let bias = (bias == Bias::Added).then(|| {
            d.push(
                format!("{name}.bias"),
                vec![outputs],
                Initial::Constant(0.0),
            )
        });
        Self {
            weight,
            bias,
            layout,
            stride: stride.iter().map(|s| *s as i64).collect(),
            ones: vec![1; stride.len()],
            zeros: vec![0; stride.len()],
            padding,
            transposed,
        }
    }

    pub(crate) fn forward(&self, x: &Tensor, p: &Parameters) -> Result<Tensor, ModelError> {
        Ok(self.layout.apply(x)?.f_convolution(
            p.at(self.weight),
            self.bias.map(|slot| p.at(slot)),
            self.stride.as_slice(),
            self.padding.as_slice(),
            self.ones.as_slice(),
            self.transposed,
            self.zeros.as_slice(),
            1,
        )?)
    }
}

/// Instance norm with a scale and a shift per channel, no running statistics.
#[derive(Debug)]
pub(crate) struct InstanceNorm {
    weight: Slot,
    bias: Slot,
    epsilon: f64,
}

impl InstanceNorm {
    fn new(d: &mut Declarations, name: &str, features: usize, epsilon: f64, scale: f32) -> Self {
        let shape = vec![features];
        Self {
            weight: d.push(
                format!("{name}.weight"),
                shape.clone(),
                Initial::Constant(scale),
            ),
            bias: d.push(format!("{name}.bias"), shape, Initial::Constant(0.0)),
            epsilon,
        }
    }

    fn forward(&self, x: &Tensor, p: &Parameters) -> Result<Tensor, ModelError> {
        let (weight, bias) = (Some(p.at(self.weight)), Some(p.at(self.bias)));
        if x.device() == Device::Cpu {
            // One group per channel is the same, and several times faster there.
            let channels = x.size().get(1).copied().unwrap_or(1);
            return Ok(x.f_group_norm(channels, weight, bias, self.epsilon, true)?);
        }
        // Statistics always come from the input, so that the momentum means nothing.
        Ok(x.f_instance_norm(weight, bias, None, None, true, 0.0, self.epsilon, true)?)
    }
}

/// Convolution and instance norm.
#[derive(Debug)]
pub(crate) struct ConvNorm {
    conv: Conv,
    norm: InstanceNorm,
    features: usize,
}

impl ConvNorm {
    pub(crate) fn new(
        d: &mut Declarations,
        name: &str,
        net: &NetworkSpec,
        features: (usize, usize),
        geometry: (&[usize], &[usize]),
        (bias, scale): (Bias, f32),
    ) -> Self {
        let (kernel, stride) = geometry;
        Self {
            conv: Conv::new(d, &format!("{name}.conv"), features, kernel, stride, bias),
            norm: InstanceNorm::new(d, &format!("{name}.norm"), features.1, net.epsilon, scale),
            features: features.1,
        }
    }

    pub(crate) fn forward(&self, x: &Tensor, p: &Parameters) -> Result<Tensor, ModelError> {
        let y = layout::for_norm(&self.conv.forward(x, p)?)?;
        self.norm.forward(&y, p)
    }

    /// With the activation after it.
    fn activated(&self, x: &Tensor, p: &Parameters) -> Result<Tensor, ModelError> {
        layout::activate(self.forward(x, p)?, self.features)
    }
}

/// Convolutions with norm and activation, one after the other; the first has the stride.
#[derive(Debug)]
pub(crate) struct ConvStack(Vec<ConvNorm>);

impl ConvStack {
    pub(crate) fn new(
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

    pub(crate) fn forward(&self, x: &Tensor, p: &Parameters) -> Result<Tensor, ModelError> {
        let mut x = x.shallow_clone();
        for conv in &self.0 {
            x = conv.activated(&x, p)?;
        }
        Ok(x)
    }
}

/// `activation(second(activation(first(x))) + skip(x))`.
#[derive(Debug)]
pub(crate) struct ResidualBlock {
    first: ConvNorm,
    second: ConvNorm,
    /// Window and stride of the average pooling on the skip.
    pool: Option<Vec<i64>>,
    projection: Option<ConvNorm>,
}

impl ResidualBlock {
    /// The blocks of an encoder stage; the first has the stride.
    pub(crate) fn stage(
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
        let mut conv =
            |name: String, inputs, kernel: &[usize], stride: &[usize], bias: Bias, scale| {
                let features = (inputs, outputs);
                ConvNorm::new(d, &name, net, features, (kernel, stride), (bias, scale))
            };
        // The last norm starts at zero, so that a block begins as its skip.
        let first = conv(
            format!("{name}.conv1"),
            inputs,
            kernel,
            stride,
            net.bias.into(),
            1.0,
        );
        let second = conv(
            format!("{name}.conv2"),
            outputs,
            kernel,
            &ones,
            net.bias.into(),
            0.0,
        );
        let projection = (inputs != outputs).then(|| {
            let position = usize::from(strided);
            conv(
                format!("{name}.skip.{position}"),
                inputs,
                &ones,
                &ones,
                Bias::Absent,
                1.0,
            )
        });
        Self {
            first,
            second,
            pool: strided.then(|| stride.iter().map(|s| *s as i64).collect()),
            projection,
        }
    }

    pub(crate) fn forward(&self, x: &Tensor, p: &Parameters) -> Result<Tensor, ModelError> {
        let mut y = self.first.activated(x, p)?;
        y = self.second.forward(&y, p)?;
        let mut skip = match &self.pool {
            None => x.shallow_clone(),
            Some(window) => average_pool(x, window)?,
        };
        if let Some(projection) = &self.projection {
            skip = projection.forward(&skip, p)?;
        }
        layout::activate(y.f_add_(&skip)?, self.second.features)
    }
}

fn average_pool(x: &Tensor, window: &[i64]) -> Result<Tensor, ModelError> {
    let padding = vec![0_i64; window.len()];
    let padding = padding.as_slice();
    Ok(match window.len() {
        2 => x.f_avg_pool2d(window, window, padding, false, true, None)?,
        _ => x.f_avg_pool3d(window, window, padding, false, true, None)?,
    })
}
