//! The first steps of a case: the axes of the plan, and the box that is not zero.

use ndarray::{Array, Array3, Array4, Axis, Dimension, ShapeError, Zip};
use nnunet_image::{CropBox, Image, LabelMap, nonzero_mask};
use nnunet_schema::{AxisPermutation, Shape};

/// A case in the plan's axes, cut to its nonzero box.
pub(super) struct CroppedCase {
    pub(super) shape_before_cropping: Shape,
    pub(super) bbox: CropBox,
    /// Transposed without being moved: the axes in memory are still in the file's order.
    pub(super) data: Array4<f32>,
    /// As `data`.
    pub(super) labels: Array3<i16>,
}

impl CroppedCase {
    /// Crops in the memory of the image and the labels. Without labels there are some with 0
    /// inside and -1 outside.
    ///
    /// # Errors
    /// None that could come from the case: the arrays that are cut have the sizes they are cut to.
    pub(super) fn new(
        image: Image,
        labels: Option<LabelMap>,
        transpose: AxisPermutation,
    ) -> Result<Self, ShapeError> {
        let mask = nonzero_mask(image.data.view());
        let shape = image.shape();
        let bbox = CropBox::around(mask.view()).unwrap_or_else(|| CropBox::whole(shape));
        let data = cut(image.data, bbox)?;
        let mask = bbox.view(&mask.view());
        let labels = match labels {
            Some(map) => {
                let labels = cut(map.labels.insert_axis(Axis(0)), bbox)?;
                let mut labels = labels.index_axis_move(Axis(0), 0);
                Zip::from(&mut labels).and(mask).for_each(|label, inside| {
                    if *label == 0 && !inside {
                        *label = -1;
                    }
                });
                labels
            }
            None => mask.map(|inside| if *inside { 0 } else { -1 }),
        };
        let [a, b, c] = transpose.forward();
        let (low, high) = (transpose.apply(bbox.low()), transpose.apply(bbox.high()));
        Ok(Self {
            shape_before_cropping: transpose.apply_shape(shape),
            bbox: CropBox::between(low, high).unwrap_or(bbox),
            data: data.permuted_axes([0, a + 1, b + 1, c + 1]),
            labels: labels.permuted_axes([a, b, c]),
        })
    }
}

/// Cuts a box out of every channel, in the memory of the whole.
fn cut<T: Copy>(array: Array4<T>, bbox: CropBox) -> Result<Array4<T>, ShapeError> {
    let (channels, z, y, x) = array.dim();
    if !array.is_standard_layout() {
        let inside = bbox.view_channels(&array.view());
        return Ok(inside.as_standard_layout().into_owned());
    }
    if bbox == CropBox::whole(Shape::new([z, y, x])) {
        return Ok(array);
    }
    let [depth, height, width] = bbox.shape().voxels();
    let [first_z, first_y, first_x] = bbox.low();
    let (mut values, offset) = array.into_raw_vec_and_offset();
    let mut end = 0;
    for c in 0..channels {
        for k in first_z..first_z + depth {
            for j in first_y..first_y + height {
                let row = offset.unwrap_or(0) + ((c * z + k) * y + j) * x + first_x;
                values.copy_within(row..row + width, end);
                end += width;
            }
        }
    }
    values.truncate(end);
    values.shrink_to_fit();
    Array::from_shape_vec((channels, depth, height, width), values)
}

/// The array with its axes in memory in their order; without a copy if they are.
pub(super) fn in_order<T: Clone, D: Dimension>(array: Array<T, D>) -> Array<T, D> {
    if array.is_standard_layout() {
        array
    } else {
        array.as_standard_layout().into_owned()
    }
}
