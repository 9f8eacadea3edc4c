//! Datasets of the Medical Segmentation Decathlon from the shell.

use std::fs;

use nnunet::image::FormatRegistry;

use crate::program::{Program, name};

/// The phantoms as the Decathlon would publish them.
fn task(program: &Program) -> String {
    let formats = FormatRegistry::default();
    let source = program.path("Task07_Phantom");
    let mut listed = Vec::new();
    for file in program.files("imagesTr") {
        let case = name(&file).replace("_0000.nii.gz", "");
        let mut both = formats.read_image(&file).unwrap();
        let (_, z, y, x) = both.data.dim();
        both.data = both.data.broadcast((2, z, y, x)).unwrap().to_owned();
        let image = format!("imagesTr/{case}.nii.gz");
        formats.write_image(&source.join(&image), &both).unwrap();
        let label = format!("labelsTr/{case}.nii.gz");
        fs::create_dir_all(source.join("labelsTr")).unwrap();
        fs::copy(program.raw(&label), source.join(&label)).unwrap();
        listed.push(format!(r#"{{"image": "./{image}", "label": "./{label}"}}"#));
    }
    let text = format!(
        r#"{{"name": "Phantom", "modality": {{"0": "T1", "1": "T2"}},
            "labels": {{"0": "background", "1": "organ", "2": "vessel", "3": "lesion"}},
            "training": [{}], "test": []}}"#,
        listed.join(", ")
    );
    fs::write(source.join("dataset.json"), text).unwrap();
    source.to_string_lossy().into_owned()
}

#[test]
fn msd_tasks_are_converted_and_pass_the_check() {
    let program = Program::with_phantoms();
    let source = task(&program);
    let ended = program.succeed(&["convert-msd", &source]);
    assert!(
        ended
            .stdout
            .contains("Dataset007_Phantom: 5 training cases")
            && ended.stdout.contains("2 channels"),
        "{}",
        ended.stdout
    );
    let ended = program.succeed(&["verify", "7"]);
    assert!(
        ended.stdout.contains("5 cases, 0 errors"),
        "{}",
        ended.stdout
    );

    program
        .run(&["convert-msd", &source])
        .failed_with(&["Dataset007_Phantom", "not empty"]);
    program
        .run(&["convert-msd", &source, "--id", "900"])
        .failed_with(&["Dataset900_Phantom"]);
    program.succeed(&["convert-msd", &source, "--id", "8"]);
    program.succeed(&["fingerprint", "8"]);
}

#[test]
fn msd_folders_without_a_description_or_a_number_are_named() {
    let program = Program::new();
    let folder = program.path("Task01_Nothing");
    fs::create_dir_all(&folder).unwrap();
    let folder = folder.to_string_lossy().into_owned();
    program
        .run(&["convert-msd", &folder])
        .failed_with(&["Task01_Nothing", "dataset.json"]);
    let folder = program.path("").to_string_lossy().into_owned();
    program
        .run(&["convert-msd", &folder])
        .failed_with(&["TaskNN_Name"]);
}
