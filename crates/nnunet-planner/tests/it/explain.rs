//! Explanations name the rule, the facts and the steps behind each value.

use nnunet_planner::explain::Subject;
use nnunet_planner::{Budget, PlanOverrides, Planner, Rules};
use nnunet_schema::RuleSet;
use serde_json::{Value, json};

use crate::common::{dataset, uniform};

const SETS: [RuleSet; 5] = [
    RuleSet::Paper,
    RuleSet::V2,
    RuleSet::ResencM,
    RuleSet::ResencL,
    RuleSet::ResencXl,
];

#[test]
fn every_value_of_every_configuration_is_explained() {
    let liver = uniform(131, [482, 512, 512], [1.0, 0.7676, 0.7676]);
    for set in SETS {
        let rules = Rules::of(set).unwrap();
        let budget = rules.reference_budget();
        let overrides = PlanOverrides::default();
        let outcome = Planner::new(rules)
            .plan_with_searches(
                &liver,
                &dataset(&["CT"], 2),
                "Dataset003_Liver",
                &budget,
                &overrides,
            )
            .unwrap();
        let explanation = outcome.explain().unwrap();
        let names: Vec<&str> = (explanation.configurations.iter())
            .map(|c| c.name.as_str())
            .collect();
        assert_eq!(names, outcome.plans.configuration_names());
        for explained in &explanation.configurations {
            let Some(search) = &explained.search else {
                assert_eq!(explained.name, "3d_cascade_fullres");
                continue;
            };
            let plan = outcome.plans.configuration(&explained.name).unwrap();
            let value = |subject| {
                let mut decisions = explained.decisions.iter();
                decisions
                    .find(|d| d.subject == subject)
                    .unwrap()
                    .value
                    .clone()
            };
            let network = &plan.architecture.arch_kwargs;
            assert_eq!(value(Subject::PatchSize), json!(plan.patch_size));
            assert_eq!(value(Subject::BatchSize), json!(plan.batch_size));
            assert_eq!(value(Subject::TargetSpacing), json!(plan.spacing));
            assert_eq!(value(Subject::Strides), json!(network.strides));
            assert_eq!(value(Subject::Kernels), json!(network.kernel_sizes));
            assert_eq!(value(Subject::Features), json!(network.features_per_stage));
            assert_eq!(search.steps.last().unwrap().patch, plan.patch_size);
            assert!(search.steps.last().unwrap().estimate <= search.allowed);
            let before = &search.steps[..search.steps.len() - 1];
            assert!(before.iter().all(|step| step.estimate > search.allowed));
        }
        let everything = explanation.dataset.iter();
        let everything =
            everything.chain(explanation.configurations.iter().flat_map(|c| &c.decisions));
        for decision in everything {
            assert!(
                !decision.rule.is_empty() && !decision.source.is_empty(),
                "{decision:?}"
            );
        }
    }
}

#[test]
fn the_text_tells_the_steps_of_both_searches() {
    let liver = uniform(131, [482, 512, 512], [1.0, 0.7676, 0.7676]);
    let (budget, overrides) = (Budget::default(), PlanOverrides::default());
    let outcome = Planner::new(Rules::paper())
        .plan_with_searches(
            &liver,
            &dataset(&["CT"], 2),
            "Dataset003_Liver",
            &budget,
            &overrides,
        )
        .unwrap();
    let text = outcome.explain().unwrap().to_string();
    for part in [
        "rules `paper`, 8 GB",
        "low resolution and cascade: yes",
        "1. 1.01 × 0.77528 × 0.77528",
        "patch size: 128 × 128 × 128",
        "% of the budget",
        "Online Methods, Target spacing",
        "refines the output of: 3d_lowres",
    ] {
        assert!(text.contains(part), "`{part}` is missing in\n{text}");
    }
    let json: Value = serde_json::to_value(outcome.explain().unwrap()).unwrap();
    assert_eq!(json["configurations"][2]["name"], "3d_fullres");
    assert_eq!(json["lowres"]["kept"], true);
}

#[test]
fn what_was_fixed_by_hand_is_said_to_be() {
    let heart = uniform(20, [115, 320, 232], [1.37, 1.25, 1.25]);
    let overrides = PlanOverrides {
        batch_size: Some(2),
        target_spacing: Some(nnunet_schema::Spacing::new([1.5; 3]).unwrap()),
        ..PlanOverrides::default()
    };
    let outcome = Planner::new(Rules::v2())
        .plan_with_searches(
            &heart,
            &dataset(&["MRI"], 1),
            "Dataset002_Heart",
            &Budget::default(),
            &overrides,
        )
        .unwrap();
    let text = outcome.explain().unwrap().to_string();
    assert_eq!(text.matches("Given by hand").count(), 3, "{text}");
}
