//! How much each voxel of a window counts: most in its centre, where the network sees most
//! around it (Online Methods, "Inference": centre voxels are weighted higher).

use ndarray::Array3;
use nnunet_schema::Shape;

use crate::Tiling;

/// The importance of a window's voxels along one axis: a Gaussian around voxel `window / 2` with
/// a standard deviation of an eighth of the window, 1 in the centre.
#[must_use]
pub fn axis_importance(window: usize) -> Vec<f32> {
    let sigma = window as f64 / 8.0;
    let centre = (window / 2) as f64;
    (0..window)
        .map(|i| (-0.5 * ((i as f64 - centre) / sigma).powi(2)).exp() as f32)
        .collect()
}

/// The importance of a window's voxels `(z, y, x)`: the product over the axes. The Python
/// program's map is ten times this, in half precision with zeros replaced by the smallest
/// positive number; the factor cancels when the weighted sum is divided by the weights.
#[must_use]
pub fn importance_map(window: Shape) -> Array3<f32> {
    let [along_z, along_y, along_x] = window.voxels().map(axis_importance);
    Array3::from_shape_fn(window.voxels(), |(z, y, x)| {
        along_z[z] * along_y[y] * along_x[x]
    })
}

/// The weights of a tiling, axis by axis.
///
/// The importance is a product over the axes and the windows form a grid, so the sum of the
/// weights of all windows at a voxel is a product over the axes as well: three short vectors
/// stand for two volumes. Along an axis with a single window the weight would cancel; it is 1.
#[derive(Clone, Debug, PartialEq)]
pub struct TilingWeights {
    /// Weight of a window's voxels along each axis.
    pub window: [Vec<f32>; 3],
    /// Sum of the weights of all windows along each axis of the padded image; above zero.
    pub sum: [Vec<f32>; 3],
}

impl TilingWeights {
    /// The weights of these windows.
    #[must_use]
    pub fn new(tiling: &Tiling) -> Self {
        let window = std::array::from_fn(|a| match tiling.positions()[a].as_slice() {
            [] | [_] => vec![1.0; tiling.window()[a]],
            _ => axis_importance(tiling.window()[a]),
        });
        let sum = std::array::from_fn(|a| {
            let mut sum = vec![0.0; tiling.padded()[a]];
            for &position in &tiling.positions()[a] {
                for (total, weight) in sum.iter_mut().skip(position).zip(&window[a]) {
                    *total += weight;
                }
            }
            sum
        });
        Self { window, sum }
    }

    /// The share that the window at `position` of the padded image has of its voxels, along each
    /// axis: its weight by that of all windows. So what is added up is a mean at once, which stays
    /// in the range of its values where weights are far below 1.
    pub(crate) fn shares(&self, position: [usize; 3]) -> [Vec<f32>; 3] {
        std::array::from_fn(|a| {
            let sums = self.sum[a].iter().skip(position[a]);
            (self.window[a].iter().zip(sums))
                .map(|(own, all)| own / all)
                .collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use nnunet_schema::plans::Dimensionality;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_centre_counts_most_and_a_corner_still_counts() {
        let map = importance_map(Shape::new([4, 6, 8]));
        assert!((map[[2, 3, 4]] - 1.0).abs() < 1e-7);
        assert!(map.iter().all(|w| *w > 0.0 && *w <= 1.0));
    }

    #[test]
    fn one_window_is_not_weighted() {
        let shape = Shape::new([5, 6, 7]);
        let tiling = Tiling::new(shape, shape, Dimensionality::Three, 0.5).unwrap();
        let weights = TilingWeights::new(&tiling);
        assert!(
            weights
                .window
                .iter()
                .chain(&weights.sum)
                .flatten()
                .all(|w| *w == 1.0)
        );
    }

    proptest! {
        #[test]
        fn every_voxel_has_some_weight(
            image in proptest::array::uniform3(1_usize..60),
            window in proptest::array::uniform3(1_usize..40),
            step in 0.05_f64..=1.0,
        ) {
            let tiling =
                Tiling::new(image.into(), window.into(), Dimensionality::Three, step).unwrap();
            let weights = TilingWeights::new(&tiling);
            prop_assert!(weights.sum.iter().flatten().all(|w| *w >= 3e-4));
        }
    }
}
