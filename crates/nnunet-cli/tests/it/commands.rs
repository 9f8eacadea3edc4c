//! The commands in the order of the method.

use crate::program::{Ended, Program, bare};

#[test]
fn every_command_explains_itself() {
    for command in [
        "verify",
        "fingerprint",
        "plan",
        "split",
        "preprocess",
        "preview-augmentation",
        "model-info",
        "train",
        "predict",
        "ensemble",
        "export-checkpoint",
        "export-model",
        "install-model",
        "evaluate",
        "select",
        "postprocess",
        "compare",
        "compare-fingerprints",
        "experiment",
        "convert-msd",
        "run",
        "jobs",
        "status",
        "report",
        "demo",
        "doctor",
        "completions",
        "man-pages",
    ] {
        let ended = Ended::from(bare().args([command, "--help"]).output().unwrap());
        assert_eq!(ended.code, Some(0));
        assert!(ended.stdout.contains("Usage: nnunet"), "{}", ended.stdout);
    }
}

#[test]
fn a_dataset_goes_through_all_commands() {
    let program = Program::with_phantoms();
    program.succeed(&["verify", "900"]);
    let fingerprint = program.succeed(&["fingerprint", "Dataset900_Phantom"]);
    assert!(
        fingerprint.stdout.contains("cases: 5"),
        "{}",
        fingerprint.stdout
    );
    let plan = program.succeed(&["plan", "900", "--base-features", "4", "--batch-size", "2"]);
    assert!(plan.stdout.contains("3d_fullres"), "{}", plan.stdout);
    program.succeed(&["preprocess", "900", "-c", "3d_fullres"]);
    let train = program.succeed(&[
        "train",
        "900",
        "3d_fullres",
        "0",
        "--epochs",
        "1",
        "--iterations",
        "2",
        "--device",
        "cpu",
    ]);
    assert!(
        train.stdout.contains("mean of the classes"),
        "{}",
        train.stdout
    );

    // A variant gets a folder of its own, and may begin with the weights of another.
    let folder = "results/Dataset900_Phantom/nnUNetTrainer__nnUNetPlans__3d_fullres/fold_0";
    let fold = program.path(folder);
    for file in ["progress.png", "training_log.jsonl", "tensorboard"] {
        assert!(fold.join(file).exists(), "{file}");
    }
    let weights = fold.join("checkpoint_final.safetensors");
    let variant = program.succeed(&[
        "train",
        "900",
        "3d_fullres",
        "all",
        "--epochs",
        "1",
        "--iterations",
        "1",
        "--device",
        "cpu",
        "--loss",
        "dice-topk10",
        "--optimizer",
        "adam",
        "--augmentation",
        "none",
        "--pretrained",
        weights.to_str().unwrap(),
        "--matching-only",
    ]);
    assert!(variant.stderr.contains("tensors fit"), "{}", variant.stderr);
    let variant = program
        .path("results/Dataset900_Phantom")
        .join("nnUNetTrainerDiceTopK10LossVanillaAdam3en4NoDA__nnUNetPlans__3d_fullres");
    assert!(variant.join("fold_all/checkpoint_final.json").is_file());

    let path = |relative: &str| program.path(relative).to_string_lossy().into_owned();
    let model = path("results/Dataset900_Phantom/nnUNetTrainer__nnUNetPlans__3d_fullres");
    let exported = program.succeed(&["export-checkpoint", "-m", &model]);
    assert!(
        exported.stdout.contains("fold_0/checkpoint_final.pth"),
        "{exported:?}"
    );
    let (images, predictions) = (path("raw/Dataset900_Phantom/imagesTs"), path("predictions"));
    program.succeed(&[
        "predict",
        "-i",
        &images,
        "-o",
        &predictions,
        "-m",
        &model,
        "-f",
        "0",
        "--no-mirroring",
        "--device",
        "cpu",
    ]);
    // The same by the Python program's form of the model, whose probabilities are averaged.
    std::fs::remove_file(format!("{model}/fold_0/checkpoint_final.safetensors")).unwrap();
    let again = path("again");
    program.succeed(&[
        "predict",
        "-i",
        &images,
        "-o",
        &again,
        "-m",
        &model,
        "--no-mirroring",
        "--device",
        "cpu",
        "--npz",
        "--save-probabilities",
        "--report",
        "--shard",
        "0/1",
    ]);
    assert!(program.path("again/predict_report.json").is_file());
    // What it would take is said without a trace, and what does not fit is refused.
    let unused = path("unused");
    let arguments = ["predict", "-i", &images, "-o", &unused, "-m", &model];
    let plan = |more: &[&str]| program.run(&[&arguments, more].concat());
    let planned = plan(&["--dry-run", "--device", "cpu", "--save-probabilities=u8"]);
    assert_eq!(planned.code, Some(0), "{planned:?}");
    assert!(
        planned.stdout.contains("single precision on the host"),
        "{planned:?}"
    );
    plan(&["--dry-run", "--device", "cpu", "--max-memory", "0.000001"])
        .failed_with(&["limit is 1000", "0 cases can be predicted"]);
    assert!(!program.path("unused").exists());
    let mean = path("mean");
    program.succeed(&["ensemble", "-i", &again, &again, "-o", &mean]);
    for file in program.files("imagesTs") {
        let name = crate::program::name(&file).replace("_0000", "");
        let read = |folder: &str| std::fs::read(format!("{folder}/{name}")).unwrap();
        assert_eq!(read(&predictions), read(&again), "{name}");
        assert_eq!(read(&predictions), read(&mean), "{name}");
    }
    let summary = path("summary.json");
    program.succeed(&[
        "evaluate",
        "--references",
        &path("raw/Dataset900_Phantom/labelsTs"),
        "--predictions",
        &predictions,
        "--dataset-json",
        &path("raw/Dataset900_Phantom/dataset.json"),
        "--output",
        &summary,
    ]);
    assert!(
        std::fs::read_to_string(summary)
            .unwrap()
            .contains("\"foreground_mean\"")
    );
}

#[test]
fn a_planned_network_is_described_before_it_is_built() {
    let program = Program::with_phantoms();
    program.succeed(&["plan", "900", "--base-features", "4"]);
    let table = program
        .succeed(&["model-info", "900", "-c", "3d_fullres"])
        .stdout;
    for word in [
        "3d_fullres",
        "encoder",
        "decoder",
        "parameters",
        "GFLOP",
        "total",
    ] {
        assert!(table.contains(word), "{table}");
    }
    let json = program.succeed(&["model-info", "900", "--json"]).stdout;
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(
        document["configurations"]["2d"]["stages"]
            .as_array()
            .unwrap()
            .len()
            > 2,
        "{json}"
    );
    program
        .run(&[
            "model-info",
            "900",
            "-c",
            "3d_fullres",
            "--patch-size",
            "7,7,7",
        ])
        .failed_with(&["3d_fullres", "multiple"]);
    program.run(&["model-info"]).failed_with(&["--model"]);
}

#[test]
fn the_roots_come_from_the_environment_of_the_python_program_too() {
    let program = Program::with_phantoms();
    let mut command = bare();
    command
        .env("nnUNet_raw", program.path("raw"))
        .args(["verify", "900"]);
    let ended = Ended::from(command.output().unwrap());
    assert_eq!(ended.code, Some(0), "{ended:?}");
}
