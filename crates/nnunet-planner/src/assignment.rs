//! What is asked of the search for one configuration.

use crate::memory::Channels;
use crate::{DimensionRules, Rules};

/// One configuration to design.
#[derive(Clone, Debug)]
pub(crate) struct Assignment<'a, const N: usize> {
    pub(crate) configuration: &'static str,
    pub(crate) rules: &'a Rules,
    pub(crate) dimension: &'a DimensionRules,
    /// Target spacing, millimetres, axes as transposed.
    pub(crate) spacing: [f64; N],
    /// Median shape at that spacing.
    pub(crate) median: [f64; N],
    /// Voxels of all training cases at that spacing.
    pub(crate) dataset_voxels: f64,
    pub(crate) channels: Channels,
    /// The budget, gigabytes.
    pub(crate) gpu_memory_gb: f64,
    /// Fixed by hand.
    pub(crate) patch: Option<[usize; N]>,
    /// Fixed by hand.
    pub(crate) batch_size: Option<usize>,
}
