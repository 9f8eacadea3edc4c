//! What the rule sets average, and regions.

use nnunet_infer::{Averaging, Network, PredictOptions, Recipe, predict_with_networks};
use nnunet_schema::{RuleSet, Shape};
use serde_json::json;

use crate::common::{PlanOf, constant, dataset, noise, one_label, plain_properties, plans};

fn label_of(rules: RuleSet, labels: serde_json::Value, networks: &[&dyn Network]) -> i16 {
    let of = PlanOf {
        rules,
        ..Default::default()
    };
    let options = PredictOptions::default();
    let recipe = Recipe::new(&plans(&of), "test", &dataset(1, labels), &[0], &options).unwrap();
    let shape = Shape::new([9, 8, 8]);
    let data = noise(1, shape);
    let map = predict_with_networks(
        networks,
        &recipe,
        "c",
        data.view(),
        &plain_properties(shape),
    )
    .unwrap();
    let first = map.labels[[0, 0, 0]];
    assert!(map.labels.iter().all(|v| *v == first));
    first
}

#[test]
fn the_paper_averages_probabilities_and_v2_logits() {
    // One very sure network against two that are fairly sure of the opposite.
    let (sure, fairly) = (constant(&[10.0, 0.0]), constant(&[0.0, 2.0]));
    let folds: [&dyn Network; 3] = [&sure, &fairly, &fairly];
    assert_eq!(label_of(RuleSet::Paper, one_label(), &folds), 1);
    assert_eq!(label_of(RuleSet::V2, one_label(), &folds), 0);
}

#[test]
fn labels_are_those_of_the_dataset_and_not_channel_numbers() {
    let labels = json!({"background": 0, "a": 3, "b": 7});
    assert_eq!(
        label_of(RuleSet::V2, labels.clone(), &[&constant(&[0.0, 0.0, 1.0])]),
        7
    );
    assert_eq!(
        label_of(RuleSet::Paper, labels, &[&constant(&[0.0, 1.0, 1.0])]),
        3
    );
}

#[test]
fn regions_are_written_in_order_where_they_are_more_likely_than_not() {
    let regions = || json!({"background": 0, "whole": [1, 2], "core": [2]});
    for rules in [RuleSet::Paper, RuleSet::V2] {
        for (logits, label) in [
            (&[1.0, 1.0], 2),
            (&[1.0, -1.0], 1),
            (&[-1.0, 1.0], 2),
            (&[-1.0, 0.0], 0),
        ] {
            assert_eq!(label_of(rules, regions(), &[&constant(logits)]), label);
        }
    }
}

#[test]
fn a_recipe_says_what_it_averages() {
    let of = PlanOf {
        rules: RuleSet::Paper,
        ..Default::default()
    };
    let options = PredictOptions::default();
    let labels = dataset(1, one_label());
    let recipe = Recipe::new(&plans(&of), "test", &labels, &[], &options).unwrap();
    assert_eq!(recipe.averaging(), Averaging::Probabilities);
    assert_eq!(
        (recipe.name(), recipe.heads(), recipe.channels()),
        ("test", 2, 1)
    );
}

#[test]
fn plans_that_cannot_be_carried_out_are_refused_at_once() {
    let labels = dataset(1, one_label());
    let refused = |key: &str, value: serde_json::Value| {
        let mut plans = plans(&PlanOf::default());
        plans.configurations["test"].insert(key.to_owned(), value);
        let options = PredictOptions::default();
        Recipe::new(&plans, "test", &labels, &[], &options)
            .unwrap_err()
            .to_string()
    };
    let error = refused("resampling_fn_probabilities_kwargs", json!({"order": 3}));
    assert!(error.contains("order` is 3, expected 1"), "{error}");
    let error = refused("resampling_fn_probabilities", json!("mine"));
    assert!(error.contains("`mine`"), "{error}");
}
