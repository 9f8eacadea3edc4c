//! The way back to the grid of the image.

use ndarray::{Array3, Array4, Axis, stack};
use nnunet_image::{Geometry, Image};
use nnunet_infer::{PredictOptions, Recipe, predict_with_network};
use nnunet_preprocess::CasePipeline;
use nnunet_preprocess::resample::{ResampleMethod, SplineOrder, resample_logits_argmax};
use nnunet_schema::{Shape, Spacing};
use proptest::prelude::*;

use crate::common::{PlanOf, above, dataset, noise, one_label, plain_properties, plans};

/// Sends an image through preprocessing, a network that thresholds it, and export.
fn round_trip(of: &PlanOf, image: &Image, threshold: f64) -> Array3<i16> {
    let (plans, labels) = (plans(of), dataset(1, one_label()));
    let pipeline = CasePipeline::new(&plans, "test", &labels).unwrap();
    let prepared = pipeline.run("c", image.clone(), None).unwrap();
    let options = PredictOptions::default();
    let recipe = Recipe::new(&plans, "test", &labels, &[0, 1], &options).unwrap();
    let data = prepared.data.view();
    let map =
        predict_with_network(&above(threshold), &recipe, "c", data, &prepared.properties).unwrap();
    assert_eq!(map.geometry, image.geometry);
    map.labels
}

fn image(data: Array4<f32>, spacing: [f64; 3]) -> Image {
    let mut geometry = Geometry::axis_aligned(Spacing::new(spacing).unwrap());
    geometry.origin = [3.0, -4.0, 5.5];
    Image { data, geometry }
}

#[test]
fn crop_and_transposition_are_undone() {
    // Noise in a box that touches no border; everything else is zero and gets cropped.
    let shape = Shape::new([14, 11, 20]);
    let mut data = noise(1, shape);
    data.indexed_iter_mut().for_each(|((_, z, y, x), v)| {
        let inside = (2..12).contains(&z) && (1..10).contains(&y) && (5..19).contains(&x);
        *v = if inside { *v + 3.0 } else { 0.0 };
    });
    let expected = data.index_axis(Axis(0), 0).mapv(|v| i16::from(v > 3.1));
    for transpose in [[0, 1, 2], [1, 0, 2], [2, 0, 1]] {
        for patch in [vec![8, 8, 8], vec![8, 8]] {
            let of = PlanOf {
                transpose,
                patch,
                ..Default::default()
            };
            let found = round_trip(&of, &image(data.clone(), [1.0; 3]), 3.1);
            assert_eq!(found, expected, "{of:?}");
        }
    }
}

#[test]
fn resampling_is_undone() {
    // A ramp is a ramp on every grid, so its threshold lies at the same place.
    let ramp = |axis: usize| {
        Array4::from_shape_fn((1, 24, 30, 28), |(_, z, y, x)| [z, y, x][axis] as f32 + 1.0)
    };
    for (axis, target) in [
        (0, [0.8, 1.0, 1.0]),
        (1, [1.0, 1.4, 0.7]),
        (2, [1.2, 1.1, 1.5]),
    ] {
        let data = ramp(axis);
        let expected = data.index_axis(Axis(0), 0).mapv(|v| i16::from(v > 12.5));
        for transpose in [[0, 1, 2], [2, 0, 1]] {
            let of = PlanOf {
                transpose,
                spacing: target,
                ..Default::default()
            };
            let found = round_trip(&of, &image(data.clone(), [1.0; 3]), 12.5);
            assert_eq!(found, expected, "axis {axis}, {of:?}");
        }
    }
}

#[test]
fn a_2d_configuration_keeps_the_slices_and_resamples_in_plane() {
    let data = Array4::from_shape_fn((1, 5, 30, 28), |(_, z, y, _)| (y + z) as f32 + 1.0);
    let expected = data.index_axis(Axis(0), 0).mapv(|v| i16::from(v > 14.5));
    let of = PlanOf {
        patch: vec![16, 8],
        spacing: [1.0, 0.8, 1.3],
        ..Default::default()
    };
    assert_eq!(
        round_trip(&of, &image(data, [6.0, 1.0, 1.0]), 14.5),
        expected
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    /// Slices are exported as they come; that must not differ from resampling all at once.
    #[test]
    fn streaming_equals_resampling_whole_volumes(
        from in proptest::array::uniform3(1_usize..13),
        to in proptest::array::uniform3(1_usize..13),
        coarse in proptest::option::of(0_usize..3),
    ) {
        let (from, to) = (Shape::new(from), Shape::new(to));
        let data = noise(1, from);
        let mut properties = plain_properties(to);
        properties.shape_after_resampling = from;
        let mut of = PlanOf::default();
        let mut own = [1.0; 3];
        if let Some(axis) = coarse {
            own[axis] = 5.0;
            of.spacing[axis] = 4.0;
        }
        properties.spacing = Spacing::new(own).unwrap();
        let options = PredictOptions::default();
        let labels = dataset(1, one_label());
        let recipe = Recipe::new(&plans(&of), "test", &labels, &[], &options).unwrap();
        let found =
            predict_with_network(&above(0.0), &recipe, "c", data.view(), &properties).unwrap();
        let first = data.index_axis(Axis(0), 0);
        let logits = stack(Axis(0), &[Array3::zeros(first.dim()).view(), first]).unwrap();
        let method = ResampleMethod::by_slices(SplineOrder::Linear, coarse);
        let whole = resample_logits_argmax(logits.view(), to, &method).unwrap();
        prop_assert_eq!(found.labels, whole.mapv(|v| v as i16));
    }
}
