//! The commands about the program itself.

use std::fs;

use crate::program::{Ended, bare};

fn ended(args: &[&str]) -> Ended {
    Ended::from(bare().args(args).output().unwrap())
}

#[test]
fn the_doctor_says_what_is_there_and_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("Dataset001_One")).unwrap();
    let raw = folder.path().to_str().unwrap();
    let missing = folder.path().join("missing");
    let missing = missing.to_str().unwrap();

    let well = ended(&["doctor", "--device", "cpu", "--raw", raw, "--threads", "1"]);
    assert_eq!(well.code, Some(0), "{}", well.stdout);
    for part in [
        &format!("{raw}: 1 datasets (--raw)"),
        "libtorch",
        "(--device)",
        "--results, a settings file or",
    ] {
        assert!(well.stdout.contains(part), "{part}: {}", well.stdout);
    }

    let ill = ended(&["doctor", "--results", missing, "--json"]);
    assert_eq!(ill.code, Some(2));
    let document: serde_json::Value = serde_json::from_str(&ill.stdout).unwrap();
    assert_eq!(document["fine"], false);
    let findings = document["findings"].as_array().unwrap();
    let problems: Vec<&serde_json::Value> = findings
        .iter()
        .filter(|finding| !finding["problem"].is_null())
        .collect();
    assert_eq!(problems.len(), 1, "{}", ill.stdout);
    assert_eq!(problems[0]["what"], "models");
    assert!(problems[0]["problem"].as_str().unwrap().contains(missing));
}

#[test]
fn shells_and_man_learn_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = ended(&["completions", shell]);
        assert_eq!(script.code, Some(0));
        assert!(script.stdout.contains("preview-augmentation"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    let made = ended(&["man-pages", pages.to_str().unwrap()]);
    assert_eq!(made.code, Some(0));
    let page = fs::read_to_string(pages.join("nnunet-train.1")).unwrap();
    assert!(
        page.starts_with(".") && page.contains("Folder of trained models"),
        "{page}"
    );
}
