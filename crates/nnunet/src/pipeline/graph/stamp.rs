//! The stamp of a job: a small document that says how far it is, and of what it was made.
//!
//! It is written last, atomically: a job without a stamp that says `done` is not done, whatever
//! else lies there.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use nnunet_schema::{SchemaError, atomic};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::job::JobId;

/// Version of the document.
const FORMAT: u32 = 1;

/// What a job's result depends on, by name, each as a digest.
pub(super) type Digests = BTreeMap<String, String>;

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StampState {
    /// What was made of older inputs is being removed; the inputs in the stamp are still those.
    Clearing,
    /// Begun, and to be gone on with.
    Begun,
    /// Done.
    Done,
}

/// The document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stamp {
    /// Version of the document, 1.
    pub format: u32,
    /// The job.
    pub job: JobId,
    /// How far it is.
    pub state: StampState,
    /// How often it was begun; 0 if its outputs were there before the first look.
    pub attempts: u32,
    /// When it was begun for the last time, seconds since 1970.
    pub begun: f64,
    /// How long the last attempt took, seconds; once it is done.
    pub seconds: Option<f64>,
    /// Digests of what its result depends on.
    pub inputs: BTreeMap<String, String>,
}

impl Stamp {
    /// The stamp of a job that begins now.
    pub(super) fn beginning(job: &JobId, inputs: Digests, attempts: u32) -> Self {
        Self {
            format: FORMAT,
            job: job.clone(),
            state: StampState::Begun,
            attempts,
            begun: now(),
            seconds: None,
            inputs,
        }
    }

    /// The stamp at this place. One that another version wrote, or that is damaged, says nothing.
    pub(in crate::pipeline) fn load(path: &Path) -> Result<Option<Self>, SchemaError> {
        let stamp = read_json::<Self>(path)?;
        Ok(stamp.filter(|stamp| stamp.format == FORMAT))
    }

    pub(super) fn save(&self, path: &Path) -> Result<(), SchemaError> {
        write_json(path, self)
    }

    /// The names of what has changed, sorted.
    pub(super) fn changes(&self, now: &Digests) -> Vec<String> {
        let names = self.inputs.keys().chain(now.keys());
        let mut changed: Vec<String> = names
            .filter(|name| self.inputs.get(*name) != now.get(*name))
            .cloned()
            .collect();
        changed.sort_unstable();
        changed.dedup();
        changed
    }
}

/// Seconds since 1970.
pub(super) fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// A document of ours; `None` if it is not there or not what it should be.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, SchemaError> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SchemaError::Io {
            action: "read",
            path: path.to_path_buf(),
            source,
        }),
    }
}

pub(super) fn write_json(path: &Path, document: &impl Serialize) -> Result<(), SchemaError> {
    atomic::write_with(path, |file| {
        serde_json::to_writer_pretty(&mut *file, document)?;
        file.write_all(b"\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(entries: &[(&str, &str)]) -> Digests {
        let owned = entries
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        owned.collect()
    }

    #[test]
    fn what_changed_is_named() {
        let made_of = digests(&[("case a", "1"), ("case b", "2"), ("settings", "3")]);
        let stamp = Stamp::beginning(&JobId::new("x"), made_of.clone(), 1);
        assert!(stamp.changes(&made_of).is_empty());
        let now = digests(&[("case a", "1"), ("case c", "2"), ("settings", "4")]);
        assert_eq!(stamp.changes(&now), ["case b", "case c", "settings"]);
    }

    #[test]
    fn a_damaged_stamp_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs/x.json");
        assert_eq!(Stamp::load(&path).unwrap(), None);
        let stamp = Stamp::beginning(&JobId::new("x"), digests(&[("a", "1")]), 2);
        stamp.save(&path).unwrap();
        assert_eq!(Stamp::load(&path).unwrap(), Some(stamp));
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() / 2]).unwrap();
        assert_eq!(Stamp::load(&path).unwrap(), None);
        fs::write(&path, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
        assert_eq!(Stamp::load(&path).unwrap(), None);
    }
}
