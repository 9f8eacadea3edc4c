//! The whole work on a dataset by one command, interrupted and repeated.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::program::{Ended, Program, bare};

const OPTIONS: [&str; 19] = [
    "--base-features",
    "4",
    "--batch-size",
    "2",
    "--configurations",
    "2d",
    "3d_fullres",
    "--folds",
    "0",
    "1",
    "--epochs",
    "3",
    "--iterations",
    "2",
    "--device",
    "cpu",
    "--threads",
    "1",
    "--loader-threads=1",
];

const MODELS: &str = "results/Dataset900_Phantom/nnUNetTrainer__nnUNetPlans__";

/// What the program has just begun or finished when it is killed.
fn moments() -> Vec<String> {
    let prepared = |file: &str| format!("preprocessed/Dataset900_Phantom/{file}");
    let trained = |file: &str| format!("{MODELS}{file}");
    vec![
        prepared("jobs/verify.json"),
        prepared("dataset_fingerprint.json"),
        prepared("nnUNetPlans.json"),
        prepared("nnUNetPlans_2d"),
        prepared("nnUNetPlans_3d_fullres/store.json"),
        trained("2d/plans.json"),
        trained("2d/fold_0/training_log.jsonl"),
        trained("2d/fold_1/checkpoint_final.safetensors"),
        trained("3d_fullres/fold_0/training_log.jsonl"),
        trained("3d_fullres/fold_1/validation"),
        "results/Dataset900_Phantom/jobs/select.json".to_owned(),
        "results/Dataset900_Phantom/ensembles".to_owned(),
        "results/Dataset900_Phantom/jobs/report.json".to_owned(),
    ]
}

fn words<'a>(command: &[&'a str]) -> Vec<&'a str> {
    command.iter().chain(&OPTIONS).copied().collect()
}

fn start(program: &Program, words: &[&str]) -> Child {
    let mut command = program.command();
    command
        .args(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

/// The stamps of all jobs that are done, by their path below the program's folder.
fn done(program: &Program) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for root in ["preprocessed", "results"] {
        let folder = format!("{root}/Dataset900_Phantom/jobs");
        for entry in fs::read_dir(program.path(&folder)).into_iter().flatten() {
            let path = entry.unwrap().path();
            let Ok(text) = fs::read_to_string(&path) else {
                continue;
            };
            // What was killed over its writing is left under another name.
            let is_whole = !crate::program::name(&path).starts_with(".tmp-");
            let is_stamp = is_whole && path.extension().is_some_and(|e| e == "json");
            if is_stamp && text.contains("\"state\": \"done\"") {
                found.insert(format!("{folder}/{}", crate::program::name(&path)), text);
            }
        }
    }
    found
}

/// What was selected: the document but for what names the folder.
fn selected(program: &Program) -> serde_json::Value {
    let path = program.path("results/Dataset900_Phantom/inference_information.json");
    let text = fs::read_to_string(path).unwrap();
    let folder = program.path("").to_string_lossy().into_owned();
    serde_json::from_str(&text.replace(&folder, "")).unwrap()
}

fn weights(program: &Program, relative: &str) -> Vec<u8> {
    fs::read(program.path(&format!("{MODELS}3d_fullres")).join(relative)).unwrap()
}

#[test]
fn killed_at_any_time_and_repeated_it_ends_with_the_same_model() {
    let run = words(&["run", "900"]);
    let straight = Program::with_phantoms();
    let ended = straight.succeed(&run);
    assert!(
        ended.stdout.contains("12 jobs run, 0 were done before"),
        "{ended:?}"
    );
    assert_eq!(done(&straight).len(), 12);

    let program = Program::with_phantoms();
    let mut before = BTreeMap::new();
    let mut kills = 0;
    for moment in moments() {
        let path = program.path(&moment);
        let mut child = start(&program, &run);
        while !path.exists() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        let now = done(&program);
        for (job, stamp) in &before {
            assert_eq!(now.get(job), Some(stamp), "{job} was run again");
        }
        before = now;
    }
    println!("{kills} kills, then {} of 12 jobs were done", before.len());
    assert!(kills >= 10, "only {kills} moments were before the end");
    let ended = program.succeed(&run);
    let expected = format!(
        "{} jobs run, {} were done before",
        12 - before.len(),
        before.len()
    );
    assert!(ended.stdout.contains(&expected), "{expected}: {ended:?}");
    let now = done(&program);
    for (job, stamp) in &before {
        assert_eq!(now.get(job), Some(stamp), "{job} was run again");
    }
    assert_eq!(now.len(), 12);
    assert_eq!(selected(&program), selected(&straight));
    assert!(
        program
            .path("results/Dataset900_Phantom/report.html")
            .is_file()
    );
    let summary = "fold_0/validation/summary.json";
    let scores = |program: &Program| {
        let text = String::from_utf8(weights(program, summary)).unwrap();
        text.replace(&*program.path("").to_string_lossy(), "")
    };
    assert_eq!(scores(&program), scores(&straight));

    // All is done: nothing is run again.
    let again = program.succeed(&run);
    assert!(
        again.stdout.contains("0 jobs run, 12 were done before"),
        "{again:?}"
    );
    assert_eq!(done(&program), now);
    let status = program.succeed(&["status", "900"]);
    assert!(
        status.stdout.contains("12 of 12 jobs are done"),
        "{status:?}"
    );

    // Other settings: the trainings are named and done again, and nothing before them.
    let mut longer = run.clone();
    let epochs = longer.iter().position(|word| *word == "3").unwrap();
    longer[epochs] = "1";
    longer.push("--dry-run");
    let dry = program.succeed(&longer);
    assert_eq!(
        dry.stdout.matches("changed: training").count(),
        4,
        "{dry:?}"
    );
    assert!(dry.stdout.contains("6 of 12 jobs are done"), "{dry:?}");
    assert_eq!(done(&program), now);
}

#[test]
fn a_signal_ends_it_after_a_checkpoint_and_it_goes_on() {
    let program = Program::with_phantoms();
    let mut run = words(&["run", "900", "--fast"]);
    let chosen = run.iter().position(|word| *word == "--configurations");
    let chosen = chosen.unwrap();
    run.drain(chosen..chosen + 6);
    // More than it can get through before the signal.
    let epochs = run.iter().position(|word| *word == "--epochs").unwrap();
    run[epochs + 1] = "100000";

    let log = program.path(&format!("{MODELS}3d_fullres/fold_0/training_log.jsonl"));
    let trained = || fs::read_to_string(&log).map_or(0, |text| text.lines().count());
    for attempt in 1..=2 {
        let before = trained();
        let mut child = start(&program, &run);
        let begun = Instant::now();
        while trained() <= before {
            assert!(
                begun.elapsed() < Duration::from_secs(180),
                "{before} epochs"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        let pid = child.id().to_string();
        // The second time also by a script around it that passes the signal on.
        for _ in 0..attempt {
            assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        }
        assert_eq!(child.wait().unwrap().code(), Some(75));
        let checkpoint = log.with_file_name("checkpoint_latest.safetensors");
        assert!(checkpoint.is_file());
        let status = program.succeed(&["status", "900", "--json"]);
        let document: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
        let mut jobs = document["jobs"].as_array().unwrap().iter();
        let job = jobs.find(|job| job["id"] == "train-3d_fullres-0").unwrap();
        assert!(job.to_string().contains("interrupted"), "{status:?}");
        let jobs = "results/Dataset900_Phantom/jobs/nnUNetTrainer__nnUNetPlans__3d_fullres-fold_0";
        let stamp = fs::read_to_string(program.path(&format!("{jobs}.json"))).unwrap();
        assert!(
            stamp.contains(&format!("\"attempts\": {attempt}")),
            "{stamp}"
        );
    }
}

#[test]
fn a_shell_runs_the_jobs_one_after_the_other() {
    let program = Program::with_phantoms();
    let jobs = words(&["jobs", "900"]);
    let mut seen = Vec::new();
    // Up to the plans first; then what they say.
    for _ in 0..2 {
        let listed = program.succeed(&jobs);
        for line in listed.stdout.lines() {
            let job: serde_json::Value = serde_json::from_str(line).unwrap();
            let id = job["id"].as_str().unwrap().to_owned();
            if job["state"] == "done" {
                assert!(seen.contains(&id), "{id} was not run");
                continue;
            }
            for need in job["needs"].as_array().unwrap() {
                assert!(seen.contains(&need.as_str().unwrap().to_owned()), "{line}");
            }
            let command = job["command"].as_str().unwrap();
            let command = command.replacen("nnunet", env!("CARGO_BIN_EXE_nnunet"), 1);
            let ended = Command::new("sh").arg("-c").arg(command).output().unwrap();
            let ended = Ended::from(ended);
            assert_eq!(ended.code, Some(0), "{id}: {ended:?}");
            seen.push(id);
        }
    }
    assert_eq!(seen.len(), 12);
    assert!(
        program
            .path("results/Dataset900_Phantom/inference_information.json")
            .is_file()
    );
}

#[test]
fn what_cannot_be_run_says_so() {
    let program = Program::with_phantoms();
    let dry = program.succeed(&words(&["run", "900", "--dry-run"]));
    for said in [
        "fingerprint",
        "not done yet",
        "waits for verify",
        "when the dataset is planned",
    ] {
        assert!(dry.stdout.contains(said), "{dry:?}");
    }
    program
        .run(&words(&["run", "900", "--job", "train-4d-0"]))
        .failed_with(&["there is no job `train-4d-0`", "verify"]);
    let left = program.run(&words(&["run", "900", "--only", "plan"]));
    assert_eq!(left.code, Some(2), "{left:?}");
    program.run(&["run", "901"]).failed_with(&["901"]);
    Ended::from(bare().args(["run", "900"]).output().unwrap()).failed_with(&["--raw"]);
}
