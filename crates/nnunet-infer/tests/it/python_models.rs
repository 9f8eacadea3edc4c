//! Model folders of the Python program, against what it predicts with them.

use std::path::Path;

use ndarray::Array3;
use nnunet_image::{FormatRegistry, Image};
use nnunet_infer::{Mirroring, Precision, PredictOptions, Predictor};
use nnunet_schema::Fold;

use crate::common::fixture;

/// Voxels in which two label maps may differ, and what their Dice must reach.
const DIFFERING: f64 = 1e-4;
const DICE: f64 = 0.9995;

fn read(formats: &FormatRegistry, images: &Path, case: &str) -> Image {
    let path = images.join(format!("{case}_0000.nii.gz"));
    formats.read_image(&path).unwrap()
}

/// The names of the cases with a label map in a folder.
fn cases(folder: &Path) -> Vec<String> {
    let mut cases: Vec<String> = (std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| Some(name.strip_suffix(".nii.gz")?.to_owned()))
        .collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

/// Twice the voxels that both give the label, and the voxels that either does.
fn overlap(found: &Array3<i16>, expected: &Array3<i16>, label: i16) -> (usize, usize) {
    let pairs = found.iter().zip(expected);
    pairs.fold((0, 0), |(twice, sum), (a, b)| {
        let (a, b) = (usize::from(*a == label), usize::from(*b == label));
        (twice + 2 * a * b, sum + a + b)
    })
}

/// Predicts the cases of `expected` with a model folder as it is, and compares.
fn agrees(test: &str, model: &str, folds: &[Fold], mirroring: Mirroring, expected: &str) {
    agrees_for(test, model, folds, mirroring, expected, |_| true);
}

/// As `agrees`, only for some of the cases.
fn agrees_for(
    test: &str,
    model: &str,
    folds: &[Fold],
    mirroring: Mirroring,
    expected: &str,
    chosen: impl Fn(&str) -> bool,
) {
    let Some(root) = fixture(test, "predict") else {
        return;
    };
    let formats = FormatRegistry::default();
    let options = PredictOptions {
        mirroring,
        ..PredictOptions::default()
    };
    let predictor = Predictor::load(&root.join(model), folds, options).unwrap();
    let expected = root.join(expected);
    let (mut differing, mut voxels) = (0, 0);
    let mut dice = [(0, 0); 2];
    for case in cases(&expected).into_iter().filter(|case| chosen(case)) {
        let image = read(&formats, &root.join("images"), &case);
        let found = predictor.predict(&case, &image).unwrap();
        let path = expected.join(format!("{case}.nii.gz"));
        let expected = formats.read_labels(&path).unwrap();
        assert_eq!(found.shape(), expected.shape());
        assert!(found.geometry.same_spacing(&expected.geometry));
        let pairs = found.labels.iter().zip(&expected.labels);
        let here = pairs.filter(|(a, b)| a != b).count();
        println!(
            "{test}, {case}: {here} of {} voxels differ",
            found.labels.len()
        );
        assert!(
            here as f64 <= DIFFERING * found.labels.len() as f64,
            "{case}: {here}"
        );
        differing += here;
        voxels += found.labels.len();
        for (label, sum) in (1..).zip(&mut dice) {
            let (twice, both) = overlap(&found.labels, &expected.labels, label);
            *sum = (sum.0 + twice, sum.1 + both);
        }
    }
    for (twice, both) in dice {
        assert!(twice as f64 >= DICE * both as f64, "{twice} of {both}");
    }
    println!("{test}: {differing} of {voxels} voxels differ");
}

const FIRST: [Fold; 1] = [Fold::Number(0)];

#[test]
fn a_single_fold_of_a_3d_model_agrees() {
    let (model, expected) = ("model", "expected_fold0_nomirror");
    agrees("3d, one fold", model, &FIRST, Mirroring::Off, expected);
}

#[test]
fn a_mirrored_3d_model_agrees() {
    // Eight passes per window: the two cases of other spacings and one more are enough.
    let chosen = |case: &str| case.ends_with("sp") || case.ends_with("017");
    let (model, expected) = ("model", "expected_fold0_mirror");
    let mirroring = Mirroring::AsTrained;
    agrees_for("3d, mirrored", model, &FIRST, mirroring, expected, chosen);
}

#[test]
fn an_ensemble_of_all_folds_found_agrees() {
    let (model, expected) = ("model", "expected_fold01_nomirror");
    agrees("3d, all folds", model, &[], Mirroring::Off, expected);
}

#[test]
fn a_2d_model_agrees() {
    agrees(
        "2d",
        "model_2d",
        &[],
        Mirroring::Off,
        "expected_2d_nomirror",
    );
}

#[test]
fn a_mirrored_2d_model_agrees() {
    let expected = "expected_2d_mirror";
    agrees(
        "2d, mirrored",
        "model_2d",
        &[],
        Mirroring::AsTrained,
        expected,
    );
}

#[test]
fn bfloat16_agrees_in_all_but_some_voxels_in_a_thousand() {
    let Some(root) = fixture("bfloat16", "predict") else {
        return;
    };
    let formats = FormatRegistry::default();
    let load = |precision| {
        let options = PredictOptions {
            mirroring: Mirroring::Off,
            precision,
            ..PredictOptions::default()
        };
        Predictor::load(&root.join("model"), &FIRST, options).unwrap()
    };
    let (single, short) = (load(Precision::Single), load(Precision::Bfloat16));
    let case = cases(&root.join("expected_fold0_nomirror")).remove(0);
    let image = read(&formats, &root.join("images"), &case);
    let expected = single.predict(&case, &image).unwrap().labels;
    let found = short.predict(&case, &image).unwrap().labels;
    let differing = found.iter().zip(&expected).filter(|(a, b)| a != b).count();
    println!("bfloat16: {differing} of {} voxels differ", found.len());
    assert!(differing > 0 && differing as f64 <= 2e-3 * found.len() as f64);
    for label in [1, 2] {
        let (twice, both) = overlap(&found, &expected, label);
        assert!(twice as f64 >= 0.99 * both as f64, "{twice} of {both}");
    }
}
