//! What a case takes, known before it starts.

use std::fmt;
use std::num::NonZeroUsize;

use nnunet_model::Device;
use nnunet_schema::Shape;

use crate::{InferError, Recipe, SumPrecision, Tiling, WindowBatch};

/// What the prediction of one case holds at once, in bytes, beside the networks' own memory and
/// the image as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// The preprocessed image.
    pub image: u64,
    /// The outputs of all classes in the slices that windows still reach, and of one batch.
    pub outputs: u64,
    /// The labels of the crop box and of the whole image.
    pub labels: u64,
}

impl MemoryPlan {
    /// The needs of a case of `channels` that is covered by `tiling`, `batch` windows at a time,
    /// with `heads` network outputs, in an image of the shape `whole`.
    #[must_use]
    pub fn new(tiling: &Tiling, channels: usize, heads: usize, batch: usize, whole: Shape) -> Self {
        Self::with_sums(tiling, channels, heads, batch, whole, SumPrecision::Single)
    }

    /// As [`Self::new`], with windows added up in `sums`.
    #[must_use]
    pub fn with_sums(
        tiling: &Tiling,
        channels: usize,
        heads: usize,
        batch: usize,
        whole: Shape,
        sums: SumPrecision,
    ) -> Self {
        let bytes = |values: usize, of: usize| (values as u64).saturating_mul(of as u64);
        let (padded, window) = (tiling.padded(), tiling.window());
        let plane = heads.saturating_mul(padded[1]).saturating_mul(padded[2]);
        // Besides those under the window: the one before, one in between, one handed out.
        let sums = match sums {
            SumPrecision::Single => bytes(plane.saturating_mul(window[0]), 4),
            SumPrecision::Half => bytes(plane.saturating_mul(window[0]), 2),
        };
        let windows = batch.saturating_mul(window.volume());
        Self {
            image: bytes(tiling.image().volume(), 4).saturating_mul(channels as u64),
            outputs: (bytes(plane, 4).saturating_mul(3))
                .saturating_add(sums)
                .saturating_add(
                    bytes(windows, 4).saturating_mul((3 * heads + 2 * channels) as u64),
                ),
            labels: bytes(whole.volume(), 2).saturating_mul(3),
        }
    }

    /// Everything together, saturating.
    #[must_use]
    pub const fn total(&self) -> u64 {
        (self.image)
            .saturating_add(self.outputs)
            .saturating_add(self.labels)
    }
}

impl fmt::Display for MemoryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
        write!(
            f,
            "{} MB: image {} MB, network outputs {} MB, labels {} MB",
            megabytes(self.total()),
            megabytes(self.image),
            megabytes(self.outputs),
            megabytes(self.labels)
        )
    }
}

/// Refuses a case that takes more than `limit` bytes, and says what would fit.
pub(crate) fn check(
    recipe: &Recipe,
    case: &str,
    preprocessed: Shape,
    whole: Shape,
    device: Device,
    limit: u64,
) -> Result<(), InferError> {
    let plan = recipe.memory_plan(preprocessed, whole, device)?;
    if plan.total() <= limit {
        return Ok(());
    }
    let single = WindowBatch::Windows(NonZeroUsize::MIN);
    let variants = [
        ("one window at a time", single, recipe.sums),
        (
            "windows added up in half precision",
            recipe.batch(),
            SumPrecision::Half,
        ),
        (
            "one window at a time, added up in half precision",
            single,
            SumPrecision::Half,
        ),
    ];
    let mut fitting = None;
    for (what, batch, sums) in variants {
        let other = recipe.clone().with_memory_settings(batch, sums);
        let total = other.memory_plan(preprocessed, whole, device)?.total();
        if total <= limit && fitting.is_none() {
            fitting = Some(format!(
                "it fits with {what} ({} MB)",
                total.div_ceil(1_000_000)
            ));
        }
    }
    Err(InferError::MemoryLimit {
        case: case.to_owned(),
        needed: plan.total(),
        limit,
        plan: plan.to_string(),
        advice: fitting.unwrap_or_else(|| {
            "raise the limit or resample the image to a coarser spacing".to_owned()
        }),
    })
}

#[cfg(test)]
mod tests {
    use nnunet_schema::plans::Dimensionality;

    use super::*;

    #[test]
    fn a_plan_prints_its_parts() {
        let plan = MemoryPlan {
            image: 1,
            outputs: 2_000_001,
            labels: 4_000_000,
        };
        let text = "7 MB: image 1 MB, network outputs 3 MB, labels 4 MB";
        assert_eq!(plan.to_string(), text);
    }

    #[test]
    fn outputs_grow_with_the_window_and_not_with_the_depth_of_the_case() {
        let window = Shape::new([64; 3]);
        let plan = |depth| {
            let image = Shape::new([depth, 200, 200]);
            let tiling = Tiling::new(image, window, Dimensionality::Three, 0.5).unwrap();
            MemoryPlan::new(&tiling, 1, 100, 1, image)
        };
        let (short, long) = (plan(100), plan(1000));
        assert_eq!(short.outputs, long.outputs);
        assert!(long.image > short.image && long.total() > short.total());
        // All classes of the long case would take 16 GB.
        assert!(long.total() < 2_000_000_000, "{long:?}");
    }
}
