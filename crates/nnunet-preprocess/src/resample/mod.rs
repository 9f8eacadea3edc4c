//! Resampling of images, label maps and network outputs to another voxel grid.
//!
//! The conventions are those of nnU-Net v2 (that is, of scikit-image's `resize` without
//! anti-aliasing): output voxel `k` of an axis lies at the input coordinate
//! `(k + 0.5) · n_in / n_out − 0.5`. Images are interpolated by cubic B-splines, clipped to the
//! range of their input; labels by the linear interpolation of each label's indicator; network
//! outputs linearly. If the spacing is anisotropic, the coarse axis is handled apart: the slices
//! are resampled in plane, and along the axis the nearest slice is taken, unless the plans name
//! another order there. The linear resampling by torch of some plans is here too
//! ([`ResampleMethod::planned`]).

mod axis;
mod image;
mod labels;
mod lines;
mod method;
mod outputs;
mod plane;

use ndarray::ArrayView3;
use nnunet_schema::Shape;

use crate::PreprocessError;

pub use image::{resample_image, resample_image_into, resample_owned_image, resample_spent_image};
pub use labels::{resample_labels, resample_labels_into};
pub use method::{LabelRule, ResampleMethod, SeparateAxis, SplineOrder, separate_axis};
pub use outputs::{fold_outputs, resample_logits_argmax, resample_logits_regions};

/// Refuses what has no voxels, on either side.
fn check_shapes(from: Shape, to: Shape, method: &ResampleMethod) -> Result<(), PreprocessError> {
    let fail = |problem: &str| {
        Err(PreprocessError::Resample {
            from,
            to,
            problem: problem.to_owned(),
        })
    };
    if from.volume() == 0 || to.volume() == 0 {
        return fail("expected at least one voxel along each axis");
    }
    if method.separate.is_some_and(|apart| apart.axis > 2) {
        return fail("the separate axis must be 0, 1 or 2");
    }
    Ok(())
}

/// Voxels along each axis.
fn shape_of<T>(array: &ArrayView3<'_, T>) -> Shape {
    let (z, y, x) = array.dim();
    Shape::new([z, y, x])
}

/// Refuses memory of the caller's that cannot be filled slice by slice.
fn check_target<T>(from: Shape, target: &ArrayView3<'_, T>) -> Result<(), PreprocessError> {
    if target.is_standard_layout() {
        return Ok(());
    }
    Err(PreprocessError::Resample {
        from,
        to: shape_of(target),
        problem: "the array for the result is not contiguous, in C order".to_owned(),
    })
}
