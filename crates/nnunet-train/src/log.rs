//! `training_log.jsonl` in the fold folder: one line of JSON per finished epoch.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use nnunet_model::checkpoint::EpochRecord;
use nnunet_schema::{SchemaError, atomic};

/// The log file in a fold folder.
#[must_use]
pub fn log_path(fold_folder: &Path) -> PathBuf {
    fold_folder.join("training_log.jsonl")
}

fn line(record: &EpochRecord) -> std::io::Result<String> {
    let mut text = serde_json::to_string(record)?;
    text.push('\n');
    Ok(text)
}

/// Writes the file anew: the epochs of the checkpoint that a training resumes from, and none
/// that a killed run had finished since.
pub(crate) fn rewrite(path: &Path, records: &[EpochRecord]) -> Result<(), SchemaError> {
    atomic::write_with(path, |file| {
        records
            .iter()
            .try_for_each(|record| file.write_all(line(record)?.as_bytes()))
    })
}

/// Adds a line.
pub(crate) fn append(path: &Path, record: &EpochRecord) -> Result<(), SchemaError> {
    let write = || {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        file.write_all(line(record)?.as_bytes())
    };
    write().map_err(|source| SchemaError::Io {
        action: "write",
        path: path.to_path_buf(),
        source,
    })
}
