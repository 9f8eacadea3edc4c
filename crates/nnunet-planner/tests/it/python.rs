//! Plans made here, read by the Python program. Runs where `NNUNET_PYTHON` (or `python3`) has
//! the package `nnunetv2`.

use std::process::{Command, Output};

use nnunet_planner::{PlanOverrides, Planner, Rules};
use nnunet_schema::{Plans, RuleSet};
use serde_json::Value;

use crate::common::{dataset, uniform};

/// Builds every configuration's network on the meta device and prints what the manager reads.
const SCRIPT: &str = r"
import json, sys
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
manager = PlansManager(sys.argv[1])
found = {}
for name in manager.available_configurations:
    c = manager.get_configuration(name)
    network = get_network_from_plans(
        c.network_arch_class_name, c.network_arch_init_kwargs,
        c.network_arch_init_kwargs_req_import, 1, 3, True, True)
    found[name] = {
        'patch_size': list(c.patch_size), 'batch_size': c.batch_size,
        'spacing': list(c.spacing), 'batch_dice': c.batch_dice,
        'data_identifier': c.data_identifier,
        'previous_stage': c.previous_stage_name,
        'parameters': sum(p.numel() for p in network.parameters()),
    }
print(json.dumps(found))
";

fn python(arguments: &[&str]) -> Option<Output> {
    let program = std::env::var("NNUNET_PYTHON").unwrap_or_else(|_| "python3".into());
    Command::new(program).args(arguments).output().ok()
}

#[test]
fn the_python_program_accepts_plans_of_every_rule_set() {
    if !python(&["-c", "import nnunetv2"]).is_some_and(|output| output.status.success()) {
        println!("skipped: the Python package nnunetv2 is not installed");
        return;
    }
    let liver = uniform(131, [482, 512, 512], [1.0, 0.7676, 0.7676]);
    let folder = std::env::temp_dir().join(format!("nnunet-plans-{}", std::process::id()));
    for set in [
        RuleSet::Paper,
        RuleSet::V2,
        RuleSet::ResencM,
        RuleSet::ResencL,
        RuleSet::ResencXl,
    ] {
        let rules = Rules::of(set).unwrap();
        let (budget, overrides) = (rules.reference_budget(), PlanOverrides::default());
        let plans = Planner::new(rules)
            .plan(
                &liver,
                &dataset(&["CT"], 2),
                "Dataset003_Liver",
                &budget,
                &overrides,
            )
            .unwrap();
        let path = folder.join(format!("{set}.json"));
        plans.save(&path).unwrap();
        let output = python(&["-c", SCRIPT, path.to_str().unwrap()]).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{set}: {errors}");
        let found = String::from_utf8_lossy(&output.stdout);
        let found: Value = serde_json::from_str(found.lines().last().unwrap()).unwrap();
        compare(&plans, &found);
    }
    std::fs::remove_dir_all(folder).unwrap();
}

fn compare(plans: &Plans, found: &Value) {
    for name in plans.configuration_names() {
        let expected = plans.configuration(name).unwrap();
        let entry = serde_json::to_value(&expected).unwrap();
        for key in [
            "patch_size",
            "batch_size",
            "spacing",
            "batch_dice",
            "data_identifier",
        ] {
            assert_eq!(found[name][key], entry[key], "{name}.{key}");
        }
        let parameters =
            nnunet_planner::footprint(&expected, 1, 3, nnunet_planner::Precision::Single);
        assert_eq!(found[name]["parameters"], parameters.parameters, "{name}");
    }
}
