use proptest::prelude::*;

use super::*;

fn brute_force(a: &Array3<bool>, b: &Array3<bool>, spacing: Spacing) -> Vec<f64> {
    let voxels = |mask: &Array3<bool>| -> Vec<[usize; 3]> {
        let (nz, ny, nx) = mask.dim();
        let edges = [nz, ny, nx];
        (mask.indexed_iter())
            .filter(|(_, inside)| **inside)
            .map(|((z, y, x), _)| [z, y, x])
            .filter(|at| {
                (0..3).filter(|axis| edges[*axis] > 1).any(|axis| {
                    [-1, 1].into_iter().any(|step| {
                        let mut to = *at;
                        match to[axis].checked_add_signed(step) {
                            Some(there) if there < edges[axis] => to[axis] = there,
                            _ => return true,
                        }
                        !mask[to]
                    })
                })
            })
            .collect()
    };
    let (a, b) = (voxels(a), voxels(b));
    let mut distances: Vec<f64> = (a.iter())
        .map(|from| {
            let squares = b.iter().map(|to| -> f64 {
                (0..3)
                    .map(|axis| (from[axis].abs_diff(to[axis]) as f64 * spacing[axis]).powi(2))
                    .sum()
            });
            squares.fold(f64::INFINITY, f64::min).sqrt()
        })
        .collect();
    distances.sort_by(f64::total_cmp);
    distances
}

fn mask_pairs() -> impl Strategy<Value = ([Array3<bool>; 2], Spacing)> {
    let shape = (1_usize..5, 1_usize..7, 1_usize..8);
    (shape, 0.1_f64..4.0, 0.1_f64..4.0, 0.1_f64..4.0).prop_flat_map(|(shape, z, y, x)| {
        let voxels = shape.0 * shape.1 * shape.2;
        let mask = || {
            proptest::collection::vec(prop_oneof![3 => Just(true), 2 => Just(false)], voxels)
                .prop_map(move |v| Array3::from_shape_vec(shape, v).unwrap())
        };
        (mask(), mask()).prop_map(move |(a, b)| ([a, b], Spacing::new([z, y, x]).unwrap()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn metrics_equal_brute_force(([a, b], spacing) in mask_pairs(), tolerance in 0.0..3.0) {
        let found = surface_metrics(a.view(), b.view(), spacing, tolerance).unwrap();
        let (forth, back) = (brute_force(&b, &a, spacing), brute_force(&a, &b, spacing));
        if forth.is_empty() || back.is_empty() {
            prop_assert!(!found.hausdorff.is_finite());
            return Ok(());
        }
        let both: Vec<f64> = forth.iter().chain(&back).copied().collect();
        let count = both.len() as f64;
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-12 * (1.0 + b);
        prop_assert!(close(found.hausdorff, both.iter().copied().fold(0.0, f64::max)));
        prop_assert!(close(found.average_distance, both.iter().sum::<f64>() / count));
        let near = both.iter().filter(|d| **d <= tolerance + 1e-9).count() as f64;
        prop_assert!(close(found.surface_dice, near / count));
        // At least 95 % of each direction lie below, and not all of the worse one above.
        let below = |of: &[f64]| of.iter().filter(|d| **d <= found.hausdorff_95 + 1e-9).count();
        prop_assert!(below(&forth) as f64 >= 0.95 * (forth.len() as f64 - 1.0));
        prop_assert!(below(&back) as f64 >= 0.95 * (back.len() as f64 - 1.0));
        prop_assert!(found.hausdorff_95 <= found.hausdorff);
    }

    #[test]
    fn metrics_are_symmetric_and_turn_with_the_axes(([a, b], spacing) in mask_pairs()) {
        let [z, y, x] = spacing.mm();
        let turned = Spacing::new([x, y, z]).unwrap();
        let found = surface_metrics(a.view(), b.view(), spacing, 1.0).unwrap();
        let swapped = surface_metrics(b.view(), a.view(), spacing, 1.0).unwrap();
        let (a, b) = (a.view().reversed_axes(), b.view().reversed_axes());
        let turned = surface_metrics(a, b, turned, 1.0).unwrap();
        for other in [swapped, turned] {
            let close = |a: f64, b: f64| !a.is_finite() || (a - b).abs() <= 1e-12 * (1.0 + b);
            prop_assert!(close(found.hausdorff, other.hausdorff));
            prop_assert!(close(found.hausdorff_95, other.hausdorff_95));
            prop_assert!(close(found.average_distance, other.average_distance));
            prop_assert!(close(found.surface_dice, other.surface_dice));
        }
    }
}

fn cube(low: usize, high: usize) -> Array3<bool> {
    Array3::from_shape_fn((9, 9, 9), |(z, y, x)| {
        [z, y, x].iter().all(|v| (low..high).contains(v))
    })
}

#[test]
fn a_cube_and_its_core_are_as_far_apart_as_they_look() {
    let spacing = Spacing::new([3.0, 1.0, 1.0]).unwrap();
    let (a, b) = (cube(2, 7), cube(3, 6));
    let found = surface_metrics(a.view(), b.view(), spacing, 3.0).unwrap();
    assert!((found.hausdorff - 11.0_f64.sqrt()).abs() < 1e-12);
    assert_eq!(surface(a.view()).iter().filter(|v| **v).count(), 125 - 27);
    let same = surface_metrics(a.view(), a.view(), spacing, 0.0).unwrap();
    assert_eq!((same.hausdorff, same.surface_dice), (0.0, 1.0));
}

#[test]
fn a_distance_equal_to_the_tolerance_is_within_it() {
    let spacing = Spacing::new([1.0, 1.0, 0.1]).unwrap();
    let at = |x: usize| Array3::from_shape_fn((2, 2, 9), |(_, _, i)| i == x);
    let metrics = surface_metrics(at(1).view(), at(4).view(), spacing, 0.3).unwrap();
    assert_eq!(metrics.surface_dice, 1.0);
}

#[test]
fn empty_masks_have_defined_results() {
    let (empty, full) = (cube(0, 0), cube(1, 5));
    let compare = |a: &Array3<bool>, b: &Array3<bool>| {
        surface_metrics(a.view(), b.view(), Spacing::ISOTROPIC_1MM, 1.0).unwrap()
    };
    assert!(compare(&empty, &empty).hausdorff.is_nan());
    assert!(compare(&empty, &empty).surface_dice.is_nan());
    for found in [compare(&empty, &full), compare(&full, &empty)] {
        assert_eq!(found.average_distance, f64::INFINITY);
        assert_eq!(found.surface_dice, 0.0);
    }
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    let (a, b) = (cube(1, 3), Array3::from_elem((9, 9, 8), true));
    let result = surface_metrics(a.view(), b.view(), Spacing::ISOTROPIC_1MM, 1.0);
    assert!(matches!(result, Err(EvaluateError::Shapes { .. })));
    for tolerance in [-1.0, f64::NAN] {
        let result = surface_metrics(a.view(), a.view(), Spacing::ISOTROPIC_1MM, tolerance);
        assert!(matches!(result, Err(EvaluateError::Tolerance { .. })));
    }
}
