//! What holds for every plan, by any of the published rules.

use nnunet_planner::{
    BatchReason, BatchRounding, ConfigurationSearch, PlanError, PlanOutcome, PlanOverrides, Rules,
    Severity, check,
};
use nnunet_schema::plans::RuleSet;
use nnunet_schema::{Configuration, DatasetFingerprint, Plans, Spacing, python_json};
use proptest::prelude::*;
use serde_json::json;

use crate::common::{dataset, fingerprint, plan, plan_by};

/// Shapes and spacings of images.
type Cases = (Vec<[usize; 3]>, Vec<[f64; 3]>);

fn rules() -> impl Strategy<Value = Rules> {
    prop::sample::select(vec![
        RuleSet::Paper,
        RuleSet::V2,
        RuleSet::ResencM,
        RuleSet::ResencL,
        RuleSet::ResencXl,
    ])
    .prop_map(|set| Rules::of(set).unwrap())
}

/// Within what a scanner or a microscope makes.
fn ordinary() -> impl Strategy<Value = Cases> {
    let case = (
        [8_usize..700, 8..700, 8..700],
        [0.1_f64..8.0, 0.1..8.0, 0.1..8.0],
    );
    prop::collection::vec(case, 1..12).prop_map(|cases| cases.into_iter().unzip())
}

/// All that a file of images may hold: a nanometre to a kilometre, a line to a whole-body scan.
/// The cases of a dataset have about the same spacing, since those that are resampled by factors
/// of a million are refused.
fn wide() -> impl Strategy<Value = Cases> {
    let edge = || prop_oneof![1_usize..=4000, 1_usize..40];
    let mm = || (-6.0_f64..6.0).prop_map(|exponent| 10_f64.powf(exponent));
    let jitter = || [0.8_f64..1.25, 0.8..1.25, 0.8..1.25];
    let case = ([edge(), edge(), edge()], jitter());
    let cases = prop::collection::vec(case, 1..6);
    (cases, [mm(), mm(), mm()]).prop_map(|(cases, mm)| {
        let spaced = cases.into_iter().map(|(shape, jitter)| {
            let spacing = std::array::from_fn(|a| (mm[a] * jitter[a]).clamp(1e-6, 1e6));
            (shape, spacing)
        });
        spaced.unzip()
    })
}

/// Anything that is finite and above zero.
fn extreme() -> impl Strategy<Value = Cases> {
    let edge = (0_u32..64).prop_flat_map(|bits| 1_usize..=(usize::MAX >> bits).max(1));
    let mm = (-300_i32..300).prop_map(|e| 10_f64.powi(e));
    let case = (
        [edge.clone(), edge.clone(), edge],
        [mm.clone(), mm.clone(), mm],
    );
    prop::collection::vec(case, 1..4).prop_map(|cases| cases.into_iter().unzip())
}

fn assert_sound(rules: &Rules, outcome: &PlanOutcome) -> Result<(), TestCaseError> {
    let plans = &outcome.plans;
    let (forward, backward) = (plans.transpose_forward, plans.transpose_backward);
    prop_assert_eq!(backward.apply(forward.apply([0, 1, 2])), [0, 1, 2]);
    prop_assert_eq!(forward.apply(backward.apply([0, 1, 2])), [0, 1, 2]);
    for search in &outcome.searches {
        let configuration = plans.configuration(&search.configuration).unwrap();
        assert_network(rules, &configuration)?;
        assert_memory(rules, search, &configuration)?;
    }
    assert_lowres(plans)?;
    assert_checked(rules, plans)
}

/// Patches are divisible, and pooled axes keep the smallest feature map.
fn assert_network(rules: &Rules, configuration: &Configuration) -> Result<(), TestCaseError> {
    let network = &configuration.architecture.arch_kwargs;
    prop_assert!(network.n_stages >= rules.min_stages);
    prop_assert!(network.kernel_sizes.last().unwrap().iter().all(|k| *k == 3));
    prop_assert!(network.strides[0].iter().all(|step| *step == 1));
    for (axis, edge) in configuration.patch_size.iter().enumerate() {
        let steps = || network.strides.iter().map(move |stride| stride[axis]);
        prop_assert!(steps().all(|step| step == 1 || step == 2));
        let poolings = steps().filter(|step| *step == 2).count();
        let divisor = 1_usize << poolings;
        prop_assert!(*edge > 0 && edge % divisor == 0);
        prop_assert!(poolings == 0 || edge / divisor >= rules.min_feature_map_edge);
    }
    Ok(())
}

/// The patch fits, or is the smallest there is, and the batch fills the budget at most.
fn assert_memory(
    rules: &Rules,
    search: &ConfigurationSearch,
    configuration: &Configuration,
) -> Result<(), TestCaseError> {
    let dimension = match configuration.patch_size.len() {
        2 => &rules.two_d,
        _ => &rules.three_d,
    };
    let last = search.steps.last().unwrap();
    prop_assert_eq!(&last.patch, &configuration.patch_size);
    prop_assert!(last.estimate.is_finite() && last.estimate > 0.0);
    let fits = last.estimate <= search.allowed;
    prop_assert!(fits || is_minimal(rules, configuration), "{:?}", last);

    let least = dimension.min_batch_size;
    let below = search.batch.reason == BatchReason::BelowMinimum;
    prop_assert!(configuration.batch_size >= least || below);
    prop_assert!(configuration.batch_size > 0);
    prop_assert!(!(below && fits));
    let excess = match dimension.batch_rounding {
        BatchRounding::Nearest => 0.5,
        _ => 0.0,
    };
    let batch = configuration.batch_size as f64 - excess;
    let budget = search.reference * dimension.reference_batch_size as f64;
    prop_assert!(last.estimate * batch <= budget * (1.0 + 1e-9));
    Ok(())
}

/// Whether no axis can be halved any more.
fn is_minimal(rules: &Rules, configuration: &Configuration) -> bool {
    let least = 4 * rules.min_feature_map_edge;
    (configuration.patch_size.iter()).all(|edge| *edge < least)
}

/// The first step of a cascade is coarser along some axes and finer along none.
fn assert_lowres(plans: &Plans) -> Result<(), TestCaseError> {
    let Ok(low) = plans.configuration("3d_lowres") else {
        return Ok(());
    };
    let full = plans.configuration("3d_fullres").unwrap();
    let pairs = || low.spacing.iter().zip(&full.spacing);
    prop_assert!(pairs().all(|(low, full)| low >= full));
    prop_assert!(pairs().any(|(low, full)| low > full));
    let voxels = |c: &Configuration| {
        (c.median_image_size_in_voxels.iter())
            .map(|edge| edge.as_f64().unwrap())
            .product::<f64>()
    };
    // Equal where only axes of a single voxel got coarser.
    prop_assert!(voxels(&low) <= voxels(&full));
    let cascade = plans.configuration("3d_cascade_fullres").unwrap();
    prop_assert_eq!(cascade.previous_stage.as_deref(), Some("3d_lowres"));
    Ok(())
}

/// Plans are as the planner would have them, except that nnU-Net v2 also plans networks of one
/// stage for cases too small to be pooled.
fn assert_checked(rules: &Rules, plans: &Plans) -> Result<(), TestCaseError> {
    for finding in check(plans) {
        let name = finding.configuration.as_deref().unwrap();
        let configuration = plans.configuration(name).unwrap();
        let single = configuration.architecture.arch_kwargs.n_stages < 2;
        prop_assert!(single && rules.min_stages < 2 || finding.severity < Severity::Error);
        prop_assert!(!finding.message.contains(" GB "), "{}", finding);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn plans_of_ordinary_datasets(
        rules in rules(),
        (shapes, spacings) in ordinary(),
        gb in 2.0_f64..80.0,
    ) {
        let facts = fingerprint(&json!(shapes), &json!(spacings), 0.9);
        match plan_by(rules.clone(), &facts, &dataset(&["MRI"], 2), gb) {
            Ok(outcome) => assert_sound(&rules, &outcome)?,
            Err(PlanError::TooSmall { .. }) => prop_assert!(rules.min_stages > 1),
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
    }

    #[test]
    fn overrides_are_kept_or_refused(
        (shapes, spacings) in ordinary(),
        base_features in prop::option::of(1_usize..=320),
        batch_size in prop::option::of(1_usize..40),
        patch in prop::option::of(prop::collection::vec(1_usize..300, 2..4)),
    ) {
        let facts = fingerprint(&json!(shapes), &json!(spacings), 0.9);
        let overrides = PlanOverrides {
            base_features,
            batch_size,
            patch_size: patch.clone(),
            ..PlanOverrides::default()
        };
        let Ok(outcome) = plan(&facts, &dataset(&["MRI"], 2), 8.0, &overrides) else {
            return Ok(());
        };
        for search in &outcome.searches {
            let found = outcome.plans.configuration(&search.configuration).unwrap();
            assert_network(&Rules::paper(), &found)?;
            let features = &found.architecture.arch_kwargs.features_per_stage;
            prop_assert_eq!(features[0], base_features.unwrap_or(32));
            prop_assert!(batch_size.is_none_or(|b| b == found.batch_size));
            if let Some(patch) = patch.as_ref().filter(|p| p.len() == found.patch_size.len()) {
                prop_assert!(patch.iter().zip(&found.patch_size).all(|(p, f)| p <= f));
            }
        }
        assert_checked(&Rules::paper(), &outcome.plans)?;
    }

    #[test]
    fn any_spacing_and_shape_of_a_file_comes_to_a_plan_or_a_reason(
        rules in rules(),
        (shapes, spacings) in wide(),
        gb in (-6.0_f64..2.0).prop_map(|exponent| 10_f64.powf(exponent)),
    ) {
        let facts = fingerprint(&json!(shapes), &json!(spacings), 0.9);
        match plan_by(rules.clone(), &facts, &dataset(&["MRI"], 2), gb) {
            Ok(outcome) => assert_sound(&rules, &outcome)?,
            Err(PlanError::TooSmall { .. }) => prop_assert!(rules.min_stages > 1),
            Err(PlanError::OverBudget { needed_gb, budget_gb, .. }) => {
                prop_assert!(needed_gb > budget_gb);
            }
            Err(PlanError::SearchTooLong { .. }) => {}
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
    }
}

proptest! {
    // Few, since the worst of them use up all steps that a plan is allowed.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_finite_dataset_comes_to_an_end(rules in rules(), (shapes, spacings) in extreme()) {
        let facts = fingerprint(&json!(shapes), &json!(spacings), 0.9);
        let outcome = plan_by(rules.clone(), &facts, &dataset(&["MRI"], 2), 8.0);
        if let Ok(outcome) = outcome {
            assert_sound(&rules, &outcome)?;
        }
    }
}

#[test]
fn spacings_that_are_none_never_reach_the_planner() {
    for value in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(Spacing::new([1.0, value, 1.0]).is_err(), "{value}");
    }
    let text = json!({
        "shapes_after_crop": [[9, 9, 9]], "spacings": [[1.0, "here", 1.0]],
        "median_relative_size_after_cropping": 1.0,
        "foreground_intensity_properties_per_channel": {}
    });
    let parsed = |value: &str| {
        python_json::parse::<DatasetFingerprint>(&text.to_string().replace("\"here\"", value))
    };
    assert!(parsed("1.0").is_ok());
    for value in [
        "0.0",
        "-1.0",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "null",
    ] {
        let (place, message) = parsed(value).unwrap_err();
        assert!(place.starts_with("spacings"), "{value}: {place} {message}");
    }
}
