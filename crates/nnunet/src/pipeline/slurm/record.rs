//! Which Slurm job each job of a dataset was submitted as: a document among the stamps.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use nnunet_schema::{SchemaError, atomic};
use serde::{Deserialize, Serialize};

use super::id::SlurmId;
use crate::pipeline::graph::{Job, JobId};

/// Version of the document.
const FORMAT: u32 = 1;

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionRecord {
    /// Version of the document, 1.
    pub format: u32,
    /// The last submission of each job.
    pub jobs: BTreeMap<JobId, Submitted>,
}

/// The last submission of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// Its number in the queue.
    pub id: SlurmId,
    /// Where what it prints goes.
    pub log: PathBuf,
    /// What it waits for: what it needs that was not done, as it was submitted.
    pub after: BTreeMap<JobId, SlurmId>,
    /// Of what the job was, so that other work of the same name is not taken for it.
    pub work: WorkDigest,
}

/// A digest of what a job does and with which settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkDigest(String);

impl WorkDigest {
    /// Of a job; of one up to the split with the options that what follows is submitted with.
    pub(super) fn of(job: &Job, options: &[String]) -> Self {
        let is_followed = !job.work.kind().follows_the_plan();
        let options = is_followed.then_some(options);
        let text = serde_json::json!([job.work, job.inputs, options]).to_string();
        Self(format!("{:08x}", crc32c::crc32c(text.as_bytes())))
    }
}

impl Default for SubmissionRecord {
    fn default() -> Self {
        Self {
            format: FORMAT,
            jobs: BTreeMap::new(),
        }
    }
}

impl SubmissionRecord {
    /// The document at this place, empty if there is none.
    ///
    /// # Errors
    /// If it cannot be read, or is not what this version writes.
    pub(super) fn load(path: &Path) -> Result<Self, SchemaError> {
        let io_error = |source| SchemaError::Io {
            action: "read",
            path: path.to_path_buf(),
            source,
        };
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(io_error(error)),
        };
        let record: Self =
            serde_json::from_slice(&bytes).map_err(|error| io_error(io::Error::from(error)))?;
        match record.format {
            FORMAT => Ok(record),
            other => {
                let problem = format!("it is of version {other}, expected {FORMAT}");
                Err(io_error(io::Error::other(problem)))
            }
        }
    }

    pub(super) fn save(&self, path: &Path) -> Result<(), SchemaError> {
        atomic::write_with(path, |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            file.write_all(b"\n")
        })
    }

    /// The numbers of all jobs.
    pub fn ids(&self) -> impl Iterator<Item = SlurmId> {
        self.jobs.values().map(|submitted| submitted.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs/slurm.json");
        assert_eq!(
            SubmissionRecord::load(&path).unwrap(),
            SubmissionRecord::default()
        );
        let mut record = SubmissionRecord::default();
        let submitted = Submitted {
            id: SlurmId::task(4711, 3),
            log: "train-2d-3.log".into(),
            after: BTreeMap::from([(JobId::new("preprocess-2d"), SlurmId::whole(4710))]),
            work: WorkDigest("1a2b".to_owned()),
        };
        record.jobs.insert(JobId::new("train-2d-3"), submitted);
        record.save(&path).unwrap();
        assert_eq!(SubmissionRecord::load(&path).unwrap(), record);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("\"4711_3\""), "{text}");
        for damaged in [
            text.replace("\"format\": 1", "\"format\": 2"),
            text.replace("4711_3", "x"),
            text[..text.len() / 2].to_owned(),
        ] {
            fs::write(&path, damaged).unwrap();
            let said = SubmissionRecord::load(&path).unwrap_err();
            assert!(format!("{said:?}").contains("slurm.json"), "{said:?}");
        }
    }
}
