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
        "train",
        "predict",
        "evaluate",
        "convert-msd",
        "demo",
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

    let path = |relative: &str| program.path(relative).to_string_lossy().into_owned();
    let model = path("results/Dataset900_Phantom/nnUNetTrainer__nnUNetPlans__3d_fullres");
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
fn the_roots_come_from_the_environment_of_the_python_program_too() {
    let program = Program::with_phantoms();
    let mut command = bare();
    command
        .env("nnUNet_raw", program.path("raw"))
        .args(["verify", "900"]);
    let ended = Ended::from(command.output().unwrap());
    assert_eq!(ended.code, Some(0), "{ended:?}");
}
