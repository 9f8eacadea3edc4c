//! Preprocessing of datasets with something wrong, and runs after runs.

use std::fs;

use nnunet::preprocess::{CaseStore, Precision};

use crate::program::{Program, name};

/// The store of a configuration of the phantoms.
fn store(program: &Program, configuration: &str) -> CaseStore {
    let folder = format!("preprocessed/Dataset900_Phantom/nnUNetPlans_{configuration}");
    CaseStore::open(&program.path(&folder)).unwrap()
}

fn planned() -> Program {
    let program = Program::with_phantoms();
    program.succeed(&["plan", "900", "--base-features", "4"]);
    program
}

#[test]
fn a_damaged_case_is_reported_and_the_others_are_done() {
    let program = planned();
    let file = program.files("imagesTr")[2].clone();
    let case = name(&file).replace("_0000.nii.gz", "");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();

    let command = ["preprocess", "900", "-c", "2d", "--threads", "1"];
    let ended = program.run(&command);
    ended.failed_with(&[
        "failed case",
        &case,
        &name(&file),
        "on disk",
        "MB",
        "run the command again",
    ]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("preprocess 2d"), "{}", ended.stderr);
    let done = store(&program, "2d").cases().unwrap();
    assert_eq!(done.len(), 4);
    assert!(!done.contains(&case));

    // The same again, now only that case; then with the file mended.
    let ended = program.run(&command);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    fs::write(&file, whole).unwrap();
    let ended = program.succeed(&command);
    assert!(!ended.stdout.contains("failed case"), "{}", ended.stdout);
    assert_eq!(store(&program, "2d").cases().unwrap().len(), 5);
}

#[test]
fn a_summary_says_what_it_took() {
    let ended = planned().succeed(&["preprocess", "900", "-c", "2d"]);
    for word in ["2d", "already there", "on disk", "MB", "time", " s"] {
        assert!(ended.stdout.contains(word), "{}", ended.stdout);
    }
    if cfg!(target_os = "linux") {
        assert!(ended.stdout.contains("peak memory: "), "{}", ended.stdout);
    }
}

#[test]
fn another_precision_is_refused_with_an_explanation() {
    let program = planned();
    program.succeed(&["preprocess", "900", "-c", "2d", "--half"]);
    assert_eq!(store(&program, "2d").header().precision, Precision::Half);
    let ended = program.run(&["preprocess", "900", "-c", "2d"]);
    ended.failed_with(&["precision", "float16", "float32", "another folder"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    program.succeed(&["preprocess", "900", "-c", "2d", "--half"]);
}

#[test]
fn a_changed_plan_is_refused_with_an_explanation() {
    let program = planned();
    program.succeed(&["preprocess", "900", "-c", "2d"]);
    // The store stays; the plans now say something else.
    let path = program.path("preprocessed/Dataset900_Phantom/nnUNetPlans.json");
    let plans = fs::read_to_string(&path).unwrap();
    let changed = plans.replace("ZScoreNormalization", "RescaleTo01Normalization");
    assert_ne!(plans, changed);
    fs::write(&path, changed).unwrap();
    let ended = program.run(&["preprocess", "900", "-c", "2d"]);
    ended.failed_with(&["normalization_schemes", "another folder"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(store(&program, "2d").cases().unwrap().len(), 5);
}
