//! The planner from the shell.

use std::fs;

use serde_json::Value;

use crate::program::Program;

const DATASET: &str = "preprocessed/Dataset900_Phantom";

fn text(program: &Program, relative: &str) -> String {
    program.path(relative).to_string_lossy().into_owned()
}

#[test]
fn two_files_give_the_same_plans_as_the_dataset_folder() {
    let program = Program::with_phantoms();
    program.succeed(&["plan", "900", "--rules", "v2"]);
    let (facts, description) = (
        text(&program, &format!("{DATASET}/dataset_fingerprint.json")),
        text(&program, &format!("{DATASET}/dataset.json")),
    );
    let output = text(&program, "alone/plans.json");
    let files = [
        "plan",
        "--fingerprint",
        &facts,
        "--dataset-json",
        &description,
    ];
    let rest = ["--rules", "v2", "--output", &output];
    let ended = program.succeed(&[files.as_slice(), &rest].concat());
    assert!(
        ended.stdout.contains("training needs more than (GB)"),
        "{}",
        ended.stdout
    );
    let read = |path: &str| fs::read_to_string(path).unwrap();
    let made = text(&program, &format!("{DATASET}/nnUNetPlans.json"));
    assert_eq!(read(&output), read(&made));

    // Without an output nothing is written.
    program.succeed(&files);
    assert_eq!(read(&output), read(&made));
}

#[test]
fn plans_of_several_rules_lie_side_by_side() {
    let program = Program::with_phantoms();
    program.succeed(&["plan", "900"]);
    program.succeed(&["plan", "900", "--rules", "resenc-m"]);
    program.succeed(&["plan", "900", "-p", "mine", "--target-spacing", "3,2,2"]);
    let plans = |name: &str| -> Value {
        let path = program.path(&format!("{DATASET}/{name}.json"));
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    };
    assert_eq!(plans("nnUNetPlans")["planning"]["rules"], "paper");
    let residual = plans("nnUNetResEncUNetMPlans");
    let network = &residual["configurations"]["3d_fullres"]["architecture"];
    assert!(network["arch_kwargs"]["n_blocks_per_stage"].is_array());
    let mine = plans("mine");
    assert_eq!(mine["plans_name"], "mine");
    assert_eq!(mine["configurations"]["2d"]["data_identifier"], "mine_2d");
    assert_eq!(
        mine["planning"]["overrides"]["target_spacing"],
        serde_json::json!([3.0, 2.0, 2.0])
    );
}

#[test]
fn plans_are_explained_and_drawn() {
    let program = Program::with_phantoms();
    let ended = program.succeed(&["plan", "900", "--explain"]);
    assert!(
        ended.stdout.contains("Online Methods, Target spacing"),
        "{}",
        ended.stdout
    );
    let ended = program.succeed(&["plan", "900", "--explain=json"]);
    let explanation: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(explanation["rules"], "paper");

    let drawings = text(&program, "drawings");
    let ended = program.succeed(&["plan", "900", "--draw", &drawings]);
    assert!(
        ended.stdout.contains("kernel sizes: [["),
        "{}",
        ended.stdout
    );
    let svg = fs::read_to_string(program.path("drawings/nnUNetPlans_3d_fullres.svg")).unwrap();
    assert!(svg.starts_with("<svg") || svg.starts_with("<?xml"), "{svg}");
}

#[test]
fn plans_edited_by_hand_are_checked() {
    let program = Program::with_phantoms();
    program.succeed(&["plan", "900"]);
    let path = text(&program, &format!("{DATASET}/nnUNetPlans.json"));
    let ended = program.succeed(&["plan", "--check", &path]);
    assert!(ended.stdout.contains("0 errors"), "{}", ended.stdout);

    let mut plans: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    plans["configurations"]["2d"]["patch_size"][0] = 17.into();
    fs::write(&path, plans.to_string()).unwrap();
    let ended = program.run(&["plan", "--check", &path]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stdout.contains("configurations.2d.patch_size[0]"),
        "{}",
        ended.stdout
    );
}

#[test]
fn half_a_request_is_refused() {
    let program = Program::with_phantoms();
    for (arguments, expected) in [
        (&["plan"][..], "--fingerprint"),
        (&["plan", "--fingerprint", "x.json"], "--dataset-json"),
        (
            &["plan", "900", "--target-spacing", "1,2"],
            "expected three",
        ),
        (&["plan", "900", "--target-spacing", "1,2,0"], "spacing"),
        (&["plan", "900", "--gpu-memory=-1"], "above zero"),
        (&["plan", "900", "--rules", "mine"], "resenc-xl"),
    ] {
        let ended = program.run(arguments);
        assert_ne!(ended.code, Some(0), "{arguments:?}");
        assert!(
            ended.stderr.contains(expected),
            "{arguments:?}: {}",
            ended.stderr
        );
    }
}

#[test]
fn cases_of_a_group_share_a_fold() {
    let program = Program::with_phantoms();
    // phantom_0001 to phantom_0005: odd and even numbers.
    let groups = program.path("groups.json");
    let names = program.files("labelsTr");
    let group = |(i, path): (usize, &std::path::PathBuf)| {
        let name = path.file_name().unwrap().to_string_lossy();
        let case = name.trim_end_matches(".nii.gz").to_owned();
        (case, format!("patient{}", i % 2))
    };
    let map: std::collections::BTreeMap<_, _> = names.iter().enumerate().map(group).collect();
    fs::write(&groups, serde_json::to_string(&map).unwrap()).unwrap();
    let groups = groups.to_string_lossy().into_owned();
    program.succeed(&["split", "900", "--group-file", &groups]);
    let path = program.path(&format!("{DATASET}/splits_final.json"));
    let splits: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(splits.as_array().unwrap().len(), 2);
    for fold in splits.as_array().unwrap() {
        let patient = |key: &str| {
            let cases = fold[key].as_array().unwrap().iter();
            cases
                .map(|case| &map[case.as_str().unwrap()])
                .collect::<std::collections::BTreeSet<_>>()
        };
        assert!(patient("train").is_disjoint(&patient("val")));
    }

    let ended = program.run(&["split", "900"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("--clean"), "{}", ended.stderr);
    program.succeed(&["split", "900", "--clean"]);
    let ended = program.run(&["split", "900", "--group-pattern", "patient([0-9]+)"]);
    assert!(ended.stderr.contains("phantom"), "{}", ended.stderr);
}
