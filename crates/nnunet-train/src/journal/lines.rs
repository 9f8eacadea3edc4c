//! `training_log.jsonl`: one line of JSON per finished epoch.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use nnunet_model::checkpoint::EpochRecord;
use nnunet_schema::{SchemaError, atomic};
use serde::{Deserialize, Serialize};

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

/// An epoch as the log has it. Losses that were no numbers any more are `None`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct LoggedEpoch {
    /// Number of the epoch, from 0.
    pub epoch: usize,
    /// Learning rate during the epoch.
    pub learning_rate: f64,
    /// Mean loss over the training iterations.
    pub train_loss: Option<f64>,
    /// Mean loss over the validation iterations.
    pub validation_loss: Option<f64>,
    /// Dice of each foreground class or region, as in [`EpochRecord`].
    pub dice_per_class: Vec<Option<f64>>,
    /// Mean of those that have a value.
    pub mean_dice: Option<f64>,
    /// Its moving average.
    pub ema_dice: Option<f64>,
    /// When the epoch began, seconds since 1970.
    pub started: f64,
    /// When it ended, seconds since 1970.
    pub finished: f64,
}

/// Reads the epochs of a log, also while the training writes it: a last line that is not whole yet
/// is left out.
///
/// # Errors
/// [`SchemaError`] with the file, and the line if one is not what it should be.
pub fn read_log(path: &Path) -> Result<Vec<LoggedEpoch>, SchemaError> {
    let text = fs::read_to_string(path).map_err(|source| SchemaError::Io {
        action: "read",
        path: path.to_path_buf(),
        source,
    })?;
    let mut epochs = Vec::new();
    for (number, line) in text.split_inclusive('\n').enumerate() {
        match serde_json::from_str(line) {
            Ok(epoch) => epochs.push(epoch),
            Err(_) if !line.ends_with('\n') => {}
            Err(error) => {
                return Err(SchemaError::Malformed {
                    path: path.to_path_buf(),
                    json_path: format!("line {}", number + 1),
                    message: error.to_string(),
                });
            }
        }
    }
    Ok(epochs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_as_far_as_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("training_log.jsonl");
        let record = |epoch: usize| EpochRecord {
            epoch,
            learning_rate: 0.01,
            train_loss: if epoch == 1 { f64::NAN } else { -0.5 },
            validation_loss: 0.25,
            dice_per_class: vec![Some(0.5), None],
            mean_dice: Some(0.5),
            ema_dice: None,
            started: 10.0,
            finished: 12.5,
        };
        rewrite(&path, &[record(0), record(1)]).unwrap();
        append(&path, &record(2), &EpochTiming::default()).unwrap();
        let epochs = read_log(&path).unwrap();
        assert_eq!(epochs.len(), 3);
        assert_eq!(
            (epochs[0].train_loss, epochs[1].train_loss),
            (Some(-0.5), None)
        );
        assert_eq!(epochs[2].dice_per_class, [Some(0.5), None]);

        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 10]).unwrap();
        assert_eq!(read_log(&path).unwrap().len(), 2);
        fs::write(&path, format!("{{}}\n{whole}")).unwrap();
        let error = read_log(&path).unwrap_err().to_string();
        assert!(error.contains("line 1"), "{error}");
    }
}
