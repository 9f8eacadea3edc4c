//! What a network looks like: its stages, its norm, its ends. [`NetworkSpec::new`] reads it from
//! a configuration of the plans.

use nnunet_schema::plans::Dimensionality;

/// How the encoder is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EncoderKind {
    /// `PlainConvUNet`: convolution, norm, leaky ReLU, one after the other.
    Plain,
    /// `ResidualEncoderUNet`: residual blocks of two convolutions each, after a stem.
    Residual,
}

/// The norm after each convolution, with a scale and a shift per channel.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum NormKind {
    /// Over the voxels of each sample (`InstanceNorm`), in training and inference alike.
    Instance,
    /// Over the voxels of all samples of the batch (`BatchNorm`) in training, with running
    /// statistics in inference: a variant that the paper compares (figure 6).
    Batch {
        /// Weight of a batch in the running statistics, between 0 and 1.
        momentum: f64,
    },
}

/// One resolution of the encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageSpec {
    pub(crate) features: usize,
    pub(crate) kernel: Vec<usize>,
    pub(crate) stride: Vec<usize>,
    pub(crate) blocks: usize,
}

impl StageSpec {
    /// Channels.
    #[must_use]
    pub const fn features(&self) -> usize {
        self.features
    }

    /// Edges of the convolutions' kernels, one per axis, all odd.
    #[must_use]
    pub fn kernel(&self) -> &[usize] {
        &self.kernel
    }

    /// Stride of the first convolution, one per axis; all ones in the first stage.
    #[must_use]
    pub fn stride(&self) -> &[usize] {
        &self.stride
    }

    /// Convolutions (plain) or residual blocks, at least one.
    #[must_use]
    pub const fn blocks(&self) -> usize {
        self.blocks
    }
}

/// A U-Net as the plans describe it, checked: it can be built, if memory suffices.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkSpec {
    pub(crate) dimensionality: Dimensionality,
    pub(crate) channels: usize,
    pub(crate) heads: usize,
    pub(crate) encoder: EncoderKind,
    pub(crate) stages: Vec<StageSpec>,
    pub(crate) decoder_convolutions: Vec<usize>,
    pub(crate) bias: bool,
    pub(crate) norm: NormKind,
    pub(crate) epsilon: f64,
}

impl NetworkSpec {
    /// Slices or volumes.
    #[must_use]
    pub const fn dimensionality(&self) -> Dimensionality {
        self.dimensionality
    }

    /// 2 or 3.
    #[must_use]
    pub const fn axes(&self) -> usize {
        match self.dimensionality {
            Dimensionality::Two => 2,
            Dimensionality::Three => 3,
        }
    }

    /// Input channels.
    #[must_use]
    pub const fn channels(&self) -> usize {
        self.channels
    }

    /// Outputs: classes with background, or regions.
    #[must_use]
    pub const fn heads(&self) -> usize {
        self.heads
    }

    /// How the encoder is built.
    #[must_use]
    pub const fn encoder(&self) -> EncoderKind {
        self.encoder
    }

    /// The norm after each convolution.
    #[must_use]
    pub const fn norm(&self) -> NormKind {
        self.norm
    }

    /// The resolutions of the encoder, full resolution first, bottleneck last; at least two.
    #[must_use]
    pub fn stages(&self) -> &[StageSpec] {
        &self.stages
    }

    /// Number of segmentation outputs with deep supervision: one per decoder level.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.stages.len().saturating_sub(1)
    }

    /// The product of all strides, one per axis: input edges must be multiples of it.
    #[must_use]
    pub fn stride_product(&self) -> Vec<usize> {
        let mut product = vec![1_usize; self.axes()];
        for stage in &self.stages {
            for (p, s) in product.iter_mut().zip(&stage.stride) {
                *p = p.saturating_mul(*s);
            }
        }
        product
    }
}
