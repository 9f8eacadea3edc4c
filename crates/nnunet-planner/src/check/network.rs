//! Whether a network can be built as described, and fed with patches of the size given.

use nnunet_schema::Configuration;
use nnunet_schema::plans::ArchitectureArguments;

use super::{Report, keys};
use crate::footprint::{Precision, encoder, footprint, last};
use crate::{Encoder, Rules};

const ARGUMENTS: &str = "architecture.arch_kwargs";
const CLASSES: &[&str] = &["PlainConvUNet", "ResidualEncoderUNet"];
/// More than any network of the literature, where the largest have some hundred million.
const MAX_PARAMETERS: u64 = 4_000_000_000;
/// Convolutions or blocks above this are a typing error.
const MAX_LAYERS: usize = 10_000;

pub(super) fn check(report: &mut Report<'_>, configuration: &Configuration, rules: &Rules) {
    let network = &configuration.architecture.arch_kwargs;
    let axes = configuration.patch_size.len();
    check_class(report, configuration);
    check_stages(report, network);
    check_operations(report, network, axes);
    check_kernels(report, network);
    check_first_stride(report, network);
    check_size(report, configuration);
    check_patch(report, configuration, rules.min_feature_map_edge);
}

fn argument(key: &str) -> String {
    format!("{ARGUMENTS}.{key}")
}

fn check_class(report: &mut Report<'_>, configuration: &Configuration) {
    let class = last(&configuration.architecture.network_class_name);
    if !CLASSES.contains(&class) {
        let message = format!(
            "is of class `{class}`, expected {}{}",
            CLASSES.join(" or "),
            keys::did_you_mean(class, CLASSES)
        );
        report.error("architecture.network_class_name", message);
    }
    let network = &configuration.architecture.arch_kwargs;
    let convolutions = ("n_conv_per_stage", &network.n_conv_per_stage);
    let blocks = ("n_blocks_per_stage", &network.n_blocks_per_stage);
    let ((key, depths), (other_key, other)) = match encoder(configuration) {
        Encoder::Plain => (convolutions, blocks),
        Encoder::Residual => (blocks, convolutions),
    };
    match depths {
        Some(depths) => check_counts(report, key, depths),
        None => report.error(
            argument(key),
            format!("is missing, expected one number per stage for a network of class `{class}`"),
        ),
    }
    if other.is_some() {
        let message = format!("has no effect on a network of class `{class}`: remove it");
        report.warning(argument(other_key), message);
    }
}

/// What stages are made of; that there is an entry per stage is checked on reading.
fn check_stages(report: &mut Report<'_>, network: &ArchitectureArguments) {
    let stages = network.n_stages;
    if stages < 2 {
        let message = format!("is {stages}, expected at least 2: a U-Net needs two resolutions");
        report.error(argument("n_stages"), message);
    }
    check_counts(report, "features_per_stage", &network.features_per_stage);
    check_counts(
        report,
        "n_conv_per_stage_decoder",
        &network.n_conv_per_stage_decoder,
    );
}

fn check_counts(report: &mut Report<'_>, key: &str, counts: &[usize]) {
    if let Some(stage) = counts.iter().position(|count| *count == 0) {
        let message = "is 0, expected at least 1";
        report.error(argument(&format!("{key}[{stage}]")), message);
    }
}

/// The layers' classes are named for the number of axes.
fn check_operations(report: &mut Report<'_>, network: &ArchitectureArguments, axes: usize) {
    let convolution = format!("Conv{axes}d");
    if last(&network.conv_op) != convolution {
        let message = format!(
            "is `{}`, expected `torch.nn.modules.conv.{convolution}` for patches with {axes} axes",
            network.conv_op
        );
        report.error(argument("conv_op"), message);
    }
    let others = [
        ("norm_op", &network.norm_op),
        ("dropout_op", &network.dropout_op),
    ];
    for (key, operation) in others {
        let Some(operation) = operation else {
            continue;
        };
        let is_for = |axes: usize| last(operation).ends_with(&format!("{axes}d"));
        if (1..=3).any(|other| other != axes && is_for(other)) {
            let message = format!(
                "is `{operation}`, expected one that ends with `{axes}d` for patches with {axes} \
                 axes"
            );
            report.error(argument(key), message);
        }
    }
}

/// Only odd kernels leave the size of a map alone.
fn check_kernels(report: &mut Report<'_>, network: &ArchitectureArguments) {
    for (stage, kernel) in network.kernel_sizes.iter().enumerate() {
        if kernel.iter().any(|edge| edge % 2 == 0) {
            let message = format!("is {kernel:?}, expected odd numbers");
            report.error(argument(&format!("kernel_sizes[{stage}]")), message);
        }
    }
}

/// The first stage works at full resolution, which the decoder comes back to.
fn check_first_stride(report: &mut Report<'_>, network: &ArchitectureArguments) {
    if let Some(first) = network.strides.first()
        && first.iter().any(|step| *step != 1)
    {
        let ones = vec![1; first.len()];
        let message = format!("is {first:?}, expected {ones:?}: pool in the next stage");
        report.error(argument("strides[0]"), message);
    }
}

/// Numbers so large that they are typing errors.
fn check_size(report: &mut Report<'_>, configuration: &Configuration) {
    let network = &configuration.architecture.arch_kwargs;
    let (key, depths) = match encoder(configuration) {
        Encoder::Plain => ("n_conv_per_stage", &network.n_conv_per_stage),
        Encoder::Residual => ("n_blocks_per_stage", &network.n_blocks_per_stage),
    };
    let layers = (depths.iter().flatten())
        .chain(&network.n_conv_per_stage_decoder)
        .fold(0_usize, |sum, count| sum.saturating_add(*count));
    if layers > MAX_LAYERS {
        let message = format!(
            "and n_conv_per_stage_decoder make {layers} layers, expected at most {MAX_LAYERS}"
        );
        report.error(argument(key), message);
    }
    let channels = configuration.normalization_schemes.len();
    let found = footprint(configuration, channels, 1, Precision::Single).parameters;
    if found > MAX_PARAMETERS {
        let message = format!("make {found} parameters, expected at most {MAX_PARAMETERS}");
        report.error(argument("features_per_stage"), message);
    }
}

/// The decoder must come back to the sizes that the encoder came from, and the deepest maps
/// must have something left to look at (paper, online methods: at least 4 voxels per axis).
fn check_patch(report: &mut Report<'_>, configuration: &Configuration, least: usize) {
    let strides = &configuration.architecture.arch_kwargs.strides;
    let mut deepest = Vec::new();
    for (axis, edge) in configuration.patch_size.iter().enumerate() {
        let divisor = (strides.iter())
            .filter_map(|stride| stride.get(axis))
            .fold(1_usize, |product, step| product.saturating_mul(*step));
        let key = format!("patch_size[{axis}]");
        if divisor == 0 {
            // Refused when the configuration was read.
            continue;
        }
        if edge % divisor != 0 {
            let message = format!(
                "is {edge}, expected a multiple of {divisor}, the product of the strides along \
                 axis {axis}: {}",
                nearest_multiples(*edge, divisor)
            );
            report.error(&key, message);
        }
        let left = edge.div_ceil(divisor);
        deepest.push(left);
        if divisor > 1 && left < least {
            let message = format!(
                "is {edge}, of which the strides leave {left} in the last stage, expected at \
                 least {least}: take {} or pool this axis less often",
                divisor.saturating_mul(least)
            );
            report.warning(key, message);
        }
    }
    if deepest.iter().all(|edge| *edge == 1) {
        let message = "leaves a single voxel in the last stage, which cannot be normalised: \
                       expected at least two";
        report.error("patch_size", message);
    }
}

fn nearest_multiples(edge: usize, divisor: usize) -> String {
    let below = edge - edge % divisor;
    match (below, below.checked_add(divisor)) {
        (0, Some(above)) => format!("the nearest is {above}"),
        (below, Some(above)) => format!("the nearest are {below} and {above}"),
        (below, None) => format!("the nearest is {below}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_multiples_are_above_zero() {
        assert_eq!(nearest_multiples(100, 32), "the nearest are 96 and 128");
        assert_eq!(nearest_multiples(20, 32), "the nearest is 32");
        let top = usize::MAX - 1;
        assert_eq!(
            nearest_multiples(usize::MAX, top),
            format!("the nearest is {top}")
        );
    }
}
