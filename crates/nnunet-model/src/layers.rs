//! The layers that the U-Nets are made of, as declarations: names and shapes of their tensors,
//! nothing that runs.

use crate::buffers::{BufferKind, BufferSpec};
use crate::layout::Layout;
use crate::parameters::{Initial, ParameterSpec, Slot};
use crate::spec::{NetworkSpec, NormKind};

/// Slope of the activation: the initial weights depend on it.
const LEAKY_SLOPE: f64 = 0.01;

/// Collects the tensors of a network in order.
#[derive(Debug, Default)]
pub(crate) struct Declarations {
    pub(crate) parameters: Vec<ParameterSpec>,
    pub(crate) buffers: Vec<BufferSpec>,
}

impl Declarations {
    fn parameter(&mut self, name: String, shape: Vec<usize>, initial: Initial) -> Slot {
        self.parameters.push(ParameterSpec {
            name,
            shape,
            initial,
        });
        Slot(self.parameters.len() - 1)
    }

    fn buffer(&mut self, name: String, kind: BufferKind, channels: usize) -> Slot {
        self.buffers.push(BufferSpec {
            name,
            kind,
            channels,
        });
        Slot(self.buffers.len() - 1)
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
    pub(crate) weight: Slot,
    pub(crate) bias: Option<Slot>,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) kernel: Vec<usize>,
    pub(crate) stride: Vec<i64>,
    pub(crate) padding: Vec<i64>,
    pub(crate) transposed: bool,
    pub(crate) layout: Layout,
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
        Self::declare(d, name, features, (kernel, stride), bias, false)
    }

    /// `in → out`, each edge times `stride`, without overlap.
    pub(crate) fn transposed(
        d: &mut Declarations,
        name: &str,
        features: (usize, usize),
        stride: &[usize],
        bias: Bias,
    ) -> Self {
        Self::declare(d, name, features, (stride, stride), bias, true)
    }

    fn declare(
        d: &mut Declarations,
        name: &str,
        (inputs, outputs): (usize, usize),
        (kernel, stride): (&[usize], &[usize]),
        bias: Bias,
        transposed: bool,
    ) -> Self {
        // Dimension 1 of a weight counts as its inputs, as in torch; of a transposed
        // convolution that is the outputs.
        let leading = match transposed {
            false => [outputs, inputs],
            true => [inputs, outputs],
        };
        let fan_in = leading[1] as f64 * kernel.iter().map(|k| *k as f64).product::<f64>();
        // Kaiming normal, fan-in, for a leaky ReLU.
        let deviation = (2.0 / (1.0 + LEAKY_SLOPE * LEAKY_SLOPE) / fan_in).sqrt();
        let shape = [&leading, kernel].concat();
        let initial = Initial::Normal { deviation };
        let weight = d.parameter(format!("{name}.weight"), shape, initial);
        let zero = Initial::Constant(0.0);
        let bias =
            (bias == Bias::Added).then(|| d.parameter(format!("{name}.bias"), vec![outputs], zero));
        let padding = kernel.iter().map(|k| match transposed {
            false => (k / 2) as i64,
            true => 0,
        });
        Self {
            weight,
            bias,
            inputs,
            outputs,
            kernel: kernel.to_vec(),
            stride: stride.iter().map(|s| *s as i64).collect(),
            padding: padding.collect(),
            transposed,
            layout: Layout::of_convolution(inputs, outputs, kernel),
        }
    }
}

/// A norm with a scale and a shift per channel.
#[derive(Debug)]
pub(crate) struct Norm {
    pub(crate) weight: Slot,
    pub(crate) bias: Slot,
    pub(crate) epsilon: f64,
    pub(crate) running: Option<Running>,
}

/// The running statistics of a batch norm.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) mean: Slot,
    pub(crate) variance: Slot,
    pub(crate) batches: Slot,
    pub(crate) momentum: f64,
}

impl Norm {
    fn new(
        d: &mut Declarations,
        name: &str,
        net: &NetworkSpec,
        features: usize,
        scale: f32,
    ) -> Self {
        let mut parameter =
            |what: &str, value| d.parameter(format!("{name}.{what}"), vec![features], value);
        let weight = parameter("weight", Initial::Constant(scale));
        let bias = parameter("bias", Initial::Constant(0.0));
        let mut buffer = |what: &str, kind| d.buffer(format!("{name}.{what}"), kind, features);
        let running = match net.norm {
            NormKind::Instance => None,
            NormKind::Batch { momentum } => Some(Running {
                mean: buffer("running_mean", BufferKind::Mean),
                variance: buffer("running_var", BufferKind::Variance),
                batches: buffer("num_batches_tracked", BufferKind::Counter),
                momentum,
            }),
        };
        Self {
            weight,
            bias,
            epsilon: net.epsilon,
            running,
        }
    }
}

/// Convolution and norm.
#[derive(Debug)]
pub(crate) struct ConvNorm {
    pub(crate) conv: Conv,
    pub(crate) norm: Norm,
}

impl ConvNorm {
    pub(crate) fn new(
        d: &mut Declarations,
        name: &str,
        net: &NetworkSpec,
        features: (usize, usize),
        (kernel, stride): (&[usize], &[usize]),
        (bias, scale): (Bias, f32),
    ) -> Self {
        Self {
            conv: Conv::new(d, &format!("{name}.conv"), features, kernel, stride, bias),
            norm: Norm::new(d, &format!("{name}.norm"), net, features.1, scale),
        }
    }
}
