//! What a network costs, counted from its description: nothing is allocated.

use std::fmt;

use serde::Serialize;

use crate::ModelError;
use crate::layers::{Conv, ConvNorm};
use crate::spec::NetworkSpec;
use crate::table::{self, StageTable};
use crate::topology::{ConvStack, EncoderStage, ResidualBlock, Topology};

/// Bytes of an activation: networks compute in `f32` unless asked otherwise.
const ACTIVATION_BYTES: u64 = 4;

/// Where in the network a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StageKind {
    /// The convolution before the residual stages.
    Stem,
    /// A stage of the encoder; the last one is the bottleneck.
    Encoder,
    /// A stage of the decoder: transposed convolution, convolutions, segmentation output.
    Decoder,
}

impl fmt::Display for StageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stem => "stem",
            Self::Encoder => "encoder",
            Self::Decoder => "decoder",
        })
    }
}

/// What one stage costs for a single patch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StageInfo {
    /// Where in the network it is.
    pub kind: StageKind,
    /// Its resolution: 0 is full, the bottleneck has the highest number.
    pub level: usize,
    /// Edges of its feature maps in voxels, in the order of the network's axes.
    pub shape: Vec<usize>,
    /// Channels of its feature maps.
    pub features: usize,
    /// Kernel of its convolutions.
    pub kernel: Vec<usize>,
    /// Stride of its first convolution, or of its transposed convolution.
    pub stride: Vec<usize>,
    /// Convolutions, or residual blocks.
    pub blocks: usize,
    /// Trainable values.
    pub parameters: u64,
    /// Floating point operations of a forward pass: two for every product in a convolution.
    /// Norms and activations, below a hundredth of them, are left out.
    pub flops: u64,
    /// Values that the convolutions write, and skips of residual blocks that only pool;
    /// segmentation outputs included. The Python program estimates memory from this number.
    /// Norms keep about as much again for training.
    pub activations: u64,
}

impl StageInfo {
    /// [`Self::activations`] in bytes, as `f32`.
    #[must_use]
    pub const fn activation_bytes(&self) -> u64 {
        self.activations.saturating_mul(ACTIVATION_BYTES)
    }
}

/// What a network costs for a single patch, stage by stage; prints as a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelInfo {
    /// Edges of the patch in voxels, in the order of the network's axes.
    pub patch: Vec<usize>,
    /// Stem and encoder from full resolution down, then the decoder back up.
    pub stages: Vec<StageInfo>,
}

/// Sums up the convolutions of a stage. Numbers that are too large stay at the largest.
#[derive(Default)]
struct Costs {
    parameters: u64,
    flops: u64,
    activations: u64,
}

impl Costs {
    /// A convolution that writes feature maps of so many voxels.
    fn conv(&mut self, conv: &Conv, voxels: u64) {
        let kernel = product(&conv.kernel);
        let (inputs, outputs) = (conv.inputs as u64, conv.outputs as u64);
        let weights = inputs.saturating_mul(outputs).saturating_mul(kernel);
        let bias = conv.bias.map_or(0, |_| outputs);
        self.parameters = self.parameters.saturating_add(weights.saturating_add(bias));
        // Every value of a transposed convolution comes from one voxel: its windows don't overlap.
        let products = match conv.transposed {
            false => weights.saturating_mul(voxels),
            true => inputs.saturating_mul(outputs).saturating_mul(voxels),
        };
        self.flops = self.flops.saturating_add(products.saturating_mul(2));
        self.activations = (self.activations).saturating_add(outputs.saturating_mul(voxels));
    }

    fn conv_norm(&mut self, block: &ConvNorm, voxels: u64) {
        self.conv(&block.conv, voxels);
        let scale_and_shift = 2 * block.conv.outputs as u64;
        self.parameters = self.parameters.saturating_add(scale_and_shift);
    }

    fn stack(&mut self, stack: &ConvStack, voxels: u64) {
        stack.0.iter().for_each(|conv| self.conv_norm(conv, voxels));
    }

    fn residual(&mut self, block: &ResidualBlock, voxels: u64) {
        self.conv_norm(&block.first, voxels);
        self.conv_norm(&block.second, voxels);
        match &block.projection {
            Some(projection) => self.conv_norm(projection, voxels),
            None if block.pool.is_some() => {
                let values = (block.second.conv.outputs as u64).saturating_mul(voxels);
                self.activations = self.activations.saturating_add(values);
            }
            None => {}
        }
    }
}

fn product(edges: &[usize]) -> u64 {
    (edges.iter()).fold(1, |product: u64, edge| product.saturating_mul(*edge as u64))
}

impl ModelInfo {
    /// Counts what the network of `spec` costs for a patch of these edges.
    ///
    /// # Errors
    /// [`ModelError::Input`] if the edges are not as many as the network has axes, or not
    /// multiples of [`NetworkSpec::stride_product`].
    pub fn new(spec: &NetworkSpec, patch: &[usize]) -> Result<Self, ModelError> {
        let multiples = spec.stride_product();
        let divides = |(edge, multiple): (&usize, &usize)| *edge > 0 && edge % multiple == 0;
        if patch.len() != multiples.len() || !patch.iter().zip(&multiples).all(divides) {
            return Err(ModelError::Input {
                found: patch.iter().map(|edge| *edge as i64).collect(),
                problem: format!("expected a patch whose edges are multiples of {multiples:?}"),
                stages: StageTable::of_network(spec),
            });
        }
        let shapes = shapes(spec, patch);
        let voxels: Vec<u64> = shapes.iter().map(|shape| product(shape)).collect();
        let (topology, _) = Topology::new(spec);
        let row = |kind, level: usize, stride: Vec<usize>, blocks, costs: Costs| {
            let (stage, shape) = (spec.stages.get(level)?, shapes.get(level)?.clone());
            Some(StageInfo {
                kind,
                level,
                shape,
                features: stage.features,
                kernel: stage.kernel.clone(),
                stride,
                blocks,
                parameters: costs.parameters,
                flops: costs.flops,
                activations: costs.activations,
            })
        };
        let mut stages = Vec::new();
        if let (Some(stem), Some(voxels)) = (&topology.stem, voxels.first()) {
            let mut costs = Costs::default();
            costs.stack(stem, *voxels);
            let ones = vec![1; spec.axes()];
            stages.extend(row(StageKind::Stem, 0, ones, stem.0.len(), costs));
        }
        let encoder = (topology.encoder.iter().zip(&spec.stages)).zip(&voxels);
        for (level, ((layers, stage), voxels)) in encoder.enumerate() {
            let mut costs = Costs::default();
            match layers {
                EncoderStage::Plain(stack) => costs.stack(stack, *voxels),
                EncoderStage::Residual(blocks) => {
                    blocks
                        .iter()
                        .for_each(|block| costs.residual(block, *voxels));
                }
            }
            let stride = stage.stride.clone();
            stages.extend(row(StageKind::Encoder, level, stride, stage.blocks, costs));
        }
        let decoder = topology.decoder.iter().zip(&topology.upsampling);
        for (s, ((stack, up), output)) in decoder.zip(&topology.outputs).enumerate() {
            let level = spec.outputs().saturating_sub(s + 1);
            let voxels = voxels.get(level).copied().unwrap_or_default();
            let mut costs = Costs::default();
            costs.conv(up, voxels);
            costs.stack(stack, voxels);
            costs.conv(output, voxels);
            let stride = up.kernel.clone();
            stages.extend(row(StageKind::Decoder, level, stride, stack.0.len(), costs));
        }
        Ok(Self {
            patch: patch.to_vec(),
            stages,
        })
    }

    /// Trainable values of the whole network.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.sum(|stage| stage.parameters)
    }

    /// Floating point operations of a forward pass over the patch with all segmentation outputs;
    /// training costs about three times as many.
    #[must_use]
    pub fn flops(&self) -> u64 {
        self.sum(|stage| stage.flops)
    }

    /// The sum of [`StageInfo::activations`].
    #[must_use]
    pub fn activations(&self) -> u64 {
        self.sum(|stage| stage.activations)
    }

    /// [`Self::activations`] in bytes, as `f32`.
    #[must_use]
    pub fn activation_bytes(&self) -> u64 {
        self.activations().saturating_mul(ACTIVATION_BYTES)
    }

    fn sum(&self, of: impl Fn(&StageInfo) -> u64) -> u64 {
        self.stages.iter().map(of).fold(0, u64::saturating_add)
    }
}

/// Edges of the feature maps of each level.
fn shapes(spec: &NetworkSpec, patch: &[usize]) -> Vec<Vec<usize>> {
    let mut shape = patch.to_vec();
    (spec.stages.iter())
        .map(|stage| {
            for (edge, stride) in shape.iter_mut().zip(&stage.stride) {
                *edge /= stride;
            }
            shape.clone()
        })
        .collect()
}

impl fmt::Display for ModelInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = [
            "stage",
            "level",
            "shape",
            "features",
            "kernel",
            "stride",
            "blocks",
            "parameters",
            "GFLOP",
            "activations MiB",
        ];
        let mut rows: Vec<Vec<String>> = (self.stages.iter())
            .map(|stage| {
                vec![
                    stage.kind.to_string(),
                    stage.level.to_string(),
                    table::edges(&stage.shape),
                    stage.features.to_string(),
                    table::edges(&stage.kernel),
                    table::edges(&stage.stride),
                    stage.blocks.to_string(),
                    grouped(stage.parameters),
                    giga(stage.flops),
                    mebi(stage.activation_bytes()),
                ]
            })
            .collect();
        let mut total = vec!["total".to_owned(), String::new(), table::edges(&self.patch)];
        total.resize(header.len() - 3, String::new());
        total.push(grouped(self.parameters()));
        total.push(giga(self.flops()));
        total.push(mebi(self.activation_bytes()));
        rows.push(total);
        f.write_str(&table::aligned(&header, &rows))
    }
}

/// Digits in groups of three.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let first = digits.len() % 3;
    let (head, tail) = digits.split_at(first);
    let groups = tail.as_bytes().chunks(3).map(String::from_utf8_lossy);
    let groups: Vec<_> = (!head.is_empty())
        .then(|| head.into())
        .into_iter()
        .chain(groups)
        .collect();
    groups.join(" ")
}

fn giga(value: u64) -> String {
    format!("{:.2}", value as f64 / 1e9)
}

fn mebi(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / (1 << 20) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped() {
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1 000"),
            (123_456, "123 456"),
        ] {
            assert_eq!(grouped(value), text);
        }
    }
}
