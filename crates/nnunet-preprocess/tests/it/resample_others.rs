//! Resampling that plans seldom ask for, against what nnU-Net v2 2.8.1 makes of small arrays:
//! splines along the coarse axis, and the functions by torch. The arrays are random numbers that
//! either side draws for itself.

use ndarray::{Array1, Array3};
use nnunet_preprocess::resample::{LabelRule, ResampleMethod, resample_image, resample_labels};
use nnunet_schema::plans::{ResamplingArguments, ResamplingFunction};
use nnunet_schema::{Shape, Spacing};
use serde::Deserialize;

const REFERENCE: &str = include_str!("../data/other_resampling.json");

#[derive(Deserialize)]
struct Entry {
    function: String,
    shape: Shape,
    new_shape: Shape,
    current: Spacing,
    new: Spacing,
    arguments: ResamplingArguments,
    seed: u32,
    out: Vec<f64>,
}

/// Numbers from 0 to 1.
fn numbers(shape: Shape, mut state: u32) -> Array3<f64> {
    let values = Array1::from_shape_simple_fn(shape.volume(), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / 16_777_216.0
    });
    values.into_shape_with_order(shape.voxels()).unwrap()
}

#[test]
fn orders_along_the_coarse_axis_and_torch_are_as_the_references() {
    let entries: Vec<Entry> = serde_json::from_str(REFERENCE).unwrap();
    let mut compared = 0;
    for entry in entries {
        let function = match entry.function.as_str() {
            "torch" => ResamplingFunction::Torch,
            _ => ResamplingFunction::Spline,
        };
        let arguments = &entry.arguments;
        let method =
            ResampleMethod::planned(function, entry.current, entry.new, arguments).unwrap();
        let values = numbers(entry.shape, entry.seed);
        let found: Vec<f64> = if arguments.is_seg {
            let labels = values.mapv(|v| (4.0 * v).floor() as i16 - 1);
            let found = resample_labels(labels.view(), entry.new_shape, &method).unwrap();
            found.iter().map(|l| f64::from(*l)).collect()
        } else {
            let image = values.mapv(|v| v as f32);
            let found = resample_image(image.view(), entry.new_shape, &method).unwrap();
            found.iter().map(|v| f64::from(*v)).collect()
        };
        assert_eq!(found.len(), entry.out.len());
        let tolerance = if arguments.is_seg { 0.0 } else { 2e-6 };
        let pairs = found.iter().zip(&entry.out);
        let differing = pairs.filter(|(f, w)| (*f - *w).abs() > tolerance).count();
        // Of random labels many have exactly one half: rounding in torch decides on them.
        let allowed = match method.rule {
            LabelRule::Majority => found.len() / 50,
            _ => 0,
        };
        assert!(
            differing <= allowed,
            "seed {}, {method:?}: {differing} of {} voxels differ",
            entry.seed,
            found.len()
        );
        compared += found.len();
    }
    assert!(compared > 10_000, "{compared}");
}
