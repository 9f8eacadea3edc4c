//! The published planners' decisions, field by field.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use nnunet_planner::PlanOverrides;
use nnunet_schema::Plans;
use serde_json::{Value, json};

use crate::common::{dataset, difference, fingerprint, fixtures, plan, read, uniform};

#[test]
fn every_fixture_of_the_published_planners_is_met() {
    let Some(folder) = fixtures("every_fixture_of_the_published_planners_is_met") else {
        return;
    };
    let mut checked = 0;
    let mut problems = Vec::new();
    for entry in fs::read_dir(folder.join("paper")).unwrap() {
        let path = entry.unwrap().path();
        let fixture = read(&path);
        let facts = &fixture["fingerprint"];
        let found = plan(
            &fingerprint(
                &facts["shapes_after_crop"],
                &facts["spacings"],
                middle(&facts["relative_size_after_cropping"]),
            ),
            &serde_json::from_value(fixture["dataset"].clone()).unwrap(),
            8.0,
            &PlanOverrides::default(),
        )
        .unwrap()
        .plans;
        let name = path.file_stem().unwrap().to_string_lossy();
        compare(&name, &found, &fixture["expected"], &mut problems);
        checked += 1;
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(checked > 0);
    println!("{checked} fixtures met");
}

/// Compares all fields that a fixture names.
fn compare(name: &str, found: &Plans, expected: &Value, problems: &mut Vec<String>) {
    let mut check = |what: &str, found: &Value, expected: &Value| {
        if difference(found, expected).is_some() {
            problems.push(format!("{name}: {what} is {found}, expected {expected}"));
        }
    };
    let top = serde_json::to_value(found).unwrap();
    for key in ["transpose_forward", "transpose_backward"] {
        check(key, &top[key], &expected[key]);
    }
    let expected_configurations = expected["configurations"].as_object().unwrap();
    let names =
        |list: &mut dyn Iterator<Item = &String>| json!(list.cloned().collect::<BTreeSet<_>>());
    check(
        "configurations",
        &names(
            &mut found
                .configurations
                .keys()
                .filter(|n| !n.contains("cascade")),
        ),
        &names(&mut expected_configurations.keys()),
    );
    for (configuration, fields) in expected_configurations {
        let Ok(typed) = found.configuration(configuration) else {
            continue;
        };
        let entry = serde_json::to_value(typed).unwrap();
        let network = &entry["architecture"]["arch_kwargs"];
        for (field, value) in fields.as_object().unwrap() {
            let found = match field.as_str() {
                "strides" | "kernel_sizes" => &network[field],
                other => &entry[other],
            };
            check(&format!("{configuration}.{field}"), found, value);
        }
        for field in ["normalization_schemes", "use_mask_for_norm"] {
            check(field, &entry[field], &expected[field]);
        }
    }
}

/// The decisions for a dataset of the paper's supplement, from the facts printed there.
fn plan_printed_facts(entry: &Value) -> Value {
    let inputs = &entry["inputs"];
    let channels: Vec<&str> = (inputs["channels"].as_array().unwrap().iter())
        .filter_map(Value::as_str)
        .collect();
    let classes = inputs["foreground_classes"].as_u64().unwrap() as usize;
    let cases = inputs["num_training"].as_u64().unwrap() as usize;
    let shape = serde_json::from_value(inputs["median_shape"].clone()).unwrap();
    let spacing = serde_json::from_value(inputs["spacing"].clone()).unwrap();
    let found = plan(
        &uniform(cases, shape, spacing),
        &dataset(&channels, classes),
        8.0,
        &PlanOverrides::default(),
    )
    .unwrap()
    .plans;
    let (flat, full) = (
        found.configuration("2d").unwrap(),
        found.configuration("3d_fullres").unwrap(),
    );
    let mut summary = json!({
        "patch_size": full.patch_size, "batch_size": full.batch_size,
        "poolings": full.architecture.arch_kwargs.n_stages - 1,
        "patch_2d": flat.patch_size, "batch_2d": flat.batch_size,
        "poolings_2d": flat.architecture.arch_kwargs.n_stages - 1,
    });
    if let Ok(low) = found.configuration("3d_lowres") {
        summary["lowres"] = json!({
            "spacing": low.spacing, "median": low.median_image_size_in_voxels,
            "patch_size": low.patch_size, "batch_size": low.batch_size,
        });
    }
    summary
}

#[test]
fn the_tables_of_the_paper_are_met() {
    let Some(folder) = fixtures("the_tables_of_the_paper_are_met") else {
        return;
    };
    let tables = read(&folder.join("paper_tables.json"));
    let mut problems = Vec::new();
    for (name, entry) in tables["datasets"].as_object().unwrap() {
        let place = difference(&plan_printed_facts(entry), &entry["reference_program"]);
        problems.extend(place.map(|place| format!("{name}: {place}")));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Where the printed tables differ from what follows from the printed facts; `None` if nowhere.
/// Printed numbers are rounded.
fn deviation(found: &Value, printed: &Value) -> Option<String> {
    if found["patch_size"] != printed["patch_size"] {
        return Some(format!("patch {}", times(&printed["patch_size"])));
    }
    let (found, printed) = (&found["lowres"], &printed["lowres"]);
    if printed.is_null() {
        return (!found.is_null()).then(|| "no low resolution".to_owned());
    }
    let close = |key: &str| {
        let pairs = found[key].as_array()?.iter().zip(printed[key].as_array()?);
        let mut pairs = pairs.map(|(a, b)| a.as_f64().unwrap() / b.as_f64().unwrap());
        Some(pairs.all(|ratio| (ratio - 1.0).abs() < 0.03))
    };
    let same = found["patch_size"] == printed["patch_size"]
        && close("spacing") == Some(true)
        && close("median") == Some(true);
    (!same).then(|| {
        let [spacing, median] = ["spacing", "median"].map(|key| times(&printed[key]));
        format!("{spacing} mm, {median}")
    })
}

fn times(values: &Value) -> String {
    let texts: Vec<String> = (values.as_array().into_iter().flatten())
        .map(|v| {
            let text = format!("{:.2}", v.as_f64().unwrap());
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        })
        .collect();
    texts.join("×")
}

#[test]
fn the_documented_table_of_the_paper_is_what_the_planner_computes() {
    let Some(folder) = fixtures("the_documented_table_of_the_paper_is_what_the_planner_computes")
    else {
        return;
    };
    let tables = read(&folder.join("paper_tables.json"));
    let mut rows = vec![
        "| dataset | median shape | target spacing (mm) | 3D patch, batch | 2D patch, batch | low \
         resolution (mm), median shape, patch | printed otherwise |"
            .to_owned(),
        "|---|---|---|---|---|---|---|".to_owned(),
    ];
    for (name, entry) in tables["datasets"].as_object().unwrap() {
        let (inputs, found) = (&entry["inputs"], plan_printed_facts(entry));
        let lowres = match &found["lowres"] {
            Value::Null => String::new(),
            low => format!(
                "{}, {}, {}",
                times(&low["spacing"]),
                times(&low["median"]),
                times(&low["patch_size"])
            ),
        };
        rows.push(format!(
            "| {} | {} | {} | {}, {} | {}, {} | {lowres} | {} |",
            name.replace('_', " "),
            times(&inputs["median_shape"]),
            times(&inputs["spacing"]),
            times(&found["patch_size"]),
            found["batch_size"],
            times(&found["patch_2d"]),
            found["batch_2d"],
            deviation(&found, &entry["printed"]).unwrap_or_default(),
        ));
    }
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/planner.md");
    let text = fs::read_to_string(document).unwrap();
    let table = rows.join("\n");
    assert!(
        text.contains(&table),
        "docs/planner.md should contain\n{table}"
    );
}

#[test]
fn a_cascade_is_written_as_the_python_program_reads_it() {
    let liver = uniform(131, [482, 512, 512], [1.0, 0.7676, 0.7676]);
    let overrides = PlanOverrides::default();
    let outcome = plan(&liver, &dataset(&["CT"], 2), 8.0, &overrides).unwrap();
    let plans = outcome.plans;
    assert_eq!(
        plans.configuration_names(),
        ["2d", "3d_lowres", "3d_fullres", "3d_cascade_fullres"]
    );
    let low = plans.configuration("3d_lowres").unwrap();
    assert_eq!(
        serde_json::to_value(&low.next_stage).unwrap(),
        json!("3d_cascade_fullres")
    );
    let cascade = plans.configuration("3d_cascade_fullres").unwrap();
    assert_eq!(cascade.previous_stage.as_deref(), Some("3d_lowres"));
    assert_eq!(cascade.data_identifier, "nnUNetPlans_3d_fullres");
    let dice = |name| plans.configuration(name).unwrap().batch_dice;
    assert!(dice("2d") && dice("3d_fullres") && dice("3d_cascade_fullres"));
    assert!(!dice("3d_lowres"));
    let searched: Vec<_> = (outcome.searches.iter())
        .map(|search| search.configuration.as_str())
        .collect();
    assert_eq!(searched, ["2d", "3d_lowres", "3d_fullres"]);
    for search in &outcome.searches {
        let last = search.steps.last().unwrap();
        assert!(last.estimate <= search.reference);
    }
}

#[test]
fn plans_without_a_cascade_pool_no_dice_in_3d() {
    let heart = uniform(20, [115, 320, 232], [1.37, 1.25, 1.25]);
    let overrides = PlanOverrides::default();
    let plans = plan(&heart, &dataset(&["MRI"], 1), 8.0, &overrides)
        .unwrap()
        .plans;
    assert_eq!(plans.configuration_names(), ["2d", "3d_fullres"]);
    assert!(!plans.configuration("3d_fullres").unwrap().batch_dice);
}

#[test]
fn single_slices_have_2d_plans_only() {
    let slides = uniform(10, [1, 300, 200], [999.0, 1.0, 1.0]);
    let overrides = PlanOverrides::default();
    let plans = plan(&slides, &dataset(&["R", "G", "B"], 1), 8.0, &overrides)
        .unwrap()
        .plans;
    assert_eq!(plans.configuration_names(), ["2d"]);
    assert_eq!(plans.configuration("2d").unwrap().patch_size, [320, 224]);
}

#[test]
fn the_key_order_is_that_of_the_python_program() {
    let heart = uniform(20, [115, 320, 232], [1.37, 1.25, 1.25]);
    let overrides = PlanOverrides::default();
    let plans = plan(&heart, &dataset(&["MRI"], 1), 8.0, &overrides)
        .unwrap()
        .plans;
    let keys: Vec<_> = plans.configurations["2d"]
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        [
            "data_identifier",
            "preprocessor_name",
            "batch_size",
            "patch_size",
            "median_image_size_in_voxels",
            "spacing",
            "normalization_schemes",
            "use_mask_for_norm",
            "resampling_fn_data",
            "resampling_fn_seg",
            "resampling_fn_data_kwargs",
            "resampling_fn_seg_kwargs",
            "resampling_fn_probabilities",
            "resampling_fn_probabilities_kwargs",
            "architecture",
            "batch_dice",
            "dummy_2d_augmentation",
        ]
    );
}

fn middle(values: &Value) -> f64 {
    let mut values: Vec<f64> = (values.as_array().unwrap().iter())
        .filter_map(Value::as_f64)
        .collect();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len().is_multiple_of(2) {
        f64::midpoint(values[half - 1], values[half])
    } else {
        values[half]
    }
}
