//! `splits_final.json`: which cases train and which validate, fold by fold.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::mt19937::Mt19937;
use crate::{SchemaError, python_json};

mod adopt;
mod check;
mod error;
mod grouping;

pub use adopt::Adoption;
pub use error::{FoldCases, SplitError};
pub use grouping::{CasePattern, Grouping};

const FOLDS: usize = 5;
const SEED: u32 = 12345;

/// The cases of one fold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Cases that the network is trained on.
    pub train: Vec<String>,
    /// Cases that are held out.
    pub val: Vec<String>,
}

/// All folds, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Splits(pub Vec<Split>);

/// A fold by number, or all cases for both training and validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fold {
    /// Fold 0, 1, …
    Number(u32),
    /// Training and validation on all cases.
    All,
}

impl fmt::Display for Fold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => n.fmt(f),
            Self::All => f.write_str("all"),
        }
    }
}

impl FromStr for Fold {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        text.parse()
            .map(Self::Number)
            .map_err(|_| format!("`{text}` is not a fold: give a number or `all`"))
    }
}

impl Split {
    /// Trains and validates on all cases (any order): fold `all`.
    #[must_use]
    pub fn all(cases: &[String]) -> Self {
        let mut cases = cases.to_vec();
        cases.sort();
        Self {
            train: cases.clone(),
            val: cases,
        }
    }

    /// A random 80:20 split of the cases (any order), seeded by a number: what nnU-Net trains
    /// for a fold beyond those of the splits file. It knows nothing of groups.
    ///
    /// # Errors
    /// [`SplitError::TooFewCases`] for fewer than two cases.
    pub fn random(cases: &[String], number: u32) -> Result<Self, SplitError> {
        let cases = sorted_unique(cases)?;
        let n = u32::try_from(cases.len()).unwrap_or(u32::MAX);
        if n < 2 {
            return Err(SplitError::TooFewCases {
                cases: cases.len(),
                folds: 2,
            });
        }
        let drawn = Mt19937::new(SEED.wrapping_add(number)).permutation(n);
        let keep = (f64::from(n) * 0.8) as usize;
        let mut held_out = vec![true; cases.len()];
        for &case in &drawn[..keep] {
            held_out[case as usize] = false;
        }
        let (_, val) = partition(&cases, |case| held_out[case]);
        // Kept in the order in which the reference draws them.
        let train = drawn[..keep].iter().map(|&i| cases[i as usize].clone());
        Ok(Self {
            train: train.collect(),
            val,
        })
    }

    /// Validates on the cases whose index is `held_out`, trains on the others.
    fn holding_out(cases: &[String], held_out: impl Fn(usize) -> bool) -> Self {
        let (train, val) = partition(cases, held_out);
        Self { train, val }
    }
}

impl Splits {
    /// The reference five-fold split of these cases (any order), identical to nnU-Net's.
    ///
    /// # Errors
    /// [`SchemaError::Split`] for fewer than five cases, or a case that is listed twice.
    pub fn five_fold(cases: &[String]) -> Result<Self, SchemaError> {
        let cases = sorted_unique(cases)?;
        if cases.len() < FOLDS {
            return Err(SchemaError::Split(SplitError::TooFewCases {
                cases: cases.len(),
                folds: FOLDS,
            }));
        }
        let folds = k_fold(cases.len(), FOLDS);
        let splits = (folds.iter()).map(|held_out| Split::holding_out(&cases, |i| held_out[i]));
        Ok(Self(splits.collect()))
    }

    /// The cases of `fold`, where `cases` are all that the dataset has (any order): the stored
    /// split, or everything for fold `all`, or [`Split::random`] for a number beyond the stored
    /// folds.
    ///
    /// # Errors
    /// [`SchemaError::Split`] if there are too few cases for a random split.
    pub fn fold(&self, fold: Fold, cases: &[String]) -> Result<Split, SchemaError> {
        let Fold::Number(number) = fold else {
            return Ok(Split::all(cases));
        };
        match self.0.get(number as usize) {
            Some(split) => Ok(split.clone()),
            None => Ok(Split::random(cases, number)?),
        }
    }

    /// Writes the document atomically.
    ///
    /// # Errors
    /// [`SchemaError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), SchemaError> {
        python_json::save(path, self)
    }
}

/// For each fold, which of `n` things it holds out: the shuffled k-fold of the reference.
fn k_fold(n: usize, folds: usize) -> Vec<Vec<bool>> {
    let mut order: Vec<usize> = (0..n).collect();
    Mt19937::new(SEED).shuffle(&mut order);
    let mut rest = order.as_slice();
    let mut chunks = Vec::with_capacity(folds);
    for fold in 0..folds {
        let (chunk, after) = rest.split_at(n / folds + usize::from(fold < n % folds));
        rest = after;
        let mut held_out = vec![false; n];
        for &i in chunk {
            held_out[i] = true;
        }
        chunks.push(held_out);
    }
    chunks
}

/// The cases by code point, as the reference sorts them.
fn sorted_unique(cases: &[String]) -> Result<Vec<String>, SplitError> {
    let mut cases = cases.to_vec();
    cases.sort();
    match cases.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(cases),
        Some(pair) => Err(SplitError::DuplicateCase {
            case: pair[0].clone(),
        }),
    }
}

/// The cases that are not held out, and those that are.
fn partition(cases: &[String], held_out: impl Fn(usize) -> bool) -> (Vec<String>, Vec<String>) {
    let (train, val): (Vec<_>, Vec<_>) =
        (cases.iter().enumerate()).partition(|(i, _)| !held_out(*i));
    let names = |list: Vec<(usize, &String)>| list.into_iter().map(|(_, c)| c.clone()).collect();
    (names(train), names(val))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("case_{i:03}")).collect()
    }

    fn numbers(names: &[String]) -> Vec<usize> {
        names.iter().map(|n| n[5..].parse().unwrap()).collect()
    }

    #[test]
    fn ten_cases_split_as_the_reference_does() {
        let splits = Splits::five_fold(&cases(10)).unwrap();
        let val: Vec<_> = splits.0.iter().map(|s| numbers(&s.val)).collect();
        assert_eq!(val, [[0, 7], [3, 9], [4, 6], [1, 8], [2, 5]]);
    }

    #[test]
    fn a_fold_beyond_the_file_is_the_reference_random_split() {
        let splits = Splits::five_fold(&cases(10)).unwrap();
        let split = splits.fold(Fold::Number(7), &cases(10)).unwrap();
        assert_eq!(numbers(&split.train), [4, 6, 0, 9, 1, 7, 2, 8]);
        assert_eq!(numbers(&split.val), [3, 5]);
    }

    #[test]
    fn fold_all_uses_everything_twice_whatever_the_splits_leave_out() {
        let splits = Splits::five_fold(&cases(6)).unwrap();
        let split = splits.fold(Fold::All, &cases(8)).unwrap();
        assert_eq!(split.train, cases(8));
        assert_eq!(split.val, cases(8));
    }

    #[test]
    fn a_case_that_is_listed_twice_is_an_error() {
        let mut cases = cases(6);
        cases.push("case_003".to_owned());
        let error = Splits::five_fold(&cases).unwrap_err().to_string();
        assert!(error.contains("`case_003` is listed twice"), "{error}");
    }

    #[test]
    fn four_cases_are_too_few() {
        assert!(Splits::five_fold(&cases(4)).is_err());
        assert!(Split::random(&cases(1), 7).is_err());
    }

    #[test]
    fn folds_are_read_from_text() {
        assert_eq!("all".parse(), Ok(Fold::All));
        assert_eq!("3".parse(), Ok(Fold::Number(3)));
        assert!("x".parse::<Fold>().is_err());
    }
}
