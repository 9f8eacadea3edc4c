//! Plans edited by hand.

use std::fs;

use nnunet_planner::{Finding, PlanOverrides, Precision, Rules, Severity, check, footprint};
use nnunet_schema::plans::RuleSet;
use nnunet_schema::{Plans, python_json};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{dataset, fingerprint, fixtures, plan, plan_by, read, uniform};

/// Plans with a cascade, as JSON.
fn liver() -> Value {
    let liver = uniform(131, [482, 512, 512], [1.0, 0.7676, 0.7676]);
    let overrides = PlanOverrides::default();
    let outcome = plan(&liver, &dataset(&["CT"], 2), 8.0, &overrides).unwrap();
    serde_json::to_value(outcome.plans).unwrap()
}

fn findings(document: &Value) -> Vec<Finding> {
    check(&serde_json::from_value(document.clone()).unwrap())
}

fn lines(findings: &[Finding]) -> String {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// What is found after setting one value, at a JSON pointer, in plans without findings.
fn after(pointer: &str, value: Value) -> Vec<Finding> {
    let mut document = liver();
    set(&mut document, pointer, value);
    findings(&document)
}

fn set(document: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
        parent => parent[key] = value,
    }
}

/// Asserts that there is one finding, with this place and these words.
#[track_caller]
fn assert_one(found: &[Finding], severity: Severity, place: &str, words: &[&str]) {
    assert_eq!(found.len(), 1, "{}", lines(found));
    assert_eq!(found[0].severity, severity, "{}", found[0]);
    assert_eq!(found[0].place, place, "{}", found[0]);
    for word in words {
        assert!(found[0].message.contains(word), "{word}: {}", found[0]);
    }
}

#[test]
fn the_plans_of_the_python_program_are_without_findings() {
    let Some(folder) = fixtures("the_plans_of_the_python_program_are_without_findings") else {
        return;
    };
    let mut checked = 0;
    for case in fs::read_dir(folder.join("v2")).unwrap() {
        let case = case.unwrap().path();
        let meta = read(&case.join("meta.json"));
        for (plans_name, run) in meta["runs"].as_object().unwrap() {
            let file = case.join(format!("{plans_name}.json"));
            if !file.exists() {
                continue;
            }
            let mut found = check(&Plans::load(&file).unwrap());
            if !run["gpu_memory_target_in_gb"].is_null() {
                // The Python program keeps no record of the memory that it planned for.
                found.retain(|finding| !finding.message.contains(" GB "));
            }
            assert!(found.is_empty(), "{}:\n{}", file.display(), lines(&found));
            checked += 1;
        }
    }
    assert!(checked > 0);
    println!("{checked} plans checked");
}

#[test]
fn plans_by_the_rules_of_the_paper_are_without_errors() {
    let Some(folder) = fixtures("plans_by_the_rules_of_the_paper_are_without_errors") else {
        return;
    };
    for entry in fs::read_dir(folder.join("paper")).unwrap() {
        let path = entry.unwrap().path();
        let fixture = read(&path);
        let facts = &fixture["fingerprint"];
        let facts = fingerprint(&facts["shapes_after_crop"], &facts["spacings"], 1.0);
        let description = serde_json::from_value(fixture["dataset"].clone()).unwrap();
        let mut found = Vec::new();
        for set in RULE_SETS {
            let rules = Rules::of(set).unwrap();
            let gb = rules.reference_gpu_memory_gb;
            found.extend(check(
                &plan_by(rules, &facts, &description, gb).unwrap().plans,
            ));
        }
        // The published 2D planner may make a batch of one slice.
        found.retain(|f| {
            f.configuration.as_deref() != Some("2d") || !f.place.ends_with("batch_size")
        });
        assert!(found.is_empty(), "{}:\n{}", path.display(), lines(&found));
    }
}

const RULE_SETS: [RuleSet; 5] = [
    RuleSet::Paper,
    RuleSet::V2,
    RuleSet::ResencM,
    RuleSet::ResencL,
    RuleSet::ResencXl,
];

#[test]
fn untouched_plans_are_without_findings() {
    let found = findings(&liver());
    assert!(found.is_empty(), "{}", lines(&found));
}

#[test]
fn a_patch_that_the_strides_do_not_divide() {
    let found = after("/configurations/3d_fullres/patch_size/1", json!(100));
    assert_one(
        &found,
        Severity::Error,
        "configurations.3d_fullres.patch_size[1]",
        &["is 100", "multiple of 32", "96 and 128"],
    );
    assert_eq!(found[0].configuration.as_deref(), Some("3d_fullres"));
    assert_eq!(
        found[0].to_string(),
        "error: `configurations.3d_fullres.patch_size[1]` is 100, expected a multiple of 32, the \
         product of the strides along axis 1: the nearest are 96 and 128"
    );
}

#[test]
fn maps_that_get_too_small() {
    let found = after("/configurations/3d_fullres/patch_size/0", json!(64));
    let place = "configurations.3d_fullres.patch_size[0]";
    assert_one(&found, Severity::Warning, place, &["leave 2", "take 128"]);
    let found = after("/configurations/3d_fullres/patch_size", json!([32, 32, 32]));
    assert_eq!(found.len(), 4, "{}", lines(&found));
    assert_one(
        &found[3..],
        Severity::Error,
        "configurations.3d_fullres.patch_size",
        &["single voxel"],
    );
}

#[test]
fn numbers_and_lists_of_the_network() {
    let ones = json!([1, 1, 1]);
    let cases = [
        (
            "strides/0",
            json!([1, 2, 2]),
            "is [1, 2, 2], expected [1, 1, 1]",
        ),
        (
            "features_per_stage/2",
            json!(0),
            "is 0, expected at least 1",
        ),
        (
            "kernel_sizes/3",
            json!([3, 2, 3]),
            "is [3, 2, 3], expected odd",
        ),
        (
            "n_conv_per_stage",
            json!([2, 2]),
            "has 2 entries for 6 stages, expected 6",
        ),
        ("n_conv_per_stage", Value::Null, "is missing"),
        ("n_conv_per_stage/0", json!(0), "is 0, expected at least 1"),
        ("n_conv_per_stage/0", json!(20_000), "20020 layers"),
        (
            "n_conv_per_stage_decoder",
            json!([2]),
            "has 1 entries for 6 stages, expected 5",
        ),
        (
            "features_per_stage/5",
            json!(10_000_000),
            "parameters, expected at most",
        ),
        (
            "conv_op",
            json!("torch.nn.modules.conv.Conv2d"),
            "expected `torch.nn.modules.conv.Conv3d`",
        ),
        (
            "norm_op",
            json!("torch.nn.InstanceNorm2d"),
            "expected one that ends with `3d`",
        ),
        (
            "dropout_op",
            json!("torch.nn.Dropout2d"),
            "expected one that ends with `3d`",
        ),
        // These are refused as soon as the configuration is read.
        (
            "features_per_stage",
            json!([32, 64]),
            "has 2 entries for 6 stages",
        ),
        ("strides", json!([ones, ones]), "has 2 entries for 6 stages"),
        (
            "kernel_sizes/0",
            json!([3, 3]),
            "expected 3 entries above zero",
        ),
        ("n_stages", json!("six"), "is malformed"),
    ];
    for (key, value, words) in cases {
        let pointer = format!("/configurations/3d_fullres/architecture/arch_kwargs/{key}");
        let found = after(&pointer, value);
        let own: Vec<Finding> = (found.into_iter())
            .filter(|f| !f.place.contains("patch_size"))
            .collect();
        assert_eq!(own.len(), 1, "{key}: {}", lines(&own));
        assert_eq!(own[0].severity, Severity::Error);
        let (list, entry) = key
            .split_once('/')
            .map_or((key, String::new()), |(list, entry)| {
                (list, format!("[{entry}]"))
            });
        let place = format!("configurations.3d_fullres.architecture.arch_kwargs.{list}");
        assert!(own[0].place.starts_with(&place), "{}", own[0]);
        assert!(
            own[0].place.ends_with(&entry) || own[0].place == place,
            "{}",
            own[0]
        );
        assert!(own[0].message.contains(words), "{}", own[0]);
    }
}

#[test]
fn classes_of_networks() {
    let network = "/configurations/3d_fullres/architecture";
    let class = format!("{network}/network_class_name");
    let place = "configurations.3d_fullres.architecture.network_class_name";
    let words = ["`PlainConvUnett`", "did you mean `PlainConvUNet`?"];
    assert_one(
        &after(&class, json!("my.nets.PlainConvUnett")),
        Severity::Error,
        place,
        &words,
    );
    let found = after(&class, json!("my.nets.UMamba"));
    assert!(!found[0].message.contains("did you mean"), "{}", found[0]);

    // The old module of a known class.
    let residual = "dynamic_network_architectures.architectures.residual_unet.ResidualEncoderUNet";
    let found = after(&class, json!(residual));
    let text = lines(&found);
    assert_eq!(found.len(), 2, "{text}");
    assert!(text.contains("n_blocks_per_stage` is missing"), "{text}");
    assert!(text.contains("n_conv_per_stage` has no effect"), "{text}");
}

#[test]
fn batches_and_memory() {
    let batch = "/configurations/3d_fullres/batch_size";
    let place = "configurations.3d_fullres.batch_size";
    assert_one(
        &after(batch, json!(1)),
        Severity::Warning,
        place,
        &["at least 2"],
    );
    let words = [
        "GB for a batch of 4",
        "8.0 GB are available",
        "reduce it to 2",
    ];
    assert_one(&after(batch, json!(4)), Severity::Warning, place, &words);
    let patch = "/configurations/3d_fullres/patch_size";
    let place = "configurations.3d_fullres.patch_size";
    let words = ["[256, 256, 256]", "8.0 GB are available: reduce it,"];
    assert_one(
        &after(patch, json!([256, 256, 256])),
        Severity::Warning,
        place,
        &words,
    );
    // More memory than on record.
    let mut document = liver();
    set(&mut document, batch, json!(4));
    set(&mut document, "/planning/gpu_memory_gb", json!(16.0));
    assert!(findings(&document).is_empty());
}

#[test]
fn channels() {
    let full = "/configurations/3d_fullres";
    let (place, error) = ("configurations.3d_fullres", Severity::Error);
    let schemes = format!("{full}/normalization_schemes");
    let found = after(&schemes, json!(["CTNormalization", "CTNormalization"]));
    let masks = format!("{place}.use_mask_for_norm");
    // As in all that is refused on reading.
    assert_one(&found, error, &masks, &["has 1 entries", "has 2"]);
    let mut document = liver();
    set(&mut document, &schemes, json!([]));
    set(
        &mut document,
        &format!("{full}/use_mask_for_norm"),
        json!([]),
    );
    let schemes_place = format!("{place}.normalization_schemes");
    assert_one(&findings(&document), error, &schemes_place, &["is empty"]);

    let mut document = liver();
    let intensities = json!({"max": 1, "mean": 1, "median": 1, "min": 1, "percentile_00_5": 1,
        "percentile_99_5": 1, "std": 1});
    document["foreground_intensity_properties_per_channel"] =
        json!({"0": intensities, "1": intensities});
    let found = findings(&document);
    // The fourth configuration inherits.
    assert_eq!(found.len(), 3, "{}", lines(&found));
    let message = &found[0].message;
    assert!(message.starts_with("has 1 entries") && message.contains("expected 2"));

    let scheme = format!("{place}.normalization_schemes[0]");
    let found = after(&schemes, json!(["ZscoreNormalisation"]));
    assert_one(
        &found,
        error,
        &scheme,
        &["did you mean `ZScoreNormalization`?"],
    );
    let found = after(&schemes, json!(["HistogramMatching"]));
    assert_one(
        &found,
        Severity::Warning,
        &scheme,
        &["registered by your own program"],
    );
}

#[test]
fn resampling_functions() {
    let place = |key: &str| format!("configurations.3d_fullres.{key}");
    for (key, name, severity) in [
        ("resampling_fn_data", "mine", Some(Severity::Error)),
        ("resampling_fn_probabilities", "mine", Some(Severity::Error)),
        ("resampling_fn_seg", "resample_torch_fornnunet", None),
        ("resampling_fn_probabilities", "no_resampling_hack", None),
    ] {
        let found = after(&format!("/configurations/3d_fullres/{key}"), json!(name));
        match severity {
            Some(severity) => assert_one(
                &found,
                severity,
                &place(key),
                &[name, "resample_data_or_seg_to_shape"],
            ),
            None => assert!(found.is_empty(), "{}", lines(&found)),
        }
    }
}

#[test]
fn keys_that_nothing_reads() {
    let full = "/configurations/3d_fullres";
    let place = "configurations.3d_fullres";
    for (key, words) in [
        ("patchsize", "did you mean `patch_size`?"),
        ("architecture/arch_kwarg", "did you mean `arch_kwargs`?"),
        (
            "architecture/arch_kwargs/kernel_size",
            "did you mean `kernel_sizes`?",
        ),
        ("remark", "has no effect"),
    ] {
        let found = after(&format!("{full}/{key}"), json!([16, 16]));
        let place = format!("{place}.{}", key.replace('/', "."));
        assert_one(&found, Severity::Warning, &place, &[words]);
    }
    // What old plans and other configurations have.
    for key in ["inherits_from", "UNet_class_name"] {
        let found = after(&format!("{full}/{key}"), json!("2d"));
        assert!(found.is_empty(), "{}", lines(&found));
    }
    // A misspelt key that is missed.
    let mut document = liver();
    let entry = document["configurations"]["2d"].as_object_mut().unwrap();
    let patch = entry.shift_remove("patch_size").unwrap();
    entry.insert("patch_sise".into(), patch);
    let text = lines(&findings(&document));
    assert!(text.contains("did you mean `patch_size`?"), "{text}");
    assert!(text.contains("missing field `patch_size`"), "{text}");
}

#[test]
fn stages_of_a_cascade() {
    let error = Severity::Error;
    let found = after(
        "/configurations/3d_lowres/next_stage",
        json!("3d_cascade_fulres"),
    );
    let words = ["`3d_cascade_fulres`", "did you mean `3d_cascade_fullres`?"];
    assert_one(&found, error, "configurations.3d_lowres.next_stage", &words);
    let found = after(
        "/configurations/3d_lowres/next_stage",
        json!(["3d_cascade_fullres", "3d_lowres"]),
    );
    let words = ["names the configuration itself"];
    assert_one(&found, error, "configurations.3d_lowres.next_stage", &words);
    let cascade = "/configurations/3d_cascade_fullres";
    let found = after(&format!("{cascade}/previous_stage"), json!("none"));
    let place = "configurations.3d_cascade_fullres.previous_stage";
    let words = ["is `none`", "there are: 2d, 3d_lowres"];
    assert_one(&found, error, place, &words);

    let found = after(&format!("{cascade}/inherits_from"), json!("3d_full"));
    let place = "configurations.3d_cascade_fullres.inherits_from";
    assert_one(&found, error, place, &["is `3d_full`", "there are"]);
    let found = after(
        "/configurations/3d_fullres/inherits_from",
        json!("3d_cascade_fullres"),
    );
    assert_eq!(found.len(), 2, "{}", lines(&found));
    assert!(found[0].message.contains("circle"), "{}", found[0]);
}

#[test]
fn what_is_inherited_is_reported_once_and_what_is_changed_again() {
    let mut document = liver();
    set(
        &mut document,
        "/configurations/3d_fullres/batch_size",
        json!(1),
    );
    set(
        &mut document,
        "/configurations/3d_cascade_fullres/patch_size",
        json!([128, 128, 100]),
    );
    let found = findings(&document);
    let places: Vec<&str> = found.iter().map(|f| f.place.as_str()).collect();
    assert_eq!(
        places,
        [
            "configurations.3d_fullres.batch_size",
            "configurations.3d_cascade_fullres.patch_size[2]",
        ]
    );
}

#[test]
fn transpositions_that_do_not_undo_each_other() {
    let mut document = liver();
    document["transpose_forward"] = json!([2, 0, 1]);
    let found = findings(&document);
    let words = ["does not undo", "set it to [1, 2, 0]"];
    assert_one(&found, Severity::Error, "transpose_backward", &words);
    assert_eq!(found[0].configuration, None);
}

#[test]
fn spacings_that_are_none() {
    let place = "configurations.2d.spacing";
    for value in [json!(0.0), json!(-1.0)] {
        let found = after("/configurations/2d/spacing/1", value);
        assert_one(&found, Severity::Error, place, &["above zero"]);
    }
    // What Python writes for a number that is none.
    let text = liver()
        .to_string()
        .replacen("\"spacing\":[0.7676", "\"spacing\":[NaN", 1);
    assert!(text.contains("NaN"));
    let found = check(&python_json::parse(&text).unwrap());
    assert_eq!(found.len(), 1, "{}", lines(&found));
    assert_eq!(found[0].severity, Severity::Error);
    assert!(found[0].place.starts_with(place), "{}", found[0]);
}

#[test]
fn a_grandparent_that_is_missing_is_reported_where_it_is_named() {
    let mut document = liver();
    document["configurations"]["child"] = json!({"inherits_from": "middle"});
    document["configurations"]["middle"] = json!({"inherits_from": "nobody"});
    let place = "configurations.middle.inherits_from";
    assert_one(
        &findings(&document),
        Severity::Error,
        place,
        &["is `nobody`"],
    );
    document["configurations"]["middle"] = json!({"inherits_from": 5});
    assert_one(&findings(&document), Severity::Error, place, &["is 5"]);
}

#[test]
fn findings_are_one_line_each_whatever_the_names() {
    let mut document = liver();
    document["configurations"]["new\nline"] = json!({"inherits_from": "no\nbody"});
    document["configurations"]["2d"]["odd\r\nkey"] = json!(1);
    let found = findings(&document);
    assert_eq!(found.len(), 2, "{}", lines(&found));
    assert!(found.iter().all(|f| !f.to_string().contains(['\n', '\r'])));
    document["configurations"] = json!({});
    let words = ["is empty"];
    assert_one(
        &findings(&document),
        Severity::Error,
        "configurations",
        &words,
    );
}

/// Where the numbers, texts and lists of a document are.
fn places(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                places(value, &format!("{pointer}/{key}"), found);
            }
        }
        Value::Array(list) => {
            found.push(pointer.to_owned());
            for (i, value) in list.iter().enumerate() {
                places(value, &format!("{pointer}/{i}"), found);
            }
        }
        _ => found.push(pointer.to_owned()),
    }
}

fn anything() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!([])),
        Just(json!("3d_fullres")),
        Just(json!(-1)),
        Just(json!(0.5)),
        Just(json!(f64::MAX)),
        Just(json!([[1, 1, 1], [usize::MAX, 2, 2]])),
        (0_usize..9).prop_map(|n| json!(n)),
        (0_u32..64).prop_map(|bits| json!(usize::MAX >> bits)),
        prop::collection::vec(0_usize..9, 0..7).prop_map(|list| json!(list)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn damaged_plans_are_checked_without_panic(
        residual in any::<bool>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), anything()), 1..5),
    ) {
        let mut document = damaged_base(residual);
        let mut pointers = Vec::new();
        places(&document["configurations"], "/configurations", &mut pointers);
        for (index, value) in damage {
            let pointer = index.get(&pointers).clone();
            if document.pointer(&pointer).is_some() {
                set(&mut document, &pointer, value);
            }
        }
        let plans: Plans = serde_json::from_value(document).unwrap();
        for finding in check(&plans) {
            prop_assert!(!finding.message.is_empty());
        }
        for name in plans.configuration_names() {
            if let Ok(configuration) = plans.configuration(name) {
                let _ = footprint(&configuration, 1, 3, Precision::Mixed);
                let _ = footprint(&configuration, usize::MAX, usize::MAX, Precision::Single);
            }
        }
    }
}

/// One configuration only, so that most of the damage meets it.
fn damaged_base(residual: bool) -> Value {
    static BASES: std::sync::OnceLock<[Value; 2]> = std::sync::OnceLock::new();
    let bases = BASES.get_or_init(|| {
        [Rules::paper(), Rules::resenc_m()].map(|rules| {
            let facts = uniform(3, [64, 100, 90], [1.0; 3]);
            let outcome = plan_by(rules, &facts, &dataset(&["CT"], 2), 8.0).unwrap();
            let mut document = serde_json::to_value(outcome.plans).unwrap();
            document["configurations"]
                .as_object_mut()
                .unwrap()
                .shift_remove("2d");
            document
        })
    });
    bases[usize::from(residual)].clone()
}
