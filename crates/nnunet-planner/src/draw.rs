//! Pictures of a planned network: a figure as SVG, and the paper's compact lists.
//!
//! Both take the plan as it stands. Of plans that somebody edited into contradictions, such as
//! lists of different lengths, they show what is there and a question mark for what is not.

use nnunet_schema::Configuration;

mod canvas;
mod labels;
mod layout;
mod legend;
mod network;
mod paint;
mod stage_words;
mod text;

use canvas::Canvas;
use layout::Layout;
use network::Network;

/// What the figure of a network shows.
#[derive(Clone, Copy, Debug)]
pub struct Drawing<'a> {
    /// The dataset, e.g. `Dataset004_Hippocampus`; stands in the heading.
    pub dataset: &'a str,
    /// Name of the configuration, e.g. `3d_fullres`; stands in the heading.
    pub name: &'a str,
    /// The configuration, `inherits_from` resolved.
    pub configuration: &'a Configuration,
    /// Channels that enter the network: those of the images and, in the second stage of a
    /// cascade, one per foreground label.
    pub input_channels: usize,
    /// Channels that leave it: labels with background, or regions.
    pub output_channels: usize,
}

/// A standalone SVG document with the figure of a U-Net, in the manner of Figure C.1 of the
/// paper.
///
/// The encoder goes down at the left, the decoder up at the right, one row per resolution. A
/// plate is a convolution (half a residual block); it is the higher the more voxels its feature
/// maps have along an edge and the wider the more features. Sizes, kernels and strides have
/// their axes as the plan has them: `(y, x)` or `(z, y, x)`. Kernels are named where they are
/// not 3 along all axes. Sizes assume that convolutions round up what a stride does not divide.
///
/// The outputs of deep supervision stand at the right with their share of the loss: halved from
/// one to the next, none for the lowest unless it is the only one.
///
/// The same drawing gives the same text. Fonts are the reader's sans-serif ones; the space left
/// for words suits the wide ones among them.
#[must_use]
pub fn svg(drawing: &Drawing<'_>) -> String {
    let network = Network::read(drawing.configuration);
    let layout = Layout::arrange(&network);
    let mut canvas = Canvas::default();
    layout.paint(&mut canvas);
    labels::write(&mut canvas, drawing, &network, &layout);
    labels::write_heading(&mut canvas, drawing, &network);
    legend::write(&mut canvas, drawing.configuration, &network);
    canvas.finish(&labels::title(drawing))
}

/// The network in the compact notation of the paper's supplement F.2, and the features of its
/// stages; three lines of text.
///
/// Kernels are those of the convolutions of each stage, from full resolution down to the
/// bottleneck; strides those of the convolutions that lead from one stage to the next, so that
/// there is one less. A stride of the first stage is listed if it is not all ones.
///
/// ```text
/// kernel sizes: [[1, 3, 3], [3, 3, 3], [3, 3, 3]]
/// strides: [[1, 2, 2], [2, 2, 2]]
/// features: [32, 64, 128]
/// ```
#[must_use]
pub fn compact(configuration: &Configuration) -> String {
    let network = &configuration.architecture.arch_kwargs;
    let strides = match network.strides.split_first() {
        Some((first, rest)) if first.iter().all(|step| *step == 1) => rest,
        _ => &network.strides,
    };
    format!(
        "kernel sizes: {:?}\nstrides: {strides:?}\nfeatures: {:?}\n",
        network.kernel_sizes, network.features_per_stage
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compact_notation_has_a_stride_less_than_kernels() {
        let mut configuration = network::tests::configuration();
        let lists = "kernel sizes: [[1, 3], [3, 3], [3, 3]]\nstrides: [[1, 2], [2, 2]]\n\
                     features: [4, 8, 16]\n";
        assert_eq!(compact(&configuration), lists);
        let network = &mut configuration.architecture.arch_kwargs;
        network.strides = vec![vec![2, 2]];
        network.kernel_sizes.clear();
        let lists = "kernel sizes: []\nstrides: [[2, 2]]\nfeatures: [4, 8, 16]\n";
        assert_eq!(compact(&configuration), lists);
    }
}
