//! What rotation and scaling do to objects.

use std::f64::consts::FRAC_PI_2;

use ndarray::{Array3, Array4};
use nnunet_augment::augmentation::{Interpolation, LabelVote};
use nnunet_augment::transforms::{PatchMut, Scratch, SpatialDraw, mirror};
use nnunet_augment::{Crop, MemoryCase, PatchGeometry, fill_patch};
use nnunet_schema::Shape;
use proptest::prelude::*;

use crate::phantom;

const BOTH: [Interpolation; 2] = [Interpolation::Linear, Interpolation::Cubic];

struct Moved {
    data: Array3<f32>,
    labels: Array3<i16>,
}

fn draw(angles: [f64; 3], scale: f64, interpolation: Interpolation) -> SpatialDraw {
    SpatialDraw {
        angles,
        scale,
        interpolation,
        labels: LabelVote::Most,
    }
}

fn move_crop(
    case: &MemoryCase,
    crop: Crop,
    draw: &SpatialDraw,
    geometry: PatchGeometry,
    patch: [usize; 3],
) -> Moved {
    let volume: usize = patch.iter().product();
    let (mut data, mut labels) = (vec![7.0; volume], vec![7; volume]);
    let mut target = PatchMut::new(patch, &mut data, &mut labels).unwrap();
    let mut scratch = Scratch::default();
    fill_patch(case, &crop, Some(draw), geometry, &mut target, &mut scratch).unwrap();
    Moved {
        data: Array3::from_shape_vec(patch, data).unwrap(),
        labels: Array3::from_shape_vec(patch, labels).unwrap(),
    }
}

fn whole(shape: [usize; 3]) -> Crop {
    Crop {
        start: [0; 3],
        shape: Shape::new(shape),
    }
}

#[test]
fn nothing_drawn_in_effect_changes_nothing() {
    let shape = [18, 20, 22];
    let case = phantom::case(0, shape, 1);
    for interpolation in BOTH {
        for geometry in [PatchGeometry::Volume, PatchGeometry::Stack] {
            let still = draw([0.0; 3], 1.0, interpolation);
            let moved = move_crop(&case, whole(shape), &still, geometry, shape);
            let expected = phantom_data(&case, shape);
            let worst = (moved.data.iter().zip(&expected.data))
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(worst < 1e-5, "{interpolation:?} {geometry:?}: {worst}");
            assert_eq!(moved.labels, expected.labels);
        }
    }
}

fn phantom_data(case: &MemoryCase, shape: [usize; 3]) -> Moved {
    let volume: usize = shape.iter().product();
    let (mut data, mut labels) = (vec![0.0; volume], vec![0; volume]);
    let mut target = PatchMut::new(shape, &mut data, &mut labels).unwrap();
    let mut scratch = Scratch::default();
    let crop = whole(shape);
    fill_patch(
        case,
        &crop,
        None,
        PatchGeometry::Volume,
        &mut target,
        &mut scratch,
    )
    .unwrap();
    Moved {
        data: Array3::from_shape_vec(shape, data).unwrap(),
        labels: Array3::from_shape_vec(shape, labels).unwrap(),
    }
}

#[test]
fn a_quarter_turn_swaps_two_axes() {
    let n = 15;
    let case = phantom::case(3, [n; 3], 1);
    let original = phantom_data(&case, [n; 3]);
    for interpolation in BOTH {
        for axis in 0..3 {
            let mut angles = [0.0; 3];
            angles[axis] = FRAC_PI_2;
            let turned = draw(angles, 1.0, interpolation);
            let moved = move_crop(&case, whole([n; 3]), &turned, PatchGeometry::Volume, [n; 3]);
            for ((z, y, x), label) in moved.labels.indexed_iter() {
                let last = n - 1;
                // Right-handed: (y, x) reads from (−x, y), and so on round the axes.
                let from = match axis {
                    0 => [z, last - x, y],
                    1 => [x, y, last - z],
                    _ => [last - y, z, x],
                };
                assert_eq!(*label, original.labels[from], "{axis} {z} {y} {x}");
                let difference = (moved.data[[z, y, x]] - original.data[from]).abs();
                assert!(difference < 1e-4, "{interpolation:?} {axis}: {difference}");
            }
        }
    }
}

#[test]
fn a_quarter_turn_in_plane_leaves_slices_apart() {
    let shape = [4, 15, 15];
    let case = phantom::case(3, shape, 1);
    let original = phantom_data(&case, shape);
    for interpolation in BOTH {
        let turned = draw([FRAC_PI_2, 0.3, 0.4], 1.0, interpolation);
        let moved = move_crop(&case, whole(shape), &turned, PatchGeometry::Stack, shape);
        for ((z, y, x), label) in moved.labels.indexed_iter() {
            let from = [z, 14 - x, y];
            assert_eq!(*label, original.labels[from]);
            assert!((moved.data[[z, y, x]] - original.data[from]).abs() < 1e-4);
        }
    }
}

#[test]
fn scaling_changes_volumes_by_the_cube() {
    let n = 48;
    let case = phantom::case(0, [n; 3], 1);
    let count = |labels: &Array3<i16>| labels.iter().filter(|l| **l == 1).count() as f64;
    let original = count(&phantom_data(&case, [n; 3]).labels);
    for scale in [0.7, 0.85, 1.2, 1.4_f64] {
        let scaled = draw([0.0; 3], scale, Interpolation::Linear);
        let moved = move_crop(&case, whole([n; 3]), &scaled, PatchGeometry::Volume, [n; 3]);
        let ratio = count(&moved.labels) / original * scale.powi(3);
        assert!((ratio - 1.0).abs() < 0.04, "{scale}: {ratio}");
        let planar = move_crop(&case, whole([n; 3]), &scaled, PatchGeometry::Stack, [n; 3]);
        let ratio = count(&planar.labels) / original * scale.powi(2);
        assert!((ratio - 1.0).abs() < 0.04, "{scale} in plane: {ratio}");
    }
}

#[test]
fn a_smooth_image_is_interpolated_closely() {
    let n = 40;
    let wave = |z: f64, y: f64, x: f64| ((0.3 * z).sin() + (0.2 * y + 0.25 * x).cos()) as f32;
    let data = Array4::from_shape_fn((1, n, n, n), |(_, z, y, x)| {
        wave(z as f64, y as f64, x as f64)
    });
    let case = MemoryCase::new("wave", data, Array3::zeros((n, n, n))).unwrap();
    let patch = [16, 18, 20];
    for (interpolation, tolerance) in [(Interpolation::Linear, 3e-2), (Interpolation::Cubic, 4e-4)]
    {
        let turned = draw([0.4, -0.3, 0.2], 1.1, interpolation);
        let moved = move_crop(&case, whole([n; 3]), &turned, PatchGeometry::Volume, patch);
        let matrix = turned.matrix(PatchGeometry::Volume);
        for ((z, y, x), value) in moved.data.indexed_iter() {
            let g = [z, y, x].map(|v| v as f64);
            let from = matrix.map(|row| {
                let moved: f64 = (0..3)
                    .map(|k| row[k] * (g[k] - (patch[k] as f64 - 1.0) / 2.0))
                    .sum();
                moved + (n as f64 - 1.0) / 2.0
            });
            let expected = wave(from[0], from[1], from[2]);
            assert!((value - expected).abs() < tolerance, "{interpolation:?}");
        }
    }
}

/// The definition, voxel by voxel in double precision: eight neighbours, 0 and label -1 beyond
/// the crop, the label with the largest sum of weights.
fn defined(case: &Moved, matrix: [[f64; 3]; 3], patch: [usize; 3], at: [usize; 3]) -> (f64, i16) {
    let shape: [usize; 3] = case.labels.dim().into();
    let from: [f64; 3] = std::array::from_fn(|axis| {
        let moved: f64 = (0..3)
            .map(|k| matrix[axis][k] * (at[k] as f64 - (patch[k] as f64 - 1.0) / 2.0))
            .sum();
        moved + (shape[axis] as f64 - 1.0) / 2.0
    });
    let (mut value, mut votes) = (0.0, std::collections::BTreeMap::<i16, f64>::new());
    for corner in 0..8_usize {
        let mut weight = 1.0;
        let mut voxel = [0; 3];
        let mut inside = true;
        for axis in 0..3 {
            let upper = corner >> axis & 1;
            let floor = from[axis].floor();
            let t = from[axis] - floor;
            weight *= if upper == 1 { t } else { 1.0 - t };
            let position = floor as i64 + upper as i64;
            inside &= (0..shape[axis] as i64).contains(&position);
            voxel[axis] = position.max(0) as usize;
        }
        let label = if inside { case.labels[voxel] } else { -1 };
        *votes.entry(label).or_default() += weight;
        if inside {
            value += weight * f64::from(case.data[voxel]);
        }
    }
    let best = votes.values().copied().fold(0.0, f64::max);
    // Too close to call in half precision: no label is expected.
    let close = votes.values().filter(|v| best - **v < 1e-3).count() > 1;
    let winner = votes.iter().find(|(_, v)| **v == best);
    (value, if close { i16::MAX } else { *winner.unwrap().0 })
}

#[test]
fn linear_interpolation_is_that_of_the_definition() {
    let shape = [24, 30, 28];
    let patch = [16, 20, 18];
    let case = phantom::case(2, shape, 1);
    let whole_case = phantom_data(&case, shape);
    for (angles, scale) in [
        ([0.3, -0.2, 0.5], 1.0),
        ([0.0; 3], 0.75),
        ([0.0; 3], 1.35),
        // Reaches beyond the crop.
        ([-0.52, 0.52, 0.1], 1.4),
        ([3.0, 0.0, 0.0], 1.3),
    ] {
        for geometry in [PatchGeometry::Volume, PatchGeometry::Stack] {
            let turned = draw(angles, scale, Interpolation::Linear);
            let patch = match geometry {
                PatchGeometry::Volume => patch,
                _ => [24, 20, 18],
            };
            let moved = move_crop(&case, whole(shape), &turned, geometry, patch);
            let matrix = turned.matrix(geometry);
            let mut uncertain = 0;
            for ((z, y, x), value) in moved.data.indexed_iter() {
                let (expected, label) = defined(&whole_case, matrix, patch, [z, y, x]);
                assert!(
                    (f64::from(*value) - expected).abs() < 1e-4,
                    "{angles:?} {scale}"
                );
                if label == i16::MAX {
                    uncertain += 1;
                } else {
                    assert_eq!(moved.labels[[z, y, x]], label, "{angles:?} {scale}");
                }
            }
            assert!(uncertain < 200, "{uncertain}");
        }
    }
}

#[test]
fn what_is_read_does_not_depend_on_how_much_of_the_crop_is_needed() {
    // A small patch reads a part of the crop, a large one all of it: the common voxels agree.
    let case = phantom::case(1, [40, 44, 48], 1);
    let crop = Crop {
        start: [-3, 5, 2],
        shape: Shape::new([40, 40, 44]),
    };
    for interpolation in BOTH {
        for geometry in [PatchGeometry::Volume, PatchGeometry::Stack] {
            let turned = draw([0.5, 0.1, -0.2], 0.9, interpolation);
            let large = move_crop(&case, crop, &turned, geometry, [40, 40, 44]);
            let small = move_crop(&case, crop, &turned, geometry, [10, 12, 8]);
            for ((z, y, x), value) in small.data.indexed_iter() {
                let at = [z + 15, y + 14, x + 18];
                assert!((value - large.data[at]).abs() < 2e-4, "{interpolation:?}");
                assert_eq!(small.labels[[z, y, x]], large.labels[at]);
            }
        }
    }
}

#[test]
fn outside_the_case_there_is_nothing() {
    let case = phantom::case(1, [10, 10, 10], 1);
    let crop = Crop {
        start: [-30, -30, -30],
        shape: Shape::new([20; 3]),
    };
    for spatial in [None, Some(draw([0.1; 3], 1.0, Interpolation::Cubic))] {
        let (mut data, mut labels) = (vec![7.0; 1000], vec![7; 1000]);
        let mut patch = PatchMut::new([10; 3], &mut data, &mut labels).unwrap();
        let geometry = PatchGeometry::Volume;
        let mut scratch = Scratch::default();
        fill_patch(
            &case,
            &crop,
            spatial.as_ref(),
            geometry,
            &mut patch,
            &mut scratch,
        )
        .unwrap();
        assert!(data.iter().all(|v| *v == 0.0));
        assert!(labels.iter().all(|l| *l == -1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// A landmark in the image stays on the landmark in the labels, and no label is invented.
    #[test]
    fn image_and_labels_move_together(
        angles in [-0.5_f64..0.5, -0.5..0.5, -0.5..0.5],
        scale in 0.7_f64..1.4,
        flips: [bool; 3],
        cubic: bool,
        stack: bool,
    ) {
        let n = 32;
        let inside = |z: usize, y: usize, x: usize| {
            (9..15).contains(&z) && (16..22).contains(&y) && (11..17).contains(&x)
        };
        let labels = Array3::from_shape_fn((n, n, n), |(z, y, x)| 5 * i16::from(inside(z, y, x)));
        let data = Array4::from_shape_fn((1, n, n, n), |(_, z, y, x)| {
            f32::from(u8::from(inside(z, y, x)))
        });
        let case = MemoryCase::new("landmark", data, labels).unwrap();
        let interpolation = if cubic { Interpolation::Cubic } else { Interpolation::Linear };
        let geometry = if stack { PatchGeometry::Stack } else { PatchGeometry::Volume };
        let spatial = draw(angles, scale, interpolation);
        let (mut data, mut labels) = (vec![0.0; n * n * n], vec![0; n * n * n]);
        let mut patch = PatchMut::new([n; 3], &mut data, &mut labels).unwrap();
        let crop = whole([n; 3]);
        let mut scratch = Scratch::default();
        fill_patch(&case, &crop, Some(&spatial), geometry, &mut patch, &mut scratch).unwrap();
        mirror(&mut patch, flips);
        prop_assert!(labels.iter().all(|l| [-1, 0, 5].contains(l)));
        prop_assert!(labels.contains(&5));
        // Bright where labelled, dark elsewhere. The margin is what a cubic spline and the linear
        // vote of the labels may disagree by at an edge of a cube.
        for (value, label) in data.iter().zip(&labels) {
            if *label == 5 {
                prop_assert!(*value > 0.3, "{value}");
            } else {
                prop_assert!(*value < 0.7, "{value}");
            }
        }
        let centre = |weights: &dyn Fn(usize) -> f64| {
            let total: f64 = (0..n * n * n).map(weights).sum();
            [n * n, n, 1].map(|stride| {
                (0..n * n * n).map(|i| weights(i) * (i / stride % n) as f64).sum::<f64>() / total
            })
        };
        let of_image = centre(&|i| f64::from(data[i]));
        let of_labels = centre(&|i| f64::from(u8::from(labels[i] == 5)));
        // Labels are whole voxels, so the centre of a landmark of a few is known to half of one.
        for (a, b) in of_image.into_iter().zip(of_labels) {
            prop_assert!((a - b).abs() < 0.5, "{of_image:?} {of_labels:?}");
        }
    }
}
