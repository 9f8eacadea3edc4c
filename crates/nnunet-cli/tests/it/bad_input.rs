//! Bad input gets an error that names the file and the case, and nothing is half written.

use std::fs;

use nnunet::image::FormatRegistry;

use crate::program::{Ended, Program, bare, name};

#[test]
fn a_root_that_nobody_gave_is_asked_for() {
    let ended = Ended::from(bare().args(["verify", "900"]).output().unwrap());
    ended.failed_with(&["--raw", "nnUNet_raw"]);
}

#[test]
fn an_unknown_dataset_lists_those_that_exist() {
    Program::with_phantoms()
        .run(&["verify", "7"])
        .failed_with(&["`7`", "Dataset900_Phantom"]);
}

#[test]
fn a_missing_label_names_the_case() {
    let program = Program::with_phantoms();
    let label = &program.files("labelsTr")[1];
    fs::remove_file(label).unwrap();
    let case = name(label).replace(".nii.gz", "");
    program
        .run(&["verify", "900"])
        .failed_with(&["error", &case]);
}

#[test]
fn a_label_of_another_shape_names_the_case_and_both_shapes() {
    let program = Program::with_phantoms();
    program.succeed(&["plan", "900", "--base-features", "4"]);
    let (labels, formats) = (program.files("labelsTr"), FormatRegistry::default());
    let other = formats.read_labels(&labels[0]).unwrap();
    let shape = formats.read_labels(&labels[1]).unwrap().shape();
    assert_ne!(other.shape(), shape);
    formats.write_labels(&labels[1], &other).unwrap();
    let case = name(&labels[1]).replace(".nii.gz", "");
    let words = [
        case.as_str(),
        &other.shape().to_string(),
        &shape.to_string(),
    ];
    program.run(&["verify", "900"]).failed_with(&words);

    // Whoever does not verify is told too, and the other cases are done.
    let ended = program.run(&["preprocess", "900", "-c", "2d"]);
    ended.failed_with(&[&case]);
    assert_eq!(ended.code, Some(2));
}

#[test]
fn a_label_value_outside_the_description_is_named() {
    let program = Program::with_phantoms();
    let (file, formats) = (&program.files("labelsTr")[2], FormatRegistry::default());
    let mut labels = formats.read_labels(file).unwrap();
    labels.labels[[0, 0, 0]] = 9;
    formats.write_labels(file, &labels).unwrap();
    program
        .run(&["verify", "900"])
        .failed_with(&[&name(file), "9"]);
}

#[test]
fn a_truncated_file_is_named_and_leaves_no_fingerprint() {
    let program = Program::with_phantoms();
    let file = &program.files("imagesTr")[0];
    let bytes = fs::read(file).unwrap();
    fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
    program.run(&["verify", "900"]).failed_with(&[&name(file)]);
    program
        .run(&["fingerprint", "900"])
        .failed_with(&[&name(file)]);
    assert!(
        !program
            .path("preprocessed/Dataset900_Phantom/dataset_fingerprint.json")
            .exists()
    );
}

#[test]
fn nan_voxels_are_found() {
    let program = Program::with_phantoms();
    let (file, formats) = (&program.files("imagesTr")[0], FormatRegistry::default());
    let mut image = formats.read_image(file).unwrap();
    image.data[[0, 3, 3, 3]] = f32::NAN;
    formats.write_image(file, &image).unwrap();
    program
        .run(&["verify", "900"])
        .failed_with(&[&name(file), "NaN"]);
    program
        .run(&["fingerprint", "900"])
        .failed_with(&[&name(file)]);
}

#[test]
fn an_empty_folder_is_named() {
    let program = Program::with_phantoms();
    for file in program.files("imagesTr") {
        fs::remove_file(file).unwrap();
    }
    program
        .run(&["fingerprint", "900"])
        .failed_with(&["imagesTr"]);
}

#[test]
fn an_unknown_configuration_lists_those_of_the_plan() {
    let program = Program::with_phantoms();
    program.succeed(&["plan", "900"]);
    program
        .run(&["preprocess", "900", "-c", "4d"])
        .failed_with(&["4d", "3d_fullres"]);
    program
        .run(&["train", "900", "4d", "0"])
        .failed_with(&["4d", "3d_fullres"]);
    assert!(!program.path("results").exists());
}
