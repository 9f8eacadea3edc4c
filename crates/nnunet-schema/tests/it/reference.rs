//! The reference program's own documents, read and written again.

use std::fs;
use std::path::{Path, PathBuf};

use nnunet_schema::plans::Dimensionality;
use nnunet_schema::{
    DatasetDescription, DatasetFingerprint, Fold, Plans, Splits, Summary, python_json,
};
use serde::Serialize;
use serde_json::Value;

use crate::shared::fixture;

/// All files `{folder}/*/{name}` with a name that passes.
fn files(folder: PathBuf, passes: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for dataset in fs::read_dir(folder).unwrap() {
        for file in fs::read_dir(dataset.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if passes(&path.file_name().unwrap().to_string_lossy()) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty());
    found
}

/// The text is the very one that the reference program wrote.
fn assert_rewritten<T: Serialize>(document: &T, path: &Path) {
    let expected = fs::read_to_string(path).unwrap();
    let found = python_json::to_text(document).unwrap();
    let differ = differing_line(&expected, &found, |a, b| a == b);
    assert!(differ.is_none(), "{}: {differ:?}", path.display());
}

fn differing_line(a: &str, b: &str, same: impl Fn(&str, &str) -> bool) -> Option<String> {
    let (a, b) = (a.trim_end(), b.trim_end());
    if a.lines().count() != b.lines().count() {
        return Some("one text is longer".to_owned());
    }
    let differ = a.lines().zip(b.lines()).find(|(a, b)| !same(a, b));
    differ.map(|(a, b)| format!("{a} / {b}"))
}

#[test]
fn plans_are_written_as_they_were_read() {
    let Some(folder) = fixture("plans_are_written_as_they_were_read", "planner/v2") else {
        return;
    };
    for path in files(folder, |name| name.starts_with("nnUNet")) {
        let plans = Plans::load(&path).unwrap();
        assert!(plans.extra.is_empty() && plans.planning.is_none());
        assert_rewritten(&plans, &path);
        let mut typed = plans.clone();
        for name in plans.configuration_names() {
            let configuration = plans.configuration(name).unwrap();
            assert!(configuration.extra.is_empty(), "{name}");
            let flat = configuration.dimensionality() == Dimensionality::Two;
            assert_eq!(flat, name == "2d");
            if !plans.configurations[name].contains_key("inherits_from") {
                typed.insert(name, &configuration).unwrap();
            }
        }
        assert_rewritten(&typed, &path);
    }
}

#[test]
fn fingerprints_are_written_as_they_were_read() {
    let Some(folder) = fixture("fingerprints_are_written_as_they_were_read", "preprocess") else {
        return;
    };
    for path in files(folder, |name| name == "dataset_fingerprint.json") {
        let expected = fs::read_to_string(&path).unwrap();
        let found = python_json::to_text(&DatasetFingerprint::load(&path).unwrap()).unwrap();
        // Spacings of pictures are partly whole numbers there.
        let number = |line: &str| line.trim().trim_end_matches(',').parse::<f64>();
        let differ = differing_line(&expected, &found, |a, b| {
            a == b || number(a).is_ok_and(|a| number(b) == Ok(a))
        });
        assert!(differ.is_none(), "{}: {differ:?}", path.display());
    }
}

#[test]
fn dataset_descriptions_are_written_as_they_were_read() {
    let Some(folder) = fixture(
        "dataset_descriptions_are_written_as_they_were_read",
        "planner/v2",
    ) else {
        return;
    };
    for path in files(folder, |name| name == "dataset.json") {
        let description = DatasetDescription::load(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let expected: Value = serde_json::from_str(&text).unwrap();
        let found = serde_json::to_value(&description).unwrap();
        assert_eq!(
            found.to_string(),
            expected.to_string(),
            "{}",
            path.display()
        );
    }
}

#[test]
fn summaries_are_written_as_they_were_read() {
    let Some(folder) = fixture("summaries_are_written_as_they_were_read", "evaluate") else {
        return;
    };
    for name in ["summary_predictions.json", "summary_predictions_noisy.json"] {
        let path = folder.join(name);
        assert_rewritten(&Summary::load(&path).unwrap(), &path);
    }
}

#[test]
fn the_five_folds_are_those_of_the_reference() {
    let Some(path) = fixture(
        "the_five_folds_are_those_of_the_reference",
        "vectors/kfold.json",
    ) else {
        return;
    };
    let golden: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let golden = golden.as_object().unwrap();
    assert!(golden.len() > 30);
    for (n, folds) in golden {
        let n: usize = n.parse().unwrap();
        let cases: Vec<String> = (0..n).map(|i| format!("case_{i:04}")).collect();
        let mut shuffled = cases.clone();
        shuffled.reverse();
        let splits = Splits::five_fold(&shuffled).unwrap();
        let folds: Vec<[Vec<usize>; 2]> = serde_json::from_value(folds.clone()).unwrap();
        assert_eq!(splits.0.len(), folds.len());
        for (fold, [train, val]) in folds.iter().enumerate() {
            let split = splits.fold(Fold::Number(fold as u32), &cases).unwrap();
            let names = |list: &[usize]| list.iter().map(|&i| cases[i].clone()).collect::<Vec<_>>();
            assert_eq!(split.train, names(train), "{n} cases, fold {fold}");
            assert_eq!(split.val, names(val), "{n} cases, fold {fold}");
        }
    }
}
