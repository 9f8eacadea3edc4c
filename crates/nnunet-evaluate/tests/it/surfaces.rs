use std::fs;

use ndarray::Array3;
use nnunet_evaluate::surface::{SurfaceOptions, SurfaceSummary, case_surfaces, evaluate_surfaces};
use nnunet_evaluate::{CasePair, Classes, EvaluateError, LabelPair};
use nnunet_image::{FormatRegistry, Geometry, LabelMap};
use nnunet_schema::{DatasetDescription, NoProgress, Spacing, python_json};

fn classes() -> Classes {
    let text = r#"{"channel_names": {"0": "CT"}, "numTraining": 3, "file_ending": ".nii",
        "labels": {"background": 0, "whole": [1, 2], "core": 2, "ignore": 3},
        "regions_class_order": [1, 2]}"#;
    let description: DatasetDescription = python_json::parse(text).unwrap();
    Classes::of(&description).unwrap()
}

/// A row of voxels 2 mm apart.
fn row(labels: &str) -> LabelMap {
    let digits = labels.bytes().map(|byte| i16::from(byte - b'0')).collect();
    LabelMap {
        labels: Array3::from_shape_vec((1, 1, labels.len()), digits).unwrap(),
        geometry: Geometry::axis_aligned(Spacing::new([1.0, 1.0, 2.0]).unwrap()),
    }
}

fn compare(reference: &str, prediction: &str) -> [nnunet_evaluate::surface::SurfaceMetrics; 2] {
    let (reference, prediction) = (row(reference), row(prediction));
    let pair = LabelPair {
        reference: &reference,
        prediction: &prediction,
    };
    let found = case_surfaces(pair, &classes(), &SurfaceOptions::default()).unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["(1, 2)", "2"]);
    [found["(1, 2)"], found["2"]]
}

#[test]
fn regions_are_measured_in_millimetres_and_ignored_voxels_belong_to_nothing() {
    let [whole, core] = compare("0112200003", "0111220001");
    // The outlines are 1 and 4, 1 and 5; of the core 3 and 4, 4 and 5.
    assert_eq!((whole.hausdorff, whole.average_distance), (2.0, 1.0));
    assert_eq!((core.hausdorff, core.surface_dice), (2.0, 0.5));
    // All of the prediction is where the reference says nothing.
    let [whole, core] = compare("0003330000", "0001120000");
    assert!(whole.hausdorff.is_nan() && core.hausdorff.is_nan());
    let [whole, core] = compare("0110000000", "0000000000");
    assert_eq!((whole.hausdorff, whole.surface_dice), (f64::INFINITY, 0.0));
    assert!(core.surface_dice.is_nan());
}

#[test]
fn a_folder_becomes_a_document_with_means_over_finite_distances() {
    let folder = tempfile::tempdir().unwrap();
    let formats = FormatRegistry::default();
    let rows = [
        ("0110", "0110"),
        ("0110", "0111"),
        ("0110", "0000"),
        ("0000", "0000"),
    ];
    let mut pairs = Vec::new();
    for (number, (reference, prediction)) in rows.iter().enumerate() {
        let write = |kind: &str, labels: &str| {
            let path = folder.path().join(format!("{kind}{number}.nii"));
            formats.write_labels(&path, &row(labels)).unwrap();
            path
        };
        pairs.push(CasePair {
            case: number.to_string(),
            reference: write("r", reference),
            prediction: write("p", prediction),
        });
    }
    let evaluate = |options: &SurfaceOptions| {
        evaluate_surfaces(&pairs, &classes(), options, &formats, &NoProgress)
    };
    let mut options = SurfaceOptions::default();
    options.class_tolerances_mm.insert("2".to_owned(), 3.0);
    let found = evaluate(&options).unwrap();
    let whole = found.mean["(1, 2)"];
    assert_eq!((whole.cases, whole.one_sided), (2, 1));
    assert_eq!(whole.hausdorff, 1.0);
    assert_eq!(found.tolerance_mm["2"], 3.0);
    assert!(found.mean["2"].hausdorff.is_nan());

    let path = folder.path().join("surfaces.json");
    found.save(&path).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("Infinity") && text.contains("NaN"), "{text}");
    let read = SurfaceSummary::load(&path).unwrap();
    assert_eq!(python_json::to_text(&read).unwrap(), text);

    options.class_tolerances_mm.insert("7".to_owned(), 3.0);
    let error = evaluate(&options).unwrap_err();
    assert!(
        matches!(error, EvaluateError::UnknownClass { .. }),
        "{error}"
    );
    fs::write(&pairs[1].prediction, b"no image").unwrap();
    let error = evaluate(&SurfaceOptions::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("case `1`"), "{error}");
}
