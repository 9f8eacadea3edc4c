//! Spacings, shapes and axis permutations: three numbers each, and never to be confused.

use std::fmt;
use std::ops::Index;

use serde::{Deserialize, Serialize};

use crate::SchemaError;

/// Voxel spacing in millimetres, axes `(z, y, x)`; every entry is finite and above zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "[f64; 3]", into = "[f64; 3]")]
pub struct Spacing([f64; 3]);

impl Spacing {
    /// One millimetre along each axis.
    pub const ISOTROPIC_1MM: Self = Self([1.0; 3]);

    /// Checks and wraps the spacing `(z, y, x)` in millimetres.
    ///
    /// # Errors
    /// [`SchemaError::Spacing`] if an entry is zero, negative, NaN or infinite.
    pub fn new(mm: [f64; 3]) -> Result<Self, SchemaError> {
        if mm.iter().all(|v| v.is_finite() && *v > 0.0) {
            Ok(Self(mm))
        } else {
            Err(SchemaError::Spacing { found: mm })
        }
    }

    /// The three values `(z, y, x)` in millimetres.
    #[must_use]
    pub const fn mm(self) -> [f64; 3] {
        self.0
    }

    /// The ratio of the coarsest to the finest axis, at least 1.
    #[must_use]
    pub fn anisotropy(self) -> f64 {
        let max = self.0.iter().copied().fold(f64::MIN, f64::max);
        let min = self.0.iter().copied().fold(f64::MAX, f64::min);
        max / min
    }
}

impl TryFrom<[f64; 3]> for Spacing {
    type Error = SchemaError;
    fn try_from(mm: [f64; 3]) -> Result<Self, SchemaError> {
        Self::new(mm)
    }
}

impl From<Spacing> for [f64; 3] {
    fn from(spacing: Spacing) -> Self {
        spacing.0
    }
}

impl Index<usize> for Spacing {
    type Output = f64;
    fn index(&self, axis: usize) -> &f64 {
        &self.0[axis]
    }
}

impl fmt::Display for Spacing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} × {} × {} mm", self.0[0], self.0[1], self.0[2])
    }
}

/// Number of voxels along each axis `(z, y, x)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shape([usize; 3]);

impl Shape {
    /// Wraps the number of voxels along `(z, y, x)`.
    #[must_use]
    pub const fn new(voxels: [usize; 3]) -> Self {
        Self(voxels)
    }

    /// The three values `(z, y, x)`.
    #[must_use]
    pub const fn voxels(self) -> [usize; 3] {
        self.0
    }

    /// The number of voxels in all, saturating.
    #[must_use]
    pub fn volume(self) -> usize {
        self.0.iter().fold(1, |a, b| a.saturating_mul(*b))
    }

    /// The shape that an image of this shape gets when resampled from one spacing to another:
    /// each edge is `round(from / to · edge)`, half to even, as nnU-Net v2 computes it, and at
    /// least one voxel (where v2 would fail later, on an empty array).
    #[must_use]
    pub fn resampled(self, from: Spacing, to: Spacing) -> Self {
        Self(std::array::from_fn(|a| {
            let edge = (from[a] / to[a] * self.0[a] as f64).round_ties_even();
            (edge as usize).max(1)
        }))
    }
}

impl From<[usize; 3]> for Shape {
    fn from(voxels: [usize; 3]) -> Self {
        Self(voxels)
    }
}

impl From<Shape> for [usize; 3] {
    fn from(shape: Shape) -> Self {
        shape.0
    }
}

impl Index<usize> for Shape {
    type Output = usize;
    fn index(&self, axis: usize) -> &usize {
        &self.0[axis]
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}×{}", self.0[0], self.0[1], self.0[2])
    }
}

/// A reordering of the three axes, and how to undo it.
///
/// `forward[i]` is the axis of the original image that becomes axis `i`. The planner puts the
/// coarsest axis first, so that axis 0 is the one that a 2D configuration slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "[usize; 3]", into = "[usize; 3]")]
pub struct AxisPermutation {
    forward: [usize; 3],
}

impl AxisPermutation {
    /// Leaves the axes as they are.
    pub const IDENTITY: Self = Self { forward: [0, 1, 2] };

    /// Checks and wraps a permutation of `0, 1, 2`.
    ///
    /// # Errors
    /// [`SchemaError::Permutation`] if an axis is missing or named twice.
    pub fn new(forward: [usize; 3]) -> Result<Self, SchemaError> {
        let mut sorted = forward;
        sorted.sort_unstable();
        if sorted == [0, 1, 2] {
            Ok(Self { forward })
        } else {
            Err(SchemaError::Permutation {
                found: forward.to_vec(),
            })
        }
    }

    /// Moves `axis` to the front and leaves the others in ascending order.
    ///
    /// # Errors
    /// [`SchemaError::Permutation`] if `axis` is not 0, 1 or 2.
    pub fn axis_first(axis: usize) -> Result<Self, SchemaError> {
        match axis {
            0 => Ok(Self::IDENTITY),
            1 => Ok(Self { forward: [1, 0, 2] }),
            2 => Ok(Self { forward: [2, 0, 1] }),
            _ => Err(SchemaError::Permutation { found: vec![axis] }),
        }
    }

    /// For each new axis the original one (`transpose_forward` of the plans).
    #[must_use]
    pub const fn forward(self) -> [usize; 3] {
        self.forward
    }

    /// For each original axis the new one (`transpose_backward` of the plans).
    #[must_use]
    pub fn backward(self) -> [usize; 3] {
        let mut back = [0; 3];
        for (new, &old) in self.forward.iter().enumerate() {
            back[old] = new;
        }
        back
    }

    /// The permutation that undoes this one.
    #[must_use]
    pub fn inverse(self) -> Self {
        Self {
            forward: self.backward(),
        }
    }

    /// Reorders three values from the original axes to the new ones.
    #[must_use]
    pub fn apply<T: Copy>(self, values: [T; 3]) -> [T; 3] {
        self.forward.map(|axis| values[axis])
    }

    /// Reorders a spacing from the original axes to the new ones.
    #[must_use]
    pub fn apply_spacing(self, spacing: Spacing) -> Spacing {
        Spacing(self.apply(spacing.0))
    }

    /// Reorders a shape from the original axes to the new ones.
    #[must_use]
    pub fn apply_shape(self, shape: Shape) -> Shape {
        Shape(self.apply(shape.0))
    }
}

impl TryFrom<[usize; 3]> for AxisPermutation {
    type Error = SchemaError;
    fn try_from(forward: [usize; 3]) -> Result<Self, SchemaError> {
        Self::new(forward)
    }
}

impl From<AxisPermutation> for [usize; 3] {
    fn from(permutation: AxisPermutation) -> Self {
        permutation.forward
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_spacing_must_be_positive_and_finite() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Spacing::new([1.0, bad, 1.0]).is_err(), "{bad}");
        }
        assert_eq!(
            Spacing::new([5.0, 0.5, 1.0]).map(|s| s.anisotropy()).ok(),
            Some(10.0)
        );
    }

    #[test]
    fn resampled_shapes_round_half_to_even() {
        let from = Spacing::new([1.5, 2.5, 1.0]).unwrap();
        let shape = Shape::new([1, 1, 4]).resampled(from, Spacing::ISOTROPIC_1MM);
        assert_eq!(shape.voxels(), [2, 2, 4]);
    }

    #[test]
    fn a_resampled_edge_never_vanishes() {
        let from = Spacing::new([0.1, 1.0, 1.0]).unwrap();
        let shape = Shape::new([1, 3, 3]).resampled(from, Spacing::ISOTROPIC_1MM);
        assert_eq!(shape[0], 1);
    }

    proptest! {
        #[test]
        fn a_permutation_and_its_inverse_cancel(axis in 0_usize..3, values: [i32; 3]) {
            let p = AxisPermutation::axis_first(axis).unwrap();
            prop_assert_eq!(p.inverse().apply(p.apply(values)), values);
            prop_assert_eq!(p.forward()[0], axis);
        }
    }

    #[test]
    fn only_permutations_are_accepted() {
        assert!(AxisPermutation::new([0, 0, 1]).is_err());
        assert!(serde_json::from_str::<AxisPermutation>("[0, 1, 3]").is_err());
    }
}
