//! Reads a network from a configuration of the plans, and checks it before anything is allocated.

use nnunet_schema::plans::{ArchitectureArguments, Dimensionality};
use nnunet_schema::{Configuration, DatasetDescription, Plans};
use serde_json::{Map, Value};

use crate::ModelError;
use crate::spec::{EncoderKind, NetworkSpec, NormKind, StageSpec};
use crate::table::StageTable;

const DEFAULT_EPSILON: f64 = 1e-5;
/// Of a batch norm's running statistics.
const DEFAULT_MOMENTUM: f64 = 0.1;
/// The slope that libtorch's binding has built in.
const LEAKY_SLOPE: f64 = 0.01;
/// More than any network of the literature (a residual encoder XL has 140 million).
const MAX_PARAMETERS: usize = 4_000_000_000;
/// Layers above this are a typing error.
const MAX_LAYERS: usize = 10_000;
/// Arguments of the Python modules that change the network and are not built here.
const UNSUPPORTED: [&str; 7] = [
    "nonlin_first",
    "block",
    "stem_channels",
    "bottleneck_block_type",
    "bottleneck_channels",
    "squeeze_excitation",
    "stochastic_depth_p",
];

/// What is wrong: the key of the plans, and what was found and expected.
type Problem = (&'static str, String);

impl NetworkSpec {
    /// Checks the network of `configuration` with this number of input channels and of
    /// outputs (classes with background, or regions).
    ///
    /// # Errors
    /// [`ModelError::UnsupportedArchitecture`] for a network, norm, activation or dropout that
    /// is not built here; [`ModelError::Architecture`] if the numbers contradict each other,
    /// with the key of the plans and a table of the stages as planned.
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
        let dimensionality = configuration.dimensionality();
        let (norm, epsilon) = check_layers(arguments, dimensionality)?;
        let with_table = |(key, problem): Problem| ModelError::Architecture {
            key,
            problem,
            stages: StageTable::of_plans(arguments),
        };
        let spec = || -> Result<Self, Problem> {
            let missing = || {
                (
                    blocks_key,
                    "is missing: give one number per stage".to_owned(),
                )
            };
            let blocks = blocks.as_ref().ok_or_else(missing)?;
            check_lengths(arguments, blocks_key, blocks)?;
            let stages = (0..arguments.n_stages)
                .map(|i| stage(arguments, blocks, i))
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| ("n_stages", "disagrees with the lists".to_owned()))?;
            let spec = Self {
                dimensionality,
                channels,
                heads,
                encoder,
                stages,
                decoder_convolutions: arguments.n_conv_per_stage_decoder.clone(),
                bias: arguments.conv_bias,
                norm,
                epsilon,
            };
            spec.check(blocks_key, &configuration.patch_size)?;
            Ok(spec)
        };
        spec().map_err(with_table)
    }

    /// Checks the network of a model: the configuration of this name, with the channels and
    /// labels of the dataset. The second stage of a cascade gets one channel more for each
    /// foreground label, which the first stage predicts.
    ///
    /// # Errors
    /// As [`Self::new`]; [`ModelError::Schema`] if the plans have no such configuration, or the
    /// labels contradict each other.
    pub fn of_model(
        plans: &Plans,
        configuration: &str,
        dataset: &DatasetDescription,
    ) -> Result<Self, ModelError> {
        let configuration = plans.configuration(configuration)?;
        let labels = dataset.label_scheme()?;
        let predicted = match configuration.previous_stage {
            Some(_) => labels.foreground_labels().len(),
            None => 0,
        };
        let channels = dataset.channels().saturating_add(predicted);
        Self::new(&configuration, channels, labels.segmentation_heads())
    }

    fn check(&self, blocks_key: &'static str, patch: &[usize]) -> Result<(), Problem> {
        let fail = |key, problem: String| Err((key, problem));
        if self.channels == 0 || self.heads == 0 {
            return fail(
                "channels and labels",
                format!(
                    "give {} inputs and {} outputs, expected at least one of each",
                    self.channels, self.heads
                ),
            );
        }
        for (i, stage) in self.stages.iter().enumerate() {
            self.check_stage(i, stage, blocks_key)?;
        }
        let unequal = |stage: &StageSpec| stage.stride.iter().any(|v| *v != 1);
        if self.stages.first().is_some_and(unequal) {
            return fail("strides", "must be all ones in the first stage".to_owned());
        }
        if self.decoder_convolutions.contains(&0) {
            return fail("n_conv_per_stage_decoder", "has a zero".to_owned());
        }
        let product = self.stride_product();
        if patch
            .iter()
            .zip(&product)
            .any(|(p, s)| *p == 0 || p % s != 0)
        {
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

    fn check_stage(
        &self,
        i: usize,
        stage: &StageSpec,
        blocks_key: &'static str,
    ) -> Result<(), Problem> {
        let axes = self.axes();
        if stage.features == 0 {
            return Err(("features_per_stage", format!("has a zero in stage {i}")));
        }
        if stage.blocks == 0 {
            return Err((blocks_key, format!("has a zero in stage {i}")));
        }
        if stage.kernel.len() != axes || stage.kernel.iter().any(|k| k % 2 == 0) {
            let found = &stage.kernel;
            let problem = format!("has {found:?} in stage {i}, expected {axes} odd numbers");
            return Err(("kernel_sizes", problem));
        }
        if stage.stride.len() != axes || stage.stride.contains(&0) {
            let found = &stage.stride;
            let problem = format!("has {found:?} in stage {i}, expected {axes} numbers above zero");
            return Err(("strides", problem));
        }
        Ok(())
    }
}

/// The class name at the end of a dotted Python path.
fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

fn unsupported<T>(
    key: &'static str,
    found: impl Into<String>,
    expected: &'static str,
) -> Result<T, ModelError> {
    Err(ModelError::UnsupportedArchitecture {
        key,
        found: found.into(),
        expected,
    })
}

/// The kinds of layers; gives the norm and its epsilon.
fn check_layers(
    a: &ArchitectureArguments,
    dim: Dimensionality,
) -> Result<(NormKind, f64), ModelError> {
    let (conv, norms, expected_norm) = match dim {
        Dimensionality::Two => (
            "Conv2d",
            ["InstanceNorm2d", "BatchNorm2d"],
            "InstanceNorm2d or BatchNorm2d",
        ),
        Dimensionality::Three => (
            "Conv3d",
            ["InstanceNorm3d", "BatchNorm3d"],
            "InstanceNorm3d or BatchNorm3d",
        ),
    };
    if last(&a.conv_op) != conv {
        return unsupported("conv_op", &a.conv_op, conv);
    }
    let found_norm = a.norm_op.as_deref().unwrap_or("null");
    let is_batch = match norms.iter().position(|norm| *norm == last(found_norm)) {
        Some(position) => position == 1,
        None => return unsupported("norm_op", found_norm, expected_norm),
    };
    if let Some(dropout) = &a.dropout_op {
        return unsupported("dropout_op", dropout, "null");
    }
    let activation = a.nonlin.as_deref().unwrap_or("null");
    if last(activation) != "LeakyReLU" {
        return unsupported("nonlin", activation, "LeakyReLU");
    }
    let kwargs = a.nonlin_kwargs.as_ref();
    if number(kwargs, "negative_slope", LEAKY_SLOPE) != Some(LEAKY_SLOPE) {
        let found = format!("{:?}", a.nonlin_kwargs);
        return unsupported("nonlin_kwargs.negative_slope", found, "0.01");
    }
    for key in UNSUPPORTED {
        match a.extra.get(key) {
            None | Some(Value::Null | Value::Bool(false)) => {}
            Some(value) if value.as_f64() == Some(0.0) => {}
            Some(value) => return unsupported(key, value.to_string(), "null, or no such key"),
        }
    }
    check_norm(a.norm_op_kwargs.as_ref(), is_batch)
}

fn check_norm(
    kwargs: Option<&Map<String, Value>>,
    is_batch: bool,
) -> Result<(NormKind, f64), ModelError> {
    let argument = |key: &str| kwargs.and_then(|map| map.get(key));
    // Without the key, instance norm has no scale and batch norm has one.
    let affine = argument("affine").and_then(Value::as_bool);
    if affine != Some(true) && !(is_batch && argument("affine").is_none()) {
        let found = format!("{:?}", argument("affine"));
        return unsupported("norm_op_kwargs.affine", found, "true");
    }
    let tracked = argument("track_running_stats");
    if tracked.is_some_and(|value| *value != Value::Bool(is_batch)) {
        return unsupported(
            "norm_op_kwargs.track_running_stats",
            format!("{tracked:?}"),
            "true for batch norm and false for instance norm, or no such key",
        );
    }
    let epsilon = match number(kwargs, "eps", DEFAULT_EPSILON) {
        Some(eps) if eps.is_finite() && eps > 0.0 => eps,
        other => {
            let found = format!("{other:?}");
            return unsupported("norm_op_kwargs.eps", found, "a number above zero");
        }
    };
    if !is_batch {
        return Ok((NormKind::Instance, epsilon));
    }
    match number(kwargs, "momentum", DEFAULT_MOMENTUM) {
        Some(momentum) if (0.0..=1.0).contains(&momentum) => {
            Ok((NormKind::Batch { momentum }, epsilon))
        }
        other => {
            let found = format!("{other:?}");
            unsupported("norm_op_kwargs.momentum", found, "a number from 0 to 1")
        }
    }
}

/// The number under `key`; none if there is something else.
fn number(map: Option<&Map<String, Value>>, key: &str, default: f64) -> Option<f64> {
    match map.and_then(|map| map.get(key)) {
        None => Some(default),
        Some(value) => value.as_f64(),
    }
}

fn check_lengths(
    a: &ArchitectureArguments,
    blocks_key: &'static str,
    blocks: &[usize],
) -> Result<(), Problem> {
    if a.n_stages < 2 {
        let problem = format!("is {}, expected at least 2", a.n_stages);
        return Err(("n_stages", problem));
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
        Some((key, found, wanted)) => Err((key, format!("has {found} entries, expected {wanted}"))),
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
