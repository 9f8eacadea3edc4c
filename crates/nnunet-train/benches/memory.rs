//! What training steps take in main memory, beside the planner's lower bound; each network in a
//! process of its own.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and may fail"
)]

#[path = "../tests/memory/step.rs"]
mod step;

use std::env;

use nnunet_model::Arithmetic;

use crate::step::{Case, in_process_of_its_own, warm_up};

/// Before the number of the network that a process is to measure.
const ROW: &str = "--row";

fn cases() -> Vec<(&'static str, Case)> {
    let networks = [
        ("tiny", 4, 3, [32; 3], 2),
        ("hippocampus, 8 features", 8, 4, [40, 56, 40], 2),
        ("hippocampus, as planned", 32, 4, [40, 56, 40], 9),
    ];
    let all = [Arithmetic::Single, Arithmetic::Bfloat16];
    let rows = networks
        .into_iter()
        .flat_map(|network| all.map(|a| (network, a)));
    rows.map(|((name, features, stages, patch, batch), arithmetic)| {
        let case = Case {
            features,
            stages,
            patch,
            batch,
            arithmetic,
        };
        (name, case)
    })
    .collect()
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let asked = arguments.iter().position(|argument| argument == ROW);
    if let Some(at) = asked {
        measure(arguments[at + 1].parse().unwrap());
        return;
    }
    println!("network | numbers | bound, MB | peak, MB | peak / bound");
    for row in 0..cases().len() {
        let status = in_process_of_its_own()
            .args([ROW, &row.to_string()])
            .status();
        assert!(status.unwrap().success());
    }
}

fn measure(row: usize) {
    let (name, case) = cases()[row];
    warm_up(case.arithmetic);
    let numbers = format!("{:?}", case.arithmetic);
    match case.measure() {
        None => println!("{name} | {numbers} | this system does not tell"),
        Some(found) => println!(
            "{name} | {numbers} | {} | {} | {:.2}",
            found.bound / 1_000_000,
            found.peak / 1_000_000,
            found.peak as f64 / found.bound as f64
        ),
    }
}
