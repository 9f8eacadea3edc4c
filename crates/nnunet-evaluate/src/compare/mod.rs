//! Comparing methods over datasets without fooling oneself.
//!
//! A mean Dice that is higher by a hair may be luck of the cases. [`compare`] therefore draws
//! virtual validation sets from the cases of each dataset, with replacement and as large as the
//! real one, ranks the methods on each of them, and says how the ranks are distributed, per
//! dataset and over all (paper, Figure 6). Kendall's tau tells how much the rankings of the draws
//! resemble that of the real set; a Wilcoxon signed-rank test compares each pair of methods case
//! by case, corrected for the number of tests by Holm's method.
//!
//! The outcome is a document that can be stored, printed as tables and [drawn](figure).
//!
//! [`FingerprintComparison`] sets the datasets themselves side by side (paper, Figure 5).

mod document;
mod draws;
mod figure;
mod fingerprints;
mod paired;
mod parallel;
mod ranks;
mod scores;
mod svg;
mod wilcoxon;

use crate::EvaluateError;

pub use document::{
    Comparison, DatasetComparison, MethodRanking, PairedTest, RankStability, Ranking,
};
pub use figure::figure;
pub use fingerprints::{FingerprintComparison, FingerprintOf, Property, PropertyScores};
pub use parallel::fingerprint_figure;
pub use ranks::{kendall_tau, ranks};
pub use scores::{DatasetScores, MethodScores};
pub use wilcoxon::{SignedRank, holm, signed_rank_test};

/// How methods are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompareOptions {
    /// Virtual validation sets per dataset.
    pub draws: u32,
    /// The same seed gives the same draws, whatever the number of threads.
    pub seed: u64,
}

impl Default for CompareOptions {
    /// 1000 draws, as in the paper; seed 0.
    fn default() -> Self {
        Self {
            draws: 1000,
            seed: 0,
        }
    }
}

/// Compares the methods on all datasets, in parallel in the rayon pool of the caller.
///
/// # Errors
/// [`EvaluateError::NothingToSelect`] without datasets, draws, or fewer than two methods;
/// [`EvaluateError::DifferentMethods`] if a dataset lacks a method or has another.
pub fn compare(
    datasets: &[DatasetScores],
    options: &CompareOptions,
) -> Result<Comparison, EvaluateError> {
    let nothing = |reason: &str| {
        Err(EvaluateError::NothingToSelect {
            reason: reason.to_owned(),
        })
    };
    let Some(first) = datasets.first() else {
        return nothing("there are no datasets to compare methods on");
    };
    if first.methods().len() < 2 {
        return nothing("a comparison needs at least two methods");
    }
    if options.draws == 0 {
        return nothing("a comparison needs at least one draw");
    }
    let methods: Vec<String> = first.method_names();
    let datasets = (datasets.iter())
        .map(|dataset| dataset.in_order_of(&methods, first.dataset()))
        .collect::<Result<Vec<_>, _>>()?;

    let drawn = draws::rank_draws(&datasets, options);
    let mut tests = paired::within(&datasets, &methods);
    let compared = datasets.iter().zip(&drawn).map(|(dataset, draws)| {
        let scores = dataset.scores();
        DatasetComparison {
            dataset: dataset.dataset().to_owned(),
            cases: dataset.cases().len(),
            ranking: Ranking::new(&methods, &scores, &ranks(&scores), draws),
            tests: tests.remove(0),
        }
    });
    let compared: Vec<DatasetComparison> = compared.collect();
    let overall = draws::overall(&datasets, &drawn)
        .map(|(scores, whole, draws)| Ranking::new(&methods, &scores, &whole, &draws));
    Ok(Comparison {
        draws: options.draws,
        seed: options.seed,
        tests_over_datasets: paired::over(&datasets, &methods),
        methods,
        datasets: compared,
        overall,
    })
}

#[cfg(test)]
mod tests;
