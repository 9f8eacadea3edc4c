//! Variants that must give the same.

use std::num::NonZeroUsize;
use std::sync::Mutex;

use ndarray::Array4;
use nnunet_infer::{
    InferError, Precision, PredictOptions, Predictor, Recipe, SumPrecision, WindowBatch, WindowSum,
    predict_with_network,
};
use nnunet_model::Tensor;
use nnunet_schema::Shape;

use crate::common::{Function, PlanOf, above, dataset, noise, one_label, plain_properties, plans};
use crate::models::{image, load, model_folder};

fn recipe(options: &PredictOptions) -> Recipe {
    let labels = dataset(1, one_label());
    Recipe::new(
        &plans(&PlanOf::default()),
        "test",
        &labels,
        &[0, 1],
        options,
    )
    .unwrap()
}

#[test]
fn sums_of_either_precision_and_windows_by_hand_agree() {
    let shape = Shape::new([19, 12, 21]);
    let data = noise(1, shape);
    let mut properties = plain_properties(Shape::new([25, 12, 17]));
    properties.shape_after_resampling = shape;
    let run = |sums| {
        let options = PredictOptions {
            sums: Some(sums),
            ..PredictOptions::default()
        };
        let network = above(0.05);
        predict_with_network(&network, &recipe(&options), "a", data.view(), &properties).unwrap()
    };
    let (single, half) = (run(SumPrecision::Single), run(SumPrecision::Half));
    let pairs = single.labels.iter().zip(&half.labels);
    let differing = pairs.filter(|(a, b)| a != b).count();
    // Half precision rounds the distance to the threshold.
    assert!(differing <= single.labels.len() / 500, "{differing}");
    assert!(single.labels.iter().any(|label| *label == 1));

    let recipe = recipe(&PredictOptions::default());
    let tiling = recipe.tiling(shape).unwrap();
    let mut sum = WindowSum::new(&tiling, 2);
    for window in tiling.cut(data.view()).unwrap() {
        let mut logits = Array4::zeros((2, 8, 8, 8));
        let foreground = window.data.mapv(|v| v - 0.05);
        logits
            .slice_mut(ndarray::s![1.., .., .., ..])
            .assign(&foreground);
        sum.add(window.position, logits.view()).unwrap();
    }
    let outputs = sum.finish().unwrap();
    let by_hand = recipe
        .label("a", outputs.view(), &properties, None)
        .unwrap();
    let pairs = single.labels.iter().zip(&by_hand.labels);
    let differing = pairs.filter(|(a, b)| a != b).count();
    assert!(differing <= 2, "{differing}");
    let error = recipe
        .label("a", data.view(), &properties, None)
        .unwrap_err();
    assert!(
        matches!(
            error,
            InferError::Outputs {
                found: 1,
                expected: 2,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn half_precision_sums_give_every_voxel_its_due() {
    // In the corners weights are far below the smallest half-precision number.
    let options = PredictOptions {
        sums: Some(SumPrecision::Half),
        ..PredictOptions::default()
    };
    let shape = Shape::new([30, 31, 29]);
    let data = Array4::from_elem((1, 30, 31, 29), 0.125);
    let network = above(0.0);
    let recipe = recipe(&options);
    let found = predict_with_network(
        &network,
        &recipe,
        "a",
        data.view(),
        &plain_properties(shape),
    )
    .unwrap();
    assert!(found.labels.iter().all(|label| *label == 1));
}

#[test]
fn a_case_that_does_not_fit_says_what_would() {
    let shape = Shape::new([64, 64, 64]);
    let of = |batch: usize, limit: u64, sums| PredictOptions {
        windows_per_batch: WindowBatch::Windows(NonZeroUsize::new(batch).unwrap()),
        memory_limit: Some(limit),
        sums: Some(sums),
        ..PredictOptions::default()
    };
    let plan = |options: &PredictOptions| {
        let plan = recipe(options).memory_plan(shape, shape, tch::Device::Cpu);
        plan.unwrap().total()
    };
    let (many, one) = (
        of(200, 0, SumPrecision::Single),
        of(1, 0, SumPrecision::Single),
    );
    let half = of(1, 0, SumPrecision::Half);
    assert!(plan(&many) > plan(&one) && plan(&one) > plan(&half));
    let error = |limit| {
        let options = of(200, limit, SumPrecision::Single);
        let data = noise(1, shape);
        let never = Function(|_: &Tensor| unreachable!());
        let properties = plain_properties(shape);
        predict_with_network(&never, &recipe(&options), "a", data.view(), &properties)
            .unwrap_err()
            .to_string()
    };
    let text = error(plan(&one));
    assert!(
        text.contains("it fits with one window at a time (") && text.contains("image"),
        "{text}"
    );
    let text = error(plan(&half));
    assert!(text.contains("added up in half precision"), "{text}");
    let text = error(1000);
    assert!(text.contains("raise the limit"), "{text}");
}

#[test]
fn threads_share_a_predictor() {
    let dir = model_folder(&[0]);
    let predictor = load(dir.path(), PredictOptions::default());
    let images: Vec<_> = (8..12).map(|z| image([z, 9, 8], 1)).collect();
    let expected: Vec<_> = images
        .iter()
        .map(|i| predictor.predict("a", i).unwrap())
        .collect();
    let shared: Mutex<Predictor> = Mutex::new(predictor);
    std::thread::scope(|scope| {
        for (image, expected) in images.iter().zip(&expected) {
            let shared = &shared;
            scope.spawn(move || {
                let predictor = shared.lock().unwrap();
                assert_eq!(predictor.predict("a", image).unwrap(), *expected);
            });
        }
    });
}

#[test]
fn networks_of_a_folder_compute_in_the_numbers_asked_for() {
    let dir = model_folder(&[0]);
    let probabilities = |precision| {
        let options = PredictOptions {
            precision,
            ..PredictOptions::default()
        };
        let predictor = load(dir.path(), options);
        let found = predictor.predict_probabilities("a", &image([9, 10, 11], 1));
        found.unwrap().1
    };
    let single = probabilities(Precision::Single);
    assert_eq!(probabilities(Precision::Mixed), single);
    for (precision, most) in [(Precision::Bfloat16, 0.1), (Precision::Half, 0.02)] {
        let found = probabilities(precision);
        let pairs = found.iter().zip(&single);
        let furthest = pairs.fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs()));
        assert!(
            furthest > 0.0 && furthest < most,
            "{precision:?}: {furthest}"
        );
    }
}
