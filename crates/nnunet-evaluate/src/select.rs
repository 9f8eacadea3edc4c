//! Which of several models, or ensembles of models, is the one to use.

mod candidates;
mod information;

use std::collections::BTreeSet;
use std::fmt;

use nnunet_schema::Summary;

pub use candidates::{Candidate, ModelName, candidates};
pub use information::{
    Best, ConsideredModel, InferenceInformation, NumberOrName, SelectedModel, WinnerFiles,
};

use crate::EvaluateError;
use crate::summarise::file_name;

/// The outcome of a comparison.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Selection {
    /// The name of the best candidate.
    pub name: String,
    /// Its place among the candidates as they were given.
    pub index: usize,
    /// Its score.
    pub score: f64,
    /// What the scores of all candidates are.
    pub score_basis: ScoreBasis,
    /// Every candidate with its score, best first; equal ones in the order given.
    pub ranking: Vec<Ranked>,
}

/// A candidate and what it scored.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// The candidate's name.
    pub name: String,
    /// Its score.
    pub score: f64,
}

/// What a score is the mean of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScoreBasis {
    /// The Dice of the foreground mean, over all classes.
    AllClasses,
    /// The mean of the classes' Dice without these, whose Dice is NaN for some candidate.
    Without(Vec<String>),
}

impl fmt::Display for Selection {
    /// A table: every candidate with its score and by how much it is behind the best one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.ranking.iter().map(|r| r.name.chars().count());
        let width = names.max().unwrap_or(0).max("candidate".len());
        writeln!(f, "{:<width$}  Dice    behind", "candidate")?;
        for ranked in &self.ranking {
            let (name, score) = (&ranked.name, ranked.score);
            write!(f, "{name:<width$}  {score:.4}  ")?;
            if *name == self.name {
                writeln!(f, "best")?;
            } else {
                writeln!(f, "{:.4}", self.score - score)?;
            }
        }
        match &self.score_basis {
            ScoreBasis::AllClasses => Ok(()),
            ScoreBasis::Without(keys) => writeln!(
                f,
                "without the classes {}, which have no Dice in every candidate",
                keys.join(", ")
            ),
        }
    }
}

/// The candidate with the highest foreground mean Dice; of equal ones the first, so list single
/// models before ensembles and simple ones before involved ones.
///
/// A class that neither the references nor the predictions of a candidate have in any case has
/// no Dice, and makes the foreground mean NaN, which compares with nothing (the reference
/// program stops there). Another candidate may have a Dice of 0 for that very class, from a
/// single false positive. So if any candidate has such a class, it is left out for all of them,
/// and [`Selection::score_basis`] names it: the candidates are still compared on equal terms.
///
/// # Errors
/// [`EvaluateError::NothingToSelect`] without candidates or without a class that has a Dice in
/// all of them; [`EvaluateError::DifferentCases`] if the candidates were not evaluated on the
/// same cases; [`EvaluateError::DifferentClasses`] likewise for the classes.
pub fn best_configuration(candidates: &[(String, Summary)]) -> Result<Selection, EvaluateError> {
    check_comparable(candidates)?;
    let (scores, score_basis) = scores(candidates)?;
    let mut ranking: Vec<(usize, f64)> = scores.into_iter().enumerate().collect();
    // Stable, so that equal ones stay in the order given; no score is NaN here.
    ranking.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let ranking: Vec<(usize, Ranked)> = (ranking.into_iter())
        .filter_map(|(index, score)| {
            let name = candidates.get(index)?.0.clone();
            Some((index, Ranked { name, score }))
        })
        .collect();
    let Some((index, best)) = ranking.first().cloned() else {
        return Err(EvaluateError::NothingToSelect {
            reason: "there are no candidates".to_owned(),
        });
    };
    Ok(Selection {
        name: best.name,
        index,
        score: best.score,
        score_basis,
        ranking: ranking.into_iter().map(|(_, ranked)| ranked).collect(),
    })
}

/// The summaries are of the same cases and classes.
pub(crate) fn check_comparable(candidates: &[(String, Summary)]) -> Result<(), EvaluateError> {
    let cases = |summary: &Summary| -> BTreeSet<String> {
        (summary.metric_per_case.iter())
            .map(|case| file_name(&case.prediction_file).to_owned())
            .collect()
    };
    let keys = |summary: &Summary| -> BTreeSet<String> { summary.mean.keys().cloned().collect() };
    let Some(((first_name, first), others)) = candidates.split_first() else {
        return Ok(());
    };
    let (first_cases, first_keys) = (cases(first), keys(first));
    for (name, summary) in others {
        let odd = (cases(summary).symmetric_difference(&first_cases).next()).cloned();
        if let Some(case) = odd {
            return Err(EvaluateError::DifferentCases {
                first: first_name.clone(),
                second: name.clone(),
                case,
            });
        }
        let found = keys(summary);
        if found != first_keys {
            return Err(EvaluateError::DifferentClasses {
                case: name.clone(),
                found: found.into_iter().collect(),
                expected_by: first_name.clone(),
                expected: first_keys.into_iter().collect(),
            });
        }
    }
    Ok(())
}

/// The score of each candidate, none of them NaN.
fn scores(candidates: &[(String, Summary)]) -> Result<(Vec<f64>, ScoreBasis), EvaluateError> {
    let scores: Vec<f64> = (candidates.iter())
        .map(|(_, summary)| summary.foreground_mean.dice)
        .collect();
    if scores.iter().all(|score| !score.is_nan()) {
        return Ok((scores, ScoreBasis::AllClasses));
    }
    let left_out: BTreeSet<&str> = (candidates.iter())
        .flat_map(|(_, summary)| &summary.mean)
        .filter(|(key, mean)| *key != "0" && mean.dice.is_nan())
        .map(|(key, _)| key.as_str())
        .collect();
    let scores: Vec<f64> = (candidates.iter())
        .map(|(_, summary)| {
            let kept: Vec<f64> = (summary.mean.iter())
                .filter(|(key, _)| *key != "0" && !left_out.contains(key.as_str()))
                .map(|(_, mean)| mean.dice)
                .collect();
            crate::summarise::nan_mean(&kept)
        })
        .collect();
    if scores.iter().any(|score| score.is_nan()) {
        return Err(EvaluateError::NothingToSelect {
            reason: "no class has a Dice in all candidates: the references hold no foreground, \
                     or the summaries no classes"
                .to_owned(),
        });
    }
    let left_out = left_out.into_iter().map(str::to_owned).collect();
    Ok((scores, ScoreBasis::Without(left_out)))
}

#[cfg(test)]
mod tests {
    use nnunet_schema::summary::CaseMetrics;

    use super::*;
    use crate::{Overlap, summarise};

    /// One case `name` with (true positives, false positives) per class `1`, `2`, ….
    fn summary(name: &str, counts: &[(u64, u64)]) -> Summary {
        let metrics = (1..).zip(counts).map(|(label, (tp, fp))| {
            let overlap = Overlap {
                true_positive: *tp,
                false_positive: *fp,
                ..Overlap::default()
            };
            (i32::to_string(&label), overlap.into())
        });
        summarise(vec![CaseMetrics {
            metrics: metrics.collect(),
            prediction_file: format!("p/{name}"),
            reference_file: format!("r/{name}"),
        }])
        .unwrap()
    }

    fn select(candidates: &[(&str, Summary)]) -> Result<Selection, EvaluateError> {
        let owned: Vec<_> = (candidates.iter())
            .map(|(name, summary)| ((*name).to_owned(), summary.clone()))
            .collect();
        best_configuration(&owned)
    }

    #[test]
    fn the_first_of_equal_maxima_wins() {
        let selection = select(&[
            ("2d", summary("a", &[(1, 2), (1, 0)])),
            ("3d", summary("a", &[(2, 1), (2, 1)])),
            ("both", summary("a", &[(4, 2), (4, 2)])),
        ])
        .unwrap();
        assert_eq!((selection.name.as_str(), selection.index), ("3d", 1));
        assert_eq!(selection.score_basis, ScoreBasis::AllClasses);
        let names: Vec<_> = selection.ranking.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(names, ["3d", "both", "2d"]);
        let table = selection.to_string();
        let rows: Vec<&str> = table.lines().map(str::trim_end).collect();
        assert_eq!(rows[1], "3d         0.8000  best");
        assert_eq!(rows[3], "2d         0.7500  0.0500");
    }

    #[test]
    fn a_class_without_dice_is_left_out_for_all() {
        // The first has no Dice for class 2, the second a 0 by one false positive.
        let selection = select(&[
            ("clean", summary("a", &[(1, 1), (0, 0)])),
            ("noisy", summary("a", &[(2, 1), (0, 1)])),
        ])
        .unwrap();
        assert_eq!(selection.name, "noisy");
        assert_eq!(
            selection.score_basis,
            ScoreBasis::Without(vec!["2".to_owned()])
        );
    }

    #[test]
    fn what_cannot_be_compared_is_an_error() {
        assert!(matches!(
            select(&[]),
            Err(EvaluateError::NothingToSelect { .. })
        ));
        assert!(matches!(
            select(&[("a", summary("a", &[(0, 0)]))]),
            Err(EvaluateError::NothingToSelect { .. })
        ));
        let error = select(&[
            ("a", summary("a", &[(1, 0)])),
            ("b", summary("b", &[(1, 0)])),
        ]);
        assert!(matches!(error, Err(EvaluateError::DifferentCases { .. })));
    }
}
