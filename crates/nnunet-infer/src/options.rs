//! How to predict.

use std::num::NonZeroUsize;

use nnunet_model::{Arithmetic, CheckpointKind, DeviceChoice};

/// How to predict. The default is what nnU-Net does.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictOptions {
    /// Where the network runs.
    pub device: DeviceChoice,
    /// How far neighbouring windows are apart, as a fraction of their edge, above 0 and at
    /// most 1. The paper and all versions use 0.5.
    pub step: f64,
    /// Whether each window is also predicted mirrored.
    pub mirroring: Mirroring,
    /// How many windows go through the network at once.
    pub windows_per_batch: WindowBatch,
    /// Number format of the networks that a [`Predictor`](crate::Predictor) loads. Networks in
    /// memory have their own, of which only [`Precision::Mixed`] changes anything.
    pub precision: Precision,
    /// Which checkpoint of each fold is loaded.
    pub checkpoint: CheckpointKind,
    /// What happens to cases of a folder that have an output already.
    pub existing: ExistingOutputs,
    /// Which probabilities are saved beside the label maps of a folder; usually none.
    pub probabilities: SaveProbabilities,
    /// Number format that overlapping windows are added up in. None means single precision, or
    /// half where only that fits the limits.
    pub sums: Option<SumPrecision>,
    /// Where they are added up. None means on the device of the networks where it is a GPU and
    /// they fit its limit and its memory, else in the memory of the processor.
    pub sum_place: Option<SumPlace>,
    /// The most memory that a case may take beside the network and the whole image as read,
    /// bytes; none means what the machine has.
    pub memory_limit: Option<u64>,
    /// The most memory of a GPU that the windows and sums of a case may take beside the weights and
    /// feature maps of the networks, bytes; none means what the device has.
    pub device_memory_limit: Option<u64>,
}

impl Default for PredictOptions {
    fn default() -> Self {
        Self {
            device: DeviceChoice::Cpu,
            step: 0.5,
            mirroring: Mirroring::default(),
            windows_per_batch: WindowBatch::default(),
            precision: Precision::default(),
            checkpoint: CheckpointKind::Final,
            existing: ExistingOutputs::default(),
            probabilities: SaveProbabilities::default(),
            sums: None,
            sum_place: None,
            memory_limit: None,
            device_memory_limit: None,
        }
    }
}

/// Test-time mirroring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mirroring {
    /// Average over all combinations of the axes that the training mirrored: up to eight
    /// passes in 3D, four in 2D.
    #[default]
    AsTrained,
    /// One pass.
    Off,
}

/// How many windows go through the network at once. Results don't depend on it beyond rounding.
///
/// A number is kept or refused; automatic ones become one at a time where more don't fit a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WindowBatch {
    /// One large window, or several small ones, as the device likes it.
    #[default]
    Automatic,
    /// This many.
    Windows(NonZeroUsize),
}

/// Number format of the network. Outputs are added up in [`SumPrecision`] whatever it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Half precision where it is safe on a GPU, single precision on the processor.
    #[default]
    Mixed,
    /// Single precision.
    Single,
    /// bfloat16: faster on processors and cards that have instructions for it.
    Bfloat16,
    /// Half precision throughout; slow on processors.
    Half,
}

impl Precision {
    /// The numbers that networks are told to compute in; [`Self::Mixed`] is libtorch's affair.
    pub(crate) const fn arithmetic(self) -> Arithmetic {
        match self {
            Self::Mixed | Self::Single => Arithmetic::Single,
            Self::Bfloat16 => Arithmetic::Bfloat16,
            Self::Half => Arithmetic::Half,
        }
    }
}

/// Number format that overlapping windows are added up in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SumPrecision {
    /// Four bytes per class and voxel under the windows.
    Single,
    /// Two bytes: half of the memory that many classes take, three significant digits, which is
    /// what the Python program has.
    Half,
}

/// Where overlapping windows are added up. Only the slices that windows still reach are held, in
/// either place, and the results are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SumPlace {
    /// In the memory of the processor: outputs of every window are brought there.
    Host,
    /// In the memory of the device of the networks: only finished slices leave it.
    Device,
}

/// Which probabilities of all classes at full resolution are saved; usually none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SaveProbabilities {
    /// `CASE.zarr`: compressed chunks, of which parts can be read.
    pub chunked: Option<ProbabilityPrecision>,
    /// `CASE.npz`, as the Python program saves them.
    pub npz: bool,
}

impl SaveProbabilities {
    /// Whether any are.
    #[must_use]
    pub const fn any(self) -> bool {
        self.chunked.is_some() || self.npz
    }
}

/// Number format of saved probabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProbabilityPrecision {
    /// 32 bits.
    #[default]
    Single,
    /// 16 bits, floating: half the space, three significant digits; off by at most 0.00025.
    Half,
    /// 16 bits in equal steps of 1/65535: off by at most 0.0000077.
    Steps16,
    /// 8 bits in equal steps of 1/255: a quarter of the space, off by at most 0.002.
    Steps8,
}

/// What happens to cases of a folder that have an output already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ExistingOutputs {
    /// They are predicted again.
    #[default]
    Replace,
    /// They are left out.
    Keep,
}
