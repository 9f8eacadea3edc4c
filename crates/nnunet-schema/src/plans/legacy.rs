//! Configurations that were written before networks were described by `architecture`; many
//! published models carry them.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Architecture, Dimensionality, EncoderDepths, Stages};
use crate::python_json;

const CLASS: &str = "UNet_class_name";
/// The keys of a configuration by which early versions of nnU-Net v2 described the network, before
/// `architecture`; nothing else uses them.
pub const LEGACY_NETWORK_KEYS: [&str; 8] = [
    CLASS,
    "UNet_base_num_features",
    "unet_max_num_features",
    "n_conv_per_stage_encoder",
    "n_conv_per_stage_decoder",
    "num_pool_per_axis",
    "pool_op_kernel_sizes",
    "conv_kernel_sizes",
];

/// The network of such a configuration; the strides are called pooling kernels.
#[derive(Deserialize)]
struct OldNetwork {
    #[serde(rename = "UNet_class_name")]
    class: String,
    #[serde(rename = "UNet_base_num_features")]
    base_features: usize,
    #[serde(rename = "unet_max_num_features")]
    max_features: usize,
    n_conv_per_stage_encoder: Vec<usize>,
    n_conv_per_stage_decoder: Vec<usize>,
    pool_op_kernel_sizes: Vec<Vec<usize>>,
    conv_kernel_sizes: Vec<Vec<usize>>,
    patch_size: Vec<usize>,
}

/// Replaces the old description of the network, if `configuration` (with inheritance resolved)
/// has it and no `architecture`.
///
/// # Errors
/// `(key, message)` of the value that is missing or wrong.
pub(super) fn modernise(configuration: &mut Map<String, Value>) -> Result<(), (String, String)> {
    if configuration.contains_key("architecture") || !configuration.contains_key(CLASS) {
        return Ok(());
    }
    let old: OldNetwork = serde_path_to_error::deserialize(Value::Object(configuration.clone()))
        .map_err(|error| {
            let message = format!("is malformed: {}", python_json::describe(error.inner()));
            (error.path().to_string(), message)
        })?;
    let architecture = serde_json::to_value(old.architecture()?)
        .map_err(|error| (CLASS.to_owned(), error.to_string()))?;
    for key in LEGACY_NETWORK_KEYS {
        configuration.shift_remove(key);
    }
    configuration.insert("architecture".to_owned(), architecture);
    Ok(())
}

impl OldNetwork {
    fn architecture(self) -> Result<Architecture, (String, String)> {
        let features = (0..self.n_conv_per_stage_encoder.len())
            .map(|stage| doubled(self.base_features, stage).min(self.max_features))
            .collect();
        let depths = self.n_conv_per_stage_encoder;
        let encoder = match self.class.as_str() {
            "PlainConvUNet" => EncoderDepths::Convolutions(depths),
            "ResidualEncoderUNet" => EncoderDepths::Blocks(depths),
            other => {
                let message =
                    format!("is `{other}`, expected PlainConvUNet or ResidualEncoderUNet");
                return Err((CLASS.to_owned(), message));
            }
        };
        let dimensionality = match self.patch_size.len() {
            2 => Dimensionality::Two,
            _ => Dimensionality::Three,
        };
        let mut architecture = Architecture::unet(
            dimensionality,
            &Stages {
                features,
                kernels: self.conv_kernel_sizes,
                strides: self.pool_op_kernel_sizes,
                encoder,
                decoder_convolutions: 0,
            },
        );
        // Stages may differ, which the constructor does not offer.
        architecture.arch_kwargs.n_conv_per_stage_decoder = self.n_conv_per_stage_decoder;
        Ok(architecture)
    }
}

/// `features · 2^stage`, saturating.
fn doubled(features: usize, stage: usize) -> usize {
    (0..stage).fold(features, |f, _| f.saturating_mul(2))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{configuration, plans};
    use super::*;

    /// The configuration of the other tests, as an old program would have written it.
    fn old(class: &str) -> Value {
        let mut old = configuration();
        let map = old.as_object_mut().unwrap();
        map.shift_remove("architecture");
        map.extend(
            json!({
                "UNet_class_name": class, "UNet_base_num_features": 4,
                "n_conv_per_stage_encoder": [1, 3, 4], "n_conv_per_stage_decoder": [2, 1],
                "num_pool_per_axis": [2, 2], "pool_op_kernel_sizes": [[1, 1], [2, 2], [2, 1]],
                "conv_kernel_sizes": [[3, 3], [3, 3], [3, 1]], "unet_max_num_features": 10
            })
            .as_object()
            .unwrap()
            .clone(),
        );
        old
    }

    #[test]
    fn an_old_network_becomes_an_architecture() {
        let p = plans(json!({"2d": old("PlainConvUNet")}));
        let c = p.configuration("2d").unwrap();
        let expected = json!({
            "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": {
                "n_stages": 3, "features_per_stage": [4, 8, 10],
                "conv_op": "torch.nn.modules.conv.Conv2d",
                "kernel_sizes": [[3, 3], [3, 3], [3, 1]], "strides": [[1, 1], [2, 2], [2, 1]],
                "n_conv_per_stage": [1, 3, 4], "n_conv_per_stage_decoder": [2, 1],
                "conv_bias": true,
                "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
                "norm_op_kwargs": {"eps": 1e-5, "affine": true},
                "dropout_op": null, "dropout_op_kwargs": null,
                "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": true}},
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"]
        });
        assert_eq!(serde_json::to_value(&c.architecture).unwrap(), expected);
        assert_eq!(c.extra.keys().collect::<Vec<_>>(), ["mine_too"]);
        // The file itself stays as it is.
        assert!(p.configurations["2d"].contains_key("conv_kernel_sizes"));
    }

    #[test]
    fn residual_encoders_have_blocks() {
        let p = plans(json!({"2d": old("ResidualEncoderUNet")}));
        let a = p.configuration("2d").unwrap().architecture;
        assert!(a.network_class_name.ends_with(".ResidualEncoderUNet"));
        assert_eq!(a.arch_kwargs.n_blocks_per_stage, Some(vec![1, 3, 4]));
        assert_eq!(a.arch_kwargs.n_conv_per_stage, None);
    }

    #[test]
    fn a_child_may_change_one_old_value() {
        let p = plans(json!({
            "2d": old("PlainConvUNet"),
            "slim": {"inherits_from": "2d", "UNet_base_num_features": 2}
        }));
        let slim = p.configuration("slim").unwrap().architecture.arch_kwargs;
        assert_eq!(slim.features_per_stage, [2, 4, 8]);
    }

    #[test]
    fn what_is_wrong_with_an_old_network_says_where() {
        let broken = |key: &str, value: Value| {
            let mut old = old("PlainConvUNet");
            if value.is_null() {
                old.as_object_mut().unwrap().shift_remove(key);
            } else {
                old[key] = value;
            }
            let p = plans(json!({"2d": old}));
            p.configuration("2d").unwrap_err().to_string()
        };
        for (key, value, wanted) in [
            (
                CLASS,
                json!("MyUNet"),
                "configurations.2d.UNet_class_name` is `MyUNet`",
            ),
            (
                "conv_kernel_sizes",
                json!([[3, -3]]),
                "2d.conv_kernel_sizes[0][1]`",
            ),
            (
                "unet_max_num_features",
                Value::Null,
                "missing field `unet_max_num_features`",
            ),
            (
                "pool_op_kernel_sizes",
                json!([[1, 1]]),
                "arch_kwargs.strides` has 1 entries",
            ),
        ] {
            let error = broken(key, value);
            assert!(error.contains(wanted), "{error}");
        }
    }
}
