//! The box around what is not background, and how to take it and put it back.

use ndarray::{Array3, ArrayView3, ArrayView4, Zip, s};
use nnunet_schema::Shape;
use serde::{Deserialize, Serialize};

use crate::holes::fill_holes;

/// A half-open box of voxels; stored as `[[low, high], …]` for the axes `(z, y, x)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CropBox([[usize; 2]; 3]);

impl CropBox {
    /// The box of a whole image.
    #[must_use]
    pub fn whole(shape: Shape) -> Self {
        Self(shape.voxels().map(|n| [0, n]))
    }

    /// The box from `low` up to, not including, `high` along `(z, y, x)`; `None` where that leaves
    /// no voxel.
    #[must_use]
    pub fn between(low: [usize; 3], high: [usize; 3]) -> Option<Self> {
        let inside = low.iter().zip(&high).all(|(low, high)| low < high);
        inside.then(|| Self(std::array::from_fn(|axis| [low[axis], high[axis]])))
    }

    /// The smallest box that holds every `true`; `None` if there is none.
    #[must_use]
    pub fn around(mask: ArrayView3<'_, bool>) -> Option<Self> {
        bounds(mask, |v| *v)
    }

    /// The smallest box that holds both.
    fn union(self, other: Self) -> Self {
        let mut both = self;
        for ([low, high], [other_low, other_high]) in both.0.iter_mut().zip(other.0) {
            *low = other_low.min(*low);
            *high = other_high.max(*high);
        }
        both
    }

    /// First voxel inside, per axis.
    #[must_use]
    pub fn low(self) -> [usize; 3] {
        self.0.map(|[low, _]| low)
    }

    /// First voxel beyond, per axis.
    #[must_use]
    pub fn high(self) -> [usize; 3] {
        self.0.map(|[_, high]| high)
    }

    /// Voxels along each axis.
    #[must_use]
    pub fn shape(self) -> Shape {
        Shape::new(self.0.map(|[low, high]| high - low))
    }

    /// Whether the box lies inside an image of this shape and is not empty.
    #[must_use]
    pub fn fits(self, shape: Shape) -> bool {
        (0..3).all(|a| self.0[a][0] < self.0[a][1] && self.0[a][1] <= shape[a])
    }

    /// The part of a volume inside the box.
    ///
    /// # Panics
    /// If the box does not [fit](Self::fits).
    #[must_use]
    pub fn view<'a, T>(self, volume: &ArrayView3<'a, T>) -> ArrayView3<'a, T> {
        let [[a, b], [c, d], [e, f]] = self.0;
        (*volume).slice_move(s![a..b, c..d, e..f])
    }

    /// The part of all channels inside the box.
    ///
    /// # Panics
    /// If the box does not [fit](Self::fits).
    #[must_use]
    pub fn view_channels<'a, T>(self, image: &ArrayView4<'a, T>) -> ArrayView4<'a, T> {
        let [[a, b], [c, d], [e, f]] = self.0;
        (*image).slice_move(s![.., a..b, c..d, e..f])
    }

    /// The inverse of [`view`](Self::view): `inside` put back into a volume of `shape` that is
    /// `fill` elsewhere.
    ///
    /// # Panics
    /// If the box does not [fit](Self::fits) or `inside` does not have its shape.
    #[must_use]
    pub fn embed<T: Copy>(self, inside: ArrayView3<'_, T>, shape: Shape, fill: T) -> Array3<T> {
        let mut whole = Array3::from_elem(shape.voxels(), fill);
        let [[a, b], [c, d], [e, f]] = self.0;
        whole.slice_mut(s![a..b, c..d, e..f]).assign(&inside);
        whole
    }
}

/// The smallest box that holds every voxel that is `inside`, in one pass in the order of memory.
fn bounds<T>(volume: ArrayView3<'_, T>, inside: impl Fn(&T) -> bool) -> Option<CropBox> {
    let mut found: Option<CropBox> = None;
    for (z, slice) in volume.outer_iter().enumerate() {
        for (y, row) in slice.outer_iter().enumerate() {
            let Some(first) = row.iter().position(&inside) else {
                continue;
            };
            let last = row.iter().rposition(&inside).unwrap_or(first);
            let row = CropBox([[z, z + 1], [y, y + 1], [first, last + 1]]);
            found = Some(found.map_or(row, |found| found.union(row)));
        }
    }
    found
}

/// The smallest box that holds every voxel where any channel differs from zero; `None` if there is
/// none. The box of [`nonzero_mask`], without making the mask: filling holes does not widen it.
#[must_use]
pub fn nonzero_box(image: ArrayView4<'_, f32>) -> Option<CropBox> {
    let boxes = image.into_outer_iter();
    boxes
        .filter_map(|channel| bounds(channel, |v| *v != 0.0))
        .reduce(CropBox::union)
}

/// Where any channel differs from zero, holes filled (see [`fill_holes`]).
#[must_use]
pub fn nonzero_mask(image: ArrayView4<'_, f32>) -> Array3<bool> {
    let (_, z, y, x) = image.dim();
    let mut mask = Array3::from_elem((z, y, x), false);
    for channel in image.outer_iter() {
        Zip::from(&mut mask)
            .and(&channel)
            .for_each(|m, v| *m |= *v != 0.0);
    }
    fill_holes(&mut mask);
    mask
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_box_is_tight() {
        let mut mask = Array3::from_elem((4, 5, 6), false);
        mask[[1, 2, 3]] = true;
        mask[[2, 2, 5]] = true;
        let found = CropBox::around(mask.view()).unwrap();
        assert_eq!(found, CropBox([[1, 3], [2, 3], [3, 6]]));
        assert_eq!(found.shape().voxels(), [2, 1, 3]);
        assert!(CropBox::around(Array3::from_elem((2, 2, 2), false).view()).is_none());
    }

    #[test]
    fn a_closed_hole_is_filled_and_an_open_one_is_not() {
        let mut image = Array4::<f32>::zeros((1, 5, 5, 5));
        image.slice_mut(s![0, 1..4, 1..4, 1..4]).fill(1.0);
        image[[0, 2, 2, 2]] = 0.0;
        assert!(nonzero_mask(image.view())[[2, 2, 2]]);
        image[[0, 1, 2, 2]] = 0.0;
        assert!(!nonzero_mask(image.view())[[2, 2, 2]]);
    }

    #[test]
    fn a_box_between_two_corners_holds_a_voxel_or_is_none() {
        let found = CropBox::between([1, 2, 3], [2, 4, 9]).unwrap();
        assert_eq!((found.low(), found.high()), ([1, 2, 3], [2, 4, 9]));
        assert_eq!(CropBox::between([1, 2, 3], [2, 2, 9]), None);
        assert_eq!(CropBox::between([1, 2, 3], [0, 4, 9]), None);
    }

    proptest! {
        #[test]
        fn cropping_and_embedding_cancel(
            values in proptest::collection::vec(0_i16..3, 4 * 3 * 5)
        ) {
            let volume = Array3::from_shape_vec((4, 3, 5), values).unwrap();
            let mask = volume.mapv(|v| v != 0);
            if let Some(crop) = CropBox::around(mask.view()) {
                let inside = crop.view(&volume.view());
                let back = crop.embed(inside, Shape::new([4, 3, 5]), 0);
                prop_assert_eq!(back, volume);
            }
        }
    }
}
