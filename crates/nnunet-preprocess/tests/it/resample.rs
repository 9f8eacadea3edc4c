use std::path::Path;

use ndarray::{Array3, Array4, ArrayView4, Axis};
use nnunet_preprocess::resample::{
    ResampleMethod, SplineOrder, fold_outputs, resample_image, resample_labels,
    resample_logits_argmax, resample_logits_regions,
};
use nnunet_schema::plans::ResamplingArguments;
use nnunet_schema::{Shape, Spacing};
use serde_json::{Value, json};

use crate::support::{assert_images_close, from_json, json, npy_labels, npy4, shared};

fn arguments(order: u8) -> ResamplingArguments {
    from_json(&json!({"is_seg": false, "order": order, "order_z": 0, "force_separate_z": null}))
}

fn resample_channels(data: &Array4<f32>, to: Shape, method: &ResampleMethod) -> Array4<f32> {
    let channels: Vec<Array3<f32>> = (data.outer_iter())
        .map(|channel| resample_image(channel, to, method).unwrap())
        .collect();
    let views: Vec<_> = channels.iter().map(|channel| channel.view()).collect();
    ndarray::stack(Axis(0), &views).unwrap()
}

fn agreement(found: &Array3<i16>, expected: &Array3<i16>) -> f64 {
    assert_eq!(found.dim(), expected.dim());
    let equal = found.iter().zip(expected).filter(|(f, e)| f == e).count();
    equal as f64 / expected.len() as f64
}

fn check_case(folder: &Path, entry: &Value) {
    let number: usize = from_json(&entry["i"]);
    let name = format!("resample/{number:02}");
    let file = |what: &str| folder.join(format!("{number:02}_{what}.npy"));
    let to: Shape = from_json(&entry["new_shape"]);
    let current: Spacing = from_json(&entry["current_spacing"]);
    let new: Spacing = from_json(&entry["new_spacing"]);
    let data = npy4::<f32>(&file("data"));
    for order in [1, 3] {
        let method = ResampleMethod::new(current, new, &arguments(order)).unwrap();
        assert_eq!(
            method.separate.map(|a| a.axis),
            from_json::<Option<usize>>(&entry["axis"])
        );
        let found = resample_channels(&data, to, &method);
        let expected = npy4::<f32>(&file(&format!("data_o{order}")));
        assert_images_close(&format!("{name} order {order}"), &found, &expected);
    }
    let method = ResampleMethod::new(current, new, &arguments(1)).unwrap();
    let found = resample_labels(npy_labels(&file("seg")).view(), to, &method).unwrap();
    let equal = agreement(&found, &npy_labels(&file("seg_o1")));
    assert!(equal >= 0.99999, "{name} labels: {equal}");
}

#[test]
fn arrays_are_resampled_as_the_reference_does() {
    let Some(folder) = shared("fixtures/resample", "resample") else {
        return;
    };
    let index = json(&folder.join("index.json"));
    for entry in index.as_array().unwrap() {
        check_case(&folder, entry);
    }
}

fn vector(entry: &Value, values: &str, shape: [usize; 4]) -> Array4<f32> {
    let values: Vec<f32> = from_json(&entry[values]);
    Array4::from_shape_vec(shape, values).unwrap()
}

#[test]
fn small_vectors_are_resampled_as_the_reference_does() {
    let Some(path) = shared("fixtures/vectors/resample_v2.json", "resample_v2") else {
        return;
    };
    for entry in json(&path).as_array().unwrap() {
        let name: String = from_json(&entry["name"]);
        let shape: [usize; 4] = from_json(&entry["shape"]);
        let to: Shape = from_json(&entry["new_shape"]);
        let [z, y, x] = to.voxels();
        let data = vector(entry, "data", shape);
        let expected = vector(entry, "out", [shape[0], z, y, x]);
        let kwargs: ResamplingArguments = from_json(&entry["kwargs"]);
        let current: Spacing = from_json(&entry["current_spacing"]);
        let new: Spacing = from_json(&entry["new_spacing"]);
        let method = ResampleMethod::new(current, new, &kwargs).unwrap();
        if kwargs.is_seg {
            let labels = data.index_axis(Axis(0), 0).mapv(|v| v as i16);
            let found = resample_labels(labels.view(), to, &method).unwrap();
            let expected = expected.index_axis(Axis(0), 0).mapv(|v| v as i16);
            assert_eq!(found, expected, "{name}");
        } else if name.starts_with("prob") {
            // Half precision in and out there.
            let found = resample_channels(&data, to, &method);
            for (f, e) in found.iter().zip(&expected) {
                assert!((f - e).abs() <= e.abs() * 6e-4 + 1e-6, "{name}: {f} {e}");
            }
            check_outputs(&name, data.view(), to, &method, &found);
        } else {
            let found = resample_channels(&data, to, &method);
            assert_images_close(&name, &found, &expected);
        }
    }
}

/// Folding the channels on the way equals resampling them first.
fn check_outputs(
    name: &str,
    logits: ArrayView4<'_, f32>,
    to: Shape,
    method: &ResampleMethod,
    resampled: &Array4<f32>,
) {
    let mut sums = Array3::<f32>::zeros(to.voxels());
    fold_outputs(logits, method, &mut sums, |channels, mut band| {
        band.assign(&channels.sum_axis(Axis(0)));
    })
    .unwrap();
    assert_images_close(name, &sums, &resampled.sum_axis(Axis(0)));

    let winners = resample_logits_argmax(logits, to, method).unwrap();
    let regions = resample_logits_regions(logits, to, method, &[3, 5]).unwrap();
    for ((voxel, winner), region) in winners.indexed_iter().zip(&regions) {
        let (z, y, x) = voxel;
        let at = |c: usize| resampled[[c, z, y, x]];
        if (at(1) - at(0)).abs() > 1e-3 {
            assert_eq!(*winner, u16::from(at(1) > at(0)), "{name} {voxel:?}");
        }
        let expected = match (at(0) > 0.0, at(1) > 0.0) {
            (_, true) => 5,
            (true, false) => 3,
            _ => 0,
        };
        if at(0).abs() > 1e-3 && at(1).abs() > 1e-3 {
            assert_eq!(*region, expected, "{name} {voxel:?}");
        }
    }
}

#[test]
fn outputs_are_folded_the_same_way_with_every_order() {
    let logits = Array4::from_shape_fn((2, 5, 6, 7), |(c, z, y, x)| {
        ((c * 31 + z * 17 + y * 7 + x * 3) % 13) as f32 - 6.0
    });
    for order in [
        SplineOrder::Nearest,
        SplineOrder::Linear,
        SplineOrder::Cubic,
    ] {
        for to in [[5, 6, 7], [9, 4, 11]] {
            let method = ResampleMethod::all_axes(order);
            let to = Shape::new(to);
            let resampled = resample_channels(&logits, to, &method);
            check_outputs("orders", logits.view(), to, &method, &resampled);
        }
    }
}

#[test]
fn what_cannot_be_resampled_is_an_error() {
    let image = Array3::<f32>::zeros((2, 3, 4));
    let method = ResampleMethod::all_axes(SplineOrder::Linear);
    let error = resample_image(image.view(), Shape::new([2, 0, 4]), &method).unwrap_err();
    assert!(error.to_string().contains("2×0×4"), "{error}");

    let wrong_axis = ResampleMethod::by_slices(SplineOrder::Linear, Some(3));
    assert!(resample_image(image.view(), Shape::new([2, 2, 4]), &wrong_axis).is_err());

    let labels = Array3::<i16>::zeros((2, 3, 4));
    let cubic = ResampleMethod::all_axes(SplineOrder::Cubic);
    assert!(resample_labels(labels.view(), Shape::new([2, 2, 4]), &cubic).is_err());

    let logits = Array4::<f32>::zeros((2, 2, 3, 4));
    let to = Shape::new([2, 3, 5]);
    assert!(resample_logits_regions(logits.view(), to, &method, &[1]).is_err());
}
