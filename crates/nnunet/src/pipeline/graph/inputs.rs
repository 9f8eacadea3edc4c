//! What a job's result depends on, as digests: equal digests, equal result.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use nnunet_image::RawDataset;
use nnunet_schema::{Fold, SchemaError, Splits, layout};
use serde::{Deserialize, Serialize};

use super::job::{Input, Job};
use super::stamp::{Digests, read_json, write_json};
use crate::pipeline::{Pipeline, PipelineError};

/// Bytes that are read at once.
const BLOCK: usize = 1 << 20;
/// The digest of a file that is not there.
const ABSENT: &str = "absent";

/// The content of a raw dataset: a digest per case, and where its splits lie.
#[derive(Clone, Debug)]
pub(super) struct RawContents {
    description: String,
    cases: BTreeMap<String, String>,
    splits: PathBuf,
}

/// What is remembered of a file, so that it is read again only if it may have changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct KnownFile {
    size: u64,
    /// Nanoseconds since 1970.
    modified: u64,
    digest: String,
}

type KnownFiles = BTreeMap<PathBuf, KnownFile>;

impl Pipeline {
    /// Reads the files of a raw dataset that are new or may have changed since the last time.
    pub(super) fn raw_contents(&self, dataset: &str) -> Result<RawContents, PipelineError> {
        let folder = self.layout.raw_dataset(dataset);
        let raw = RawDataset::scan(&folder)?;
        let memory = (self.layout.preprocessed_dataset(dataset)).join("jobs/raw_files.json");
        let known: KnownFiles = read_json(&memory)?.unwrap_or_default();
        let mut found = KnownFiles::new();
        let mut cases = BTreeMap::new();
        for case in &raw.cases {
            let mut digests = Vec::new();
            for path in case.images.iter().chain(&case.label) {
                digests.push(remembered(path, &known, &mut found)?);
            }
            cases.insert(case.id.clone(), digests.join(" "));
        }
        if found != known {
            // Who may not write there reads the files again the next time.
            let _ = write_json(&memory, &found);
        }
        Ok(RawContents {
            description: content(&layout::dataset_json(&folder))?,
            cases,
            splits: self.layout.splits(dataset),
        })
    }
}

impl RawContents {
    /// The names of all cases, sorted.
    pub(super) fn case_names(&self) -> Vec<String> {
        self.cases.keys().cloned().collect()
    }

    /// The digests of what a job depends on.
    pub(super) fn digests(&self, job: &Job) -> Result<Digests, PipelineError> {
        let mut digests = Digests::new();
        for input in &job.inputs {
            match input {
                Input::RawDataset => {
                    digests.insert("dataset.json".to_owned(), self.description.clone());
                    digests.extend(self.of_cases(self.cases.keys()));
                }
                Input::CaseNames => {
                    let names = self.case_names().join("\n");
                    digests.insert("names of the cases".to_owned(), digest(names.as_bytes()));
                }
                Input::Document { name, path } => {
                    digests.insert(name.clone(), content(path)?);
                }
                Input::Setting { name, value } => {
                    digests.insert(name.clone(), digest(value.to_string().as_bytes()));
                }
                Input::Fold { fold } => digests.extend(self.fold(*fold)?),
            }
        }
        Ok(digests)
    }

    /// The cases that a fold holds out; none if there are no splits yet.
    pub(super) fn held_out(&self, fold: Fold) -> Result<Vec<String>, PipelineError> {
        if !self.splits.is_file() {
            return Ok(Vec::new());
        }
        let splits = Splits::load(&self.splits)?;
        Ok(splits.fold(fold, &self.case_names())?.val)
    }

    fn fold(&self, fold: Fold) -> Result<Digests, PipelineError> {
        if fold != Fold::All && !self.splits.is_file() {
            return Ok(Digests::from([("split".to_owned(), ABSENT.to_owned())]));
        }
        let splits = match fold {
            Fold::All => Splits(Vec::new()),
            Fold::Number(_) => Splits::load(&self.splits)?,
        };
        let split = splits.fold(fold, &self.case_names())?;
        let mut digests = self.of_cases(split.train.iter().chain(&split.val));
        let text = format!("{}\n\n{}", split.train.join("\n"), split.val.join("\n"));
        digests.insert("split".to_owned(), digest(text.as_bytes()));
        Ok(digests)
    }

    fn of_cases<'a>(&self, names: impl Iterator<Item = &'a String>) -> Digests {
        let digest = |name: &String| self.cases.get(name).map_or(ABSENT, String::as_str);
        names
            .map(|name| (case_key(name), digest(name).to_owned()))
            .collect()
    }
}

/// What a case is called among the inputs of a job.
pub(super) fn case_key(case: &str) -> String {
    format!("case {case}")
}

/// The case that an input is, if it is one.
pub(super) fn case_of(key: &str) -> Option<&str> {
    key.strip_prefix("case ")
}

/// The digest of a file, from memory if neither its size nor its time has changed.
fn remembered(
    path: &Path,
    known: &KnownFiles,
    found: &mut KnownFiles,
) -> Result<String, SchemaError> {
    let io_error = |source| SchemaError::Io {
        action: "read",
        path: path.to_path_buf(),
        source,
    };
    let facts = match fs::metadata(path) {
        Ok(facts) => facts,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(ABSENT.to_owned()),
        Err(source) => return Err(io_error(source)),
    };
    let modified = facts.modified().ok();
    let modified = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified = modified.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(0));
    let is_same = |file: &&KnownFile| file.size == facts.len() && file.modified == modified;
    let digest = match known.get(path).filter(is_same) {
        Some(file) => file.digest.clone(),
        None => content(path)?,
    };
    let file = KnownFile {
        size: facts.len(),
        modified,
        digest: digest.clone(),
    };
    found.insert(path.to_path_buf(), file);
    Ok(digest)
}

/// The digest of a file's content: changes are to be noticed, nobody to be kept out.
pub(super) fn content(path: &Path) -> Result<String, SchemaError> {
    let read = || -> io::Result<(u64, u32)> {
        let mut file = File::open(path)?;
        let (mut size, mut sum) = (0, 0);
        let mut block = vec![0; BLOCK];
        loop {
            match file.read(&mut block)? {
                0 => return Ok((size, sum)),
                n => {
                    size += n as u64;
                    sum = crc32c::crc32c_append(sum, &block[..n]);
                }
            }
        }
    };
    match read() {
        Ok((size, sum)) => Ok(written(size, sum)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(ABSENT.to_owned()),
        Err(source) => Err(SchemaError::Io {
            action: "read",
            path: path.to_path_buf(),
            source,
        }),
    }
}

fn digest(bytes: &[u8]) -> String {
    written(bytes.len() as u64, crc32c::crc32c(bytes))
}

fn written(size: u64, sum: u32) -> String {
    format!("{size}:{sum:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_only_if_size_or_time_have_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "one").unwrap();
        let mut first = KnownFiles::new();
        let digest = remembered(&path, &KnownFiles::new(), &mut first).unwrap();
        assert_eq!(digest, content(&path).unwrap());

        // What it remembers is what it answers.
        let mut changed = first.clone();
        changed.get_mut(&path).unwrap().digest = "from memory".to_owned();
        let mut again = KnownFiles::new();
        assert_eq!(
            remembered(&path, &changed, &mut again).unwrap(),
            "from memory"
        );
        // Touched, but the same: the digest is that of the content.
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(later)
            .unwrap();
        assert_eq!(remembered(&path, &changed, &mut again).unwrap(), digest);
        fs::write(&path, "two").unwrap();
        assert_ne!(remembered(&path, &first, &mut again).unwrap(), digest);
        fs::remove_file(&path).unwrap();
        assert_eq!(remembered(&path, &first, &mut again).unwrap(), ABSENT);
    }
}
