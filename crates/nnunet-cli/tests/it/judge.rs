//! The commands that judge: selection, postprocessing, evaluation, comparison.

use std::fs;
use std::path::Path;

use nnunet::evaluate::postprocessing::{PostprocessingRules, determine_postprocessing};
use nnunet::evaluate::{CasePair, Classes, EvaluateOptions, Overlap, summarise};
use nnunet::image::FormatRegistry;
use nnunet::schema::summary::CaseMetrics;
use nnunet::schema::{DatasetDescription, NoProgress};

use crate::program::{Ended, Program, bare};

/// The program with two configurations that are trained, hardly, on fold 0.
fn with_models() -> Program {
    let program = Program::with_phantoms();
    program.succeed(&["plan", "900", "--base-features", "4", "--batch-size", "2"]);
    program.succeed(&["preprocess", "900", "-c", "2d", "3d_fullres"]);
    for configuration in ["2d", "3d_fullres"] {
        program.succeed(&[
            "train",
            "900",
            configuration,
            "0",
            "--epochs",
            "1",
            "--iterations",
            "2",
            "--device",
            "cpu",
        ]);
    }
    program
}

fn text(program: &Program, relative: &str) -> String {
    program.path(relative).to_string_lossy().into_owned()
}

#[test]
fn what_is_selected_predicts_and_is_evaluated() {
    let program = with_models();
    program
        .run(&["select", "900"])
        .failed_with(&["lacks the folds 1 2 3 4", "nnunet train"]);
    program
        .run(&["predict", "--selected", "900", "-i", "x", "-o", "y"])
        .failed_with(&["nnunet select"]);
    let select = program.succeed(&["select", "900", "-f", "0", "--device", "cpu"]);
    for words in [
        "ensemble___nnUNetTrainer__nnUNetPlans__2d___nnUNetTrainer__nnUNetPlans__3d_fullres___0",
        "best: ",
        "largest component",
        "nnunet predict --selected Dataset900_Phantom",
    ] {
        assert!(select.stdout.contains(words), "{words}: {}", select.stdout);
    }
    let results = "results/Dataset900_Phantom";
    for file in ["inference_information.json", "inference_instructions.txt"] {
        assert!(program.path(results).join(file).is_file(), "{file}");
    }
    program.succeed(&["select", "900", "-f", "0", "--device", "cpu", "--continue"]);

    let [images, predictions] =
        ["raw/Dataset900_Phantom/imagesTs", "predictions"].map(|part| text(&program, part));
    program.succeed(&[
        "predict",
        "--selected",
        "900",
        "-i",
        &images,
        "-o",
        &predictions,
        "--device",
        "cpu",
    ]);
    given_away_it_predicts_the_same(&program, &images, &predictions);
    // A single model with the steps of a file; what the network made remains.
    let steps = program.path("steps.json");
    let means = r#"{"foreground_mean": MEANS, "mean": {}}"#.replace(
        "MEANS",
        r#"{"Dice": 1, "FN": 0, "FP": 0, "IoU": 1, "TN": 1, "TP": 1, "n_pred": 1, "n_ref": 1}"#,
    );
    let document = format!(
        r#"{{"input_folder": {means}, "postprocessed": {means}, "postprocessing_fns":
        ["remove_all_but_largest_component_from_segmentation"],
        "postprocessing_kwargs": [{{"labels_or_regions": [1, 2, 3]}}]}}"#
    );
    fs::write(&steps, document).unwrap();
    let model = format!("{results}/nnUNetTrainer__nnUNetPlans__3d_fullres");
    let [model, cleaned, steps] =
        [model.as_str(), "cleaned", "steps.json"].map(|part| text(&program, part));
    let predict = |more: &[&str]| {
        let arguments = ["predict", "-m", &model, "-i", &images, "-o", &cleaned];
        let steps = [
            "--postprocessing",
            &steps,
            "--device",
            "cpu",
            "--no-mirroring",
        ];
        program.succeed(&[&arguments[..], &steps, more].concat())
    };
    let first = predict(&[]);
    assert!(
        first.stdout.contains("1 cases segmented"),
        "{}",
        first.stdout
    );
    let again = predict(&["--continue"]);
    assert!(again.stdout.contains("1 already there"), "{}", again.stdout);
    for folder in ["cleaned", "cleaned/before_postprocessing"] {
        let maps = fs::read_dir(program.path(folder)).unwrap();
        let maps = maps.filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().ends_with(".nii.gz")
        });
        assert_eq!(maps.count(), 1, "{folder}");
    }

    let [references, description, table] = [
        "raw/Dataset900_Phantom/labelsTs",
        "raw/Dataset900_Phantom/dataset.json",
        "cases.csv",
    ]
    .map(|part| text(&program, part));
    let evaluate = program.succeed(&[
        "evaluate",
        "--references",
        &references,
        "--predictions",
        &predictions,
        "--dataset-json",
        &description,
        "--surface",
        "--tolerance",
        "2",
        "--csv",
        &table,
    ]);
    for words in ["HD95 mm", "surface Dice", "surfaces.json"] {
        assert!(evaluate.stdout.contains(words), "{}", evaluate.stdout);
    }
    let table = fs::read_to_string(table).unwrap();
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(
        table.contains("predicted_mm3,reference_mm3,hausdorff_mm"),
        "{table}"
    );
    assert!(program.path("predictions/summary.json").is_file());
}

/// What was selected is exported, installed elsewhere and used there.
fn given_away_it_predicts_the_same(program: &Program, images: &str, predictions: &str) {
    let archive = text(program, "models.zip");
    let export = program.succeed(&["export-model", "900", "--selected", "-o", &archive]);
    for words in ["fold 0", "selection: ", "archive: "] {
        assert!(export.stdout.contains(words), "{words}: {export:?}");
    }
    program
        .run(&["export-model", "900", "-o", &archive, "-c", "4d"])
        .failed_with(&["nnUNetTrainer__nnUNetPlans__4d", "3d_fullres"]);
    let other = text(program, "elsewhere");
    let run = |arguments: &[&str]| {
        let mut command = bare();
        command.args(["--results", &other]).args(arguments);
        Ended::from(command.output().unwrap())
    };
    let installed = run(&["install-model", &archive]);
    assert_eq!(installed.code, Some(0), "{installed:?}");
    let next = "nnunet predict --selected Dataset900_Phantom -i INPUT -o OUTPUT";
    for words in [next, "all files are as they were exported"] {
        assert!(installed.stdout.contains(words), "{words}: {installed:?}");
    }
    run(&["install-model", &archive]).failed_with(&["--overwrite", "Dataset900_Phantom"]);
    run(&[
        "install-model",
        &archive,
        "--overwrite",
        "--max-size",
        "0.000001",
    ])
    .failed_with(&["--max-size", "limit of 1000 bytes"]);
    assert_eq!(
        run(&["install-model", &archive, "--overwrite"]).code,
        Some(0)
    );
    let output = text(program, "by_installed");
    let words = [
        "predict",
        "--selected",
        "900",
        "-i",
        images,
        "-o",
        &output,
        "--device",
        "cpu",
    ];
    assert_eq!(run(&words).code, Some(0));
    let mut maps = 0;
    for entry in fs::read_dir(predictions).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with(".nii.gz") {
            let same = Path::new(&output).join(path.file_name().unwrap());
            assert_eq!(fs::read(path).unwrap(), fs::read(same).unwrap());
            maps += 1;
        }
    }
    assert_eq!(maps, 1);
}

#[test]
fn predictions_are_postprocessed() {
    let program = Program::with_phantoms();
    let formats = FormatRegistry::default();
    let path = program.files("labelsTs").remove(0);
    let reference = formats.read_labels(&path).unwrap();
    let mut prediction = reference.clone();
    let corner = prediction.labels.first_mut().unwrap();
    assert_eq!(*corner, 0);
    *corner = 1;
    let input = program.path("input");
    let name = path.file_name().unwrap();
    formats
        .write_labels(&input.join(name), &prediction)
        .unwrap();
    let description = DatasetDescription::load(&program.raw("dataset.json")).unwrap();
    let pairs = CasePair::find(
        &program.raw("labelsTs"),
        &input,
        ".nii.gz",
        &EvaluateOptions::default(),
    )
    .unwrap();
    let steps = determine_postprocessing(
        &pairs,
        &Classes::of(&description).unwrap(),
        &PostprocessingRules::v2(),
        &formats,
        &NoProgress,
    )
    .unwrap();
    let document = text(&program, "postprocessing.json");
    steps.save(Path::new(&document)).unwrap();

    let (from, to) = (text(&program, "input"), text(&program, "output"));
    let arguments = ["postprocess", "-i", &from, "-o", &to, "--postprocessing"];
    let run = |document: &str| program.run(&[&arguments[..], &[document]].concat());
    run(&document).failed_with(&["dataset.json", "nnunet predict"]);
    fs::copy(program.raw("dataset.json"), input.join("dataset.json")).unwrap();
    let ended = run(&document);
    assert!(ended.stdout.contains("1 changed, 1 voxels"), "{ended:?}");
    let cleaned = formats
        .read_labels(&program.path("output").join(name))
        .unwrap();
    assert_eq!(cleaned.labels, reference.labels);
    run(&text(&program, "steps.pkl")).failed_with(&["only Python reads"]);
}

/// A summary of ten cases with so many false voxels each, more in some.
fn write_summary(program: &Program, method: &str, dataset: &str, wrong: u64) -> String {
    let cases = (0..10).map(|case: u64| {
        let overlap = Overlap {
            true_positive: 100,
            false_positive: wrong + case % 3,
            ..Overlap::default()
        };
        CaseMetrics {
            metrics: [("1".to_owned(), overlap.into())].into(),
            prediction_file: format!("{method}/{case}.nii.gz"),
            reference_file: format!("labels/{case}.nii.gz"),
        }
    });
    let path = text(program, &format!("{method}-{dataset}.json"));
    summarise(cases.collect())
        .unwrap()
        .save(Path::new(&path))
        .unwrap();
    path
}

#[test]
fn methods_are_ranked_over_datasets() {
    let program = Program::new();
    let mut results = Vec::new();
    for (method, wrong) in [("good", 5), ("bad", 40)] {
        for dataset in ["Liver", "Prostate"] {
            let path = write_summary(&program, method, dataset, wrong);
            results.push(format!("{method}={dataset}={path}"));
        }
    }
    let output = text(&program, "out");
    let mut arguments = vec!["compare", "-o", &output, "--draws", "100"];
    arguments.extend(results.iter().map(String::as_str));
    let ended = program.succeed(&arguments);
    assert!(ended.stdout.contains("all 2 datasets"), "{}", ended.stdout);
    for file in [
        "comparison.json",
        "comparison.txt",
        "ranks.svg",
        "ranks.png",
    ] {
        assert!(program.path("out").join(file).is_file(), "{file}");
    }
    let list = program.path("list.toml");
    let lines = "[good]\nLiver = \"good-Liver.json\"\n[bad]\nLiver = \"bad-Liver.json\"\n";
    fs::write(&list, lines).unwrap();
    let again = text(&program, "again");
    let list = list.to_string_lossy().into_owned();
    program.succeed(&["compare", "--list", &list, "-o", &again]);

    program
        .run(&["compare"])
        .failed_with(&["METHOD=DATASET=FILE"]);
    program
        .run(&["compare", "good=Liver"])
        .failed_with(&["expected METHOD=DATASET=FILE"]);
    program
        .run(&["compare", &results[0]])
        .failed_with(&["at least two methods"]);
    program
        .run(&["compare", &results[0], &results[1], &results[2]])
        .failed_with(&["Prostate", "the same to be compared"]);
}

#[test]
fn fingerprints_are_set_side_by_side() {
    let program = Program::with_phantoms();
    program.succeed(&["fingerprint", "900"]);
    let own = program.path("preprocessed/Dataset900_Phantom/dataset_fingerprint.json");
    let other = program.path("Dataset901_Other/dataset_fingerprint.json");
    fs::create_dir(other.parent().unwrap()).unwrap();
    fs::copy(own, &other).unwrap();
    let (other, output) = (other.to_string_lossy().into_owned(), text(&program, "out"));
    let ended = program.succeed(&["compare-fingerprints", "900", &other, "-o", &output]);
    for words in ["Dataset900_Phantom", "Dataset901_Other", "anisotropy"] {
        assert!(ended.stdout.contains(words), "{}", ended.stdout);
    }
    for ending in ["json", "txt", "svg", "png"] {
        assert!(
            program
                .path("out/fingerprints")
                .with_extension(ending)
                .is_file()
        );
    }
    program
        .run(&["compare-fingerprints", "900", "777"])
        .failed_with(&["777", "was not found"]);
}

#[test]
fn an_experiment_is_run_from_a_file() {
    let program = Program::with_phantoms();
    let file = program.path("norms.toml");
    let experiment = "datasets = [900]\nconfiguration = \"2d\"\nfolds = [0, 1]\n\
        [planning]\nbase_features = 4\nbatch_size = 2\n\
        [training]\nepochs = 1\niterations_per_epoch = 1\nvalidation_iterations = 1\n\
        [variants.instance]\n[variants.batch]\nnorm = \"batch\"\n";
    fs::write(&file, experiment).unwrap();
    let file = file.to_string_lossy().into_owned();
    let ended = program.succeed(&["experiment", &file, "--device", "cpu"]);
    assert!(
        ended.stdout.contains("batch on Dataset900_Phantom"),
        "{}",
        ended.stdout
    );
    assert!(program.path("norms/ranks.png").is_file());
    assert!(
        program
            .path("norms/instance/Dataset900_Phantom/summary.json")
            .is_file()
    );
    let trained = ended.stderr.contains("fold 1");
    let again = program.succeed(&["experiment", &file, "--device", "cpu"]);
    assert!(
        trained && !again.stderr.contains("fold 1"),
        "{}",
        again.stderr
    );
}
