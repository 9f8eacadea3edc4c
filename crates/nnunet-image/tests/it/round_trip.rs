//! What the writer writes, the reader reads.

use ndarray::{Array3, Array4};
use nnunet_image::{FormatRegistry, Geometry, Image, ImageError, LabelMap};
use nnunet_schema::Spacing;

fn oblique() -> Geometry {
    let (s, c) = 0.3_f64.sin_cos();
    Geometry {
        spacing: Spacing::new([2.5, 0.5, 0.75]).unwrap(),
        origin: [-120.5, 33.25, 7.125],
        direction: [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, -1.0]],
        skew: 0.0,
    }
}

fn assert_same(found: &Geometry, wanted: &Geometry) {
    let numbers = |g: &Geometry| -> Vec<f64> {
        let direction = g.direction.into_iter().flatten();
        g.spacing
            .mm()
            .into_iter()
            .chain(g.origin)
            .chain(direction)
            .collect()
    };
    for (a, b) in numbers(found).into_iter().zip(numbers(wanted)) {
        assert!(
            (a - b).abs() <= 1e-6 * (1.0 + b.abs()),
            "{found:?} for {wanted:?}"
        );
    }
}

fn map(highest: i16, lowest: i16, geometry: Geometry) -> LabelMap {
    let mut labels = Array3::zeros((3, 4, 5));
    labels[[2, 1, 3]] = highest;
    labels[[0, 0, 1]] = lowest;
    LabelMap { labels, geometry }
}

#[test]
fn label_maps_come_back_in_the_smallest_type() {
    let dir = tempfile::tempdir().unwrap();
    let registry = FormatRegistry::default();
    for (lowest, highest, bytes_per_voxel) in [(0, 254, 1), (0, 255, 2), (0, 32_767, 2), (-1, 3, 2)]
    {
        let written = map(highest, lowest, oblique());
        for name in ["a.b.nii", "a.b.nii.gz", "A.NII.GZ"] {
            let path = dir.path().join("new/folder").join(name);
            registry.write_labels(&path, &written).unwrap();
            let read = registry.read_labels(&path).unwrap();
            assert_eq!(read.labels, written.labels);
            assert_same(&read.geometry, &written.geometry);
        }
        let plain = dir.path().join("new/folder/a.b.nii");
        let length = std::fs::metadata(plain).unwrap().len();
        assert_eq!(length, 352 + 60 * bytes_per_voxel, "{lowest} to {highest}");
    }
    // No temporary files are left behind.
    assert_eq!(
        std::fs::read_dir(dir.path().join("new/folder"))
            .unwrap()
            .count(),
        3
    );
}

#[test]
fn images_come_back_with_all_channels() {
    let dir = tempfile::tempdir().unwrap();
    let registry = FormatRegistry::default();
    for channels in [1, 3] {
        let data = Array4::from_shape_fn((channels, 2, 3, 4), |(c, z, y, x)| {
            c as f32 * 1e6 + (z * 100 + y * 10 + x) as f32 + 0.25
        });
        let geometry = oblique();
        let written = Image { data, geometry };
        let path = dir.path().join("a.nii.gz");
        registry.write_image(&path, &written).unwrap();
        let read = registry.read_image(&path).unwrap();
        assert_eq!(read.data, written.data);
        assert_same(&read.geometry, &geometry);
    }
}

#[test]
fn writing_what_was_read_changes_nothing_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let registry = FormatRegistry::default();
    let path = dir.path().join("a.nii");
    registry.write_labels(&path, &map(3, 0, oblique())).unwrap();
    let first = std::fs::read(&path).unwrap();
    let read = registry.read_labels(&path).unwrap();
    registry.write_labels(&path, &read).unwrap();
    let again = registry.read_labels(&path).unwrap();
    assert_same(&again.geometry, &read.geometry);
    assert_eq!(std::fs::read(&path).unwrap()[76..108], first[76..108]);
}

#[test]
fn an_array_in_any_memory_order_is_written_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let registry = FormatRegistry::default();
    let data = Array4::from_shape_fn((4, 3, 2, 1), |(x, y, z, _)| (x * 100 + y * 10 + z) as f32);
    let image = Image {
        data: data.reversed_axes(),
        geometry: oblique(),
    };
    assert!(!image.data.is_standard_layout());
    let path = dir.path().join("a.nii");
    registry.write_image(&path, &image).unwrap();
    assert_eq!(registry.read_image(&path).unwrap().data, image.data);
}

#[test]
fn a_2d_image_stays_2d() {
    let dir = tempfile::tempdir().unwrap();
    let registry = FormatRegistry::default();
    let geometry = Geometry {
        spacing: Geometry::planar_spacing(0.1, 0.3).unwrap(),
        ..oblique()
    };
    let written = LabelMap {
        labels: Array3::from_elem((1, 4, 5), 1),
        geometry,
    };
    let path = dir.path().join("a.nii");
    registry.write_labels(&path, &written).unwrap();
    assert_eq!(std::fs::read(&path).unwrap()[40..42], [2, 0]);
    let read = registry.read_labels(&path).unwrap();
    assert_eq!(read.labels, written.labels);
    assert!(read.geometry.is_planar());
    for axis in 0..3 {
        let (a, b) = (read.geometry.spacing[axis], geometry.spacing[axis]);
        assert!((a / b - 1.0).abs() < 1e-6);
    }
}

#[test]
fn what_the_format_cannot_hold_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let registry = FormatRegistry::default();
    let path = dir.path().join("a.nii.gz");
    let mut geometry = oblique();
    for shape in [(1, 1, 40_000), (0, 1, 1)] {
        let labels = Array3::zeros(shape);
        let error = registry
            .write_labels(&path, &LabelMap { labels, geometry })
            .unwrap_err();
        assert!(matches!(error, ImageError::NotWritable { .. }), "{error}");
    }
    geometry.origin[1] = f64::NAN;
    assert!(registry.write_labels(&path, &map(1, 0, geometry)).is_err());
    assert!(!path.exists());
}
