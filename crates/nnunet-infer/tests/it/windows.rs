//! Windows, padding, mirroring and slices.

use std::cell::RefCell;
use std::num::NonZeroUsize;

use ndarray::Array3;
use nnunet_infer::{
    InferError, Mirroring, Network, PredictOptions, Recipe, WindowBatch, predict_with_network,
};
use nnunet_model::{Tensor, UNet};
use nnunet_schema::Shape;
use proptest::prelude::*;

use crate::common::{
    Function, PlanOf, above, constant, dataset, noise, one_label, plain_properties, plans,
};

fn recipe(of: &PlanOf, mirror_axes: &[usize], options: &PredictOptions) -> Recipe {
    let labels = dataset(of.channels, one_label());
    Recipe::new(&plans(of), "test", &labels, mirror_axes, options).unwrap()
}

fn labels(network: &dyn Network, recipe: &Recipe, shape: [usize; 3]) -> Array3<i16> {
    let shape = Shape::new(shape);
    let data = noise(recipe.channels(), shape);
    predict_with_network(
        network,
        recipe,
        "case",
        data.view(),
        &plain_properties(shape),
    )
    .unwrap()
    .labels
}

fn thresholded(shape: [usize; 3], threshold: f32) -> Array3<i16> {
    let data = noise(1, shape.into());
    data.index_axis(ndarray::Axis(0), 0)
        .mapv(|v| i16::from(v > threshold))
}

#[test]
fn a_constant_network_labels_everything_alike() {
    let recipe = recipe(&PlanOf::default(), &[0, 1, 2], &PredictOptions::default());
    for (network, label) in [(constant(&[0.0, 1.0]), 1), (constant(&[1.0, 0.0]), 0)] {
        let found = labels(&network, &recipe, [17, 9, 13]);
        assert!(found.iter().all(|v| *v == label));
    }
}

#[test]
fn an_image_smaller_than_the_window_is_padded_evenly_with_zeros() {
    let seen = RefCell::new(Vec::new());
    let network = Function(|windows: &Tensor| {
        let mut window = vec![0.0_f32; windows.numel()];
        windows.contiguous().copy_data(&mut window, windows.numel());
        seen.borrow_mut().push((windows.size(), window));
        Tensor::cat(&[windows.zeros_like(), windows.shallow_clone()], 1)
    });
    let options = PredictOptions {
        mirroring: Mirroring::Off,
        ..Default::default()
    };
    let recipe = recipe(&PlanOf::default(), &[0], &options);
    let found = labels(&network, &recipe, [8, 5, 2]);
    assert_eq!(found, thresholded([8, 5, 2], 0.0));
    let seen = seen.borrow();
    assert_eq!(seen.len(), 1);
    let (size, window) = &seen[0];
    assert_eq!(size, &[1, 1, 8, 8, 8]);
    let data = noise(1, Shape::new([8, 5, 2]));
    for (i, value) in window.iter().enumerate() {
        let (z, y, x) = (i / 64, i / 8 % 8, i % 8);
        let inside = (1..6).contains(&y) && (3..5).contains(&x);
        let expected = if inside {
            data[[0, z, y - 1, x - 3]]
        } else {
            0.0
        };
        assert_eq!(*value, expected, "{z} {y} {x}");
    }
}

#[test]
fn mirroring_changes_nothing_for_a_network_without_a_sense_of_direction() {
    let run = |mirroring| {
        let options = PredictOptions {
            mirroring,
            ..Default::default()
        };
        let recipe = recipe(&PlanOf::default(), &[0, 1, 2], &options);
        (recipe.passes(), labels(&above(0.1), &recipe, [9, 20, 8]))
    };
    let (eight, mirrored) = run(Mirroring::AsTrained);
    let (one, plain) = run(Mirroring::Off);
    assert_eq!((eight, one), (8, 1));
    assert_eq!(mirrored, plain);
    assert_eq!(plain, thresholded([9, 20, 8], 0.1));
}

#[test]
fn mirrored_outputs_are_mirrored_back() {
    // Logits rise along x of the window by one per voxel from −2; mirrored and averaged, the
    // slope is gone and its mean of 1.5 stays everywhere.
    let slope = Function(|windows: &Tensor| {
        let ramp = Tensor::arange(8, (tch::Kind::Float, tch::Device::Cpu)) - 2.0;
        let ramp = ramp.view([1, 1, 1, 1, 8]).expand(windows.size(), false);
        Tensor::cat(&[windows.zeros_like(), ramp], 1)
    });
    let plain = recipe(&PlanOf::default(), &[1], &PredictOptions::default());
    assert_eq!(labels(&slope, &plain, [8, 8, 8])[[3, 3, 1]], 0);
    let mirrored = recipe(&PlanOf::default(), &[2], &PredictOptions::default());
    assert!(labels(&slope, &mirrored, [8, 8, 8]).iter().all(|v| *v == 1));
}

#[test]
fn a_2d_network_sees_single_slices_without_their_axis() {
    let sizes = RefCell::new(Vec::new());
    let network = Function(|windows: &Tensor| {
        sizes.borrow_mut().push(windows.size());
        Tensor::cat(&[windows.zeros_like(), windows - 0.2], 1)
    });
    let of = PlanOf {
        patch: vec![8, 8],
        ..Default::default()
    };
    let options = PredictOptions {
        windows_per_batch: WindowBatch::Windows(NonZeroUsize::new(4).unwrap()),
        ..Default::default()
    };
    let recipe = recipe(&of, &[0, 1], &options);
    assert_eq!(recipe.passes(), 4);
    let found = labels(&network, &recipe, [5, 7, 12]);
    assert_eq!(found, thresholded([5, 7, 12], 0.2));
    // Two windows per slice, ten in all, by four; each batch mirrored four times.
    let counts: Vec<i64> = sizes.borrow().iter().map(|s| s[0]).collect();
    assert_eq!(counts, [4, 4, 4, 4, 4, 4, 4, 4, 2, 2, 2, 2]);
    assert!(sizes.borrow().iter().all(|s| s[1..] == [1, 8, 8]));
}

#[test]
fn a_real_network_gives_the_same_whatever_the_batch() {
    let of = PlanOf {
        channels: 2,
        ..Default::default()
    };
    let run = |count: usize| {
        let options = PredictOptions {
            windows_per_batch: WindowBatch::Windows(NonZeroUsize::new(count).unwrap()),
            ..Default::default()
        };
        let recipe = recipe(&of, &[0, 2], &options);
        let network = UNet::new(recipe.configuration(), 2, 2, tch::Device::Cpu).unwrap();
        labels(&network, &recipe, [10, 13, 9])
    };
    let one = run(1);
    let differing = one.iter().zip(&run(5)).filter(|(a, b)| a != b).count();
    assert!(one.iter().any(|v| *v == 0) && one.iter().any(|v| *v == 1));
    assert!(differing <= 2, "{differing} voxels differ");
}

#[test]
fn misbehaving_networks_are_errors_that_name_the_case() {
    let recipe = recipe(&PlanOf::default(), &[], &PredictOptions::default());
    let shape = Shape::new([8; 3]);
    let run = |network: &dyn Network| {
        let data = noise(1, shape);
        predict_with_network(
            network,
            &recipe,
            "c7",
            data.view(),
            &plain_properties(shape),
        )
        .unwrap_err()
    };
    let error = run(&constant(&[0.0, 1.0, 2.0]));
    assert!(matches!(error, InferError::NetworkOutput { .. }), "{error}");
    assert!(error.to_string().contains("c7"));
    let error = run(&constant(&[0.0, f32::INFINITY]));
    assert!(
        matches!(error, InferError::NonFinite { slice: 0, .. }),
        "{error}"
    );
}

#[test]
fn data_that_does_not_fit_is_refused_before_the_network_runs() {
    let never = Function(|_: &Tensor| unreachable!());
    let shape = Shape::new([8; 3]);
    let limited = PredictOptions {
        memory_limit: Some(1000),
        ..Default::default()
    };
    let run = |options: &PredictOptions, channels, properties: Shape| {
        let recipe = recipe(&PlanOf::default(), &[], options);
        let data = noise(channels, shape);
        predict_with_network(
            &never,
            &recipe,
            "c",
            data.view(),
            &plain_properties(properties),
        )
        .unwrap_err()
    };
    let usual = PredictOptions::default();
    assert!(matches!(
        run(&usual, 2, shape),
        InferError::Channels {
            found: 2,
            expected: 1,
            ..
        }
    ));
    let error = run(&usual, 1, Shape::new([8, 8, 9])).to_string();
    assert!(
        error.contains("8×8×8") && error.contains("8×8×9"),
        "{error}"
    );
    assert!(matches!(
        run(&limited, 1, shape),
        InferError::MemoryLimit { limit: 1000, .. }
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn windows_put_every_voxel_where_it_was(
        shape in proptest::array::uniform3(1_usize..21), step in 0.2_f64..=1.0
    ) {
        let options = PredictOptions { step, ..Default::default() };
        let recipe = recipe(&PlanOf::default(), &[0, 1, 2], &options);
        prop_assert_eq!(labels(&above(0.05), &recipe, shape), thresholded(shape, 0.05));
    }
}
