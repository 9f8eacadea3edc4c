//! Inputs that no plan can be made for.

use nnunet_planner::{PlanError, PlanOverrides, Planner};
use serde_json::json;

use crate::common::{dataset, fingerprint, plan, uniform};

#[test]
fn fingerprints_that_cannot_be_planned_for() {
    let one = json!([[1.0, 1.0, 1.0]]);
    let cases = [
        (json!([]), json!([]), "no cases"),
        (
            json!([[9, 9, 9], [9, 9, 9]]),
            one.clone(),
            "2 shapes but 1 spacings",
        ),
        (json!([[9, 0, 9]]), one.clone(), "case 0"),
        (
            json!([[usize::MAX, 9, 9]]),
            one.clone(),
            "check the spacings",
        ),
        (json!([[7, 7, 7]]), one, "cannot be pooled"),
    ];
    for (shapes, spacings, wanted) in cases {
        let facts = fingerprint(&shapes, &spacings, 1.0);
        let overrides = PlanOverrides::default();
        let error = plan(&facts, &dataset(&["CT"], 1), 8.0, &overrides).unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
    }
}

#[test]
fn overrides_out_of_range() {
    let facts = uniform(3, [64; 3], [1.0; 3]);
    let none = PlanOverrides::default();
    let patch = |edges: &[usize]| PlanOverrides {
        patch_size: Some(edges.to_vec()),
        ..PlanOverrides::default()
    };
    let cases = [
        (
            PlanOverrides {
                base_features: Some(0),
                ..none.clone()
            },
            "1 to 320",
        ),
        (
            PlanOverrides {
                batch_size: Some(0),
                ..none.clone()
            },
            "at least 1",
        ),
        (patch(&[64]), "two or three edges"),
        (patch(&[64, 0, 64]), "1 to 1048576"),
        (patch(&[64, 3, 64]), "at least [4, 4, 4]"),
        (patch(&[7, 7, 7]), "cannot be pooled"),
    ];
    for (overrides, wanted) in cases {
        let error = plan(&facts, &dataset(&["MRI"], 1), 8.0, &overrides).unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
    }
    for gb in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = plan(&facts, &dataset(&["MRI"], 1), gb, &none).unwrap_err();
        assert!(matches!(error, PlanError::Budget { .. }), "{error}");
    }
}

#[test]
fn a_volume_patch_for_single_slices_is_refused() {
    let facts = uniform(3, [1, 64, 64], [1.0; 3]);
    let overrides = PlanOverrides {
        patch_size: Some(vec![1, 64, 64]),
        ..PlanOverrides::default()
    };
    let error = plan(&facts, &dataset(&["MRI"], 1), 8.0, &overrides).unwrap_err();
    assert!(error.to_string().contains("single slices"), "{error}");
}

#[test]
fn a_network_that_fits_no_budget_is_an_error() {
    let facts = uniform(3, [64; 3], [1.0; 3]);
    let overrides = PlanOverrides::default();
    let error = plan(&facts, &dataset(&["MRI"], 1), 1e-6, &overrides).unwrap_err();
    assert!(matches!(error, PlanError::OverBudget { .. }), "{error}");
}

#[test]
fn slices_too_small_for_a_network_are_left_out_with_a_note() {
    let facts = uniform(3, [200, 7, 7], [1.0; 3]);
    let overrides = PlanOverrides::default();
    let plans = plan(&facts, &dataset(&["MRI"], 1), 8.0, &overrides)
        .unwrap()
        .plans;
    assert_eq!(plans.configuration_names(), ["3d_fullres"]);
    let notes = plans.planning.unwrap().notes;
    assert_eq!(notes[0].configuration, "2d");
    assert!(notes[0].note.contains("left out"), "{}", notes[0].note);
}

#[test]
fn unknown_readers_must_be_named() {
    let mut description = dataset(&["MRI"], 1);
    description.file_ending = ".xyz".to_owned();
    let facts = uniform(3, [64; 3], [1.0; 3]);
    let overrides = PlanOverrides::default();
    let error = plan(&facts, &description, 8.0, &overrides).unwrap_err();
    assert!(
        error.to_string().contains("overwrite_image_reader_writer"),
        "{error}"
    );
}

#[test]
fn types_can_cross_threads() {
    fn check<T: Send + Sync + Unpin>() {}
    check::<Planner>();
    check::<PlanError>();
}
