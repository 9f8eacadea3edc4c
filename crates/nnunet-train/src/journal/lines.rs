//! `training_log.jsonl`: one line of JSON per finished epoch.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use nnunet_model::checkpoint::EpochRecord;
use nnunet_schema::{SchemaError, atomic};
use serde::Serialize;

use crate::EpochTiming;

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    record: &'a EpochRecord,
    /// Where the time went; not known of epochs of an earlier run.
    #[serde(skip_serializing_if = "Option::is_none")]
    timing: Option<&'a EpochTiming>,
}

fn line(record: &EpochRecord, timing: Option<&EpochTiming>) -> std::io::Result<String> {
    let mut text = serde_json::to_string(&Line { record, timing })?;
    text.push('\n');
    Ok(text)
}

/// Writes the file anew: the epochs of the checkpoint that a training resumes from, and none
/// that a killed run had finished since.
pub(super) fn rewrite(path: &Path, records: &[EpochRecord]) -> Result<(), SchemaError> {
    atomic::write_with(path, |file| {
        records
            .iter()
            .try_for_each(|record| file.write_all(line(record, None)?.as_bytes()))
    })
}

/// Adds a line.
pub(super) fn append(
    path: &Path,
    record: &EpochRecord,
    timing: &EpochTiming,
) -> Result<(), SchemaError> {
    let write = || {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        file.write_all(line(record, Some(timing))?.as_bytes())
    };
    write().map_err(|source| SchemaError::Io {
        action: "write",
        path: path.to_path_buf(),
        source,
    })
}
