//! A model folder of the Python program with a residual encoder, against what it predicts with it.
//! Runs where `NNUNET_PYTHON` (or `python3`) has the package `nnunetv2`.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use ndarray::{Array4, Axis, concatenate};
use nnunet_image::{FormatRegistry, Image};
use nnunet_infer::{Mirroring, PredictOptions, Predictor};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/residual.py");

/// A Python with the Python program, or none and a line that says so.
fn python(test: &str) -> Option<Command> {
    let program = std::env::var("NNUNET_PYTHON").unwrap_or_else(|_| "python3".into());
    let probe = Command::new(&program)
        .args(["-c", "import nnunetv2"])
        .output();
    if probe.is_ok_and(|output| output.status.success()) {
        return Some(Command::new(program));
    }
    println!("skipped: {test} needs a Python with nnunetv2 (NNUNET_PYTHON)");
    None
}

/// The two channels of a case.
fn read(formats: &FormatRegistry, images: &Path, case: &str) -> Image {
    let channel = |channel: usize| {
        let path = images.join(format!("{case}_{channel:04}.nii.gz"));
        formats.read_image(&path).unwrap()
    };
    let (first, second) = (channel(0), channel(1));
    Image {
        data: concatenate(Axis(0), &[first.data.view(), second.data.view()]).unwrap(),
        geometry: first.geometry,
    }
}

#[test]
fn a_residual_encoder_of_the_python_program_predicts_the_same() {
    let name = "a_residual_encoder_of_the_python_program_predicts_the_same";
    let Some(mut command) = python(name) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let made = command.arg(SCRIPT).arg(root).output().unwrap();
    let text = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{text}");
    let formats = FormatRegistry::default();
    for (folder, mirroring) in [
        ("plain", Mirroring::Off),
        ("mirrored", Mirroring::AsTrained),
    ] {
        let options = PredictOptions {
            mirroring,
            ..PredictOptions::default()
        };
        let predictor = Predictor::load(&root.join("model"), &[], options).unwrap();
        assert_eq!(predictor.recipe().name(), "3d_fullres");
        for case in ["even", "odd"] {
            let image = read(&formats, &root.join("images"), case);
            let (labels, found) = predictor.predict_probabilities(case, &image).unwrap();
            let path = root.join(folder).join(format!("{case}.npz"));
            let mut file = ndarray_npy::NpzReader::new(File::open(path).unwrap()).unwrap();
            let expected: Array4<f32> = file.by_name("probabilities.npy").unwrap();
            assert_eq!(found.dim(), expected.dim());
            let pairs = found.iter().zip(&expected);
            let furthest = pairs.fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
            let path = root.join(folder).join(format!("{case}.nii.gz"));
            let expected = formats.read_labels(&path).unwrap();
            assert!(labels.geometry.same_spacing(&expected.geometry));
            let pairs = labels.labels.iter().zip(&expected.labels);
            let differing = pairs.filter(|(a, b)| a != b).count();
            let voxels = labels.labels.len();
            println!(
                "{folder}, {case}: probabilities differ by {furthest} at most, {differing} of \
                 {voxels} labels"
            );
            assert!(furthest < 1e-5, "{folder}, {case}: {furthest}");
            assert!(
                differing * 10_000 <= voxels,
                "{folder}, {case}: {differing}"
            );
            let labels: std::collections::BTreeSet<i16> = expected.labels.iter().copied().collect();
            assert!(labels.len() > 1, "{folder}, {case}: all are {labels:?}");
        }
    }
}
