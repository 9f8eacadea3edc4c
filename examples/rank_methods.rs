//! Which of several methods is the best, and how sure that is.
//!
//! `cargo run --release --example rank_methods -- METHOD=SUMMARY.json METHOD=SUMMARY.json …` for the
//! results of one dataset; without arguments it makes up three methods on two datasets.
#![allow(clippy::print_stdout)] // an example shows what it found

use std::path::Path;

use anyhow::Context;
use nnunet::evaluate::compare::{CompareOptions, DatasetScores, compare, figure};
use nnunet::evaluate::{Overlap, summarise};
use nnunet::schema::Summary;
use nnunet::schema::summary::CaseMetrics;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let datasets = if arguments.is_empty() {
        vec![made_up("Liver", 30, 1)?, made_up("Prostate", 12, 5)?]
    } else {
        let methods = arguments.iter().map(|argument| load(argument));
        let methods = methods.collect::<anyhow::Result<Vec<_>>>()?;
        vec![DatasetScores::from_summaries("dataset", &methods)?]
    };
    let comparison = compare(&datasets, &CompareOptions::default())?;
    println!("{comparison}");

    let path = std::env::temp_dir().join("nnunet-ranks.svg");
    std::fs::write(&path, figure(&comparison))?;
    println!("drawn to {}", path.display());
    Ok(())
}

fn load(argument: &str) -> anyhow::Result<(String, Summary)> {
    let (method, path) = (argument.split_once('='))
        .with_context(|| format!("`{argument}` is not METHOD=SUMMARY.json"))?;
    Ok((method.to_owned(), Summary::load(Path::new(path))?))
}

/// A good method, one that is worse by less than its cases vary, and a bad one.
fn made_up(dataset: &str, cases: u64, luck: u64) -> anyhow::Result<DatasetScores> {
    let method = |name: &str, wrong: u64, step: u64| -> anyhow::Result<(String, Summary)> {
        let cases = (0..cases).map(|case| {
            let overlap = Overlap {
                true_positive: 100,
                false_positive: wrong + (case * step + luck) % 17,
                false_negative: wrong / 2,
                true_negative: 1000,
            };
            CaseMetrics {
                metrics: [("1".to_owned(), overlap.into())].into(),
                prediction_file: format!("{name}/{case:02}.nii.gz"),
                reference_file: format!("references/{case:02}.nii.gz"),
            }
        });
        Ok((name.to_owned(), summarise(cases.collect())?))
    };
    let methods = [
        method("residual encoder", 20, 7)?,
        method("plain", 21, 11)?,
        method("no augmentation", 60, 3)?,
    ];
    Ok(DatasetScores::from_summaries(dataset, &methods)?)
}
