//! What a network looks like: a configuration of the plans, checked before anything is allocated.

use nnunet_schema::Configuration;
use nnunet_schema::plans::{ArchitectureArguments, Dimensionality};
use serde_json::{Map, Value};

use crate::ModelError;
use crate::parameters::ParameterSpec;
use crate::unet::Topology;

const DEFAULT_EPSILON: f64 = 1e-5;
/// The slope that libtorch's binding has built in.
const LEAKY_SLOPE: f64 = 0.01;
/// More than any network of the literature (a residual encoder XL has 140 million).
const MAX_PARAMETERS: usize = 4_000_000_000;
/// Layers above this are a typing error.
const MAX_LAYERS: usize = 10_000;

/// How the encoder is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EncoderKind {
    /// `PlainConvUNet`: convolution, instance norm, leaky ReLU, one after the other.
    Plain,
    /// `ResidualEncoderUNet`: residual blocks of two convolutions each, after a stem.
    Residual,
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
    pub(crate) epsilon: f64,
}

impl NetworkSpec {
    /// Checks the network of `configuration` with this number of input channels and of
    /// outputs (classes with background, or regions).
    ///
    /// # Errors
    /// [`ModelError::UnsupportedArchitecture`] for a network, norm, activation or dropout that
    /// is not built here; [`ModelError::Architecture`] if the numbers contradict each other,
    /// with the key of the plans.
    pub fn new(
        configuration: &Configuration,
        channels: usize,
        heads: usize,
    ) -> Result<Self, ModelError> {
        let architecture = &configuration.architecture;
        let arguments = &architecture.arch_kwargs;
        let (encoder, blocks_key, blocks) = match last(&architecture.network_class_name) {
            "PlainConvUNet" => (
                EncoderKind::Plain,
                "n_conv_per_stage",
                &arguments.n_conv_per_stage,
            ),
            "ResidualEncoderUNet" => (
                EncoderKind::Residual,
                "n_blocks_per_stage",
                &arguments.n_blocks_per_stage,
            ),
            _ => {
                return Err(ModelError::UnsupportedArchitecture {
                    key: "network_class_name",
                    found: architecture.network_class_name.clone(),
                    expected: "PlainConvUNet or ResidualEncoderUNet",
                });
            }
        };
        let blocks = blocks.as_ref().ok_or_else(|| {
            ModelError::architecture(blocks_key, "is missing: give one number per stage")
        })?;
        let epsilon = check_layers(arguments, configuration.dimensionality())?;
        check_lengths(arguments, blocks_key, blocks)?;
        let stages = (0..arguments.n_stages)
            .map(|i| stage(arguments, blocks, i))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| ModelError::architecture("n_stages", "disagrees with the lists"))?;
        let spec = Self {
            dimensionality: configuration.dimensionality(),
            channels,
            heads,
            encoder,
            stages,
            decoder_convolutions: arguments.n_conv_per_stage_decoder.clone(),
            bias: arguments.conv_bias,
            epsilon,
        };
        spec.check(blocks_key, &configuration.patch_size)?;
        Ok(spec)
    }

    fn check(&self, blocks_key: &'static str, patch: &[usize]) -> Result<(), ModelError> {
        let fail = |key, problem: String| Err(ModelError::Architecture { key, problem });
        if self.channels == 0 || self.heads == 0 {
            return fail(
                "channels and labels",
                format!(
                    "give {} inputs and {} outputs, expected at least one of each",
                    self.channels, self.heads
                ),
            );
        }
        let axes = self.axes();
        for (i, stage) in self.stages.iter().enumerate() {
            if stage.features == 0 {
                return fail("features_per_stage", format!("has a zero in stage {i}"));
            }
            if stage.blocks == 0 {
                return fail(blocks_key, format!("has a zero in stage {i}"));
            }
            if stage.kernel.len() != axes || stage.kernel.iter().any(|k| k % 2 == 0) {
                return fail(
                    "kernel_sizes",
                    format!(
                        "has {:?} in stage {i}, expected {axes} odd numbers",
                        stage.kernel
                    ),
                );
            }
            if stage.stride.len() != axes || stage.stride.contains(&0) {
                return fail(
                    "strides",
                    format!(
                        "has {:?} in stage {i}, expected {axes} numbers above zero",
                        stage.stride
                    ),
                );
            }
        }
        if self
            .stages
            .first()
            .is_some_and(|s| s.stride.iter().any(|v| *v != 1))
        {
            return fail("strides", "must be all ones in the first stage".to_owned());
        }
        if self.decoder_convolutions.contains(&0) {
            return fail("n_conv_per_stage_decoder", "has a zero".to_owned());
        }
        let product = self.stride_product();
        if patch.iter().zip(&product).any(|(p, s)| p % s != 0) {
            return fail(
                "patch_size",
                format!("is {patch:?}, expected multiples of the strides' product {product:?}"),
            );
        }
        let blocks = self.stages.iter().map(|stage| stage.blocks);
        let layers = (blocks.chain(self.decoder_convolutions.iter().copied()))
            .fold(0, usize::saturating_add);
        if layers > MAX_LAYERS {
            return fail(blocks_key, format!("makes more than {MAX_LAYERS} layers"));
        }
        match self.checked_parameter_count() {
            Some(count) if count <= MAX_PARAMETERS => Ok(()),
            _ => fail(
                "features_per_stage",
                format!("make more than {MAX_PARAMETERS} parameters"),
            ),
        }
    }

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

    /// Number of trainable values.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        self.checked_parameter_count().unwrap_or(usize::MAX)
    }

    fn checked_parameter_count(&self) -> Option<usize> {
        (self.parameters().iter()).try_fold(0_usize, |sum, p| sum.checked_add(p.checked_len()?))
    }

    /// All parameters in the order in which nnU-Net v2's module lists them (the order that the
    /// numbers in a Python optimiser state refer to).
    #[must_use]
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        Topology::new(self).1
    }
}

/// The class name at the end of a dotted Python path.
fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// The kinds of layers; gives the epsilon of the norm.
fn check_layers(a: &ArchitectureArguments, dim: Dimensionality) -> Result<f64, ModelError> {
    let unsupported = |key, found: &str, expected| {
        Err(ModelError::UnsupportedArchitecture {
            key,
            found: found.to_owned(),
            expected,
        })
    };
    let (conv, norm) = match dim {
        Dimensionality::Two => ("Conv2d", "InstanceNorm2d"),
        Dimensionality::Three => ("Conv3d", "InstanceNorm3d"),
    };
    if last(&a.conv_op) != conv {
        return unsupported("conv_op", &a.conv_op, conv);
    }
    let found_norm = a.norm_op.as_deref().unwrap_or("null");
    if last(found_norm) != norm {
        return unsupported("norm_op", found_norm, norm);
    }
    if let Some(dropout) = &a.dropout_op {
        return unsupported("dropout_op", dropout, "null");
    }
    let activation = a.nonlin.as_deref().unwrap_or("null");
    if last(activation) != "LeakyReLU" {
        return unsupported("nonlin", activation, "LeakyReLU");
    }
    let number = |map: &Option<Map<String, Value>>, key: &str, default: f64| match map
        .as_ref()
        .and_then(|m| m.get(key))
    {
        None => Some(default),
        Some(value) => value.as_f64(),
    };
    if number(&a.nonlin_kwargs, "negative_slope", LEAKY_SLOPE) != Some(LEAKY_SLOPE) {
        return unsupported(
            "nonlin_kwargs.negative_slope",
            &format!("{:?}", a.nonlin_kwargs),
            "0.01",
        );
    }
    let norm_argument = |key: &str| a.norm_op_kwargs.as_ref().and_then(|m| m.get(key));
    if norm_argument("affine") != Some(&Value::Bool(true)) {
        return unsupported(
            "norm_op_kwargs.affine",
            &format!("{:?}", norm_argument("affine")),
            "true",
        );
    }
    match number(&a.norm_op_kwargs, "eps", DEFAULT_EPSILON) {
        Some(eps) if eps.is_finite() && eps > 0.0 => Ok(eps),
        other => unsupported(
            "norm_op_kwargs.eps",
            &format!("{other:?}"),
            "a number above zero",
        ),
    }
}

fn check_lengths(
    a: &ArchitectureArguments,
    blocks_key: &'static str,
    blocks: &[usize],
) -> Result<(), ModelError> {
    if a.n_stages < 2 {
        return Err(ModelError::architecture(
            "n_stages",
            format!("is {}, expected at least 2", a.n_stages),
        ));
    }
    let lists = [
        ("features_per_stage", a.features_per_stage.len(), a.n_stages),
        ("kernel_sizes", a.kernel_sizes.len(), a.n_stages),
        ("strides", a.strides.len(), a.n_stages),
        (blocks_key, blocks.len(), a.n_stages),
        (
            "n_conv_per_stage_decoder",
            a.n_conv_per_stage_decoder.len(),
            a.n_stages - 1,
        ),
    ];
    match lists.iter().find(|(_, found, wanted)| found != wanted) {
        None => Ok(()),
        Some((key, found, wanted)) => Err(ModelError::architecture(
            key,
            format!("has {found} entries, expected {wanted}"),
        )),
    }
}

fn stage(a: &ArchitectureArguments, blocks: &[usize], i: usize) -> Option<StageSpec> {
    Some(StageSpec {
        features: *a.features_per_stage.get(i)?,
        kernel: a.kernel_sizes.get(i)?.clone(),
        stride: a.strides.get(i)?.clone(),
        blocks: *blocks.get(i)?,
    })
}
