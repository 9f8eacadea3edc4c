//! Probabilities: saved, in memory, averaged; against those of the Python program.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use ndarray::{Array4, Axis};
use ndarray_npy::NpzReader;
use nnunet_image::FormatRegistry;
use nnunet_infer::{
    EnsembleOptions, ExistingOutputs, Mirroring, PredictOptions, Predictor, ProbabilityPrecision,
    ProbabilityStore, SaveProbabilities, ensemble_folders,
};
use nnunet_schema::{DatasetDescription, NoProgress, layout};

use crate::common::{PlanOf, fixture, plans};
use crate::models::{MODEL, image, load, model_folder, names, write_images, write_model};

fn read_npz(path: &Path) -> Array4<f32> {
    let mut file = NpzReader::new(File::open(path).unwrap()).unwrap();
    file.by_name("probabilities.npy").unwrap()
}

fn read_chunked(path: &Path) -> Array4<f32> {
    let store = ProbabilityStore::open(path).unwrap();
    let [classes, z, y, x] = store.shape();
    let values = (0..classes).flat_map(|class| store.read(class, 0, z).unwrap());
    Array4::from_shape_vec((classes, z, y, x), values.collect()).unwrap()
}

fn furthest(a: &Array4<f32>, b: &Array4<f32>) -> f32 {
    assert_eq!(a.dim(), b.dim());
    (a.iter().zip(b)).fold(0.0, |most, (a, b)| (a - b).abs().max(most))
}

#[test]
fn probabilities_agree_with_those_of_the_python_program() {
    let Some(root) = fixture("probabilities", "predict") else {
        return;
    };
    let options = PredictOptions {
        mirroring: Mirroring::Off,
        ..PredictOptions::default()
    };
    let predictor = Predictor::load(&root.join("model"), &[], options).unwrap();
    let formats = FormatRegistry::default();
    for case in ["hippocampus_017", "hippocampus_065sp"] {
        let path = root.join(format!("images/{case}_0000.nii.gz"));
        let image = formats.read_image(&path).unwrap();
        let (_, found) = predictor.predict_probabilities(case, &image).unwrap();
        let folder = root.join("expected_probabilities_fold01_nomirror");
        let expected = read_npz(&folder.join(format!("{case}.npz")));
        let most = furthest(&found, &expected);
        let pairs = found.iter().zip(&expected);
        let differing = pairs.filter(|(a, b)| (*a - *b).abs() > 1e-3).count();
        println!(
            "{case}: {differing} of {} beyond 0.001, at most {most}",
            found.len()
        );
        // The Python program adds logits up in half precision, which rounds them by up to 0.004
        // and a probability by a quarter of that, a little more where several round alike.
        assert!(most < 2e-3, "{case}: {most}");
        assert!(differing * 10_000 < found.len(), "{case}: {differing}");
    }
}

#[test]
fn predictions_of_the_python_program_are_averaged() {
    let Some(root) = fixture("ensembles", "predict") else {
        return;
    };
    let folder = root.join("expected_probabilities_fold01_nomirror");
    let dir = tempfile::tempdir().unwrap();
    let twice: Vec<PathBuf> = ["a", "b"].map(|name| dir.path().join(name)).into();
    for copy in &twice {
        fs::create_dir(copy).unwrap();
        for name in names(&folder) {
            fs::copy(folder.join(&name), copy.join(&name)).unwrap();
        }
        let dataset = DatasetDescription::load(&layout::dataset_json(&root.join("model"))).unwrap();
        dataset.save(&layout::dataset_json(copy)).unwrap();
    }
    let (output, formats) = (dir.path().join("out"), FormatRegistry::default());
    let options = EnsembleOptions::default();
    let report = ensemble_folders(&twice, &output, options, &formats, &NoProgress).unwrap();
    assert_eq!(report.predicted, ["hippocampus_017", "hippocampus_065sp"]);
    for case in &report.predicted {
        let read = |folder: &Path| {
            let path = folder.join(format!("{case}.nii.gz"));
            formats.read_labels(&path).unwrap()
        };
        assert_eq!(read(&output).labels, read(&folder).labels);
    }
}

#[test]
fn probabilities_are_saved_in_all_forms_alike() {
    // Axes change places, so that slices come along another axis than the file's first.
    for transpose in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let dir = tempfile::tempdir().unwrap();
        let of = PlanOf {
            transpose,
            spacing: [1.0, 1.4, 0.9],
            ..PlanOf::default()
        };
        write_model(&dir.path().join(MODEL), &plans(&of), &[0]);
        let input = dir.path().join("in");
        let shape = [9, 21, 7];
        write_images(&input, &[("a", shape)]);
        for (precision, tolerance) in [
            (ProbabilityPrecision::Single, 2e-6),
            (ProbabilityPrecision::Half, 2.5e-4),
            // Half a step, and that the numbers it was made of are not the same to the last digit.
            (ProbabilityPrecision::Steps16, 7.7e-6 + 2e-6),
            (ProbabilityPrecision::Steps8, 1.97e-3),
        ] {
            let output = dir.path().join(format!("{precision:?}"));
            let options = PredictOptions {
                probabilities: SaveProbabilities {
                    chunked: Some(precision),
                    npz: true,
                },
                ..PredictOptions::default()
            };
            let formats = FormatRegistry::default();
            let predictor = load(dir.path(), options);
            let report =
                (predictor.predict_folder(&input, &output, &formats, &NoProgress)).unwrap();
            assert_eq!(report.predicted, ["a"], "{:?}", report.failed);
            let files = ["a.nii.gz", "a.npz", "a.zarr", "dataset.json", "plans.json"];
            assert_eq!(names(&output), files);
            let (labels, whole) = predictor
                .predict_probabilities("a", &image(shape, 1))
                .unwrap();
            let chunked = read_chunked(&output.join("a.zarr"));
            let stored = ProbabilityStore::open(&output.join("a.zarr")).unwrap();
            assert_eq!(stored.precision(), precision);
            assert!(furthest(&whole, &chunked) < tolerance);
            assert_eq!(furthest(&chunked, &read_npz(&output.join("a.npz"))), 0.0);
            let sums = whole.sum_axis(Axis(0));
            assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5));
            let likelier = whole.index_axis(Axis(0), 1);
            for ((p, q), label) in (likelier.iter())
                .zip(whole.index_axis(Axis(0), 0))
                .zip(&labels.labels)
            {
                assert!((p - q).abs() < 1e-5 || (p > q) == (*label == 1));
            }
        }
    }
}

#[test]
fn nothing_but_the_npz_is_left_where_only_that_is_wanted() {
    let dir = model_folder(&[0]);
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    write_images(&input, &[("a", [8, 9, 10])]);
    let options = PredictOptions {
        probabilities: SaveProbabilities {
            chunked: None,
            npz: true,
        },
        ..PredictOptions::default()
    };
    let formats = FormatRegistry::default();
    let predictor = load(dir.path(), options);
    (predictor.predict_folder(&input, &output, &formats, &NoProgress)).unwrap();
    assert_eq!(
        names(&output),
        ["a.nii.gz", "a.npz", "dataset.json", "plans.json"]
    );
}

/// Two folders of predictions with probabilities, the second as `.npz` only.
fn two_folders(dir: &Path) -> [PathBuf; 2] {
    let formats = FormatRegistry::default();
    let input = dir.join("in");
    write_images(&input, &[("a", [9, 8, 10]), ("b", [8, 11, 7])]);
    [0, 1].map(|seed| {
        let output = dir.join(format!("out{seed}"));
        let options = PredictOptions {
            probabilities: SaveProbabilities {
                chunked: (seed == 0).then_some(ProbabilityPrecision::Single),
                npz: seed == 1,
            },
            ..PredictOptions::default()
        };
        let folds = [nnunet_schema::Fold::Number(seed)];
        let predictor = Predictor::load(&dir.join(MODEL), &folds, options).unwrap();
        (predictor.predict_folder(&input, &output, &formats, &NoProgress)).unwrap();
        output
    })
}

#[test]
fn an_ensemble_is_the_mean_of_saved_probabilities() {
    let dir = model_folder(&[0, 1]);
    let folders = two_folders(dir.path());
    let (output, formats) = (dir.path().join("both"), FormatRegistry::default());
    let mut options = EnsembleOptions::default();
    options.npz = true;
    let run = |options| ensemble_folders(&folders, &output, options, &formats, &NoProgress);
    assert_eq!(run(options).unwrap().predicted, ["a", "b"]);
    for case in ["a", "b"] {
        let first = read_chunked(&folders[0].join(format!("{case}.zarr")));
        let second = read_npz(&folders[1].join(format!("{case}.npz")));
        let mean = (first + second) / 2.0;
        let saved = read_npz(&output.join(format!("{case}.npz")));
        assert!(furthest(&mean, &saved) < 1e-6);
        let labels = (formats.read_labels(&output.join(format!("{case}.nii.gz")))).unwrap();
        let (background, foreground) = mean.view().split_at(Axis(0), 1);
        let pairs = foreground.iter().zip(&background);
        let foreground = pairs.map(|(p, q)| i16::from(p > q));
        assert!(labels.labels.iter().copied().eq(foreground));
    }
    options.existing = ExistingOutputs::Keep;
    assert_eq!(run(options).unwrap().kept, ["a", "b"]);
}

#[test]
fn ensembles_that_do_not_fit_together_are_refused() {
    let dir = model_folder(&[0, 1]);
    let folders = two_folders(dir.path());
    let (output, formats) = (dir.path().join("both"), FormatRegistry::default());
    let run = |folders: &[PathBuf]| {
        let options = EnsembleOptions::default();
        ensemble_folders(folders, &output, options, &formats, &NoProgress)
    };
    let error = run(&[]).unwrap_err().to_string();
    assert!(error.contains("no folder"), "{error}");
    // A damaged case fails alone.
    let damaged = folders[1].join("a.npz");
    let whole = fs::read(&damaged).unwrap();
    fs::write(&damaged, &whole[..whole.len() / 2]).unwrap();
    let report = run(&folders).unwrap();
    assert_eq!(report.predicted, ["b"]);
    assert!(report.failed[0].error.to_string().contains("a.npz"));
    fs::remove_file(&damaged).unwrap();
    let error = run(&folders).unwrap_err().to_string();
    assert!(error.contains("lacks the case `a`"), "{error}");
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let error = run(&[folders[0].clone(), empty]).unwrap_err().to_string();
    assert!(error.contains("has no probabilities"), "{error}");
}
