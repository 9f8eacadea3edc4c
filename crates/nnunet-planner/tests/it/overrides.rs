//! Values fixed by hand, and the budget.

use nnunet_planner::{PlanError, PlanOverrides};
use nnunet_schema::{Configuration, DatasetFingerprint, Plans, Spacing};

use crate::common::{dataset, plan, uniform};

fn hippocampus() -> DatasetFingerprint {
    uniform(200, [36, 50, 35], [1.0; 3])
}

fn liver() -> DatasetFingerprint {
    uniform(131, [482, 512, 512], [1.0, 0.7676, 0.7676])
}

fn plans(facts: &DatasetFingerprint, gb: f64, overrides: &PlanOverrides) -> Plans {
    plan(facts, &dataset(&["MRI"], 2), gb, overrides)
        .unwrap()
        .plans
}

fn features(configuration: &Configuration) -> &[usize] {
    &configuration.architecture.arch_kwargs.features_per_stage
}

#[test]
fn few_features_and_a_small_batch_keep_the_topology() {
    let overrides = PlanOverrides {
        base_features: Some(8),
        batch_size: Some(2),
        ..PlanOverrides::default()
    };
    let found = plans(&hippocampus(), 8.0, &overrides);
    let full = found.configuration("3d_fullres").unwrap();
    assert_eq!(full.patch_size, [40, 56, 40]);
    assert_eq!(full.batch_size, 2);
    assert_eq!(features(&full), [8, 16, 32, 64]);
    let record = found.planning.unwrap();
    assert_eq!(record.overrides, overrides);
    assert!(record.notes.is_empty());

    let with_patch = PlanOverrides {
        patch_size: Some(vec![40, 56, 40]),
        ..overrides
    };
    let again = plans(&hippocampus(), 8.0, &with_patch);
    assert_eq!(again.configurations, found.configurations);
}

#[test]
fn the_rules_own_features_fixed_by_hand_change_nothing() {
    let overrides = PlanOverrides {
        base_features: Some(32),
        ..PlanOverrides::default()
    };
    let free = plans(&liver(), 8.0, &PlanOverrides::default());
    assert_eq!(
        plans(&liver(), 8.0, &overrides).configurations,
        free.configurations
    );
}

#[test]
fn a_patch_is_rounded_up_to_what_its_network_divides() {
    let overrides = PlanOverrides {
        patch_size: Some(vec![60, 61, 33]),
        ..PlanOverrides::default()
    };
    let found = plans(&liver(), 8.0, &overrides);
    let full = found.configuration("3d_fullres").unwrap();
    assert_eq!(full.patch_size, [64, 64, 40]);
    // The 2D configuration is left alone.
    let free = plans(&liver(), 8.0, &PlanOverrides::default());
    assert_eq!(found.configurations["2d"], free.configurations["2d"]);
}

#[test]
fn a_larger_batch_is_paid_for_by_the_patch_and_a_smaller_one_is_not() {
    let volume = |batch_size| {
        let overrides = PlanOverrides {
            batch_size: Some(batch_size),
            ..PlanOverrides::default()
        };
        let full = plans(&liver(), 8.0, &overrides)
            .configuration("3d_fullres")
            .unwrap();
        assert_eq!(full.batch_size, batch_size);
        full.patch_shape().volume()
    };
    assert!(volume(8) < volume(2) / 3);
    assert_eq!(volume(1), volume(2));
}

#[test]
fn a_patch_above_the_reference_takes_a_smaller_batch_and_says_so() {
    let overrides = PlanOverrides {
        patch_size: Some(vec![160, 160, 128]),
        ..PlanOverrides::default()
    };
    let found = plans(&liver(), 8.0, &overrides);
    assert_eq!(found.configuration("3d_fullres").unwrap().batch_size, 1);
    let notes = found.planning.unwrap().notes;
    let note = notes
        .iter()
        .find(|n| n.configuration == "3d_fullres")
        .unwrap();
    assert!(note.note.contains("batch of 1"), "{}", note.note);
}

#[test]
fn what_cannot_fit_is_an_error_with_both_numbers() {
    let overrides = PlanOverrides {
        patch_size: Some(vec![256, 256, 256]),
        batch_size: Some(2),
        ..PlanOverrides::default()
    };
    let error = plan(&liver(), &dataset(&["CT"], 2), 8.0, &overrides).unwrap_err();
    let PlanError::OverBudget {
        needed_gb,
        budget_gb,
        ..
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!(budget_gb, 8.0);
    assert!((50.0..70.0).contains(&needed_gb), "{needed_gb}");
    // What the error asks for is enough.
    let found = plans(&liver(), needed_gb * 1.001, &overrides);
    assert_eq!(
        found.configuration("3d_fullres").unwrap().patch_size,
        [256; 3]
    );
}

#[test]
fn memory_scales_the_patch() {
    let volume = |gb| {
        let found = plans(&liver(), gb, &PlanOverrides::default());
        found
            .configuration("3d_fullres")
            .unwrap()
            .patch_shape()
            .volume() as f64
    };
    let (half, one, double) = (volume(4.0), volume(8.0), volume(16.0));
    assert!(
        half < 0.7 * one && double > 1.4 * one,
        "{half} {one} {double}"
    );
}

#[test]
fn a_target_spacing_moves_all_configurations() {
    let overrides = PlanOverrides {
        target_spacing: Spacing::new([1.0, 1.0, 2.0]).ok(),
        ..PlanOverrides::default()
    };
    let found = plans(&liver(), 8.0, &overrides);
    assert_eq!(found.transpose_forward.forward(), [2, 0, 1]);
    assert_eq!(
        found.configuration("3d_fullres").unwrap().spacing,
        [2.0, 1.0, 1.0]
    );
    assert_eq!(found.configuration("2d").unwrap().spacing, [1.0, 1.0]);
}
