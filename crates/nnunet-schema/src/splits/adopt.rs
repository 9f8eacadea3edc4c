//! Splits that come with a raw dataset are taken over once, and must not change afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use super::error::Names;
use super::{Split, SplitError, Splits};
use crate::{SchemaError, atomic};

/// What became of the splits of a raw dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// The raw dataset has none.
    NoneThere,
    /// They were copied.
    Copied,
    /// They are those that are already in place.
    InPlace,
}

impl Splits {
    /// Takes over the splits file `origin` of a raw dataset, if there is one, as `target` in its
    /// preprocessed folder. A `target` that exists stays as it is: its folds must be those of
    /// `origin`, whatever the order of their cases, and it may have more.
    ///
    /// # Errors
    /// [`SplitError::Disagreement`] if a fold differs; [`SchemaError`] if a file cannot be read,
    /// written, or used as splits.
    pub fn adopt(origin: &Path, target: &Path) -> Result<Adoption, SchemaError> {
        if !origin.exists() {
            return Ok(Adoption::NoneThere);
        }
        let wanted = Self::load(origin)?;
        if !target.exists() {
            copy(origin, target)?;
            return Ok(Adoption::Copied);
        }
        let found = Self::load(target)?;
        for (fold, wanted) in wanted.0.iter().enumerate() {
            let difference = match found.0.get(fold) {
                Some(found) => difference(wanted, found),
                None => Some(format!("the latter has only {} folds", found.0.len())),
            };
            if let Some(difference) = difference {
                return Err(SchemaError::Split(SplitError::Disagreement {
                    origin: origin.to_path_buf(),
                    target: target.to_path_buf(),
                    fold,
                    difference,
                }));
            }
        }
        Ok(Adoption::InPlace)
    }
}

/// Copies byte by byte: a file made by hand may hold more than we know of.
fn copy(origin: &Path, target: &Path) -> Result<(), SchemaError> {
    let bytes = fs::read(origin).map_err(|source| SchemaError::Io {
        action: "read",
        path: origin.to_path_buf(),
        source,
    })?;
    atomic::write_with(target, |file| file.write_all(&bytes))
}

/// How the cases of a fold differ, if they do.
fn difference(wanted: &Split, found: &Split) -> Option<String> {
    let mut parts = Vec::new();
    for (part, wanted, found) in [
        ("train", &wanted.train, &found.train),
        ("val", &wanted.val, &found.val),
    ] {
        let wanted: BTreeSet<&String> = wanted.iter().collect();
        let found: BTreeSet<&String> = found.iter().collect();
        for (which, only) in [
            ("former", wanted.difference(&found)),
            ("latter", found.difference(&wanted)),
        ] {
            let only: Vec<String> = only.map(|case| (*case).clone()).collect();
            if !only.is_empty() {
                parts.push(format!("{part} has {} only in the {which}", Names(&only)));
            }
        }
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: &str = r#"[{"train": ["a", "b"], "val": ["c"], "note": 1},
        {"train": ["b", "c"], "val": ["a"]}]"#;

    fn adopt(origin: &str, target: Option<&str>) -> (Result<Adoption, SchemaError>, String) {
        let dir = tempfile::tempdir().unwrap();
        let [from, to] = ["raw.json", "deep/final.json"].map(|n| dir.path().join(n));
        fs::write(&from, origin).unwrap();
        if let Some(text) = target {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(&to, text).unwrap();
        }
        let result = Splits::adopt(&from, &to);
        (result, fs::read_to_string(&to).unwrap_or_default())
    }

    #[test]
    fn splits_are_copied_as_they_are() {
        let (result, text) = adopt(THREE, None);
        assert_eq!(result.unwrap(), Adoption::Copied);
        assert_eq!(text, THREE);
        let nowhere = Path::new("/nowhere/splits_final.json");
        assert_eq!(
            Splits::adopt(nowhere, nowhere).unwrap(),
            Adoption::NoneThere
        );
    }

    #[test]
    fn more_folds_in_another_order_are_the_same() {
        let target = r#"[{"train": ["b", "a"], "val": ["c"]}, {"train": ["c", "b"], "val": ["a"]},
            {"train": ["c", "a"], "val": ["b"]}]"#;
        let (result, text) = adopt(THREE, Some(target));
        assert_eq!(result.unwrap(), Adoption::InPlace);
        assert_eq!(text, target);
    }

    #[test]
    fn other_folds_are_an_error_that_says_what_to_do() {
        for (target, wanted) in [
            (
                r#"[{"train": ["a", "b"], "val": ["c"]}, {"train": ["a", "c"], "val": ["b"]}]"#,
                "fold 1: train has `b` only in the former, train has `a` only in the latter",
            ),
            (r#"[{"train": ["a", "b"], "val": ["c"]}]"#, "only 1 folds"),
        ] {
            let error = adopt(THREE, Some(target)).0.unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
            assert!(error.contains("delete the latter"), "{error}");
        }
    }

    #[test]
    fn broken_splits_are_not_taken_over() {
        let (result, text) = adopt(r#"[{"train": ["a"], "val": ["a"]}]"#, None);
        let error = result.unwrap_err().to_string();
        assert!(error.contains("`[0].val[0]`"), "{error}");
        assert_eq!(text, "");
    }
}
