//! Splits that somebody else made: what must hold, and how they compare to the cases there are.

use std::collections::HashSet;
use std::path::Path;

use super::{FoldCases, SplitError, Splits};
use crate::{SchemaError, python_json};

impl Splits {
    /// Reads a splits file, also one that was made by hand: any number of folds, each with cases
    /// to train on and cases to validate on, and no case in both or twice.
    ///
    /// # Errors
    /// [`SchemaError`] with the file and the place in it.
    pub fn load(path: &Path) -> Result<Self, SchemaError> {
        let splits: Self = python_json::load(path)?;
        splits
            .check_folds()
            .map_err(|(json_path, message)| SchemaError::Malformed {
                path: path.to_path_buf(),
                json_path,
                message,
            })?;
        Ok(splits)
    }

    /// Reads a splits file that is meant for `cases`; see [`Splits::check`].
    ///
    /// # Errors
    /// As [`Splits::load`], and if a fold has cases that are not among `cases`, naming them.
    pub fn load_for(path: &Path, cases: &[String]) -> Result<(Self, Vec<FoldCases>), SchemaError> {
        let splits = Self::load(path)?;
        let left_out = splits
            .check(cases)
            .map_err(|error| SchemaError::Malformed {
                path: path.to_path_buf(),
                json_path: ".".to_owned(),
                message: error.to_string(),
            })?;
        Ok((splits, left_out))
    }

    /// Compares the splits with the cases of a dataset. Cases that a fold leaves out are legal
    /// (splits made by hand may do so on purpose, and cases may be added later): they are
    /// returned, for the folds that leave some out.
    ///
    /// # Errors
    /// [`SplitError::UnknownCases`] if a fold lists cases that are not among `cases`.
    pub fn check(&self, cases: &[String]) -> Result<Vec<FoldCases>, SplitError> {
        let known: HashSet<&String> = cases.iter().collect();
        let mut unknown = Vec::new();
        let mut left_out = Vec::new();
        for (fold, split) in self.0.iter().enumerate() {
            let listed: HashSet<&String> = split.train.iter().chain(&split.val).collect();
            for (from, minus, found) in [
                (&listed, &known, &mut unknown),
                (&known, &listed, &mut left_out),
            ] {
                let mut cases: Vec<String> = from.difference(minus).map(|c| (*c).clone()).collect();
                cases.sort();
                if !cases.is_empty() {
                    found.push(FoldCases { fold, cases });
                }
            }
        }
        if unknown.is_empty() {
            Ok(left_out)
        } else {
            Err(SplitError::UnknownCases { folds: unknown })
        }
    }

    /// What must hold of any splits: `(place, message)` if it does not.
    fn check_folds(&self) -> Result<(), (String, String)> {
        if self.0.is_empty() {
            return Err((".".to_owned(), "lists no folds".to_owned()));
        }
        for (fold, split) in self.0.iter().enumerate() {
            let mut seen: HashSet<&String> = HashSet::new();
            for (part, cases) in [("train", &split.train), ("val", &split.val)] {
                if cases.is_empty() {
                    return Err((format!("[{fold}].{part}"), "lists no cases".to_owned()));
                }
                let again = cases.iter().position(|case| !seen.insert(case));
                if let Some(index) = again {
                    let case = &cases[index];
                    let message = if part == "val" && split.train.contains(case) {
                        format!(
                            "is `{case}`, which is in `train` of the same fold (to train on \
                             everything, use fold `all`)"
                        )
                    } else {
                        format!("is `{case}` for the second time")
                    };
                    return Err((format!("[{fold}].{part}[{index}]"), message));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Split;

    fn splits(folds: &[(&[&str], &[&str])]) -> Splits {
        let names = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect();
        let folds = folds.iter().map(|(train, val)| Split {
            train: names(train),
            val: names(val),
        });
        Splits(folds.collect())
    }

    fn cases(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn unknown_cases_are_named_fold_by_fold() {
        let made = splits(&[(&["a", "x"], &["b"]), (&["a"], &["b", "y"])]);
        let error = made.check(&cases(&["a", "b"])).unwrap_err().to_string();
        assert!(error.contains("fold 0: `x`; fold 1: `y`"), "{error}");
        let same = splits(&[(&["a"], &["x"]), (&["x"], &["a"])]);
        let error = same.check(&cases(&["a"])).unwrap_err().to_string();
        assert!(error.contains("folds 0, 1: `x`"), "{error}");
    }

    #[test]
    fn cases_left_out_are_reported_but_legal() {
        let made = splits(&[(&["a"], &["b"]), (&["a", "c"], &["b"])]);
        let left_out = made.check(&cases(&["a", "b", "c"])).unwrap();
        assert_eq!(left_out.len(), 1);
        assert_eq!(left_out[0].to_string(), "fold 0: `c`");
    }

    #[test]
    fn an_unknown_case_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("splits_final.json");
        splits(&[(&["a"], &["b"])]).save(&path).unwrap();
        assert!(Splits::load_for(&path, &cases(&["a", "b"])).is_ok());
        let error = Splits::load_for(&path, &cases(&["a"])).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("splits_final.json") && error.contains("`b`"),
            "{error}"
        );
    }
}
