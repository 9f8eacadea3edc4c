//! One test for everything that can be found wrong.

use std::fs;

use nnunet_fingerprint::{FindingKind, Severity, VerifyReport};
use nnunet_schema::{Shape, Spacing};

use crate::dataset::{Dataset, SHAPE, image, image_file, label_file, labels};

/// The one finding of a report, and its text.
fn only(report: &VerifyReport) -> (&FindingKind, Severity, String) {
    let [finding] = report.findings.as_slice() else {
        panic!("expected one finding: {:#?}", report.findings);
    };
    (&finding.kind, finding.severity(), finding.to_string())
}

fn assert_mentions(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{text}` does not mention `{part}`");
    }
}

#[test]
fn a_good_dataset_has_no_findings() {
    let report = Dataset::new(3, 2).verify();
    assert_eq!(report.findings, []);
    assert_eq!(report.cases, 3);
    assert!(report.is_usable());
}

#[test]
fn an_empty_dataset() {
    let report = Dataset::new(0, 1).verify();
    assert!(matches!(only(&report).0, FindingKind::NoCases));
    assert!(!report.is_usable());
}

#[test]
fn another_number_of_cases_than_promised() {
    let dataset = Dataset::new(2, 1);
    dataset.describe(5, 1, r#"{"background": 0, "a": 1}"#);
    let report = dataset.verify();
    let (kind, severity, text) = only(&report);
    assert_eq!(
        *kind,
        FindingKind::CaseCount {
            expected: 5,
            found: 2
        }
    );
    assert_eq!(severity, Severity::Error);
    assert_mentions(&text, &["numTraining", "5", "2 cases"]);
}

#[test]
fn labels_with_a_gap() {
    let dataset = Dataset::new(1, 1);
    dataset.describe(1, 1, r#"{"background": 0, "a": 1, "b": 3, "ignore": 4}"#);
    let report = dataset.verify();
    let labels = vec![0, 1, 3, 4];
    assert_eq!(*only(&report).0, FindingKind::LabelGap { labels });
}

#[test]
fn a_missing_label_map() {
    let dataset = Dataset::new(2, 1);
    dataset.remove(&label_file(1));
    let report = dataset.verify();
    let (kind, severity, text) = only(&report);
    assert_eq!(
        (kind, severity),
        (&FindingKind::MissingLabel, Severity::Error)
    );
    assert_mentions(&text, &["error", "`c1`", "labelsTr/c1.nii.gz"]);
}

#[test]
fn a_missing_channel() {
    let dataset = Dataset::new(2, 2);
    dataset.remove(&image_file(0, 1));
    let report = dataset.verify();
    let (kind, _, text) = only(&report);
    assert_eq!(*kind, FindingKind::MissingChannel { channel: 1 });
    assert_mentions(&text, &["`c0`", "c0_0001.nii.gz", "channel 1"]);
}

#[test]
fn a_channel_too_many() {
    let dataset = Dataset::new(1, 1);
    dataset.write_image("imagesTr/c0_0004.nii.gz", &image(SHAPE, 1.0));
    let report = dataset.verify();
    let (kind, _, text) = only(&report);
    assert_eq!(*kind, FindingKind::SurplusChannel { channels: 1 });
    assert_mentions(&text, &["c0_0004.nii.gz"]);
}

#[test]
fn a_file_with_several_channels() {
    let dataset = Dataset::new(1, 1);
    let mut two = image(SHAPE, 1.0);
    let [z, y, x] = SHAPE;
    two.data = ndarray::Array4::from_elem((2, z, y, x), 1.0);
    dataset.write_image(&image_file(0, 0), &two);
    let report = dataset.verify();
    assert_eq!(
        *only(&report).0,
        FindingKind::ChannelCount {
            expected: 1,
            found: 2
        }
    );
}

#[test]
fn channels_of_different_shape() {
    let dataset = Dataset::new(1, 2);
    dataset.write_image(&image_file(0, 1), &image([5, 5, 6], 1.0));
    let report = dataset.verify();
    let (kind, severity, text) = only(&report);
    let (expected, found) = (Shape::new(SHAPE), Shape::new([5, 5, 6]));
    assert_eq!(*kind, FindingKind::ChannelShape { expected, found });
    assert_eq!(severity, Severity::Error);
    assert_mentions(&text, &["`c0`", "c0_0001.nii.gz", "5×5×6", "4×5×6"]);
}

#[test]
fn channels_of_different_spacing() {
    let dataset = Dataset::new(1, 2);
    let mut other = image(SHAPE, 1.0);
    other.geometry.spacing = Spacing::new([3.0, 1.0, 0.75]).unwrap();
    dataset.write_image(&image_file(0, 1), &other);
    let report = dataset.verify();
    let (kind, _, text) = only(&report);
    assert!(
        matches!(kind, FindingKind::ChannelSpacing { .. }),
        "{kind:?}"
    );
    assert_mentions(&text, &["c0_0001.nii.gz", "0.75", "0.5"]);
}

#[test]
fn a_label_map_of_another_shape() {
    let dataset = Dataset::new(1, 1);
    dataset.write_labels(&label_file(0), &labels([4, 6, 5], 1));
    let report = dataset.verify();
    let (kind, _, text) = only(&report);
    let (expected, found) = (Shape::new(SHAPE), Shape::new([4, 6, 5]));
    assert_eq!(*kind, FindingKind::LabelShape { expected, found });
    assert_mentions(&text, &["labelsTr/c0.nii.gz", "4×6×5", "4×5×6"]);
}

#[test]
fn a_label_map_of_another_spacing() {
    let dataset = Dataset::new(1, 1);
    let mut map = labels(SHAPE, 1);
    // Closer than numpy's allclose tells apart, then further.
    map.geometry.spacing = Spacing::new([3.000_01, 1.0, 0.5]).unwrap();
    dataset.write_labels(&label_file(0), &map);
    assert_eq!(dataset.verify().findings, []);
    map.geometry.spacing = Spacing::new([3.000_1, 1.0, 0.5]).unwrap();
    dataset.write_labels(&label_file(0), &map);
    let report = dataset.verify();
    let (kind, severity, text) = only(&report);
    assert!(matches!(kind, FindingKind::LabelSpacing { .. }), "{kind:?}");
    assert_eq!(severity, Severity::Error);
    assert_mentions(&text, &["labelsTr/c0.nii.gz", "3.00009989"]);
}

#[test]
fn voxels_that_are_not_finite() {
    let dataset = Dataset::new(2, 2);
    let mut bad = image(SHAPE, 1.0);
    bad.data[[0, 1, 2, 3]] = f32::NAN;
    bad.data[[0, 3, 0, 0]] = f32::INFINITY;
    dataset.write_image(&image_file(1, 1), &bad);
    let report = dataset.verify();
    let (kind, _, text) = only(&report);
    assert_eq!(
        *kind,
        FindingKind::NotFinite {
            count: 2,
            voxel: [1, 2, 3]
        }
    );
    assert_mentions(&text, &["`c1`", "c1_0001.nii.gz", "[1, 2, 3]"]);
}

#[test]
fn labels_that_the_description_lacks() {
    let dataset = Dataset::new(1, 1);
    let mut map = labels(SHAPE, 7);
    map.labels[[0, 0, 0]] = -3;
    map.labels[[0, 0, 1]] = 1;
    dataset.write_labels(&label_file(0), &map);
    let report = dataset.verify();
    let (kind, _, text) = only(&report);
    let (found, expected) = (vec![(-3, 1), (7, 2)], vec![0, 1]);
    assert_eq!(*kind, FindingKind::UnknownLabels { found, expected });
    assert_mentions(
        &text,
        &["labelsTr/c0.nii.gz", "7 (2 voxels)", "-3 (1 voxels)"],
    );
}

#[test]
fn the_ignore_label_and_regions_are_known() {
    let dataset = Dataset::new(1, 1);
    dataset.describe(1, 1, r#"{"background": 0, "a": 1, "ignore": 2}"#);
    dataset.write_labels(&label_file(0), &labels(SHAPE, 2));
    assert_eq!(dataset.verify().findings, []);
}

#[test]
fn files_that_cannot_be_read() {
    let dataset = Dataset::new(3, 1);
    let cut = fs::read(dataset.path(&image_file(0, 0))).unwrap();
    fs::write(dataset.path(&image_file(0, 0)), &cut[..cut.len() - 12]).unwrap();
    fs::write(dataset.path(&label_file(1)), b"not an image").unwrap();
    let report = dataset.verify();
    let texts: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert_mentions(&texts[0], &["`c0`", "c0_0000.nii.gz", "damaged"]);
    assert_mentions(&texts[1], &["`c1`", "labelsTr/c1.nii.gz", "damaged"]);
    assert!(
        report
            .findings
            .iter()
            .all(|f| matches!(f.kind, FindingKind::Unreadable { .. }))
    );
}

#[test]
fn another_origin_or_direction_is_only_a_warning() {
    let dataset = Dataset::new(1, 1);
    let mut map = labels(SHAPE, 1);
    map.geometry.origin = [0.0, 10.0, 0.0];
    map.geometry.direction = [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]];
    dataset.write_labels(&label_file(0), &map);
    let report = dataset.verify();
    assert!(report.is_usable());
    let kinds: Vec<_> = report.warnings().map(|finding| &finding.kind).collect();
    let [
        FindingKind::Origin { found, .. },
        FindingKind::Direction { .. },
    ] = kinds[..]
    else {
        panic!("{kinds:?}");
    };
    assert_eq!(*found, [0.0, 10.0, 0.0]);
    assert_mentions(
        &report.findings[0].to_string(),
        &["warning", "c0.nii.gz", "10.0"],
    );
}

#[test]
fn axes_that_are_not_at_right_angles_are_a_warning() {
    let dataset = Dataset::new(1, 1);
    // x' = x + z / 10, as a tilted gantry has it: in the first row of the sform.
    let sheared = [-0.5_f32, 0.0, -0.3, 0.0];
    let bytes: Vec<u8> = sheared.iter().flat_map(|v| v.to_le_bytes()).collect();
    dataset.write_image("imagesTr/plain.nii", &image(SHAPE, 1.0));
    let path = dataset.path("imagesTr/plain.nii");
    let mut content = std::fs::read(&path).unwrap();
    content[280..296].copy_from_slice(&bytes);
    std::fs::write(&path, content).unwrap();
    std::fs::rename(&path, dataset.path(&image_file(0, 0))).unwrap();
    let report = dataset.verify();
    assert!(report.is_usable());
    let skewed = report
        .findings
        .iter()
        .find_map(|finding| match finding.kind {
            FindingKind::Skewed { degrees } => Some((degrees, finding.to_string())),
            _ => None,
        });
    let (degrees, text) = skewed.unwrap();
    assert!((degrees - 0.1_f64.atan().to_degrees()).abs() < 1e-4);
    assert_mentions(
        &text,
        &["warning", "c0_0000.nii.gz", "5.71", "right angles"],
    );
}

#[test]
fn files_that_are_not_used_are_warnings() {
    let dataset = Dataset::new(1, 1);
    dataset.write_image("imagesTr/extra.nii.gz", &image(SHAPE, 1.0));
    dataset.write_labels("labelsTr/orphan.nii.gz", &labels(SHAPE, 1));
    let report = dataset.verify();
    assert!(report.is_usable());
    let texts: Vec<String> = report.warnings().map(ToString::to_string).collect();
    assert_mentions(&texts[0], &["extra.nii.gz", "channel number"]);
    assert_mentions(&texts[1], &["orphan.nii.gz", "no image"]);
}

#[test]
fn everything_is_reported_not_only_the_first() {
    let dataset = Dataset::new(4, 2);
    dataset.describe(9, 2, r#"{"background": 0, "a": 1, "b": 3}"#);
    dataset.remove(&label_file(0));
    dataset.write_labels(&label_file(1), &labels([4, 5, 7], 2));
    let mut bad = image([4, 5, 7], f32::NAN);
    bad.geometry.spacing = Spacing::new([1.0, 1.0, 1.0]).unwrap();
    dataset.write_image(&image_file(2, 1), &bad);
    let report = dataset.verify();
    let cases: Vec<_> = report.findings.iter().map(|f| f.case.as_deref()).collect();
    let c = |n| Some(["c0", "c1", "c2"][n]);
    assert_eq!(cases, [None, None, c(0), c(1), c(1), c(2), c(2), c(2)]);
    assert_eq!(report.errors().count(), 8);
}

#[test]
fn a_report_is_a_json_document() {
    let dataset = Dataset::new(1, 1);
    dataset.remove(&label_file(0));
    let json = serde_json::to_value(dataset.verify()).unwrap();
    assert_eq!(json["findings"][0]["kind"], "missing_label");
    assert_eq!(json["findings"][0]["case"], "c0");
}
