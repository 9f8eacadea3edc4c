//! What a training leaves for people and their tools to read: a log, event files, a picture.

mod events;
mod lines;
mod plot;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nnunet_model::checkpoint::EpochRecord;

use crate::{EpochTiming, TrainError};
use events::EventFile;
pub use lines::{LoggedEpoch, read_log};

/// The picture is drawn at most so often; short epochs are not to be spent on it.
const BETWEEN_PICTURES: Duration = Duration::from_secs(20);

/// The log file in a fold folder.
#[must_use]
pub fn log_path(fold_folder: &Path) -> PathBuf {
    fold_folder.join("training_log.jsonl")
}

/// The picture in a fold folder, under the name that the Python program gives it.
#[must_use]
pub fn plot_path(fold_folder: &Path) -> PathBuf {
    fold_folder.join("progress.png")
}

/// The folder of the event files in a fold folder, for TensorBoard.
#[must_use]
pub fn events_path(fold_folder: &Path) -> PathBuf {
    fold_folder.join("tensorboard")
}

/// The journal of one run.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
    /// Epochs that there were before the run.
    earlier: usize,
    /// Begun with the first epoch: a run that finds nothing to do leaves no empty file.
    events: Option<EventFile>,
    drawn: Option<Instant>,
}

impl Journal {
    /// Begins a run that goes on after these epochs.
    pub(crate) fn begin(folder: &Path, records: &[EpochRecord]) -> Result<Self, TrainError> {
        lines::rewrite(&log_path(folder), records)?;
        Ok(Self {
            folder: folder.to_path_buf(),
            earlier: records.len(),
            events: None,
            drawn: None,
        })
    }

    /// Adds the last of these epochs. The picture follows after a while; at once if it `is_last`.
    pub(crate) fn add(
        &mut self,
        records: &[EpochRecord],
        timing: &EpochTiming,
        is_last: bool,
    ) -> Result<(), TrainError> {
        let Some(record) = records.last() else {
            return Ok(());
        };
        lines::append(&log_path(&self.folder), record, timing)?;
        let events = match &mut self.events {
            Some(events) => events,
            none => none.insert(EventFile::create(&events_path(&self.folder), self.earlier)?),
        };
        events.add(record, timing)?;
        let is_due = self.drawn.is_none_or(|at| at.elapsed() >= BETWEEN_PICTURES);
        if is_last || is_due {
            plot::draw(records)?.save(&plot_path(&self.folder))?;
            self.drawn = Some(Instant::now());
        }
        Ok(())
    }

    /// Draws what there is, before a run ends early.
    pub(crate) fn end(&mut self, records: &[EpochRecord]) -> Result<(), TrainError> {
        if !records.is_empty() {
            plot::draw(records)?.save(&plot_path(&self.folder))?;
        }
        Ok(())
    }
}
