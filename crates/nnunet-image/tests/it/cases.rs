//! Folders of raw datasets.

use std::fs;
use std::path::Path;

use ndarray::Array4;
use nnunet_image::{FormatRegistry, Geometry, Image, ImageError, RawCase, RawDataset, find_cases};
use nnunet_schema::Spacing;

fn dataset_json(channels: usize, extra: &str) -> String {
    let names: Vec<String> = (0..channels).map(|c| format!("\"{c}\": \"MRI\"")).collect();
    format!(
        "{{\"channel_names\": {{{}}}, \"labels\": {{\"background\": 0, \"a\": 1}}, \
         \"numTraining\": 2, \"file_ending\": \".nii.gz\" {extra}}}",
        names.join(", ")
    )
}

/// A dataset folder with these (empty) files.
fn folder(channels: usize, extra: &str, files: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("imagesTr")).unwrap();
    fs::create_dir(dir.path().join("labelsTr")).unwrap();
    fs::write(
        dir.path().join("dataset.json"),
        dataset_json(channels, extra),
    )
    .unwrap();
    for file in files {
        fs::write(dir.path().join(file), "").unwrap();
    }
    dir
}

fn error_of(dir: &Path) -> String {
    RawDataset::open(dir).unwrap_err().to_string()
}

#[test]
fn a_dataset_is_opened_with_its_cases_in_order() {
    let dir = folder(
        2,
        "",
        &[
            "imagesTr/case_1_2_0000.nii.gz",
            "imagesTr/case_1_2_0001.nii.gz",
            "imagesTr/case_1_0001.nii.gz",
            "imagesTr/case_1_0000.nii.gz",
            "imagesTr/.DS_Store",
            "imagesTr/notes.txt",
            "labelsTr/case_1.nii.gz",
            "labelsTr/case_1_2.nii.gz",
        ],
    );
    let dataset = RawDataset::open(dir.path()).unwrap();
    let ids: Vec<_> = dataset.cases.iter().map(|case| case.id.as_str()).collect();
    assert_eq!(ids, ["case_1", "case_1_2"]);
    let case = dataset.case("case_1").unwrap();
    assert_eq!(
        case.images[1],
        dir.path().join("imagesTr/case_1_0001.nii.gz")
    );
    assert_eq!(case.label, Some(dir.path().join("labelsTr/case_1.nii.gz")));
    let name = dir.path().file_name().unwrap().to_string_lossy();
    assert_eq!(dataset.name, name);
}

#[test]
fn what_is_missing_or_too_much_is_named() {
    let no_files = folder(1, "", &[]);
    assert!(error_of(no_files.path()).contains("CASE_0000.nii.gz"));

    let no_channel_number = folder(1, "", &["imagesTr/a.nii.gz"]);
    assert!(error_of(no_channel_number.path()).contains("found e.g. `a.nii.gz`"));

    let files = [
        "imagesTr/a_0000.nii.gz",
        "labelsTr/a.nii.gz",
        "imagesTr/b_00.nii.gz",
    ];
    let misnamed = folder(1, "", &files);
    assert!(error_of(misnamed.path()).contains("b_00.nii.gz has no channel number"));

    let missing_channel = folder(2, "", &files[..2]);
    let text = error_of(missing_channel.path());
    assert!(
        text.contains("`a` lacks channel 1") && text.contains("a_0001.nii.gz"),
        "{text}"
    );

    let missing_label = folder(1, "", &files[..1]);
    let text = error_of(missing_label.path());
    assert!(text.contains("`a` has no label map"), "{text}");
    assert!(text.contains("labelsTr/a.nii.gz"), "{text}");

    let surplus = [
        "imagesTr/a_0000.nii.gz",
        "imagesTr/a_0007.nii.gz",
        "labelsTr/a.nii.gz",
    ];
    let surplus = folder(1, "", &surplus);
    assert!(error_of(surplus.path()).contains("a_0007.nii.gz, but there are only 1 channels"));

    let text = error_of(Path::new("/nowhere"));
    assert!(text.contains("/nowhere/dataset.json"), "{text}");

    let no_images = tempfile::tempdir().unwrap();
    fs::write(no_images.path().join("dataset.json"), dataset_json(1, "")).unwrap();
    assert!(error_of(no_images.path()).contains("cannot list"));
}

#[test]
fn a_scan_goes_on_where_opening_stops() {
    let dir = folder(2, "", &["imagesTr/a_0000.nii.gz", "imagesTr/b.nii.gz"]);
    let dataset = RawDataset::scan(dir.path()).unwrap();
    assert_eq!(dataset.cases.len(), 1);
    assert_eq!(dataset.cases[0].images.len(), 2);
    assert_eq!(dataset.misnamed, [dir.path().join("imagesTr/b.nii.gz")]);
    assert!(
        RawDataset::scan(folder(1, "", &[]).path())
            .unwrap()
            .cases
            .is_empty()
    );
}

#[test]
fn listed_cases_replace_the_folders() {
    let extra = r#", "dataset": {
        "z": {"images": ["elsewhere/z.nii.gz"], "label": "/absolute/z.nii.gz"},
        "a": {"images": ["imagesTr/a.nii.gz"], "label": "labelsTr/a.nii.gz"}}"#;
    let dir = folder(1, extra, &["imagesTr/ignored_0000.nii.gz"]);
    let dataset = RawDataset::scan(dir.path()).unwrap();
    let ids: Vec<_> = dataset.cases.iter().map(|case| case.id.as_str()).collect();
    assert_eq!(ids, ["z", "a"]);
    assert_eq!(
        dataset.cases[0].images,
        [dir.path().join("elsewhere/z.nii.gz")]
    );
    assert_eq!(
        dataset.cases[0].label.as_deref(),
        Some(Path::new("/absolute/z.nii.gz"))
    );
    assert!(error_of(dir.path()).contains("elsewhere/z.nii.gz"));

    for (bad, wanted) in [
        (r#", "dataset": []"#, "`dataset` is not an object"),
        (r#", "dataset": {"a": {"images": []}}"#, "dataset.a"),
        (
            r#", "dataset": {"a": {"images": [], "label": "x"}}"#,
            "has no images",
        ),
    ] {
        let text = error_of(folder(1, bad, &[]).path());
        assert!(text.contains(wanted), "{text}");
    }
}

#[test]
fn images_to_predict_need_no_labels() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["b_0000.nii.gz", "a_0000.nii.gz", "c_0000.nii"] {
        fs::write(dir.path().join(name), "").unwrap();
    }
    let cases = find_cases(dir.path(), ".nii.gz", 1).unwrap();
    let ids: Vec<_> = cases.iter().map(|case| case.id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(cases[0].label, None);
    let error = find_cases(dir.path(), ".nii.gz", 2).unwrap_err();
    assert!(
        matches!(error, ImageError::MissingChannel { channel: 1, .. }),
        "{error}"
    );
    let error = find_cases(dir.path(), ".png", 1).unwrap_err();
    assert!(matches!(error, ImageError::NoCases { .. }), "{error}");
}

fn write(path: &Path, shape: (usize, usize, usize, usize), value: f32, z_spacing: f64) {
    let image = Image {
        data: Array4::from_elem(shape, value),
        geometry: Geometry::axis_aligned(Spacing::new([z_spacing, 1.0, 1.0]).unwrap()),
    };
    FormatRegistry::default().write_image(path, &image).unwrap();
}

#[test]
fn channels_are_stacked_if_they_fit() {
    let dir = tempfile::tempdir().unwrap();
    let registry = FormatRegistry::default();
    let path = |name: &str| dir.path().join(name);
    write(&path("one.nii"), (1, 2, 3, 4), 1.0, 2.0);
    write(&path("two.nii"), (2, 2, 3, 4), 2.0, 2.0);
    write(&path("shape.nii"), (1, 2, 4, 3), 3.0, 2.0);
    write(&path("spacing.nii"), (1, 2, 3, 4), 3.0, 2.1);
    let read = |files: &[&str]| {
        let case = RawCase {
            id: "a".into(),
            images: files.iter().map(|name| path(name)).collect(),
            label: None,
        };
        case.read_image(&registry)
    };
    let image = read(&["one.nii", "two.nii"]).unwrap();
    assert_eq!(image.data.dim(), (3, 2, 3, 4));
    assert_eq!(image.data[[0, 1, 2, 3]], 1.0);
    assert_eq!(image.data[[2, 0, 0, 0]], 2.0);
    assert_eq!(image.geometry.spacing.mm(), [2.0, 1.0, 1.0]);

    let text = read(&["one.nii", "shape.nii"]).unwrap_err().to_string();
    assert!(
        text.contains("`a`") && text.contains("shape.nii has 2×4×3"),
        "{text}"
    );
    let text = read(&["one.nii", "spacing.nii"]).unwrap_err().to_string();
    assert!(
        text.contains("spacing.nii has the spacing [2.0999"),
        "{text}"
    );
    assert!(matches!(read(&[]), Err(ImageError::NoImages { .. })));
}
