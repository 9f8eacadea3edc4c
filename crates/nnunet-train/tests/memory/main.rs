//! The memory of a training step.
// Helpers outside of test functions may fail and print as tests do.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod step;

use std::env;

use nnunet_model::Arithmetic;

use crate::step::{Case, in_process_of_its_own, warm_up};

/// Set in the process that measures.
const MEASURES: &str = "NNUNET_TEST_MEASURES_MEMORY";

#[test]
fn a_step_takes_what_the_planner_says_and_not_twice_as_much() {
    if env::var_os(MEASURES).is_some() {
        measure();
        return;
    }
    let name = "a_step_takes_what_the_planner_says_and_not_twice_as_much";
    let output = in_process_of_its_own()
        .args([name, "--exact", "--nocapture"])
        .env(MEASURES, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let numbers = text.lines().find_map(|line| line.strip_prefix("bytes: "));
    let Some(numbers) = numbers else {
        println!("skipped: the memory of a step needs /proc/self/status");
        return;
    };
    let (bound, peak) = numbers.split_once(' ').unwrap();
    let [bound, peak] = [bound, peak].map(|number| number.parse::<f64>().unwrap());
    let ratio = peak / bound;
    println!("bound {bound}, peak {peak}, ratio {ratio:.2}");
    assert!((1.0..2.0).contains(&ratio), "{bound}, {peak}: {ratio:.2}");
}

fn measure() {
    tch::set_num_threads(1);
    let case = Case {
        features: 8,
        stages: 4,
        patch: [48, 64, 64],
        batch: 2,
        arithmetic: Arithmetic::Single,
    };
    warm_up(case.arithmetic);
    if let Some(found) = case.measure() {
        println!("\nbytes: {} {}", found.bound, found.peak);
    }
}
