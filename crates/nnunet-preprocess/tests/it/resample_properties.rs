use std::collections::BTreeSet;

use ndarray::Array3;
use nnunet_preprocess::resample::{ResampleMethod, SplineOrder, resample_image, resample_labels};
use nnunet_schema::Shape;
use proptest::prelude::*;

fn shapes() -> impl Strategy<Value = [usize; 3]> {
    prop::array::uniform3(1_usize..14)
}

fn methods() -> impl Strategy<Value = ResampleMethod> {
    let order = prop::sample::select(vec![
        SplineOrder::Nearest,
        SplineOrder::Linear,
        SplineOrder::Cubic,
    ]);
    (order, prop::option::of(0_usize..3))
        .prop_map(|(order, axis)| ResampleMethod::by_slices(order, axis))
}

fn images() -> impl Strategy<Value = Array3<f32>> {
    shapes().prop_flat_map(|shape| {
        prop::collection::vec(-1000.0_f32..3000.0, shape.iter().product::<usize>())
            .prop_map(move |values| Array3::from_shape_vec(shape, values).unwrap())
    })
}

fn label_maps() -> impl Strategy<Value = Array3<i16>> {
    shapes().prop_flat_map(|shape| {
        prop::collection::vec(-1_i16..4, shape.iter().product::<usize>())
            .prop_map(move |values| Array3::from_shape_vec(shape, values).unwrap())
    })
}

fn shape_of<T>(array: &Array3<T>) -> Shape {
    let (z, y, x) = array.dim();
    Shape::new([z, y, x])
}

/// Interpolation as a plain sum over the definition, in double precision: twelve edge values on
/// both sides, the whole line mirrored, the prefilter started by summation.
fn reference_line(line: &[f32], to: usize) -> Vec<f64> {
    const EDGE: usize = 12;
    let pole = 3.0_f64.sqrt() - 2.0;
    let n = line.len();
    let mut c: Vec<f64> = (0..n + 2 * EDGE)
        .map(|i| f64::from(line[i.saturating_sub(EDGE).min(n - 1)]))
        .collect();
    let m = c.len();
    let mirrored = |i: usize| i % (2 * m);
    let sum: f64 = (0..60)
        .map(|i| {
            let j = mirrored(i);
            pole.powi(i as i32 + 1) * if j < m { c[j] } else { c[2 * m - 1 - j] }
        })
        .sum();
    c[0] += sum;
    for i in 1..m {
        c[i] += pole * c[i - 1];
    }
    c[m - 1] *= pole / (pole - 1.0);
    for i in (0..m - 1).rev() {
        c[i] = pole * (c[i + 1] - c[i]);
    }
    (0..to)
        .map(|k| {
            let u = (k as f64 + 0.5) * n as f64 / to as f64 - 0.5 + EDGE as f64;
            let first = u.floor() as usize - 1;
            let value: f64 = (first..first + 4)
                .map(|i| {
                    let d = (u - i as f64).abs();
                    let basis = if d < 1.0 {
                        (4.0 - 6.0 * d * d + 3.0 * d * d * d) / 6.0
                    } else {
                        (2.0 - d).max(0.0).powi(3) / 6.0
                    };
                    6.0 * basis * c[i.min(m - 1)]
                })
                .sum();
            let low = line.iter().copied().fold(f32::MAX, f32::min);
            let high = line.iter().copied().fold(f32::MIN, f32::max);
            value.clamp(f64::from(low), f64::from(high))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_own_shape_changes_nothing(image in images(), method in methods()) {
        let same = resample_image(image.view(), shape_of(&image), &method).unwrap();
        prop_assert_eq!(same, image);
    }

    #[test]
    fn a_constant_stays_constant(
        from in shapes(), to in shapes(), value in -1e4_f32..1e4, method in methods()
    ) {
        let image = Array3::from_elem(from, value);
        let found = resample_image(image.view(), Shape::new(to), &method).unwrap();
        prop_assert_eq!(found, Array3::from_elem(to, value));
    }

    #[test]
    fn values_stay_in_the_range_of_the_input(
        image in images(), to in shapes(), method in methods()
    ) {
        let low = image.iter().copied().fold(f32::MAX, f32::min);
        let high = image.iter().copied().fold(f32::MIN, f32::max);
        let found = resample_image(image.view(), Shape::new(to), &method).unwrap();
        prop_assert!(found.iter().all(|v| (low..=high).contains(v)));
    }

    #[test]
    fn no_label_appears_that_was_not_there(
        labels in label_maps(), to in shapes(), separate in prop::option::of(0_usize..3)
    ) {
        let known: BTreeSet<i16> = labels.iter().copied().collect();
        let method = ResampleMethod::by_slices(SplineOrder::Linear, separate);
        let found = resample_labels(labels.view(), Shape::new(to), &method).unwrap();
        prop_assert_eq!(found.dim(), (to[0], to[1], to[2]));
        prop_assert!(found.iter().all(|label| known.contains(label)));
    }

    #[test]
    fn labels_equal_the_largest_indicator(labels in label_maps(), to in shapes()) {
        let method = ResampleMethod::all_axes(SplineOrder::Linear);
        let to = Shape::new(to);
        let found = resample_labels(labels.view(), to, &method).unwrap();
        let known: BTreeSet<i16> = labels.iter().copied().collect();
        let indicators: Vec<_> = (known.iter())
            .map(|label| {
                let indicator = labels.mapv(|l| if l == *label { 1.0 } else { 0.0 });
                (*label, resample_image(indicator.view(), to, &method).unwrap())
            })
            .collect();
        for (voxel, label) in found.indexed_iter() {
            let largest = indicators.iter().map(|(_, i)| i[voxel]).fold(0.0, f32::max);
            let own = indicators.iter().find(|(l, _)| l == label).unwrap().1[voxel];
            prop_assert!(own >= largest - 1e-5, "{voxel:?}: {own} of {largest}");
        }
    }

    #[test]
    fn cubic_lines_follow_the_definition(
        line in prop::collection::vec(-100.0_f32..100.0, 1..40), to in 1_usize..60, axis in 0_usize..3
    ) {
        let along = |n: usize| { let mut s = [1; 3]; s[axis] = n; s };
        let image = Array3::from_shape_vec(along(line.len()), line.clone()).unwrap();
        let method = ResampleMethod::all_axes(SplineOrder::Cubic);
        let found = resample_image(image.view(), Shape::new(along(to)), &method).unwrap();
        for (f, e) in found.iter().zip(reference_line(&line, to)) {
            prop_assert!((f64::from(*f) - e).abs() < 2e-4, "{f} {e}");
        }
    }
}
