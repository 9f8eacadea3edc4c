//! Reading an archive that nobody vouches for.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use nnunet_schema::SchemaError;
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use super::checksums::{Checksum, Checksums};
use super::place::{EntryPath, Place};
use super::{DamageKind, SharingError};
use crate::pipeline::PipelineError;

/// Archives with more entries are no exports: a fold has some ten files.
const MOST_ENTRIES: usize = 50_000;
/// What a file may have whatever it is packed into.
const ALWAYS_FINE: u64 = 64 << 20;
/// How much larger than packed a file above that may be; documents shrink tenfold or so.
const MOST_EXPANSION: u64 = 100;
/// The list of checksums may have so many bytes.
const MOST_CHECKSUMS: u64 = 32 << 20;
/// Bytes that are copied at once.
const BLOCK: usize = 1 << 20;
/// The part of a Unix mode that says what kind of file it is, and the two kinds that are taken.
const FILE_KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;

/// An archive whose entries have been looked at: each lies where it should, is a plain file and
/// claims no absurd size.
#[derive(Debug)]
pub(super) struct ModelArchive {
    path: PathBuf,
    zip: ZipArchive<BufReader<File>>,
    /// The folder of the dataset that all entries lie in.
    pub(super) dataset: String,
    /// What is taken from it.
    pub(super) files: Vec<ArchivedFile>,
    /// What is not, as no export has it.
    pub(super) ignored: Vec<String>,
    /// The entry with the checksums.
    checksums: Option<usize>,
}

/// A file of an archive.
#[derive(Clone, Debug)]
pub(super) struct ArchivedFile {
    index: usize,
    /// Its path in the archive.
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) bytes: u64,
}

/// Why a file could not be unpacked.
#[derive(Debug)]
pub(super) enum UnpackError {
    /// The file is not whole.
    Damaged(DamageKind),
    /// Everything else.
    Other(PipelineError),
}

impl ModelArchive {
    /// Looks at all entries of an archive whose files may have `most` bytes together.
    pub(super) fn open(path: &Path, most: u64) -> Result<Self, PipelineError> {
        let file = File::open(path).map_err(|source| SchemaError::Io {
            action: "read",
            path: path.to_path_buf(),
            source,
        })?;
        let packed = file.metadata().map_or(u64::MAX, |metadata| metadata.len());
        let fail = |problem: String| SharingError::Archive {
            archive: path.to_path_buf(),
            problem,
        };
        let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|error| {
            fail(format!(
                "it is not a zip archive, or not a whole one ({error}): copy it anew"
            ))
        })?;
        if zip.len() > MOST_ENTRIES {
            let found = zip.len();
            let problem = format!("it has {found} entries, expected at most {MOST_ENTRIES}");
            return Err(fail(problem).into());
        }
        let overlap = zip.has_overlapping_files();
        if overlap.map_err(|error| fail(format!("it is not whole ({error}): copy it anew")))? {
            return Err(
                fail("two of its entries share bytes, which no program writes".into()).into(),
            );
        }
        let mut total = Total {
            bytes: 0,
            most,
            packed,
        };
        let (mut files, mut ignored, mut datasets) = (Vec::new(), Vec::new(), BTreeSet::new());
        let mut checksums = None;
        for index in 0..zip.len() {
            let entry = (zip.by_index_raw(index))
                .map_err(|error| fail(format!("its entry {index} cannot be read: {error}")))?;
            let refuse = |problem: String| SharingError::Refused {
                archive: path.to_path_buf(),
                entry: entry.name().escape_debug().to_string(),
                problem,
            };
            if entry.is_dir() {
                // A folder is made when a file lies in it.
                let name = entry.name().trim_end_matches('/');
                EntryPath::parse(name).map_err(refuse)?;
                continue;
            }
            check_kind(&entry).map_err(refuse)?;
            let parsed = EntryPath::parse(entry.name()).map_err(refuse)?;
            total.add(&entry).map_err(refuse)?;
            let place = parsed.place();
            if place == Place::Elsewhere {
                ignored.push(entry.name().to_owned());
                continue;
            }
            datasets.extend(parsed.dataset().map(str::to_owned));
            match place {
                Place::Checksums => checksums = Some(index),
                place => files.push(ArchivedFile {
                    index,
                    name: entry.name().to_owned(),
                    place,
                    bytes: entry.size(),
                }),
            }
        }
        let unusable = |problem: String| SharingError::NoModel {
            archive: path.to_path_buf(),
            problem,
        };
        let mut datasets = datasets.into_iter();
        let dataset = match (datasets.next(), datasets.next()) {
            (Some(one), None) => one,
            (Some(first), Some(second)) => {
                let problem = format!(
                    "it has the datasets {first} and {second}, expected one; unpack it into the \
                     folder of results by hand"
                );
                return Err(unusable(problem).into());
            }
            (None, _) => {
                let problem = "none of its files lies in a folder \
                               `DatasetNNN_Name/Trainer__Plans__Configuration`, as in exports of \
                               nnU-Net v2";
                return Err(unusable(problem.to_owned()).into());
            }
        };
        Ok(Self {
            path: path.to_path_buf(),
            zip,
            dataset,
            files,
            ignored,
            checksums,
        })
    }

    /// The list of checksums, if the archive has one.
    pub(super) fn checksums(&mut self) -> Result<Option<Checksums>, PipelineError> {
        let Some(index) = self.checksums else {
            return Ok(None);
        };
        let path = self.path.clone();
        let fail = |problem: String| SharingError::Archive {
            archive: path.clone(),
            problem: format!("its list of checksums cannot be used: {problem}"),
        };
        let entry = self
            .zip
            .by_index(index)
            .map_err(|error| fail(error.to_string()))?;
        let mut text = String::new();
        let read = entry.take(MOST_CHECKSUMS).read_to_string(&mut text);
        read.map_err(|error| fail(error.to_string()))?;
        Ok(Some(Checksums::parse(&text).map_err(fail)?))
    }

    /// Writes a file to `target`, which must not be there, and says what its checksum is.
    pub(super) fn unpack(
        &mut self,
        file: &ArchivedFile,
        target: &Path,
        stop: &AtomicBool,
    ) -> Result<Checksum, UnpackError> {
        let write = |source| {
            let path = target.to_path_buf();
            UnpackError::Other(
                SchemaError::Io {
                    action: "write",
                    path,
                    source,
                }
                .into(),
            )
        };
        let unreadable = |error: String| UnpackError::Damaged(DamageKind::Unreadable(error));
        let mut entry = (self.zip.by_index(file.index)).map_err(|e| unreadable(e.to_string()))?;
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(write)?;
        }
        let mut output = File::create_new(target).map_err(write)?;
        let (mut hasher, mut block) = (Sha256::new(), vec![0; BLOCK]);
        let mut left = file.bytes;
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(UnpackError::Other(SharingError::Stopped.into()));
            }
            let read = entry
                .read(&mut block)
                .map_err(|e| unreadable(e.to_string()))?;
            let Some(bytes) = block.get(..read).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            left = left.checked_sub(read as u64).ok_or_else(|| {
                unreadable(format!(
                    "it has more than the {} bytes that it claims",
                    file.bytes
                ))
            })?;
            hasher.update(bytes);
            output.write_all(bytes).map_err(write)?;
        }
        output.sync_all().map_err(write)?;
        Ok(Checksum::new(hasher.finalize().into()))
    }
}

/// What the entries of an archive claim to have together.
struct Total {
    bytes: u64,
    most: u64,
    /// Bytes of the archive.
    packed: u64,
}

impl Total {
    fn add<R: Read>(&mut self, entry: &zip::read::ZipFile<'_, R>) -> Result<(), String> {
        let (size, packed) = (entry.size(), entry.compressed_size());
        if packed > self.packed {
            return Err(format!(
                "it claims {packed} bytes of an archive of {}",
                self.packed
            ));
        }
        if size > ALWAYS_FINE && size / MOST_EXPANSION > packed {
            return Err(format!(
                "it claims to have {size} bytes, packed into {packed}, expected at most \
                 {MOST_EXPANSION} times as many"
            ));
        }
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > self.most {
            return Err(format!(
                "with it the files have {} bytes, more than the limit of {} bytes: set another \
                 one with `--max-size`",
                self.bytes, self.most
            ));
        }
        Ok(())
    }
}

/// That an entry is a plain file which anybody may read.
fn check_kind<R: Read>(entry: &zip::read::ZipFile<'_, R>) -> Result<(), String> {
    if entry.encrypted() {
        return Err("it is encrypted".to_owned());
    }
    match entry.unix_mode().map_or(0, |mode| mode & FILE_KIND) {
        // Some programs store no kind.
        0 | REGULAR => Ok(()),
        FOLDER => Err("it is a folder with the name of a file".to_owned()),
        _ => Err("it is a link or a device, expected a plain file".to_owned()),
    }
}
