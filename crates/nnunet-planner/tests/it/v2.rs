//! The plans of the Python program, field by field.

use std::fs;

use nnunet_planner::{Budget, PlanOverrides, Planner, Rules, feature_map_values};
use nnunet_schema::plans::{
    Architecture, Dimensionality, EncoderDepths, Stages, TranspositionChoice,
};
use nnunet_schema::{DatasetDescription, DatasetFingerprint, Spacing};
use serde_json::{Value, json};

use crate::common::{dataset, difference, fingerprint, fixtures, read};

/// The rules that a planner class of the Python program follows.
fn rules(planner: &str) -> Rules {
    match planner {
        "ExperimentPlanner" => Rules::v2(),
        "nnUNetPlannerResEncM" => Rules::resenc_m(),
        "nnUNetPlannerResEncL" => Rules::resenc_l(),
        "nnUNetPlannerResEncXL" => Rules::resenc_xl(),
        "ResEncUNetPlanner" => {
            let mut rules = Rules::resenc_m();
            rules.plans_name = "nnUNetResEncUNetPlans".into();
            rules.planner_name = planner.into();
            rules.max_dataset_fraction = 0.05;
            rules
        }
        other => panic!("unknown planner {other}"),
    }
}

#[test]
fn whole_plans_of_the_python_program_are_met() {
    let Some(folder) = fixtures("whole_plans_of_the_python_program_are_met") else {
        return;
    };
    let mut checked = 0;
    let mut problems = Vec::new();
    for entry in fs::read_dir(folder.join("v2")).unwrap() {
        let case = entry.unwrap().path();
        let meta = read(&case.join("meta.json"));
        let facts = DatasetFingerprint::load(&case.join("dataset_fingerprint.json")).unwrap();
        let description = DatasetDescription::load(&case.join("dataset.json")).unwrap();
        let name = meta["dataset"].as_str().unwrap();
        let mut overrides = PlanOverrides::default();
        if meta["suppress_transpose"] == true {
            overrides.transposition = TranspositionChoice::AsInFiles;
        }
        if let Some(spacing) = meta["overwrite_target_spacing"].as_array() {
            let mm: Vec<f64> = spacing.iter().map(|v| v.as_f64().unwrap()).collect();
            overrides.target_spacing = Some(Spacing::new([mm[0], mm[1], mm[2]]).unwrap());
        }
        for (plans_name, run) in meta["runs"].as_object().unwrap() {
            let file = case.join(format!("{plans_name}.json"));
            if !file.exists() {
                continue;
            }
            let expected = read(&file);
            let mut rules = rules(run["planner"].as_str().unwrap());
            rules.plans_name.clone_from(plans_name);
            let budget = Budget {
                gpu_memory_gb: run["gpu_memory_target_in_gb"]
                    .as_f64()
                    .unwrap_or(rules.reference_gpu_memory_gb),
            };
            let plans = Planner::new(rules)
                .plan(&facts, &description, name, &budget, &overrides)
                .unwrap();
            let mut found = serde_json::to_value(plans).unwrap();
            found.as_object_mut().unwrap().shift_remove("planning");
            if let Some(place) = difference(&found, &expected) {
                problems.push(format!("{}: {plans_name}: {place}", case.display()));
            }
            checked += 1;
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(checked > 0);
    println!("{checked} plans met");
}

#[test]
fn plans_of_odd_datasets_are_met() {
    let Some(folder) = fixtures("plans_of_odd_datasets_are_met") else {
        return;
    };
    let mut problems = Vec::new();
    let cases = read(&folder.join("../vectors/planner_v2.json"));
    for case in cases.as_array().unwrap() {
        let input = &case["input"];
        // The fixtures do not tell how much was cropped, only what came of it.
        let masks =
            &case["plans"]["ExperimentPlanner"]["configurations"]["2d"]["use_mask_for_norm"];
        let is_cropped = masks.as_array().unwrap().contains(&json!(true));
        let relative_size = if is_cropped { 0.5 } else { 1.0 };
        let facts = fingerprint(&input["shapes"], &input["spacings"], relative_size);
        let channels: Vec<&str> = (input["channels"].as_array().unwrap().iter())
            .filter_map(Value::as_str)
            .collect();
        let mut description = dataset(&channels, input["nfg"].as_u64().unwrap() as usize);
        description.num_training = facts.spacings.len();
        for (planner, expected) in case["plans"].as_object().unwrap() {
            let rules = rules(planner);
            let budget = rules.reference_budget();
            let overrides = PlanOverrides::default();
            let plans =
                Planner::new(rules).plan(&facts, &description, "Dataset001_X", &budget, &overrides);
            let found = match plans {
                Ok(plans) => serde_json::to_value(plans).unwrap(),
                Err(error) => {
                    problems.push(format!("{} {planner}: {error}", case["name"]));
                    continue;
                }
            };
            if let Some(place) = difference(&summary(&found, expected), expected) {
                problems.push(format!("{} {planner}: {place}", case["name"]));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// What the fixture names of a plan.
fn summary(found: &Value, expected: &Value) -> Value {
    let mut summary = json!({});
    for key in expected.as_object().unwrap().keys() {
        summary[key] = if key == "configurations" {
            json!({})
        } else {
            found[key].clone()
        };
    }
    for (name, configuration) in found["configurations"].as_object().unwrap() {
        let mut fields = json!({});
        let wanted = expected["configurations"][name].as_object();
        for key in wanted.into_iter().flatten().map(|(key, _)| key) {
            let arguments = &configuration["architecture"]["arch_kwargs"];
            fields[key] = configuration.get(key).unwrap_or(&arguments[key]).clone();
        }
        summary["configurations"][name] = fields;
    }
    summary
}

#[test]
fn memory_estimates_of_the_python_program_are_met() {
    let Some(folder) = fixtures("memory_estimates_of_the_python_program_are_met") else {
        return;
    };
    let cases = read(&folder.join("../vectors/vram_v2.json"));
    for case in cases.as_array().unwrap() {
        let patch: Vec<usize> = serde_json::from_value(case["patch"].clone()).unwrap();
        let strides: Vec<Vec<usize>> = serde_json::from_value(case["strides"].clone()).unwrap();
        let ends = case["num_labels"].as_u64().unwrap() as usize;
        let (dimensionality, cap) = match patch.len() {
            2 => (Dimensionality::Two, 512),
            _ => (Dimensionality::Three, 320),
        };
        let stages = strides.len();
        let depths = |depths: &[usize]| {
            let at = |stage: usize| *depths.get(stage).or(depths.last()).unwrap();
            (0..stages).map(at).collect::<Vec<usize>>()
        };
        for (key, encoder, decoder_convolutions) in [
            ("plain", EncoderDepths::Convolutions(depths(&[2])), 2),
            ("resenc", EncoderDepths::Blocks(depths(&[1, 3, 4, 6])), 1),
        ] {
            let network = Architecture::unet(
                dimensionality,
                &Stages {
                    features: (0..stages).map(|i| (32 << i).min(cap)).collect(),
                    kernels: vec![vec![3; patch.len()]; stages],
                    strides: strides.clone(),
                    encoder,
                    decoder_convolutions,
                },
            );
            let found = feature_map_values(&network.arch_kwargs, &patch, ends);
            assert_eq!(
                Some(found),
                case[key].as_f64(),
                "{key} {patch:?} {strides:?}"
            );
        }
    }
}
