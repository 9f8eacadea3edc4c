use std::fmt;
use std::path::PathBuf;

use crate::abridged;

/// Names are listed up to this many.
const NAMED: usize = 10;

/// Why cases cannot be split, or splits cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// Fewer cases than folds.
    #[error(
        "{cases} cases cannot be split into {folds} folds: at least {folds} are needed, or train \
         fold `all`"
    )]
    TooFewCases {
        /// Cases given.
        cases: usize,
        /// Folds wanted.
        folds: usize,
    },
    /// Everything is in one group, so that no group can be held out.
    #[error(
        "all {cases} cases are in the one group `{group}`: at least two groups are needed to hold \
         one out"
    )]
    OneGroup {
        /// Cases given.
        cases: usize,
        /// Their group.
        group: String,
    },
    /// The same case twice in a list of cases.
    #[error("case `{case}` is listed twice")]
    DuplicateCase {
        /// The case.
        case: String,
    },
    /// A pattern that is not a regular expression.
    #[error("`{pattern}` is not a regular expression: {message}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        message: String,
    },
    /// Cases that a pattern finds no group in.
    #[error("the pattern `{pattern}` finds no group in {}", Names(cases))]
    NoMatch {
        /// The pattern.
        pattern: String,
        /// The cases.
        cases: Vec<String>,
    },
    /// A table or map of groups does not list the cases that there are.
    #[error(
        "{origin} does not fit the dataset: {}",
        misfit(without_group, unknown)
    )]
    Grouping {
        /// Where the groups come from.
        origin: String,
        /// Cases of the dataset that are not listed.
        without_group: Vec<String>,
        /// Listed cases that the dataset does not have.
        unknown: Vec<String>,
    },
    /// Folds with cases that are not there.
    #[error(
        "lists cases that are not there ({}): preprocess them, or take them out of the splits",
        per_fold(folds)
    )]
    UnknownCases {
        /// The unknown cases of each fold that has any.
        folds: Vec<FoldCases>,
    },
    /// The splits of the raw dataset are not those that were taken over from it before.
    #[error(
        "{} and {} disagree on fold {fold}: {difference}; if models were trained with the latter, \
         delete the former to go on with them, otherwise delete the latter to take over the former",
        origin.display(), target.display()
    )]
    Disagreement {
        /// The splits beside the raw dataset.
        origin: PathBuf,
        /// The splits beside the preprocessed cases.
        target: PathBuf,
        /// The first fold that differs.
        fold: usize,
        /// How.
        difference: String,
    },
}

/// Some cases of one fold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldCases {
    /// The number of the fold.
    pub fold: usize,
    /// The cases, in the order of their names.
    pub cases: Vec<String>,
}

impl fmt::Display for FoldCases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fold {}: {}", self.fold, Names(&self.cases))
    }
}

/// Names in a message: the first few, and how many more there are.
pub(super) struct Names<'a>(pub(super) &'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = self.0.iter().map(|name| format!("`{name}`"));
        f.write_str(&abridged(quoted, NAMED))
    }
}

fn misfit(without_group: &[String], unknown: &[String]) -> String {
    let mut parts = Vec::new();
    if !without_group.is_empty() {
        parts.push(format!("it has no group for {}", Names(without_group)));
    }
    if !unknown.is_empty() {
        parts.push(format!(
            "it lists {}, which the dataset does not have",
            Names(unknown)
        ));
    }
    parts.join("; ")
}

/// The cases fold by fold, or once if they are the same in all: every fold usually lists every
/// case.
fn per_fold(folds: &[FoldCases]) -> String {
    match folds {
        [first, rest @ ..] if !rest.is_empty() && rest.iter().all(|f| f.cases == first.cases) => {
            let numbers: Vec<String> = folds.iter().map(|f| f.fold.to_string()).collect();
            format!("folds {}: {}", numbers.join(", "), Names(&first.cases))
        }
        _ => {
            let lines: Vec<String> = folds.iter().map(ToString::to_string).collect();
            lines.join("; ")
        }
    }
}
