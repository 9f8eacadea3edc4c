use nnunet_schema::{SchemaError, Spacing};
use serde::{Deserialize, Serialize};

/// A 2D file has no spacing across its plane; it gets this many times its coarsest in-plane
/// spacing, so that every rule sees the slice axis as the coarsest (as nnU-Net v2 does).
const PLANAR_FACTOR: f64 = 999.0;
/// Largest distance of two origins, as a part of the finest spacing, that counts as rounding.
const ORIGIN_TOLERANCE: f64 = 0.01;
/// Largest difference between entries of two directions that counts as rounding.
const DIRECTION_TOLERANCE: f64 = 1e-4;

/// Where the voxels of an image lie in the patient.
///
/// World coordinates are LPS (x to the left, y to the back, z to the head), millimetres, as in
/// DICOM and ITK; readers of RAS formats convert.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Geometry {
    /// Voxel spacing, axes `(z, y, x)` of the array.
    pub spacing: Spacing,
    /// World position of the centre of the first voxel, `(x, y, z)`.
    pub origin: [f64; 3],
    /// Unit vectors of the image axes: `direction[row][column]`, rows world `(x, y, z)`, columns
    /// the axes in file order, fastest first (the array's axes 2, 1, 0).
    pub direction: [[f64; 3]; 3],
    /// How far, in degrees, the axes of the file were from right angles before they were replaced
    /// by the nearest ones that are: the largest deviation of two axes. 0 for axes that are
    /// orthogonal but for rounding.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skew: f64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // what serde calls
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl Geometry {
    /// Axes along the world's, first voxel at the origin.
    #[must_use]
    pub const fn axis_aligned(spacing: Spacing) -> Self {
        Self {
            spacing,
            origin: [0.0; 3],
            direction: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            skew: 0.0,
        }
    }

    /// The spacing `(z, y, x)` of a 2D image with these in-plane spacings in millimetres: the
    /// slice axis gets 999 times the larger of the two.
    ///
    /// # Errors
    /// [`SchemaError::Spacing`] if an entry is zero, negative, NaN or infinite.
    pub fn planar_spacing(y: f64, x: f64) -> Result<Spacing, SchemaError> {
        Spacing::new([PLANAR_FACTOR * y.max(x), y, x])
    }

    /// Whether this is the geometry of a 2D file: its slice axis has the stand-in of
    /// [`planar_spacing`](Self::planar_spacing).
    #[must_use]
    pub fn is_planar(&self) -> bool {
        let [z, y, x] = self.spacing.mm();
        let stand_in = PLANAR_FACTOR * y.max(x);
        (z - stand_in).abs() <= 1e-6 * stand_in
    }

    /// What to tell the user of axes that were not at right angles; `None` if they were.
    #[must_use]
    pub fn skew_warning(&self) -> Option<String> {
        let degrees = self.skew;
        (degrees > 0.0).then(|| {
            format!(
                "the axes of the image are {degrees:.2}° from right angles; taken for the nearest \
                 ones that are"
            )
        })
    }

    /// Whether two images may be used voxel by voxel as far as their spacings go: each entry of
    /// `self` is within 1e-8 + 1e-5 · |other| of `other`'s (numpy's `allclose`).
    #[must_use]
    pub fn same_spacing(&self, other: &Self) -> bool {
        (0..3).all(|axis| {
            let (a, b) = (self.spacing[axis], other.spacing[axis]);
            (a - b).abs() <= 1e-8 + 1e-5 * b.abs()
        })
    }

    /// Whether the first voxel lies where `other`'s lies: each coordinate within a hundredth of
    /// `other`'s finest spacing.
    #[must_use]
    pub fn same_origin(&self, other: &Self) -> bool {
        let finest = other.spacing.mm().into_iter().fold(f64::INFINITY, f64::min);
        close(&self.origin, &other.origin, ORIGIN_TOLERANCE * finest)
    }

    /// Whether the axes point where `other`'s point: each entry of the directions within 1e-4.
    #[must_use]
    pub fn same_direction(&self, other: &Self) -> bool {
        let mut rows = self.direction.iter().zip(&other.direction);
        rows.all(|(a, b)| close(a, b, DIRECTION_TOLERANCE))
    }
}

fn close(a: &[f64; 3], b: &[f64; 3], tolerance: f64) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planar_spacing_is_recognised() {
        let spacing = Geometry::planar_spacing(0.5, 0.7).unwrap();
        assert_eq!(spacing.mm(), [999.0 * 0.7, 0.5, 0.7]);
        assert!(Geometry::axis_aligned(spacing).is_planar());
        assert!(!Geometry::axis_aligned(Spacing::ISOTROPIC_1MM).is_planar());
    }

    #[test]
    fn places_are_the_same_up_to_rounding() {
        let spacing = Spacing::new([2.0, 1.0, 0.5]).unwrap();
        let here = Geometry::axis_aligned(spacing);
        let mut there = here;
        there.origin[1] = 0.004;
        there.direction[0][1] = 5e-5;
        assert!(there.same_origin(&here) && there.same_direction(&here));
        there.origin[1] = 0.006;
        there.direction[0][1] = 2e-4;
        assert!(!there.same_origin(&here) && !there.same_direction(&here));
    }

    #[test]
    fn spacings_are_compared_as_numpy_does() {
        let with = |z| Geometry::axis_aligned(Spacing::new([z, 1.0, 1.0]).unwrap());
        assert!(with(7.499999046325684).same_spacing(&with(7.500002384185791)));
        assert!(!with(2.0).same_spacing(&with(2.0001)));
    }
}
