//! Options go before the settings file, and that before the environment.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::program::{Ended, Program, bare};

/// What the doctor found of something, and where it comes from.
fn told(document: &Value, what: &str) -> (String, String) {
    let findings = document["findings"].as_array().unwrap();
    let mut findings = findings.iter();
    let found = findings.find(|finding| finding["what"] == what).unwrap();
    let text = |key: &str| found[key].as_str().unwrap().to_owned();
    (text("found"), text("source"))
}

/// What the doctor says in a folder, with these options before.
fn doctor(folder: &Path, options: &[&str]) -> Value {
    let mut command = bare();
    command
        .current_dir(folder)
        .env("nnUNet_raw", "by_environment")
        .env("nnUNet_results", "by_environment")
        .args(options)
        .args(["doctor", "--json"]);
    serde_json::from_slice(&command.output().unwrap().stdout).unwrap()
}

#[test]
fn an_option_goes_before_the_file_and_the_file_before_the_environment() {
    let program = Program::new();
    let folder = program.path("");
    let file = program.path("nnunet.toml");
    let settings = "raw = \"by_file\"\npreprocessed = \"by_file\"\nthreads = 1\n\
                    device = \"cpu\"\nprecision = \"bf16\"\n";
    fs::write(&file, settings).unwrap();
    let file = file.to_string_lossy().into_owned();
    let document = doctor(&folder, &["--preprocessed", "by_option"]);
    assert_eq!(told(&document, "settings file").0, file);
    let by_file = program.path("by_file").to_string_lossy().into_owned();
    assert_eq!(told(&document, "raw datasets"), (by_file, file.clone()));
    let of = |found: &str, source: &str| (found.to_owned(), source.to_owned());
    assert_eq!(
        told(&document, "preprocessed cases"),
        of("by_option", "--preprocessed")
    );
    assert_eq!(
        told(&document, "models"),
        of("by_environment", "nnUNet_results")
    );
    assert_eq!(told(&document, "device"), of("cpu", &file));
    assert_eq!(told(&document, "precision"), of("bf16", &file));
    let (threads, source) = told(&document, "threads");
    assert!(threads == "1" && source.starts_with(&file), "{source}");
    let (threads, source) = told(&doctor(&folder, &["--threads", "2"]), "threads");
    assert!(
        threads == "2" && source.starts_with("--threads"),
        "{source}"
    );

    // Another file instead of that of the folder; without any, the user's own.
    let other = program.path("other.toml");
    fs::write(&other, "threads = 1\n").unwrap();
    let other = other.to_string_lossy().into_owned();
    let document = doctor(&folder, &["--config", &other]);
    assert_eq!(told(&document, "settings file"), of(&other, "--config"));
    assert_eq!(
        told(&document, "raw datasets"),
        of("by_environment", "nnUNet_raw")
    );
    let own = program.path("home/nnunet/config.toml");
    fs::create_dir_all(own.parent().unwrap()).unwrap();
    fs::write(&own, "raw = \"/by_user\"\n").unwrap();
    let mut command = bare();
    let command = command
        .current_dir(program.path("home"))
        .env("XDG_CONFIG_HOME", program.path("home"))
        .args(["doctor", "--json"]);
    let document: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    assert_eq!(told(&document, "raw datasets").0, "/by_user");
}

#[test]
fn a_settings_file_that_cannot_be_meant_stops_everything() {
    let program = Program::new();
    let file = program.path("wrong.toml");
    fs::write(&file, "threads = 1\nresult = \"x\"\n").unwrap();
    let file = file.to_string_lossy().into_owned();
    let run = |config: &str| {
        let mut command = bare();
        Ended::from(
            command
                .args(["doctor", "--config", config])
                .output()
                .unwrap(),
        )
    };
    run(&file).failed_with(&["wrong.toml, line 2", "`result`", "`results`", "`precision`"]);
    run("/nonexistent/nnunet.toml").failed_with(&["/nonexistent/nnunet.toml"]);
}

#[test]
fn jobs_are_given_the_settings_file() {
    let program = Program::with_phantoms();
    let file = program.path("mine.toml");
    fs::write(&file, "precision = \"bf16\"\n").unwrap();
    let file = file.to_string_lossy().into_owned();
    let jobs = program.succeed(&["jobs", "900", "--config", &file, "-v", "--epochs", "3"]);
    let first: Value = serde_json::from_str(jobs.stdout.lines().next().unwrap()).unwrap();
    let words: Vec<&str> = first["words"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| w.as_str().unwrap())
        .collect();
    let place = words.iter().position(|word| *word == "--config").unwrap();
    assert_eq!(words[place + 1], file);
    assert!(
        words.contains(&"--epochs") && !words.contains(&"--verbose"),
        "{words:?}"
    );
}
