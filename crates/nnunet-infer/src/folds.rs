//! Which folds of a model are trained.

use std::fs;
use std::path::Path;

use nnunet_model::CheckpointKind;
use nnunet_schema::{Fold, SchemaError};

use crate::InferError;

/// The folds of a model folder that have a checkpoint of this kind, this program's or the Python
/// program's, ascending; fold `all` only if it is the only one.
///
/// # Errors
/// [`InferError::Schema`] if the folder cannot be listed, [`InferError::ModelFolder`] if there
/// is none.
pub fn trained_folds(model: &Path, kind: CheckpointKind) -> Result<Vec<Fold>, InferError> {
    let entries = fs::read_dir(model).map_err(|source| SchemaError::Io {
        action: "list",
        path: model.to_path_buf(),
        source,
    })?;
    let fold_of = |name: &str| name.strip_prefix("fold_")?.parse::<Fold>().ok();
    let found: Vec<Fold> = entries
        .filter_map(Result::ok)
        .filter(|entry| CheckpointKind::find_any(&entry.path(), &[kind]).is_ok())
        .filter_map(|entry| fold_of(entry.file_name().to_str()?))
        .collect();
    let mut numbers: Vec<u32> = (found.iter())
        .filter_map(|fold| match fold {
            Fold::Number(number) => Some(*number),
            Fold::All => None,
        })
        .collect();
    numbers.sort_unstable();
    match (numbers.as_slice(), found.as_slice()) {
        ([], []) => Err(no_folds(model, kind)),
        ([], _) => Ok(vec![Fold::All]),
        _ => Ok(numbers.into_iter().map(Fold::Number).collect()),
    }
}

pub(crate) fn no_folds(model: &Path, kind: CheckpointKind) -> InferError {
    InferError::ModelFolder {
        folder: model.to_path_buf(),
        problem: format!(
            "expected at least one fold with a {kind} checkpoint, found none: train a fold first"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trained_folds_are_those_with_a_checkpoint() {
        let dir = tempfile::tempdir().unwrap();
        let find = || trained_folds(dir.path(), CheckpointKind::Final);
        assert!(
            find()
                .unwrap_err()
                .to_string()
                .contains("train a fold first")
        );
        for fold in ["fold_all", "fold_10", "fold_2", "fold_3", "fold_x"] {
            fs::create_dir(dir.path().join(fold)).unwrap();
        }
        let finish = |fold: &str| {
            let path = CheckpointKind::Final.path(&dir.path().join(fold));
            fs::write(path, b"").unwrap();
        };
        finish("fold_all");
        finish("fold_x");
        assert_eq!(find().unwrap(), [Fold::All]);
        finish("fold_10");
        let python = CheckpointKind::Final.python_path(&dir.path().join("fold_2"));
        fs::write(python, b"").unwrap();
        assert_eq!(find().unwrap(), [Fold::Number(2), Fold::Number(10)]);
    }
}
