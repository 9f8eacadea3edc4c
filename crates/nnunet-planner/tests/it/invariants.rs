//! What holds for every plan.

use nnunet_planner::{BatchReason, PlanError, PlanOutcome, PlanOverrides, Rules};
use nnunet_schema::Configuration;
use proptest::prelude::*;
use serde_json::json;

use crate::common::{dataset, fingerprint, plan};

/// Shapes and spacings of images, within what a scanner or a microscope makes.
fn ordinary() -> impl Strategy<Value = (Vec<[usize; 3]>, Vec<[f64; 3]>)> {
    let case = (
        [8_usize..700, 8..700, 8..700],
        [0.1_f64..8.0, 0.1..8.0, 0.1..8.0],
    );
    prop::collection::vec(case, 1..12).prop_map(|cases| cases.into_iter().unzip())
}

/// Anything that is finite and above zero.
fn extreme() -> impl Strategy<Value = (Vec<[usize; 3]>, Vec<[f64; 3]>)> {
    let edge = (0_u32..64).prop_flat_map(|bits| 1_usize..=(usize::MAX >> bits).max(1));
    let mm = (-300_i32..300).prop_map(|e| 10_f64.powi(e));
    let case = (
        [edge.clone(), edge.clone(), edge],
        [mm.clone(), mm.clone(), mm],
    );
    prop::collection::vec(case, 1..4).prop_map(|cases| cases.into_iter().unzip())
}

fn check(outcome: &PlanOutcome) -> Result<(), TestCaseError> {
    let plans = &outcome.plans;
    prop_assert_eq!(
        plans
            .transpose_backward
            .apply(plans.transpose_forward.apply([0, 1, 2])),
        [0, 1, 2]
    );
    for search in &outcome.searches {
        let configuration = plans.configuration(&search.configuration).unwrap();
        check_network(&configuration)?;
        let last = search.steps.last().unwrap();
        prop_assert_eq!(&last.patch, &configuration.patch_size);
        let fits = last.estimate <= search.reference;
        prop_assert!(fits || search.batch.reason == BatchReason::BelowMinimum);
        let minimum = if configuration.patch_size.len() == 3 && fits {
            2
        } else {
            1
        };
        prop_assert!(configuration.batch_size >= minimum);
    }
    Ok(())
}

/// Pooled axes are divisible and keep the smallest feature map.
fn check_network(configuration: &Configuration) -> Result<(), TestCaseError> {
    let least = Rules::paper().min_feature_map_edge;
    let network = &configuration.architecture.arch_kwargs;
    prop_assert!(network.n_stages >= 2);
    prop_assert!(network.kernel_sizes.last().unwrap().iter().all(|k| *k == 3));
    for (axis, edge) in configuration.patch_size.iter().enumerate() {
        let divisor: usize = network.strides.iter().map(|stride| stride[axis]).product();
        prop_assert_eq!(edge % divisor, 0);
        prop_assert!(divisor == 1 || edge / divisor >= least);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn plans_of_ordinary_datasets((shapes, spacings) in ordinary(), gb in 2.0_f64..80.0) {
        let facts = fingerprint(&json!(shapes), &json!(spacings), 0.9);
        let outcome = plan(&facts, &dataset(&["MRI"], 2), gb, &PlanOverrides::default());
        match outcome {
            Ok(outcome) => check(&outcome)?,
            Err(PlanError::TooSmall { .. }) => {}
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
            target_spacing: None,
        };
        let Ok(outcome) = plan(&facts, &dataset(&["MRI"], 2), 8.0, &overrides) else {
            return Ok(());
        };
        for search in &outcome.searches {
            let found = outcome.plans.configuration(&search.configuration).unwrap();
            check_network(&found)?;
            let features = &found.architecture.arch_kwargs.features_per_stage;
            prop_assert_eq!(features[0], base_features.unwrap_or(32));
            prop_assert!(batch_size.is_none_or(|b| b == found.batch_size));
            if let Some(patch) = patch.as_ref().filter(|p| p.len() == found.patch_size.len()) {
                prop_assert!(patch.iter().zip(&found.patch_size).all(|(p, f)| p <= f));
            }
        }
    }
}

proptest! {
    // Few, since the worst of them use up all steps that a plan is allowed.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_finite_dataset_comes_to_an_end((shapes, spacings) in extreme()) {
        let facts = fingerprint(&json!(shapes), &json!(spacings), 0.9);
        let outcome = plan(&facts, &dataset(&["MRI"], 2), 8.0, &PlanOverrides::default());
        if let Ok(outcome) = outcome {
            check(&outcome)?;
        }
    }
}
