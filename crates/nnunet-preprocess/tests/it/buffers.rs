//! The ways to resample agree, whoever provides the memory and however it is ordered.

use ndarray::{Array3, Array4, s};
use nnunet_image::{Image, LabelMap};
use nnunet_preprocess::resample::{
    ResampleMethod, SplineOrder, resample_image, resample_image_into, resample_labels,
    resample_labels_into, resample_owned_image, resample_spent_image,
};
use nnunet_preprocess::{CasePipeline, PreprocessError};
use nnunet_schema::{AxisPermutation, Shape};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{description, image, labels, plans};

fn shapes() -> impl Strategy<Value = [usize; 3]> {
    // Beyond the width of a block of lines now and then.
    prop::array::uniform3(prop_oneof![3 => 1_usize..10, 1 => 30_usize..40])
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

fn numbers([z, y, x]: [usize; 3]) -> Array3<f32> {
    Array3::from_shape_fn((z, y, x), |(i, j, k)| {
        ((i * 31 + j * 17 + k * 7) % 23) as f32 - 5.0
    })
}

/// The same array with its axes in memory in another order.
fn reordered(array: &Array3<f32>, order: [usize; 3]) -> Array3<f32> {
    let moved = array.view().permuted_axes(order);
    let back = AxisPermutation::new(order).unwrap().backward();
    moved.as_standard_layout().into_owned().permuted_axes(back)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn all_ways_give_the_same(
        from in shapes(), to in shapes(), method in methods(),
        order in prop::sample::select(vec![[0, 1, 2], [2, 0, 1], [1, 0, 2], [2, 1, 0]])
    ) {
        let image = numbers(from);
        let expected = resample_image(image.view(), Shape::new(to), &method).unwrap();

        let other = reordered(&image, order);
        prop_assert_eq!(&other, &image);
        let mut target = Array3::from_elem(to, f32::NAN);
        resample_image_into(other.view(), target.view_mut(), &method).unwrap();
        prop_assert_eq!(&target, &expected);

        target.fill(f32::NAN);
        let mut spent = other.clone();
        resample_spent_image(spent.view_mut(), target.view_mut(), &method).unwrap();
        prop_assert_eq!(&target, &expected);

        let owned = resample_owned_image(other, Shape::new(to), &method).unwrap();
        prop_assert_eq!(&owned, &expected);
    }
}

#[test]
fn an_image_of_the_right_shape_comes_back_without_a_copy() {
    let image = numbers([5, 6, 7]);
    let address = image.as_ptr();
    let method = ResampleMethod::all_axes(SplineOrder::Cubic);
    let same = resample_owned_image(image, Shape::new([5, 6, 7]), &method).unwrap();
    assert_eq!(same.as_ptr(), address);
}

#[test]
fn a_case_that_stays_as_it_is_is_not_moved() {
    let [z, y, x] = [9, 12, 10];
    let data = Array4::from_elem((1, z, y, x), 2.0_f32);
    let raw = Image {
        data,
        geometry: image(1, [z, y, x], [1.0; 3]).geometry,
    };
    let map = labels(&raw);
    let (data, voxels) = (raw.data.as_ptr(), map.labels.as_ptr());
    let description = description(json!({"background": 0, "a": 1, "b": 2}), 1);
    let pipeline = CasePipeline::new(&plans(1, "v2"), "3d_fullres", &description).unwrap();
    let case = pipeline.run("case", raw, Some(map)).unwrap();
    assert_eq!(case.data.as_ptr(), data);
    assert_eq!(case.labels.as_ptr(), voxels);
}

#[test]
fn memory_in_another_order_is_no_target() {
    let method = ResampleMethod::all_axes(SplineOrder::Linear);
    let image = numbers([3, 4, 5]);
    let mut wide = Array3::<f32>::zeros((4, 4, 10));
    let target = wide.slice_mut(s![.., .., ..5]);
    let error = resample_image_into(image.view(), target, &method).unwrap_err();
    assert!(error.to_string().contains("not contiguous"), "{error}");

    let map = Array3::<i16>::zeros((3, 4, 5));
    let mut turned = Array3::<i16>::zeros((5, 4, 4)).reversed_axes();
    assert!(resample_labels_into(map.view(), turned.view_mut(), &method).is_err());
}

#[test]
fn labels_are_resampled_into_the_memory_given() {
    let method = ResampleMethod::all_axes(SplineOrder::Linear);
    let map = numbers([5, 6, 7]).mapv(|v| v as i16 / 4);
    for to in [[5, 6, 7], [9, 4, 8]] {
        let expected = resample_labels(map.view(), Shape::new(to), &method).unwrap();
        let mut target = Array3::from_elem(to, -9);
        resample_labels_into(map.view(), target.view_mut(), &method).unwrap();
        assert_eq!(target, expected);
    }
}

#[test]
fn a_result_that_no_memory_holds_is_an_error() {
    let edge = 1 << 20;
    let method = ResampleMethod::all_axes(SplineOrder::Linear);
    let huge = Shape::new([edge; 3]);
    let image = resample_image(numbers([2, 2, 2]).view(), huge, &method);
    assert!(matches!(image, Err(PreprocessError::OutOfMemory { .. })));

    // A spacing in the wrong unit asks for as much.
    let description = description(json!({"background": 0, "a": 1}), 1);
    let pipeline = CasePipeline::new(&plans(1, "v2"), "3d_fullres", &description).unwrap();
    let raw = image_of_metres();
    let error = pipeline.run("case", raw, None).unwrap_err();
    assert!(error.to_string().contains("spacing"), "{error}");
}

fn image_of_metres() -> Image {
    image(1, [8, 9, 10], [1e6; 3])
}

/// The crop and the transposition, written down once more in the simplest way.
#[test]
fn cropping_in_place_equals_cropping_a_copy() {
    let description = description(json!({"background": 0, "a": 1, "b": 2}), 2);
    for order in [[0, 1, 2], [1, 0, 2], [2, 0, 1]] {
        let mut plans = plans(2, "v2");
        plans.transpose_forward = AxisPermutation::new(order).unwrap();
        plans.configurations["3d_fullres"].insert(
            "normalization_schemes".into(),
            json!(["NoNormalization", "NoNormalization"]),
        );
        let raw = image(2, [7, 9, 11], [1.0; 3]);
        let map: LabelMap = labels(&raw);
        let pipeline = CasePipeline::new(&plans, "3d_fullres", &description).unwrap();
        let case = pipeline
            .run("case", raw.clone(), Some(map.clone()))
            .unwrap();
        let inside = raw.data.slice(s![.., 1..6, 1..8, 1..10]);
        let [a, b, c] = order;
        assert_eq!(case.data, inside.permuted_axes([0, a + 1, b + 1, c + 1]));
        assert!(case.data.is_standard_layout() && case.labels.is_standard_layout());
        let inside = map.labels.slice(s![1..6, 1..8, 1..10]);
        assert_eq!(case.labels, inside.permuted_axes(order));
        let low = case.properties.bbox_used_for_cropping.low();
        assert_eq!(low, [1, 1, 1]);
        assert_eq!(
            case.properties.shape_before_cropping,
            Shape::new(order.map(|axis| [7, 9, 11][axis]))
        );
    }
}
