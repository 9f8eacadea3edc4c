use std::fmt;
use std::path::Path;

use nnunet_schema::python_json;
use serde::{Deserialize, Serialize};

use super::kendall_tau;
use crate::EvaluateError;
use crate::summarise::nan_mean;
use crate::surface::percentile;

/// How methods compare on datasets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Virtual validation sets per dataset.
    pub draws: u32,
    /// The seed of the draws.
    pub seed: u64,
    /// The methods, in the order in which they are compared.
    pub methods: Vec<String>,
    /// The outcome on each dataset.
    pub datasets: Vec<DatasetComparison>,
    /// Over all datasets: in each draw the methods are ranked by the mean of their ranks. `None`
    /// for a single dataset.
    pub overall: Option<Ranking>,
    /// The test of each pair of methods on their scores on the datasets, corrected for the
    /// number of pairs; empty for a single dataset.
    pub tests_over_datasets: Vec<PairedTest>,
}

/// How methods compare on one dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetComparison {
    /// The dataset.
    pub dataset: String,
    /// Number of cases.
    pub cases: usize,
    /// The ranks.
    pub ranking: Ranking,
    /// The test of each pair of methods on the cases' mean Dice over the classes, corrected for
    /// the number of tests on all datasets.
    pub tests: Vec<PairedTest>,
}

/// The ranks of methods over the draws.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// One per method, in the order of [`Comparison::methods`].
    pub methods: Vec<MethodRanking>,
    /// How much the draws agree with the real validation set.
    pub stability: RankStability,
}

/// The ranks of one method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MethodRanking {
    /// The method.
    pub method: String,
    /// Foreground mean Dice of the real validation set; over all datasets their mean.
    #[serde(with = "python_json::float")]
    pub dice: f64,
    /// Rank on the real validation set, 1 for the best; equal ones share the mean of their places.
    pub rank: f64,
    /// Mean rank over the draws.
    pub mean_rank: f64,
    /// The 2.5th and the 97.5th percentile of the rank over the draws.
    pub interval: [f64; 2],
    /// How often the method had rank 1, 2, …; ties count in equal parts for their places.
    pub shares: Vec<f64>,
}

/// Kendall's tau-b between the ranking on the real validation set and those of the draws.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankStability {
    /// Mean over the draws; 1 if all agree.
    #[serde(with = "python_json::float")]
    pub mean_tau: f64,
    /// The 5th percentile.
    #[serde(with = "python_json::float")]
    pub low_tau: f64,
}

/// A Wilcoxon signed-rank test of two methods, two-sided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedTest {
    /// A method.
    pub first: String,
    /// Another method.
    pub second: String,
    /// The median of the first's scores minus the second's.
    #[serde(with = "python_json::float")]
    pub median_difference: f64,
    /// Pairs of scores that differ.
    pub differing: usize,
    /// The sum of the ranks of the differences in favour of the first.
    pub statistic: f64,
    /// Probability of such a sum, or a more extreme one, if neither is better.
    pub p: f64,
    /// The probability corrected by Holm's method.
    pub p_corrected: f64,
}

impl Ranking {
    /// From the scores and ranks on the real set and the ranks in each draw.
    pub(super) fn new(
        methods: &[String],
        scores: &[f64],
        whole: &[f64],
        draws: &[Vec<f64>],
    ) -> Self {
        let count = draws.len() as f64;
        let of_method = |(method, name): (usize, &String)| {
            let mut ranks: Vec<f64> = draws.iter().map(|draw| draw[method]).collect();
            ranks.sort_unstable_by(f64::total_cmp);
            let mut shares = vec![0.0; methods.len()];
            for draw in draws {
                let rank = draw[method];
                let tied = draw.iter().filter(|other| **other == rank).count();
                let first = (rank - (tied as f64 + 1.0) / 2.0).round() as usize;
                for share in shares.iter_mut().skip(first).take(tied) {
                    *share += 1.0 / tied as f64;
                }
            }
            shares.iter_mut().for_each(|share| *share /= count);
            MethodRanking {
                method: name.clone(),
                dice: scores[method],
                rank: whole[method],
                mean_rank: ranks.iter().sum::<f64>() / count,
                interval: [percentile(&ranks, 2.5), percentile(&ranks, 97.5)],
                shares,
            }
        };
        let taus = draws.iter().map(|draw| kendall_tau(whole, draw));
        let mut taus: Vec<f64> = taus.filter(|tau| !tau.is_nan()).collect();
        taus.sort_unstable_by(f64::total_cmp);
        Self {
            methods: methods.iter().enumerate().map(of_method).collect(),
            stability: RankStability {
                mean_tau: nan_mean(&taus),
                low_tau: percentile(&taus, 5.0),
            },
        }
    }
}

impl Comparison {
    /// Reads the document.
    ///
    /// # Errors
    /// [`EvaluateError::Schema`] with the file and the place in it.
    pub fn load(path: &Path) -> Result<Self, EvaluateError> {
        Ok(python_json::load(path)?)
    }

    /// Writes the document atomically.
    ///
    /// # Errors
    /// [`EvaluateError::Schema`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), EvaluateError> {
        Ok(python_json::save(path, self)?)
    }
}

impl fmt::Display for Comparison {
    /// A table per dataset and one over all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for dataset in &self.datasets {
            writeln!(f, "{}, {} cases", dataset.dataset, dataset.cases)?;
            write!(f, "{}", dataset.ranking)?;
            dataset
                .tests
                .iter()
                .try_for_each(|test| write!(f, "{test}"))?;
            writeln!(f)?;
        }
        if let Some(overall) = &self.overall {
            writeln!(f, "all {} datasets", self.datasets.len())?;
            write!(f, "{overall}")?;
            (self.tests_over_datasets.iter()).try_for_each(|test| write!(f, "{test}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Ranking {
    /// A table, best method first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut methods: Vec<&MethodRanking> = self.methods.iter().collect();
        methods.sort_by(|a, b| a.mean_rank.total_cmp(&b.mean_rank));
        let widths = methods.iter().map(|m| m.method.chars().count());
        let width = widths.max().unwrap_or(0).max("method".len());
        writeln!(
            f,
            "  {:<width$}  Dice    rank  mean rank  95 % of draws  first in",
            "method"
        )?;
        for method in methods {
            let [low, high] = method.interval;
            let interval = format!("{low:.1} to {high:.1}");
            let first = method.shares.first().copied().unwrap_or(0.0);
            writeln!(
                f,
                "  {:<width$}  {:.4}  {:<4}  {:<9.2}  {interval:<13}  {:.0} %",
                method.method,
                method.dice,
                method.rank,
                method.mean_rank,
                100.0 * first
            )?;
        }
        let RankStability { mean_tau, low_tau } = self.stability;
        writeln!(
            f,
            "  Kendall's tau with the draws: mean {mean_tau:.2}, 5th percentile {low_tau:.2}"
        )
    }
}

impl fmt::Display for PairedTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  {} − {}: median {:+.4}, p {:.2e}, corrected {:.2e}",
            self.first, self.second, self.median_difference, self.p, self.p_corrected
        )
    }
}
