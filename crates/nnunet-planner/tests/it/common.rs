use std::fs;
use std::path::{Path, PathBuf};

use nnunet_planner::{Budget, PlanError, PlanOutcome, PlanOverrides, Planner, Rules};
use nnunet_schema::{DatasetDescription, DatasetFingerprint};
use serde_json::{Value, json};

/// The shared fixtures, or `None` with a line that says so.
pub(crate) fn fixtures(test: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("NNUNET_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let folder = shared.join("fixtures/planner");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {test} needs the shared fixtures");
    None
}

pub(crate) fn fingerprint(
    shapes: &Value,
    spacings: &Value,
    relative_size: f64,
) -> DatasetFingerprint {
    serde_json::from_value(json!({
        "shapes_after_crop": shapes, "spacings": spacings,
        "median_relative_size_after_cropping": relative_size,
        "foreground_intensity_properties_per_channel": {}
    }))
    .unwrap()
}

/// A dataset of equal cases, axes `(z, y, x)`.
pub(crate) fn uniform(cases: usize, shape: [usize; 3], spacing: [f64; 3]) -> DatasetFingerprint {
    fingerprint(
        &json!(vec![shape; cases]),
        &json!(vec![spacing; cases]),
        1.0,
    )
}

pub(crate) fn dataset(channels: &[&str], foreground: usize) -> DatasetDescription {
    let mut labels = json!({"background": 0});
    for label in 1..=foreground {
        labels[format!("class{label}")] = json!(label);
    }
    let channel_names: serde_json::Map<_, _> = (channels.iter().enumerate())
        .map(|(i, name)| (i.to_string(), json!(name)))
        .collect();
    serde_json::from_value(json!({
        "channel_names": channel_names, "labels": labels, "numTraining": 1,
        "file_ending": ".nii.gz"
    }))
    .unwrap()
}

pub(crate) fn plan(
    fingerprint: &DatasetFingerprint,
    description: &DatasetDescription,
    gpu_memory_gb: f64,
    overrides: &PlanOverrides,
) -> Result<PlanOutcome, PlanError> {
    Planner::new(Rules::paper()).plan_with_searches(
        fingerprint,
        description,
        "Dataset001_Test",
        &Budget { gpu_memory_gb },
        overrides,
    )
}

pub(crate) fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The first place where two documents differ: keys and their order, integers exactly, other
/// numbers by more than a billionth.
pub(crate) fn difference(found: &Value, expected: &Value) -> Option<String> {
    let differs = || Some(format!(" is {found}, expected {expected}"));
    match (found, expected) {
        (Value::Object(a), Value::Object(b)) => {
            if !a.keys().eq(b.keys()) {
                let list = |map: &serde_json::Map<String, Value>| {
                    map.keys().cloned().collect::<Vec<_>>().join(", ")
                };
                return Some(format!(" has {}, expected {}", list(a), list(b)));
            }
            a.iter().find_map(|(key, value)| {
                difference(value, &b[key]).map(|place| format!(".{key}{place}"))
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(i, (a, b))| difference(a, b).map(|place| format!("[{i}]{place}")))
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            if (a - b).abs() <= 1e-9 * b.abs() {
                None
            } else {
                differs()
            }
        }
        (a, b) => {
            if a == b {
                None
            } else {
                differs()
            }
        }
    }
}

/// As [`plan`], by other rules.
pub(crate) fn plan_by(
    rules: Rules,
    fingerprint: &DatasetFingerprint,
    description: &DatasetDescription,
    gpu_memory_gb: f64,
) -> Result<PlanOutcome, PlanError> {
    Planner::new(rules).plan_with_searches(
        fingerprint,
        description,
        "Dataset001_Test",
        &Budget { gpu_memory_gb },
        &PlanOverrides::default(),
    )
}
