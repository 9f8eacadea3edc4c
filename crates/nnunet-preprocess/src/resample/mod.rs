//! Resampling of images, label maps and network outputs to another voxel grid.
//!
//! The conventions are those of nnU-Net v2 (that is, of scikit-image's `resize` without
//! anti-aliasing): output voxel `k` of an axis lies at the input coordinate
//! `(k + 0.5) · n_in / n_out − 0.5`. Images are interpolated by cubic B-splines, clipped to the
//! range of their input; labels by the linear interpolation of each label's indicator; network
//! outputs linearly. If the spacing is anisotropic, the coarse axis is handled apart: the slices
//! are resampled in plane, and along the axis the nearest slice is taken.

mod axis;
mod image;
mod labels;
mod lines;
mod outputs;
mod plane;

use ndarray::ArrayView3;
use nnunet_schema::plans::ResamplingArguments;
use nnunet_schema::{Shape, Spacing};

use crate::PreprocessError;

pub use image::{resample_image, resample_image_into, resample_owned_image, resample_spent_image};
pub use labels::{resample_labels, resample_labels_into};
pub use outputs::{fold_outputs, resample_logits_argmax, resample_logits_regions};

/// The ratio of coarsest to finest axis above which the coarse axis is resampled apart.
const ANISOTROPY_THRESHOLD: f64 = 3.0;

/// What lies between the voxels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SplineOrder {
    /// The nearest voxel; exactly between two, the one with the higher index.
    Nearest,
    /// A straight line.
    Linear,
    /// The interpolating cubic B-spline.
    Cubic,
}

/// How an array is resampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResampleMethod {
    /// The interpolation; in plane only, if there is a separate axis.
    pub order: SplineOrder,
    /// The axis that is resampled apart, by the nearest slice.
    pub separate: Option<usize>,
}

impl ResampleMethod {
    /// The same interpolation along all axes.
    #[must_use]
    pub const fn all_axes(order: SplineOrder) -> Self {
        Self {
            order,
            separate: None,
        }
    }

    /// The method that plans ask for: the order of `arguments`, and the coarse axis apart as
    /// [`separate_axis`] decides.
    ///
    /// # Errors
    /// [`PreprocessError::ResamplingOrder`] if an order is not supported.
    pub fn new(
        current: Spacing,
        new: Spacing,
        arguments: &ResamplingArguments,
    ) -> Result<Self, PreprocessError> {
        let unsupported = |key, found, expected| {
            Err(PreprocessError::ResamplingOrder {
                key,
                found,
                expected,
            })
        };
        let order = match arguments.order {
            0 => SplineOrder::Nearest,
            1 => SplineOrder::Linear,
            3 if !arguments.is_seg => SplineOrder::Cubic,
            found if arguments.is_seg => return unsupported("order", found, "0 or 1 for labels"),
            found => return unsupported("order", found, "0, 1 or 3"),
        };
        if arguments.order_z != 0 {
            let expected = "0, the nearest slice";
            return unsupported("order_z", arguments.order_z, expected);
        }
        Ok(Self {
            order,
            separate: separate_axis(current, new, arguments),
        })
    }
}

/// The axis that is resampled apart from the others, if any: the one with the largest spacing,
/// if that is more than three times the smallest; judged by the current spacing, then by the
/// new one. If two or all axes share the largest spacing, there is none.
///
/// `force_separate_z` of the arguments overrides the comparison, and a number
/// `separate_z_anisotropy_threshold` among the other keys replaces the three.
#[must_use]
pub fn separate_axis(
    current: Spacing,
    new: Spacing,
    arguments: &ResamplingArguments,
) -> Option<usize> {
    let threshold = (arguments.extra.get("separate_z_anisotropy_threshold"))
        .and_then(serde_json::Value::as_f64)
        .unwrap_or(ANISOTROPY_THRESHOLD);
    match arguments.force_separate_z {
        Some(false) => None,
        Some(true) => coarsest_axis(current),
        None if current.anisotropy() > threshold => coarsest_axis(current),
        None if new.anisotropy() > threshold => coarsest_axis(new),
        None => None,
    }
}

/// The axis with the largest spacing, if no other axis has the same.
fn coarsest_axis(spacing: Spacing) -> Option<usize> {
    let mm = spacing.mm();
    let largest = mm.iter().copied().fold(f64::MIN, f64::max);
    let mut axes = (0..3).filter(|axis| spacing[*axis] == largest);
    let first = axes.next();
    if axes.next().is_none() { first } else { None }
}

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
    if method.separate.is_some_and(|axis| axis > 2) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(force: Option<bool>) -> ResamplingArguments {
        ResamplingArguments {
            is_seg: false,
            order: 3,
            order_z: 0,
            force_separate_z: force,
            extra: serde_json::Map::new(),
        }
    }

    fn spacing(mm: [f64; 3]) -> Spacing {
        Spacing::new(mm).unwrap()
    }

    #[test]
    fn the_coarse_axis_is_apart_only_above_a_ratio_of_three() {
        let iso = spacing([1.0; 3]);
        let axis = |a, b, force| separate_axis(spacing(a), spacing(b), &arguments(force));
        assert_eq!(axis([3.0, 1.0, 1.0], [1.0; 3], None), None);
        assert_eq!(axis([3.1, 1.0, 1.0], [1.0; 3], None), Some(0));
        assert_eq!(axis([1.0; 3], [1.0, 1.0, 4.0], None), Some(2));
        assert_eq!(axis([3.1, 1.0, 1.0], [1.0; 3], Some(false)), None);
        assert_eq!(axis([1.0, 1.2, 1.0], [1.0; 3], Some(true)), Some(1));
        assert_eq!(separate_axis(iso, iso, &arguments(Some(true))), None);
    }

    #[test]
    fn two_equally_coarse_axes_are_not_apart() {
        let current = spacing([4.0, 4.0, 1.0]);
        assert_eq!(
            separate_axis(current, spacing([1.0; 3]), &arguments(None)),
            None
        );
    }

    #[test]
    fn unsupported_orders_are_named() {
        let iso = spacing([1.0; 3]);
        let mut bad = arguments(None);
        bad.order = 2;
        let error = ResampleMethod::new(iso, iso, &bad).unwrap_err().to_string();
        assert!(
            error.contains("`order` is 2, expected 0, 1 or 3"),
            "{error}"
        );
    }
}
