use nnunet_schema::Shape;

use crate::Tiling;

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
        let bytes = |values: usize, of: usize| (values as u64).saturating_mul(of as u64);
        let (padded, window) = (tiling.padded(), tiling.window());
        let plane = heads.saturating_mul(padded[1]).saturating_mul(padded[2]);
        // Besides those under the window: the one before, one in between, one handed out.
        let slices = window[0] + 3;
        let windows = batch.saturating_mul(window.volume());
        Self {
            image: bytes(tiling.image().volume(), 4).saturating_mul(channels as u64),
            outputs: bytes(plane, 4)
                .saturating_mul(slices as u64)
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

#[cfg(test)]
mod tests {
    use nnunet_schema::plans::Dimensionality;

    use super::*;

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
