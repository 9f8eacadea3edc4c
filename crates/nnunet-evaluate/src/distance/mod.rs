//! The exact Euclidean distance transform with anisotropic voxels.
//!
//! Squared distances separate: a first pass measures along x, then the lower envelope of
//! parabolas along y and along z takes the others in (Felzenszwalb and Huttenlocher, *Distance
//! Transforms of Sampled Functions*, 2012). Each pass is linear in the voxels.

mod envelope;
mod passes;
mod real;

use ndarray::{Array3, ArrayView3};
use nnunet_schema::Spacing;

pub use real::Real;

/// From the centre of each voxel to that of the nearest voxel of `mask`, in millimetres,
/// `(z, y, x)`: 0 inside the mask, infinite everywhere if it is empty.
///
/// Distances are exact but for the rounding of `R`: positions are compared in double precision.
#[must_use]
pub fn distance_to<R: Real>(mask: ArrayView3<'_, bool>, spacing: Spacing) -> Array3<R> {
    let mut distances = squared_distance_to(mask, spacing);
    distances.mapv_inplace(R::root);
    distances
}

/// From the centre of each voxel of `mask` to that of the nearest voxel outside it, in
/// millimetres, `(z, y, x)`: 0 outside the mask, infinite everywhere if it fills the volume. What
/// lies beyond the volume does not count as outside.
#[must_use]
pub fn distance_within<R: Real>(mask: ArrayView3<'_, bool>, spacing: Spacing) -> Array3<R> {
    let mut distances = passes::transform(mask, |v| !v, spacing);
    distances.mapv_inplace(R::root);
    distances
}

/// The squares of [`distance_to`], in mm².
#[must_use]
pub fn squared_distance_to<R: Real>(mask: ArrayView3<'_, bool>, spacing: Spacing) -> Array3<R> {
    passes::transform(mask, |v| v, spacing)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn brute_force(mask: &Array3<bool>, spacing: Spacing) -> Array3<f64> {
        let sites = mask.indexed_iter().filter(|(_, site)| **site);
        let sites: Vec<_> = sites.map(|(at, _)| at).collect();
        Array3::from_shape_fn(mask.raw_dim(), |(z, y, x)| {
            (sites.iter())
                .map(|(sz, sy, sx)| {
                    let [dz, dy, dx] = spacing.mm();
                    let square = |a: usize, b: usize, mm: f64| (a.abs_diff(b) as f64 * mm).powi(2);
                    square(z, *sz, dz) + square(y, *sy, dy) + square(x, *sx, dx)
                })
                .fold(f64::INFINITY, f64::min)
                .sqrt()
        })
    }

    fn masks() -> impl Strategy<Value = (Array3<bool>, Spacing)> {
        let shape = (1_usize..6, 1_usize..9, 1_usize..20);
        (shape, 0.02..0.98, 0.1_f64..5.0, 0.1_f64..5.0, 0.1_f64..5.0).prop_flat_map(
            |(shape, filled, z, y, x)| {
                let voxels = shape.0 * shape.1 * shape.2;
                proptest::collection::vec(0.0..1.0, voxels).prop_map(move |draws| {
                    let mask = draws.into_iter().map(|v| v < filled).collect();
                    let spacing = Spacing::new([z, y, x]).unwrap();
                    (Array3::from_shape_vec(shape, mask).unwrap(), spacing)
                })
            },
        )
    }

    fn close(a: f64, b: f64, relative: f64) -> bool {
        a == b || (a - b).abs() <= relative * b
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(80))]

        #[test]
        fn distances_equal_brute_force((mask, spacing) in masks()) {
            let wanted = brute_force(&mask, spacing);
            let double = distance_to::<f64>(mask.view(), spacing);
            let single = distance_to::<f32>(mask.view(), spacing);
            for ((wanted, double), single) in wanted.iter().zip(&double).zip(&single) {
                prop_assert!(close(*double, *wanted, 1e-13), "{double} {wanted}");
                prop_assert!(close(f64::from(*single), *wanted, 3e-7), "{single} {wanted}");
            }
            let outside = mask.mapv(|v| !v);
            let within = distance_within::<f64>(outside.view(), spacing);
            prop_assert_eq!(within, double);
        }

        #[test]
        fn turning_the_axes_turns_the_distances((mask, spacing) in masks()) {
            let [z, y, x] = spacing.mm();
            let straight = distance_to::<f64>(mask.view(), spacing);
            let turned_spacing = Spacing::new([x, y, z]).unwrap();
            let turned = distance_to::<f64>(mask.view().reversed_axes(), turned_spacing);
            for (a, b) in straight.iter().zip(turned.reversed_axes().iter()) {
                prop_assert!(close(*a, *b, 1e-13), "{a} {b}");
            }
        }
    }

    #[test]
    fn blocks_wider_than_one_keep_every_column() {
        let mask = Array3::from_shape_fn((3, 70, 150), |(z, y, x)| {
            (z, y, x) == (0, 69, 0) || (z, y, x) == (2, 0, 149)
        });
        let spacing = Spacing::new([2.0, 0.5, 0.25]).unwrap();
        let (found, wanted) = (
            distance_to::<f64>(mask.view(), spacing),
            brute_force(&mask, spacing),
        );
        assert!((found.iter().zip(&wanted)).all(|(a, b)| close(*a, *b, 1e-13)));
    }

    #[test]
    fn an_empty_mask_is_infinitely_far() {
        let mask = Array3::from_elem((2, 3, 4), false);
        let found = distance_to::<f32>(mask.view(), Spacing::ISOTROPIC_1MM);
        assert!(found.iter().all(|d| *d == f32::INFINITY));
        let none = Array3::from_elem((0, 3, 4), false);
        assert!(distance_to::<f32>(none.view(), Spacing::ISOTROPIC_1MM).is_empty());
    }
}
