//! Colours; told apart in grey and by the colour-blind as well.

/// Lines of the flow within a stage.
pub(super) const FLOW: &str = "#6b6b6b";
/// Strided convolutions.
pub(super) const DOWN: &str = "#b2501f";
/// Transposed convolutions.
pub(super) const UP: &str = "#2f7d4f";
/// Skip connections.
pub(super) const SKIP: &str = "#9a9a9a";
/// Rules between the parts of the figure.
pub(super) const RULE: &str = "#cccccc";

/// What a plate stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plate {
    Input,
    Convolution,
    StridedConvolution,
    Residual,
    StridedResidual,
    /// Output of a transposed convolution.
    Upsampled,
    /// Features copied from the encoder.
    Copied,
    Output,
    /// A segmentation that has no weight in the loss.
    UnweightedOutput,
}

/// How a plate is painted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    pub(super) fill: &'static str,
    pub(super) stroke: &'static str,
    pub(super) dashed: bool,
    /// Whether a line parts it into two convolutions.
    pub(super) halved: bool,
}

impl Plate {
    pub(super) fn paint(self) -> Paint {
        let (fill, stroke) = match self {
            Self::Input => ("#e3e3e3", "#6b6b6b"),
            Self::Convolution | Self::Residual => ("#a9c4e4", "#355f91"),
            Self::StridedConvolution | Self::StridedResidual => ("#f2b694", DOWN),
            Self::Upsampled => ("#b5dcc0", UP),
            Self::Copied => ("#f6f6f6", SKIP),
            Self::Output => ("#f4d67a", "#8c6a00"),
            Self::UnweightedOutput => ("#ffffff", "#8c6a00"),
        };
        Paint {
            fill,
            stroke,
            dashed: matches!(self, Self::Copied | Self::UnweightedOutput),
            halved: matches!(self, Self::Residual | Self::StridedResidual),
        }
    }
}
