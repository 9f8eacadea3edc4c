//! Cases as they come from clinics, hard disks and converters.

use nnunet_image::{CropBox, FormatRegistry, Geometry};
use nnunet_schema::Shape;

use crate::files::{Files, floats, patch};
use crate::support::{image, labels, plans};

/// Offsets in a NIfTI header: number of voxels, spacing, codes and rows of the transforms.
const DIM: usize = 40;
const PIXDIM: usize = 76;
const QFORM_CODE: usize = 252;
const SFORM_CODE: usize = 254;
const SROW: usize = 280;

#[test]
fn a_constant_image_becomes_zero() {
    for rules in ["v2", "paper"] {
        let mut files = Files::new();
        let mut raw = image(1, [6, 9, 8], [2.0, 1.0, 0.7]);
        raw.data.fill(-1024.25);
        files.add("constant", &raw, &labels(&raw));
        let (report, store, _) = files.run_by(&plans(1, rules), "3d_fullres");
        assert!(report.is_complete(), "{:?}", report.failed);
        let case = store.open_case("constant").unwrap();
        let data = case.read_data(CropBox::whole(case.shape())).unwrap();
        assert!(data.iter().all(|v| *v == 0.0), "{rules}");
    }
}

#[test]
fn an_image_of_zeros_is_kept_whole() {
    let mut files = Files::new();
    let mut raw = image(1, [6, 9, 8], [1.0; 3]);
    let map = labels(&raw);
    raw.data.fill(0.0);
    files.add("empty", &raw, &map);
    let case = files.only("3d_fullres");
    assert_eq!(case.shape(), Shape::new([6, 9, 8]));
    let found = case.read_labels(CropBox::whole(case.shape())).unwrap();
    let outside = map.labels.mapv(|l| if l == 0 { -1 } else { l });
    assert_eq!(found, outside);
}

#[test]
fn voxels_that_are_no_numbers_are_counted_and_their_file_is_named() {
    let mut files = Files::new();
    let mut raw = image(1, [6, 9, 8], [1.0; 3]);
    let map = labels(&raw);
    raw.data[[0, 1, 2, 3]] = f32::NAN;
    raw.data[[0, 4, 2, 3]] = f32::INFINITY;
    raw.data[[0, 5, 0, 0]] = f32::NEG_INFINITY;
    files.add("broken", &raw, &map);
    let text = files.failure("3d_fullres");
    for word in ["`broken`", "broken_0000.nii", "3 voxels", "[1, 2, 3]"] {
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn labels_may_be_floats_if_they_are_whole_numbers() {
    let mut files = Files::new();
    let raw = image(1, [6, 9, 8], [1.0; 3]);
    let map = labels(&raw);
    let [_, path] = files.add("float", &raw, &map);
    let mut floats = raw.clone();
    floats
        .data
        .index_axis_mut(ndarray::Axis(0), 0)
        .assign(&map.labels.mapv(f32::from));
    let formats = FormatRegistry::default();
    formats.write_image(&path, &floats).unwrap();
    let case = files.only("3d_fullres");
    let found = case.read_labels(CropBox::whole(case.shape())).unwrap();
    let bbox = case.properties().bbox_used_for_cropping;
    let inside = bbox.view(&map.labels.view());
    assert_eq!(found.mapv(|l| l.max(0)), inside);

    let mut files = Files::new();
    let [_, path] = files.add("half", &raw, &map);
    floats.data[[0, 2, 3, 4]] = 1.5;
    formats.write_image(&path, &floats).unwrap();
    let text = files.failure("3d_fullres");
    for word in ["half.nii", "1.5", "[2, 3, 4]", "integer"] {
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn labels_of_another_shape_are_refused_and_their_file_is_named() {
    let mut files = Files::new();
    let raw = image(1, [6, 9, 8], [1.0; 3]);
    let other = image(1, [6, 9, 7], [1.0; 3]);
    files.add("cut", &raw, &labels(&other));
    let text = files.failure("2d");
    for word in ["`cut`", "cut.nii", "6×9×7", "6×9×8"] {
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn labels_that_dataset_json_does_not_know_are_refused_and_their_file_is_named() {
    let mut files = Files::new();
    let raw = image(1, [6, 9, 8], [1.0; 3]);
    let mut map = labels(&raw);
    map.labels[[1, 1, 1]] = 300;
    files.add("foreign", &raw, &map);
    let text = files.failure("2d");
    for word in ["`foreign`", "foreign.nii", "label 300", "[0, 1, 2]"] {
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn labels_that_lie_elsewhere_are_used_with_a_warning() {
    let mut files = Files::new();
    let raw = image(1, [6, 9, 8], [1.0; 3]);
    let mut moved = labels(&raw);
    moved.geometry.origin = [0.0, 5.0, 0.0];
    files.add("moved", &raw, &moved);
    files.add("right", &raw, &labels(&raw));
    let (report, store, warnings) = files.run("3d_fullres");
    assert!(report.is_complete(), "{:?}", report.failed);
    let [warning] = &warnings[..] else {
        panic!("{warnings:?}");
    };
    for word in ["`moved`", "origin", "5.0", "voxel by voxel"] {
        assert!(warning.contains(word), "{warning}");
    }
    let read = |case: &str| {
        let case = store.open_case(case).unwrap();
        case.read_labels(CropBox::whole(case.shape())).unwrap()
    };
    assert_eq!(read("moved"), read("right"));
}

#[test]
fn a_spacing_of_zero_is_taken_from_the_transform_or_is_one() {
    let mut files = Files::new();
    let raw = image(1, [6, 9, 8], [2.0, 1.0, 1.0]);
    let zeros = floats(&[0.0; 3]);
    for path in files.add("zero", &raw, &labels(&raw)) {
        patch(&path, PIXDIM + 4, &zeros);
    }
    let case = files.only("3d_fullres");
    assert_eq!(case.properties().spacing.mm(), [2.0, 1.0, 1.0]);

    let mut files = Files::new();
    for path in files.add("nothing", &raw, &labels(&raw)) {
        patch(&path, PIXDIM + 4, &zeros);
        patch(&path, QFORM_CODE, &[0; 2]);
        patch(&path, SFORM_CODE, &[0; 2]);
    }
    let case = files.only("3d_fullres");
    assert_eq!(case.properties().spacing.mm(), [1.0; 3]);
}

#[test]
fn skewed_axes_are_straightened() {
    let mut files = Files::new();
    let raw = image(1, [6, 9, 8], [1.0; 3]);
    for path in files.add("skewed", &raw, &labels(&raw)) {
        // x' = x + y / 4: sheared in plane, as a tilted gantry does between slices.
        patch(&path, SROW, &floats(&[-1.0, -0.25, 0.0, 3.0]));
    }
    let (report, store, warnings) = files.run("3d_fullres");
    assert!(report.is_complete(), "{:?}", report.failed);
    let [warning] = &warnings[..] else {
        panic!("{warnings:?}");
    };
    for word in ["`skewed`", "14.04°", "right angles"] {
        assert!(warning.contains(word), "{warning}");
    }
    let case = store.open_case("skewed").unwrap();
    let d = case.properties().geometry.direction;
    for a in 0..3 {
        for b in 0..3 {
            let product: f64 = (0..3).map(|row| d[row][a] * d[row][b]).sum();
            let wanted = if a == b { 1.0 } else { 0.0 };
            assert!((product - wanted).abs() < 1e-9, "{d:?}");
        }
    }
    // Half of the shear each, in angles.
    assert!((d[0][1].abs() - 0.1218).abs() < 1e-3, "{d:?}");
}

#[test]
fn a_header_that_promises_more_than_the_file_has_is_refused() {
    let mut files = Files::new();
    let raw = image(1, [6, 9, 8], [1.0; 3]);
    let [path, _] = files.add("huge", &raw, &labels(&raw));
    let dim: Vec<u8> = [3_i16, 32_000, 32_000, 32_000]
        .iter()
        .flat_map(|n| n.to_le_bytes())
        .collect();
    patch(&path, DIM, &dim);
    let text = files.failure("3d_fullres");
    assert!(text.contains("huge_0000.nii"), "{text}");
}

#[test]
fn a_spacing_in_the_wrong_unit_is_an_error_of_its_case() {
    let mut files = Files::new();
    let raw = image(1, [6, 9, 8], [1.0; 3]);
    let mut far = raw.clone();
    far.geometry = image(1, [1; 3], [1e6; 3]).geometry;
    files.add("far", &far, &labels(&far));
    files.add("near", &raw, &labels(&raw));
    let (report, store, _) = files.run("3d_fullres");
    assert_eq!(store.cases().unwrap(), ["near"]);
    let [(case, error)] = &report.failed[..] else {
        panic!("{report:?}");
    };
    assert_eq!(case, "far");
    assert!(error.to_string().contains("no memory"), "{error}");
}

#[test]
fn axes_of_one_voxel_are_resampled_like_others() {
    for (shape, spacing, wanted) in [
        ([1, 9, 8], [3.0, 2.0, 1.0], [3, 18, 8]),
        ([1, 9, 8], [0.2, 1.0, 1.0], [1, 9, 8]),
        ([6, 1, 1], [0.5, 1.0, 2.0], [3, 1, 2]),
        ([1, 1, 1], [2.0, 2.0, 2.0], [2, 2, 2]),
        ([1, 1, 1], [0.1, 0.1, 0.1], [1, 1, 1]),
    ] {
        let mut files = Files::new();
        let mut raw = image(1, shape, spacing);
        raw.data.mapv_inplace(|v| v + 1.0);
        let mut map = labels(&raw);
        map.labels.fill(1);
        files.add("thin", &raw, &map);
        let case = files.only("3d_fullres");
        assert_eq!(case.shape(), Shape::new(wanted), "{shape:?}");
        let whole = CropBox::whole(case.shape());
        let data = case.read_data(whole).unwrap();
        assert!(data.iter().all(|v| v.is_finite()), "{shape:?}");
        let labels = case.read_labels(whole).unwrap();
        assert!(labels.iter().all(|l| *l == 1), "{shape:?}");
    }
}

#[test]
fn a_flat_image_keeps_its_only_slice() {
    let mut files = Files::new();
    let mut raw = image(1, [1, 30, 20], [1.0; 3]);
    raw.geometry = Geometry::axis_aligned(Geometry::planar_spacing(0.5, 0.25).unwrap());
    files.add("flat", &raw, &labels(&raw));
    let case = files.only("2d");
    let cropped = case.properties().bbox_used_for_cropping.shape();
    assert_eq!(cropped, Shape::new([1, 28, 18]));
    assert_eq!(case.shape(), Shape::new([1, 14, 4]));
}
