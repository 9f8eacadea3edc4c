//! The predictions of all folds of a cross-validation as one set.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nnunet_schema::{Fold, SchemaError, atomic, layout};

use crate::pairs::label_files;
use crate::{CasePair, EvaluateError};

/// Every case of the cross-validation once, predicted by the model that did not see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrossValidation {
    /// The cases, sorted by name.
    pub cases: Vec<HeldOut>,
    /// The ending of the label maps.
    pub ending: String,
}

/// A prediction of a case by the fold that held it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldOut {
    /// The case.
    pub case: String,
    /// The fold.
    pub fold: Fold,
    /// The label map.
    pub prediction: PathBuf,
}

impl CrossValidation {
    /// Collects the folders `fold_F/validation` of a model: see [`collect`](Self::collect).
    ///
    /// # Errors
    /// As [`collect`](Self::collect).
    pub fn of_model(
        model: &Path,
        folds: &[Fold],
        ending: &str,
        expected: Option<&[String]>,
    ) -> Result<Self, EvaluateError> {
        let folders: Vec<(Fold, PathBuf)> = (folds.iter())
            .map(|fold| (*fold, layout::fold(model, *fold).join("validation")))
            .collect();
        Self::collect(&folders, ending, expected)
    }

    /// Collects the label maps in the folders of all folds.
    ///
    /// With `expected` the cases must be these and no others; without, any that there are.
    ///
    /// # Errors
    /// [`EvaluateError::CrossValidation`] with a list of all that is wrong: folders that are not
    /// there, cases that two folds predicted, cases that none did or that should not be there.
    /// [`EvaluateError::Schema`] if a folder cannot be read.
    pub fn collect(
        folders: &[(Fold, PathBuf)],
        ending: &str,
        expected: Option<&[String]>,
    ) -> Result<Self, EvaluateError> {
        let mut problems = Vec::new();
        let mut found: BTreeMap<String, Vec<HeldOut>> = BTreeMap::new();
        for (fold, folder) in folders {
            if !folder.is_dir() {
                problems.push(format!(
                    "fold {fold} has no folder {}: train and validate it",
                    folder.display()
                ));
                continue;
            }
            for file in label_files(folder, ending)? {
                let case = file.strip_suffix(ending).unwrap_or(&file).to_owned();
                found.entry(case.clone()).or_default().push(HeldOut {
                    case,
                    fold: *fold,
                    prediction: folder.join(&file),
                });
            }
        }
        for (case, predictions) in found.iter().filter(|(_, all)| all.len() > 1) {
            let folds: Vec<String> = predictions.iter().map(|p| p.fold.to_string()).collect();
            problems.push(format!("{case} is in the folds {}", folds.join(" and ")));
        }
        if let Some(expected) = expected {
            let expected: BTreeSet<&String> = expected.iter().collect();
            let missing = (expected.iter()).filter(|case| !found.contains_key(**case));
            problems.extend(missing.map(|case| format!("{case} is in no fold")));
            let odd = found.keys().filter(|case| !expected.contains(case));
            problems.extend(odd.map(|case| format!("{case} is not a case of the dataset")));
        }
        if problems.is_empty() && found.is_empty() {
            problems.push(format!("no fold holds a file that ends in {ending}"));
        }
        if !problems.is_empty() {
            return Err(EvaluateError::CrossValidation { problems });
        }
        Ok(Self {
            cases: found.into_values().flatten().collect(),
            ending: ending.to_owned(),
        })
    }

    /// The same cases with their label maps in one folder, where
    /// [`copy_to`](Self::copy_to) puts them.
    #[must_use]
    pub fn within(&self, folder: &Path) -> Self {
        let moved = |case: &HeldOut| HeldOut {
            prediction: folder.join(format!("{}{}", case.case, self.ending)),
            ..case.clone()
        };
        Self {
            cases: self.cases.iter().map(moved).collect(),
            ending: self.ending.clone(),
        }
    }

    /// Each case with its reference in `references`.
    ///
    /// # Errors
    /// [`EvaluateError::MissingReference`].
    pub fn pairs(&self, references: &Path) -> Result<Vec<CasePair>, EvaluateError> {
        let pair = |held_out: &HeldOut| {
            let reference = references.join(format!("{}{}", held_out.case, self.ending));
            if !reference.is_file() {
                return Err(EvaluateError::MissingReference {
                    case: held_out.case.clone(),
                    expected: reference,
                });
            }
            Ok(CasePair {
                case: held_out.case.clone(),
                reference,
                prediction: held_out.prediction.clone(),
            })
        };
        self.cases.iter().map(pair).collect()
    }

    /// Copies the label maps into one folder, as the Python program keeps them in
    /// `crossval_results_folds_…`. Maps of other cases that lie there are removed.
    ///
    /// # Errors
    /// [`EvaluateError::Schema`] if a file cannot be copied or removed.
    pub fn copy_to(&self, folder: &Path) -> Result<(), EvaluateError> {
        let io_error = |action, path: &Path| {
            let path = path.to_path_buf();
            move |source: io::Error| SchemaError::Io {
                action,
                path,
                source,
            }
        };
        fs::create_dir_all(folder).map_err(io_error("create", folder))?;
        let name = |case: &HeldOut| format!("{}{}", case.case, self.ending);
        let wanted: BTreeSet<String> = self.cases.iter().map(name).collect();
        for file in label_files(folder, &self.ending)?.difference(&wanted) {
            let path = folder.join(file);
            fs::remove_file(&path).map_err(io_error("remove", &path))?;
        }
        for case in &self.cases {
            atomic::replace_with(&folder.join(name(case)), |temporary| {
                fs::copy(&case.prediction, temporary).map(|_| ())
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folds(cases: &[&[&str]]) -> (tempfile::TempDir, Vec<Fold>) {
        let model = tempfile::tempdir().unwrap();
        for (fold, cases) in cases.iter().enumerate() {
            let folder = model.path().join(format!("fold_{fold}/validation"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("summary.json"), "{}").unwrap();
            for case in *cases {
                fs::write(folder.join(format!("{case}.nii")), format!("{case} {fold}")).unwrap();
            }
        }
        let numbers = (0..cases.len()).map(|n| Fold::Number(u32::try_from(n).unwrap()));
        (model, numbers.collect())
    }

    #[test]
    fn folds_become_one_sorted_set() {
        let (model, folds) = folds(&[&["c", "a"], &["b"]]);
        let expected = ["a", "b", "c"].map(str::to_owned);
        let found =
            CrossValidation::of_model(model.path(), &folds, ".nii", Some(&expected)).unwrap();
        let cases: Vec<_> = found
            .cases
            .iter()
            .map(|c| (c.case.as_str(), c.fold))
            .collect();
        let [first, second] = [Fold::Number(0), Fold::Number(1)];
        assert_eq!(cases, [("a", first), ("b", second), ("c", first)]);

        let collected = model.path().join("crossval_results_folds_0_1");
        fs::create_dir(&collected).unwrap();
        fs::write(collected.join("old.nii"), "").unwrap();
        found.copy_to(&collected).unwrap();
        assert_eq!(fs::read_to_string(collected.join("b.nii")).unwrap(), "b 1");
        assert_eq!(fs::read_dir(&collected).unwrap().count(), 3);

        let error = found.pairs(model.path()).unwrap_err();
        assert!(matches!(error, EvaluateError::MissingReference { .. }));
        assert_eq!(found.pairs(&collected).unwrap().len(), 3);
        let moved = found.within(&collected);
        assert_eq!(moved.cases[1].fold, second);
        assert_eq!(moved.cases[1].prediction, collected.join("b.nii"));
    }

    #[test]
    fn all_that_is_wrong_is_listed() {
        let (model, mut folds) = folds(&[&["a", "b", "x"], &["b"]]);
        folds.push(Fold::Number(2));
        let expected = ["a", "b", "c"].map(str::to_owned);
        let error = CrossValidation::of_model(model.path(), &folds, ".nii", Some(&expected))
            .unwrap_err()
            .to_string();
        for problem in [
            "fold 2 has no folder",
            "b is in the folds 0 and 1",
            "c is in no fold",
            "x is not a case",
        ] {
            assert!(error.contains(problem), "{problem}: {error}");
        }
        let error = CrossValidation::of_model(model.path(), &folds[..1], ".mha", None);
        assert!(error.unwrap_err().to_string().contains(".mha"));
    }
}
