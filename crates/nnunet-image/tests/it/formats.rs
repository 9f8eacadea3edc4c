//! What each writer writes, its reader reads.

use std::path::Path;

use ndarray::{Array3, Array4};
use nnunet_image::{FormatRegistry, Geometry, Image, ImageError, LabelMap};
use nnunet_schema::Spacing;

/// Formats that keep all of a geometry.
const WITH_GEOMETRY: [&str; 4] = ["a.mha", "a.mhd", "a.nrrd", "a.nhdr"];
/// Formats that keep the spacing in a file beside them.
const WITH_SIDECAR: [&str; 3] = ["a.tif", "a.tiff", "a.npy"];

fn oblique() -> Geometry {
    let (s, c) = 0.3_f64.sin_cos();
    Geometry {
        spacing: Spacing::new([2.5, 0.5, 0.75]).unwrap(),
        origin: [-120.5, 33.25, 7.125],
        direction: [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, -1.0]],
        skew: 0.0,
    }
}

fn picture() -> Geometry {
    Geometry::axis_aligned(Spacing::new([999.0, 1.0, 1.0]).unwrap())
}

fn assert_same(found: &Geometry, wanted: &Geometry) {
    let numbers = |g: &Geometry| -> Vec<f64> {
        let direction = g.direction.into_iter().flatten();
        let spacing = g.spacing.mm().into_iter();
        spacing.chain(g.origin).chain(direction).collect()
    };
    for (a, b) in numbers(found).into_iter().zip(numbers(wanted)) {
        let close = (a - b).abs() <= 1e-12 * (1.0 + b.abs());
        assert!(close, "{found:?} for {wanted:?}");
    }
}

fn map(slices: usize, lowest: i16, highest: i16, geometry: Geometry) -> LabelMap {
    let mut labels = Array3::zeros((slices, 4, 5));
    labels[[slices - 1, 1, 3]] = highest;
    labels[[0, 0, 1]] = lowest;
    LabelMap { labels, geometry }
}

/// Values that differ everywhere, with a fraction.
fn image(shape: (usize, usize, usize, usize), fraction: f32, geometry: Geometry) -> Image {
    let data = Array4::from_shape_fn(shape, |(c, z, y, x)| {
        (c * 60 + z * 20 + y * 5 + x) as f32 + fraction
    });
    Image { data, geometry }
}

/// The files of a folder, without those of the operating system.
fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn label_maps_come_back_with_all_of_their_geometry() {
    let registry = FormatRegistry::default();
    for name in WITH_GEOMETRY {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new").join(name);
        for (lowest, highest) in [(0, 254), (0, 255), (0, 32_767), (-1, 3)] {
            let written = map(3, lowest, highest, oblique());
            registry.write_labels(&path, &written).unwrap();
            let read = registry.read_labels(&path).unwrap();
            assert_eq!(read.labels, written.labels, "{name} {lowest} {highest}");
            assert_same(&read.geometry, &written.geometry);
        }
        let pair = name.contains("mhd") || name.contains("nhdr");
        assert_eq!(files(&dir.path().join("new")).len(), 1 + usize::from(pair));
    }
}

#[test]
fn images_come_back_with_all_channels() {
    let registry = FormatRegistry::default();
    for name in WITH_GEOMETRY {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        for channels in [1, 2, 5] {
            let written = image((channels, 2, 4, 5), 0.25, oblique());
            registry.write_image(&path, &written).unwrap();
            let read = registry.read_image(&path).unwrap();
            assert_eq!(read.data, written.data, "{name} {channels}");
            assert_same(&read.geometry, &written.geometry);
        }
    }
}

#[test]
fn the_type_is_the_smallest_that_the_python_program_would_take() {
    let dir = tempfile::tempdir().unwrap();
    let registry = FormatRegistry::default();
    for (lowest, highest, meta, nrrd, npy) in [
        (0, 254, "MET_UCHAR", "unsigned char", "|u1"),
        (0, 255, "MET_USHORT", "unsigned short", "<u2"),
        (-1, 3, "MET_SHORT", "short", "<i2"),
    ] {
        let labels = map(3, lowest, highest, oblique());
        for (name, text) in [
            ("a.mha", format!("ElementType = {meta}\n")),
            ("a.nrrd", format!("type: {nrrd}\n")),
            ("a.npy", format!("'descr': '{npy}'")),
        ] {
            let path = dir.path().join(name);
            registry.write_labels(&path, &labels).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            assert!(String::from_utf8_lossy(&bytes).contains(&text), "{name}");
        }
    }
}

#[test]
fn two_dimensions_stay_two() {
    let dir = tempfile::tempdir().unwrap();
    let registry = FormatRegistry::default();
    let geometry = Geometry {
        spacing: Geometry::planar_spacing(0.1, 0.3).unwrap(),
        origin: [1.0, 2.0, 0.0],
        direction: [[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]],
        skew: 0.0,
    };
    for (name, text) in
        WITH_GEOMETRY
            .into_iter()
            .zip(["NDims = 2", "NDims = 2", "sion: 2", "sion: 2"])
    {
        let path = dir.path().join(name);
        let written = map(1, 0, 3, geometry);
        registry.write_labels(&path, &written).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains(text), "{name}");
        let read = registry.read_labels(&path).unwrap();
        assert_eq!(read.labels, written.labels);
        assert_same(&read.geometry, &geometry);

        // A slice that is not in the plane of the world's first two axes keeps its place in 3D.
        let tilted = Geometry {
            origin: [1.0, 2.0, 3.0],
            ..geometry
        };
        registry.write_labels(&path, &map(1, 0, 3, tilted)).unwrap();
        assert_same(&registry.read_labels(&path).unwrap().geometry, &tilted);
    }
}

#[test]
fn spacing_is_kept_beside_files_that_have_none() {
    let registry = FormatRegistry::default();
    for name in WITH_SIDECAR {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        for (lowest, highest) in [(0, 254), (0, 255), (0, 32_767), (-1, 3)] {
            let written = map(3, lowest, highest, oblique());
            registry.write_labels(&path, &written).unwrap();
            let read = registry.read_labels(&path).unwrap();
            assert_eq!(read.labels, written.labels, "{name} {lowest} {highest}");
            assert_same(&read.geometry, &Geometry::axis_aligned(oblique().spacing));
        }
        assert_eq!(files(dir.path()), ["a.json".to_owned(), name.to_owned()]);

        let ending = Path::new(name).extension().unwrap().to_string_lossy();
        let path = dir.path().join(format!("b_0001.{ending}"));
        for channels in [1, 3, 4] {
            let written = image((channels, 2, 4, 5), 0.25, oblique());
            registry.write_image(&path, &written).unwrap();
            let read = registry.read_image(&path).unwrap();
            assert_eq!(read.data, written.data, "{name} {channels}");
            assert_eq!(read.geometry.spacing, oblique().spacing);
        }
        assert!(dir.path().join("b.json").is_file(), "{name}");
    }
}

#[test]
fn what_else_is_in_a_sidecar_stays() {
    let dir = tempfile::tempdir().unwrap();
    let registry = FormatRegistry::default();
    let (path, sidecar) = (dir.path().join("a.tif"), dir.path().join("a.json"));
    std::fs::write(&sidecar, r#"{"scanner": "SEM", "spacing": [1, 1, 1]}"#).unwrap();
    registry
        .write_labels(&path, &map(2, 0, 1, oblique()))
        .unwrap();
    let text = std::fs::read_to_string(&sidecar).unwrap();
    assert!(text.contains("SEM") && text.contains("2.5"), "{text}");

    for bad in [
        r#"{"spacing": [1, 1]}"#,
        r#"{"spacing": [1, 1, 0]}"#,
        "[]",
        "{",
    ] {
        std::fs::write(&sidecar, bad).unwrap();
        let error = registry.read_labels(&path).unwrap_err().to_string();
        assert!(error.contains("a.json"), "{error}");
    }
    std::fs::write(&sidecar, "{}").unwrap();
    let spacing = registry.read_labels(&path).unwrap().geometry.spacing;
    assert_eq!(spacing, Spacing::ISOTROPIC_1MM);
}

#[test]
fn pictures_come_back_in_all_colours() {
    let dir = tempfile::tempdir().unwrap();
    let registry = FormatRegistry::default();
    for (name, all) in [
        ("a.png", &[1, 2, 3, 4][..]),
        ("a.bmp", &[1, 3, 4]),
        ("a.tif", &[1, 3, 4]),
    ] {
        let path = dir.path().join(name);
        for channels in all {
            let written = image((*channels, 1, 4, 7), 0.0, picture());
            registry.write_image(&path, &written).unwrap();
            let read = registry.read_image(&path).unwrap();
            assert_eq!(read.data, written.data, "{name} {channels}");
            assert_eq!(read.geometry, picture());
        }
        let written = map(1, 0, 254, picture());
        registry.write_labels(&path, &written).unwrap();
        assert_eq!(registry.read_labels(&path).unwrap(), written);
    }
    // Two bytes where one won't do.
    let path = dir.path().join("b.png");
    let written = map(1, 0, 255, picture());
    registry.write_labels(&path, &written).unwrap();
    assert_eq!(std::fs::read(&path).unwrap()[24], 16);
    assert_eq!(registry.read_labels(&path).unwrap(), written);
    let mut written = image((3, 1, 4, 5), 0.0, picture());
    written.data[[2, 0, 3, 4]] = 65_535.0;
    registry.write_image(&path, &written).unwrap();
    assert_eq!(registry.read_image(&path).unwrap().data, written.data);
    // None of them needs a file beside it.
    assert_eq!(files(dir.path()), ["a.bmp", "a.png", "a.tif", "b.png"]);
}

#[test]
fn what_a_format_cannot_hold_is_refused_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    let registry = FormatRegistry::default();
    let refused = |name: &str, image: &Image, advice: &str| {
        let path = dir.path().join(name);
        let error = registry.write_image(&path, image).unwrap_err();
        assert!(matches!(error, ImageError::NotWritable { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(name) && text.contains(advice), "{text}");
        assert!(!path.exists());
    };
    refused("a.png", &image((1, 2, 3, 4), 0.0, picture()), ".tif");
    refused("a.png", &image((1, 1, 3, 4), 0.5, picture()), ".tif");
    refused(
        "a.png",
        &image((5, 1, 3, 4), 0.0, picture()),
        "one file each",
    );
    refused("a.bmp", &image((2, 1, 3, 4), 0.0, picture()), ".png");
    refused("a.bmp", &image((1, 1, 60, 60), 0.0, picture()), ".png");
    refused(
        "a.tif",
        &image((2, 2, 3, 4), 0.0, picture()),
        "one file each",
    );
    let mut nowhere = image((1, 1, 3, 4), 0.0, picture());
    nowhere.geometry.origin[1] = f64::NAN;
    refused("a.mha", &nowhere, "not finite");
    refused("a.nrrd", &nowhere, "not finite");
    for name in ["a.mha", "a.nrrd", "a.npy", "a.tif", "a.png"] {
        refused(name, &image((1, 0, 3, 4), 0.0, picture()), "");
    }
    let negative = map(1, -1, 3, picture());
    for name in ["b.png", "b.bmp"] {
        let error = registry.write_labels(&dir.path().join(name), &negative);
        assert!(error.unwrap_err().to_string().contains("label -1"));
    }
    assert_eq!(files(dir.path()), Vec::<String>::new());
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
    for name in WITH_GEOMETRY.iter().chain(&WITH_SIDECAR) {
        let path = dir.path().join(name);
        registry.write_image(&path, &image).unwrap();
        assert_eq!(
            registry.read_image(&path).unwrap().data,
            image.data,
            "{name}"
        );
    }
}
