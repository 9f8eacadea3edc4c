//! Values of a plan that every planner writes alike.

use serde_json::{Map, Value, json};

use super::{Architecture, ArchitectureArguments, Dimensionality, Plans, ResamplingArguments};

impl ResamplingArguments {
    /// For images: cubic, nearest along a coarse axis.
    #[must_use]
    pub fn for_images() -> Self {
        Self::of_order(3)
    }

    /// For label maps: linear per label, nearest along a coarse axis.
    #[must_use]
    pub fn for_labels() -> Self {
        Self {
            is_seg: true,
            ..Self::of_order(1)
        }
    }

    /// For network outputs: linear, nearest along a coarse axis.
    #[must_use]
    pub fn for_probabilities() -> Self {
        Self::of_order(1)
    }

    fn of_order(order: u8) -> Self {
        Self {
            is_seg: false,
            order,
            order_z: 0,
            force_separate_z: None,
            extra: Map::new(),
        }
    }
}

/// The stages of a U-Net from full resolution down to the bottleneck; one entry each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stages {
    /// Channels.
    pub features: Vec<usize>,
    /// Kernels of the convolutions, one entry per axis.
    pub kernels: Vec<Vec<usize>>,
    /// Strides, one entry per axis; all ones for the first stage.
    pub strides: Vec<Vec<usize>>,
    /// Kind and depth of the encoder.
    pub encoder: EncoderDepths,
    /// Convolutions per decoder stage.
    pub decoder_convolutions: usize,
}

/// What the stages of an encoder are made of, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncoderDepths {
    /// Convolutions.
    Convolutions(Vec<usize>),
    /// Residual blocks of two convolutions.
    Blocks(Vec<usize>),
}

impl Architecture {
    /// A U-Net of nnU-Net: instance normalisation, leaky ReLU, no dropout.
    #[must_use]
    pub fn unet(dimensionality: Dimensionality, stages: &Stages) -> Self {
        let axes = match dimensionality {
            Dimensionality::Two => 2,
            Dimensionality::Three => 3,
        };
        let count = stages.features.len();
        let (class, convolutions, blocks) = match &stages.encoder {
            EncoderDepths::Convolutions(depths) => ("PlainConvUNet", Some(depths.clone()), None),
            EncoderDepths::Blocks(depths) => ("ResidualEncoderUNet", None, Some(depths.clone())),
        };
        Self {
            network_class_name: format!("dynamic_network_architectures.architectures.unet.{class}"),
            arch_kwargs: ArchitectureArguments {
                n_stages: count,
                features_per_stage: stages.features.clone(),
                conv_op: format!("torch.nn.modules.conv.Conv{axes}d"),
                kernel_sizes: stages.kernels.clone(),
                strides: stages.strides.clone(),
                n_conv_per_stage: convolutions,
                n_blocks_per_stage: blocks,
                n_conv_per_stage_decoder: vec![
                    stages.decoder_convolutions;
                    count.saturating_sub(1)
                ],
                conv_bias: true,
                norm_op: Some(format!("torch.nn.modules.instancenorm.InstanceNorm{axes}d")),
                norm_op_kwargs: Some(object([("eps", json!(1e-5)), ("affine", json!(true))])),
                dropout_op: None,
                dropout_op_kwargs: None,
                nonlin: Some("torch.nn.LeakyReLU".to_owned()),
                nonlin_kwargs: Some(object([("inplace", json!(true))])),
                extra: Map::new(),
            },
            keywords_requiring_import: ["conv_op", "norm_op", "dropout_op", "nonlin"]
                .map(str::to_owned)
                .to_vec(),
            extra: Map::new(),
        }
    }
}

impl Plans {
    /// Stores under `name` a configuration that equals `parent` except that it refines the
    /// output of `previous_stage`: the second step of a cascade.
    pub fn insert_cascade(&mut self, name: &str, parent: &str, previous_stage: &str) {
        let entry = object([
            ("inherits_from", json!(parent)),
            ("previous_stage", json!(previous_stage)),
        ]);
        self.configurations.insert(name.to_owned(), entry);
    }
}

fn object<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    (entries.into_iter())
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_unet_is_written_as_the_python_program_writes_it() {
        let architecture = Architecture::unet(
            Dimensionality::Two,
            &Stages {
                features: vec![32, 64],
                kernels: vec![vec![3, 3]; 2],
                strides: vec![vec![1, 1], vec![2, 2]],
                encoder: EncoderDepths::Convolutions(vec![2, 2]),
                decoder_convolutions: 2,
            },
        );
        let written = serde_json::to_string(&architecture).unwrap();
        let expected = json!({
            "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": {
                "n_stages": 2, "features_per_stage": [32, 64],
                "conv_op": "torch.nn.modules.conv.Conv2d",
                "kernel_sizes": [[3, 3], [3, 3]], "strides": [[1, 1], [2, 2]],
                "n_conv_per_stage": [2, 2], "n_conv_per_stage_decoder": [2], "conv_bias": true,
                "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
                "norm_op_kwargs": {"eps": 1e-5, "affine": true},
                "dropout_op": null, "dropout_op_kwargs": null,
                "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": true}},
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"]
        });
        assert_eq!(written, expected.to_string());
    }

    #[test]
    fn resampling_arguments_are_those_of_the_python_program() {
        for (arguments, expected) in [
            (ResamplingArguments::for_images(), (false, 3)),
            (ResamplingArguments::for_labels(), (true, 1)),
            (ResamplingArguments::for_probabilities(), (false, 1)),
        ] {
            assert_eq!((arguments.is_seg, arguments.order), expected);
            assert_eq!((arguments.order_z, arguments.force_separate_z), (0, None));
        }
    }
}
