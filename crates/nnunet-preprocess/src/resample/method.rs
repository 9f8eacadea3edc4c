//! What plans say of resampling.

use nnunet_schema::Spacing;
use nnunet_schema::plans::{ResamplingArguments, ResamplingFunction};

use crate::PreprocessError;

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

/// Which label a voxel gets from the interpolated indicators of the labels around it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LabelRule {
    /// The largest; of equals the nearest voxel's label if it is one of them, otherwise the
    /// lowest (nnU-Net v2's default).
    #[default]
    Heaviest,
    /// The largest thousandfold in half precision, the lowest of equals (nnU-Net v2's
    /// resampling by torch).
    HeaviestInHalf,
    /// The one above one half; background where there is none (resampling by torch that saves
    /// memory).
    Majority,
}

/// An axis that is resampled apart from the others, after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeparateAxis {
    /// 0, 1 or 2.
    pub axis: usize,
    /// The interpolation along it.
    pub order: SplineOrder,
}

/// How an array is resampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResampleMethod {
    /// The interpolation; in plane only, if there is a separate axis.
    pub order: SplineOrder,
    /// The axis that is resampled apart, if any.
    pub separate: Option<SeparateAxis>,
    /// How labels are decided; images have no use for it.
    pub rule: LabelRule,
}

impl ResampleMethod {
    /// The same interpolation along all axes.
    #[must_use]
    pub const fn all_axes(order: SplineOrder) -> Self {
        Self {
            order,
            separate: None,
            rule: LabelRule::Heaviest,
        }
    }

    /// Interpolation in plane, and the nearest slice along an axis, if one is given.
    #[must_use]
    pub fn by_slices(order: SplineOrder, axis: Option<usize>) -> Self {
        let nearest = |axis| SeparateAxis {
            axis,
            order: SplineOrder::Nearest,
        };
        Self {
            separate: axis.map(nearest),
            ..Self::all_axes(order)
        }
    }

    /// The method that plans ask for by default: the orders of `arguments`, and the coarse axis
    /// apart as [`separate_axis`] decides.
    ///
    /// # Errors
    /// [`PreprocessError::ResamplingOrder`] if an order is not supported.
    pub fn new(
        current: Spacing,
        new: Spacing,
        arguments: &ResamplingArguments,
    ) -> Result<Self, PreprocessError> {
        let order = spline_order("order", arguments.order, arguments.is_seg)?;
        let order_z = spline_order("order_z", arguments.order_z, arguments.is_seg)?;
        let apart = |axis| SeparateAxis {
            axis,
            order: order_z,
        };
        Ok(Self {
            separate: separate_axis(current, new, arguments).map(apart),
            ..Self::all_axes(order)
        })
    }

    /// The method of a function that plans name, with its arguments. That of
    /// [`Keep`](ResamplingFunction::Keep) takes the nearest voxels, if an array is to get another
    /// shape all the same.
    ///
    /// # Errors
    /// [`PreprocessError::ResamplingOrder`] if an order is not supported.
    pub fn planned(
        function: ResamplingFunction,
        current: Spacing,
        new: Spacing,
        arguments: &ResamplingArguments,
    ) -> Result<Self, PreprocessError> {
        match function {
            ResamplingFunction::Spline => Self::new(current, new, arguments),
            ResamplingFunction::Keep => Ok(Self::all_axes(SplineOrder::Nearest)),
            ResamplingFunction::Torch => {
                let saves_memory = arguments.extra.get("memefficient_seg_resampling");
                let apart = separate_axis(current, new, arguments);
                Ok(Self {
                    rule: if saves_memory == Some(&serde_json::Value::Bool(true)) {
                        LabelRule::Majority
                    } else {
                        LabelRule::HeaviestInHalf
                    },
                    ..Self::by_slices(SplineOrder::Linear, apart)
                })
            }
        }
    }

    /// The interpolation along one axis.
    #[must_use]
    pub fn order_along(&self, axis: usize) -> SplineOrder {
        match self.separate {
            Some(apart) if apart.axis == axis => apart.order,
            _ => self.order,
        }
    }
}

fn spline_order(
    key: &'static str,
    order: u8,
    is_seg: bool,
) -> Result<SplineOrder, PreprocessError> {
    match order {
        0 => Ok(SplineOrder::Nearest),
        1 => Ok(SplineOrder::Linear),
        3 if !is_seg => Ok(SplineOrder::Cubic),
        found => Err(PreprocessError::ResamplingOrder {
            key,
            found,
            expected: if is_seg {
                "0 or 1 for labels"
            } else {
                "0, 1 or 3"
            },
        }),
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
        let mut labels = arguments(None);
        labels.is_seg = true;
        labels.order = 1;
        labels.order_z = 3;
        let error = ResampleMethod::new(iso, iso, &labels).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("`order_z` is 3, expected 0 or 1"),
            "{error}"
        );
    }

    #[test]
    fn torch_is_linear_and_decides_labels_in_its_own_way() {
        let (coarse, iso) = (spacing([4.0, 1.0, 1.0]), spacing([1.0; 3]));
        let mut given = arguments(Some(false));
        let method = |given: &ResamplingArguments| {
            ResampleMethod::planned(ResamplingFunction::Torch, coarse, iso, given).unwrap()
        };
        assert_eq!(method(&given).order, SplineOrder::Linear);
        assert_eq!(method(&given).separate, None);
        assert_eq!(method(&given).rule, LabelRule::HeaviestInHalf);
        given.force_separate_z = None;
        given
            .extra
            .insert("memefficient_seg_resampling".into(), true.into());
        let by_slices = ResampleMethod::by_slices(SplineOrder::Linear, Some(0));
        let rule = LabelRule::Majority;
        assert_eq!(method(&given), ResampleMethod { rule, ..by_slices });
    }
}
