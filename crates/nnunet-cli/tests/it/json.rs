//! What programs are told, against what `docs/json.md` says of it.

use std::collections::BTreeSet;
use std::fs;

use nnunet::image::FormatRegistry;
use serde_json::{Map, Value};

use crate::program::{Ended, Program};

const DOCUMENTATION: &str = include_str!("../../../../docs/json.md");

/// The example below a heading.
fn documented(heading: &str) -> Value {
    let start = format!("\n## nnunet {heading}\n\n```json\n");
    let (_, after) = DOCUMENTATION.split_once(&start).unwrap();
    let (example, _) = after.split_once("\n```\n").unwrap();
    serde_json::from_str(example).unwrap_or_else(|error| panic!("{heading}: {error}"))
}

/// The key that stands for any other.
fn any_key(example: &Map<String, Value>) -> Option<&Value> {
    let (key, value) = example.iter().next()?;
    (example.len() == 1 && key.starts_with('<')).then_some(value)
}

/// That a document is of the form of the example. Null in an example is anything; in a document
/// it is a scalar that is not known.
fn compare(place: &str, example: &Value, found: &Value) {
    match (example, found) {
        (Value::Null, _) => {}
        (Value::Object(example), Value::Object(found)) => {
            if let Some(value) = any_key(example) {
                found
                    .iter()
                    .for_each(|(key, found)| compare(&format!("{place}.{key}"), value, found));
                return;
            }
            let keys =
                |object: &Map<String, Value>| object.keys().cloned().collect::<BTreeSet<_>>();
            assert_eq!(keys(example), keys(found), "{place}");
            for (key, value) in example {
                compare(&format!("{place}.{key}"), value, &found[key]);
            }
        }
        (Value::Array(example), Value::Array(found)) => {
            for value in found {
                compare(&format!("{place}[]"), &example[0], value);
            }
        }
        (Value::Number(_), Value::Number(_))
        | (Value::String(_), Value::String(_))
        | (Value::Bool(_), Value::Bool(_)) => {}
        (example, Value::Null) => assert!(!example.is_array(), "{place} is null"),
        (example, found) => panic!("{place}: {found} where {example} is documented"),
    }
}

/// The document that a command prints, which is all of its stdout.
fn document(heading: &str, ended: &Ended) -> Value {
    let found: Value = serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|error| panic!("{heading}: {error}: {ended:#?}"));
    compare(heading, &documented(heading), &found);
    found
}

#[test]
fn documents_are_as_they_are_documented() {
    let program = Program::with_phantoms();
    let text = |relative: &str| program.path(relative).to_string_lossy().into_owned();
    let told = |heading: &str, arguments: &[&str]| {
        let arguments = [arguments, &["--json"]].concat();
        document(heading, &program.succeed(&arguments))
    };
    assert_eq!(told("verify", &["verify", "900"])["usable"], true);
    assert_eq!(told("fingerprint", &["fingerprint", "900"])["cases"], 5);
    let pictures = text("pictures");
    let small = ["--base-features", "4", "--batch-size", "2"];
    let plan = told(
        "plan",
        &[&["plan", "900", "--draw", &pictures][..], &small].concat(),
    );
    assert_eq!(plan["configurations"]["2d"]["features"][0], 4);
    let file = plan["file"].as_str().unwrap();
    assert_eq!(
        told("plan --check", &["plan", "--check", file])["errors"],
        0
    );
    let info = told("model-info", &["model-info", "900"]);
    assert!(info["configurations"]["3d_fullres"]["stages"].is_array());
    program
        .run(&["plan", "900", "--json", "--explain"])
        .failed_with(&["cannot be used with"]);

    program.succeed(&["preprocess", "900", "-c", "2d"]);
    let short = ["--epochs", "1", "--iterations", "2", "--device", "cpu"];
    program.succeed(&[&["train", "900", "2d", "0"][..], &short].concat());
    let select = told("select", &["select", "900", "-f", "0", "--device", "cpu"]);
    assert_eq!(select["best"]["models"][0]["configuration"], "2d");
    assert!(!select["postprocessing"].as_array().unwrap().is_empty());
    let predictions = select["best"]["predictions"].as_str().unwrap();
    let (labels, description) = (
        program.raw("labelsTr").to_string_lossy().into_owned(),
        program.raw("dataset.json").to_string_lossy().into_owned(),
    );
    let evaluate = told(
        "evaluate",
        &[
            "evaluate",
            "--references",
            &labels,
            "--predictions",
            predictions,
            "--dataset-json",
            &description,
            "--missing",
            "ignore",
            "--surface",
        ],
    );
    assert_eq!(evaluate["cases"], 1);
    let summary = evaluate["files"]["summary"].as_str().unwrap();
    let compared: Vec<String> = ["a=One", "b=One", "a=Two", "b=Two"]
        .map(|pair| format!("{pair}={summary}"))
        .into();
    let output = text("comparison");
    let mut arguments = vec!["compare", "-o", &output, "--draws", "10"];
    arguments.extend(compared.iter().map(String::as_str));
    assert_eq!(told("compare", &arguments)["comparison"]["methods"][0], "a");

    let status = program.succeed(&["status", "900", "--json"]).stdout;
    let status: Value = serde_json::from_str(&status).unwrap();
    let example = documented("status");
    for key in example.as_object().unwrap().keys() {
        assert!(status.get(key).is_some(), "{key}: {status}");
    }
    let jobs = status["jobs"].as_array().unwrap();
    for key in example["jobs"][0].as_object().unwrap().keys() {
        assert!(jobs.iter().all(|job| job.get(key).is_some()), "{key}");
    }
    told("doctor", &["doctor", "--device", "cpu"])
        .get("fine")
        .unwrap();
}

#[test]
fn errors_do_not_disturb_the_document() {
    let program = Program::with_phantoms();
    let (file, formats) = (&program.files("labelsTr")[2], FormatRegistry::default());
    let mut labels = formats.read_labels(file).unwrap();
    labels.labels[[0, 0, 0]] = 9;
    formats.write_labels(file, &labels).unwrap();
    let ended = program.run(&["verify", "900", "--json"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("correct the errors"), "{ended:?}");
    let found = document("verify", &ended);
    assert_eq!(
        (&found["usable"], &found["errors"]),
        (&false.into(), &1.into())
    );
    assert_eq!(found["findings"][0]["severity"], "error");

    program.succeed(&[
        "plan",
        "--json",
        "--fingerprint",
        &fingerprint(&program),
        "--dataset-json",
        &program.raw("dataset.json").to_string_lossy(),
        "-o",
        &program.path("p.json").to_string_lossy(),
    ]);
    let text = fs::read_to_string(program.path("p.json")).unwrap();
    let mut plans: Value = serde_json::from_str(&text).unwrap();
    plans["configurations"]["2d"]["batch_size"] = 0.into();
    fs::write(program.path("p.json"), plans.to_string()).unwrap();
    let path = program.path("p.json").to_string_lossy().into_owned();
    let ended = program.run(&["plan", "--check", &path, "--json"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let found = document("plan --check", &ended);
    assert_eq!(found["usable"], false);
    assert!(!found["findings"].as_array().unwrap().is_empty());
}

/// A fingerprint of phantoms that are not damaged.
fn fingerprint(program: &Program) -> String {
    let whole = Program::with_phantoms();
    whole.succeed(&["fingerprint", "900"]);
    let path = program.path("fingerprint.json");
    let made = "preprocessed/Dataset900_Phantom/dataset_fingerprint.json";
    fs::copy(whole.path(made), &path).unwrap();
    path.to_string_lossy().into_owned()
}
