//! Where the windows lie.

use nnunet_schema::Shape;
use nnunet_schema::plans::Dimensionality;

use crate::InferError;

/// The positions of equal windows along one axis of `image` voxels, ascending, covering it.
///
/// The number of windows is `ceil((image − window) / (window · step)) + 1`, spread evenly;
/// each position is rounded, half to even (Online Methods, "Inference": "patches … overlap by
/// half of the size of a patch" for a step of 0.5). An image shorter than the window has one
/// window at 0.
#[must_use]
pub fn axis_positions(image: usize, window: usize, step: f64) -> Vec<usize> {
    let Some(slack) = image.checked_sub(window).filter(|s| *s > 0) else {
        return vec![0];
    };
    let steps = (slack as f64 / (window as f64 * step)).ceil().max(1.0);
    // One voxel apart is as dense as windows can lie.
    let steps = (steps as usize).min(slack);
    let distance = slack as f64 / steps as f64;
    (0..=steps)
        .map(|i| ((distance * i as f64).round_ties_even() as usize).min(slack))
        .collect()
}

/// The windows of one case: the image padded with zeros to at least one window, half of the
/// padding (rounded down) before it, and the positions along each axis of the padded image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiling {
    image: Shape,
    padded: Shape,
    window: Shape,
    before: [usize; 3],
    positions: [Vec<usize>; 3],
}

impl Tiling {
    /// The windows of an image. In 2D the window is one slice thick and every slice gets its
    /// own windows.
    ///
    /// # Errors
    /// [`InferError::Step`] unless `step` is above 0 and at most 1.
    pub fn new(
        image: Shape,
        window: Shape,
        dimensionality: Dimensionality,
        step: f64,
    ) -> Result<Self, InferError> {
        if !(step > 0.0 && step <= 1.0) {
            return Err(InferError::Step { found: step });
        }
        let padded: [usize; 3] = std::array::from_fn(|a| image[a].max(window[a]));
        let positions = std::array::from_fn(|a| match dimensionality {
            Dimensionality::Two if a == 0 => (0..padded[a]).collect(),
            _ => axis_positions(padded[a], window[a], step),
        });
        Ok(Self {
            image,
            padded: padded.into(),
            window,
            before: std::array::from_fn(|a| (padded[a] - image[a]) / 2),
            positions,
        })
    }

    /// Shape of the image.
    #[must_use]
    pub const fn image(&self) -> Shape {
        self.image
    }

    /// Shape of the image with its padding.
    #[must_use]
    pub const fn padded(&self) -> Shape {
        self.padded
    }

    /// Shape of a window.
    #[must_use]
    pub const fn window(&self) -> Shape {
        self.window
    }

    /// Voxels of padding before the image, per axis.
    #[must_use]
    pub const fn padding_before(&self) -> [usize; 3] {
        self.before
    }

    /// Positions of the windows along each axis of the padded image.
    #[must_use]
    pub const fn positions(&self) -> &[Vec<usize>; 3] {
        &self.positions
    }

    /// The first voxel of each window in the padded image, the first axis outermost.
    #[must_use]
    pub fn windows(&self) -> Vec<[usize; 3]> {
        let [along_z, along_y, along_x] = &self.positions;
        let mut windows = Vec::with_capacity(along_z.len() * along_y.len() * along_x.len());
        for &z in along_z {
            for &y in along_y {
                windows.extend(along_x.iter().map(|&x| [z, y, x]));
            }
        }
        windows
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn windows_are_spread_evenly_and_rounded_half_to_even() {
        assert_eq!(axis_positions(110, 64, 0.5), [0, 23, 46]);
        assert_eq!(axis_positions(97, 64, 0.5), [0, 16, 33]);
        assert_eq!(axis_positions(64, 64, 0.5), [0]);
        assert_eq!(axis_positions(10, 64, 0.5), [0]);
    }

    #[test]
    fn every_slice_has_its_windows_in_2d() {
        let (image, window) = (Shape::new([3, 10, 5]), Shape::new([1, 8, 8]));
        let tiling = Tiling::new(image, window, Dimensionality::Two, 0.5).unwrap();
        assert_eq!(tiling.positions(), &[vec![0, 1, 2], vec![0, 2], vec![0]]);
        assert_eq!(tiling.padded().voxels(), [3, 10, 8]);
        assert_eq!(tiling.padding_before(), [0, 0, 1]);
        assert_eq!(tiling.windows().len(), 6);
    }

    #[test]
    fn steps_that_leave_gaps_or_stand_still_are_refused() {
        let shape = Shape::new([8; 3]);
        for step in [0.0, -0.5, 1.01, f64::NAN] {
            let error = Tiling::new(shape, shape, Dimensionality::Three, step).unwrap_err();
            assert!(matches!(error, InferError::Step { .. }), "{error}");
        }
    }

    proptest! {
        #[test]
        fn windows_ascend_and_leave_no_voxel_out(
            image in 1_usize..300, window in 1_usize..80, step in 0.01_f64..=1.0
        ) {
            let positions = axis_positions(image, window, step);
            prop_assert_eq!(positions.first(), Some(&0));
            prop_assert_eq!(positions.last(), Some(&image.saturating_sub(window)));
            for pair in positions.windows(2) {
                prop_assert!(pair[0] < pair[1] && pair[1] <= pair[0] + window);
            }
        }
    }
}
