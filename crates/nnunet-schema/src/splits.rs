//! `splits_final.json`: which cases train and which validate, fold by fold.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::mt19937::Mt19937;
use crate::{SchemaError, python_json};

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

impl Splits {
    /// The reference five-fold split of these cases (any order), identical to nnU-Net's.
    ///
    /// # Errors
    /// [`SchemaError::Split`] for fewer than five cases.
    pub fn five_fold(cases: &[String]) -> Result<Self, SchemaError> {
        let mut cases = cases.to_vec();
        cases.sort();
        let n = cases.len();
        if n < FOLDS {
            return Err(SchemaError::Split(format!(
                "{n} cases cannot be split into {FOLDS} folds: at least {FOLDS} are needed, \
                 or train fold `all`"
            )));
        }
        let mut order: Vec<usize> = (0..n).collect();
        Mt19937::new(SEED).shuffle(&mut order);
        let mut splits = Vec::with_capacity(FOLDS);
        let mut start = 0;
        for fold in 0..FOLDS {
            let size = n / FOLDS + usize::from(fold < n % FOLDS);
            let held_out = &order[start..start + size];
            start += size;
            let (val, train) = partition(&cases, |i| held_out.contains(&i));
            splits.push(Split { train, val });
        }
        Ok(Self(splits))
    }

    /// The cases of `fold`. A number beyond the stored folds gives a random 80:20 split seeded
    /// by it, as nnU-Net does.
    ///
    /// # Errors
    /// [`SchemaError::Split`] if there are no splits at all.
    pub fn fold(&self, fold: Fold) -> Result<Split, SchemaError> {
        let first = (self.0.first())
            .ok_or_else(|| SchemaError::Split("the splits file lists no folds".into()))?;
        let mut cases: Vec<String> = first.train.iter().chain(&first.val).cloned().collect();
        cases.sort();
        cases.dedup();
        let number = match fold {
            Fold::All => {
                return Ok(Split {
                    train: cases.clone(),
                    val: cases,
                });
            }
            Fold::Number(number) => number,
        };
        if let Some(split) = self.0.get(number as usize) {
            return Ok(split.clone());
        }
        let mut generator = Mt19937::new(SEED.wrapping_add(number));
        let n = u32::try_from(cases.len())
            .map_err(|_| SchemaError::Split(format!("{} cases are too many", cases.len())))?;
        let drawn = generator.permutation(n);
        let keep = (f64::from(n) * 0.8) as usize;
        let train = drawn[..keep].iter().map(|&i| cases[i as usize].clone());
        let train: Vec<String> = train.collect();
        let (_, val) = partition(&cases, |i| drawn[..keep].contains(&(i as u32)));
        Ok(Split { train, val })
    }

    /// Reads a splits file.
    ///
    /// # Errors
    /// [`SchemaError`] with the file and the place in it.
    pub fn load(path: &Path) -> Result<Self, SchemaError> {
        python_json::load(path)
    }

    /// Writes the document atomically.
    ///
    /// # Errors
    /// [`SchemaError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), SchemaError> {
        python_json::save(path, self)
    }
}

fn partition(cases: &[String], chosen: impl Fn(usize) -> bool) -> (Vec<String>, Vec<String>) {
    let (yes, no): (Vec<_>, Vec<_>) = cases.iter().enumerate().partition(|(i, _)| chosen(*i));
    let names = |list: Vec<(usize, &String)>| list.into_iter().map(|(_, c)| c.clone()).collect();
    (names(yes), names(no))
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
        let split = splits.fold(Fold::Number(7)).unwrap();
        assert_eq!(numbers(&split.train), [4, 6, 0, 9, 1, 7, 2, 8]);
        assert_eq!(numbers(&split.val), [3, 5]);
    }

    #[test]
    fn fold_all_uses_everything_twice() {
        let splits = Splits::five_fold(&cases(6)).unwrap();
        let split = splits.fold(Fold::All).unwrap();
        assert_eq!(split.train, cases(6));
        assert_eq!(split.val, cases(6));
    }

    #[test]
    fn four_cases_are_too_few() {
        assert!(Splits::five_fold(&cases(4)).is_err());
    }

    #[test]
    fn folds_are_read_from_text() {
        assert_eq!("all".parse(), Ok(Fold::All));
        assert_eq!("3".parse(), Ok(Fold::Number(3)));
        assert!("x".parse::<Fold>().is_err());
    }
}
