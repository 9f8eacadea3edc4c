//! Preprocessed cases on disk.
//!
//! A store is a folder:
//!
//! ```text
//! store.json      which plan made it (`StoreHeader`)
//! CASE.json       properties of a case; written last, so that it marks the case as complete
//! CASE.zarr/      a Zarr v3 group with the arrays `data` (f32 or f16; c, z, y, x) and
//!                 `labels` (i16; z, y, x)
//! ```
//!
//! Arrays are cut into chunks that are compressed (Blosc: shuffle and LZ4), many of them in one
//! file, so that a patch is read without reading the case.

mod arrays;
mod header;
mod packed;
mod reading;
mod stored;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use nnunet_schema::atomic;

use crate::{PreprocessError, PreprocessedCase};

pub use header::{Precision, PreprocessingSettings, StepOrder, StoreHeader};
pub use stored::StoredCase;

/// Name of the header, without ending; no case can have it.
const HEADER: &str = "store";
/// Begin of the names of unfinished folders and files.
const UNFINISHED: &str = ".tmp-";

/// A folder of preprocessed cases of one configuration.
///
/// Several threads may write different cases at once; one process at a time may write.
#[derive(Clone, Debug)]
pub struct CaseStore {
    folder: PathBuf,
    header: StoreHeader,
}

impl CaseStore {
    /// Makes a store in `folder`, or opens the one that is there already if it has the same
    /// settings and precision. What an interrupted run left behind is removed; finished cases stay.
    ///
    /// # Errors
    /// [`PreprocessError::ChangedPlan`] if the folder holds a store with other ones;
    /// [`PreprocessError::Io`] or [`PreprocessError::Schema`] if it cannot be read or written.
    pub fn create(folder: &Path, header: StoreHeader) -> Result<Self, PreprocessError> {
        let path = folder.join(format!("{HEADER}.json"));
        if path.is_file() {
            let store = Self::open(folder)?;
            store.refuse(&store.header.differences(&header))?;
            store.remove_leftovers()?;
            return Ok(store);
        }
        header.save(&path)?;
        let store = Self {
            folder: folder.to_path_buf(),
            header,
        };
        store.remove_leftovers()?;
        Ok(store)
    }

    /// Opens a store for reading.
    ///
    /// # Errors
    /// [`PreprocessError::NoStore`] if there is none in `folder`, or one of another format
    /// version; [`PreprocessError::Schema`] if its header cannot be read.
    pub fn open(folder: &Path) -> Result<Self, PreprocessError> {
        let path = folder.join(format!("{HEADER}.json"));
        if !path.is_file() {
            return Err(PreprocessError::NoStore {
                folder: folder.to_path_buf(),
                problem: format!("it has no {HEADER}.json; run the preprocessing first"),
            });
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            header: StoreHeader::load(&path, folder)?,
        })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Which plan made the store.
    #[must_use]
    pub const fn header(&self) -> &StoreHeader {
        &self.header
    }

    /// Checks that the store was made with these settings.
    ///
    /// # Errors
    /// [`PreprocessError::ChangedPlan`], naming every setting that differs.
    pub fn check_settings(&self, wanted: &PreprocessingSettings) -> Result<(), PreprocessError> {
        self.refuse(&self.header.settings.differences(wanted))
    }

    fn refuse(&self, differences: &[String]) -> Result<(), PreprocessError> {
        if differences.is_empty() {
            return Ok(());
        }
        Err(PreprocessError::ChangedPlan {
            folder: self.folder.clone(),
            differences: differences.join("; "),
        })
    }

    /// The complete cases, sorted by name.
    ///
    /// # Errors
    /// [`PreprocessError::Io`] if the folder cannot be listed.
    pub fn cases(&self) -> Result<Vec<String>, PreprocessError> {
        let mut cases: Vec<String> = (self.names()?.iter())
            .filter_map(|name| name.strip_suffix(".json"))
            .filter(|case| *case != HEADER && !case.starts_with('.'))
            .filter(|case| self.arrays_folder(case).is_dir())
            .map(str::to_owned)
            .collect();
        cases.sort_unstable();
        Ok(cases)
    }

    /// Whether a case is there, complete.
    #[must_use]
    pub fn contains(&self, case_id: &str) -> bool {
        check_name(case_id).is_ok()
            && self.properties_file(case_id).is_file()
            && self.arrays_folder(case_id).is_dir()
    }

    /// Writes a case, replacing one of the same name. The case is either there in full or not
    /// at all, whatever happens on the way.
    ///
    /// # Errors
    /// [`PreprocessError::CaseName`] if the name cannot be a file name;
    /// [`PreprocessError::HalfOverflow`] if the store is of half precision and the case has
    /// intensities beyond it; [`PreprocessError::Array`], [`Io`](PreprocessError::Io) or
    /// [`Schema`](PreprocessError::Schema) if it cannot be written.
    pub fn write(&self, case_id: &str, case: &PreprocessedCase) -> Result<(), PreprocessError> {
        check_name(case_id)?;
        if self.header.precision == Precision::Half
            && let Some(found) = arrays::beyond_half(case)
        {
            return Err(PreprocessError::HalfOverflow {
                case: case_id.to_owned(),
                found,
            });
        }
        let properties = self.properties_file(case_id);
        let arrays = self.arrays_folder(case_id);
        let unfinished = atomic::temporary_beside(&arrays);
        let written = arrays::write(&unfinished, case, &self.header)
            .and_then(|()| flush(&unfinished))
            .and_then(|()| remove_file(&properties))
            .and_then(|()| remove_folder(&arrays))
            .and_then(|()| {
                fs::rename(&unfinished, &arrays).map_err(|source| PreprocessError::Io {
                    action: "write",
                    path: arrays.clone(),
                    source,
                })
            });
        if written.is_err() {
            // The error that matters is the one above; a leftover is only untidy.
            let _ = fs::remove_dir_all(&unfinished);
        }
        written?;
        atomic::write_with(&properties, |file| {
            serde_json::to_writer(&mut *file, &case.properties)?;
            file.write_all(b"\n")
        })?;
        Ok(())
    }

    /// Removes a case; nothing happens if it is not there. Until the end of it the case is either
    /// there in full or not at all.
    ///
    /// # Errors
    /// [`PreprocessError::CaseName`] if the name cannot be a file name;
    /// [`PreprocessError::Io`] if a file cannot be removed.
    pub fn remove(&self, case_id: &str) -> Result<(), PreprocessError> {
        check_name(case_id)?;
        remove_file(&self.properties_file(case_id))?;
        remove_folder(&self.arrays_folder(case_id))
    }

    /// Removes all cases and the header, so that a store with other settings can be made in the
    /// folder. Other files in it stay.
    ///
    /// # Errors
    /// [`PreprocessError::Io`] if the folder cannot be listed or a file cannot be removed.
    pub fn discard(self) -> Result<(), PreprocessError> {
        for case in self.cases()? {
            self.remove(&case)?;
        }
        remove_file(&self.folder.join(format!("{HEADER}.json")))
    }

    /// Opens a case for reading patches. The arrays stay on disk, the properties are read.
    ///
    /// # Errors
    /// [`PreprocessError::UnknownCase`] if it is not there in full;
    /// [`PreprocessError::NoStore`] or [`Array`](PreprocessError::Array) if it is damaged.
    pub fn open_case(&self, case_id: &str) -> Result<StoredCase, PreprocessError> {
        if !self.contains(case_id) {
            return Err(PreprocessError::UnknownCase {
                folder: self.folder.clone(),
                case: case_id.to_owned(),
            });
        }
        let properties = self.properties_file(case_id);
        StoredCase::open(case_id, &properties, &self.arrays_folder(case_id))
    }

    /// Bytes of all files of the store.
    ///
    /// # Errors
    /// [`PreprocessError::Io`] if the folder cannot be listed.
    pub fn bytes_on_disk(&self) -> Result<u64, PreprocessError> {
        fn bytes(folder: &Path) -> std::io::Result<u64> {
            let mut sum = 0;
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let kind = entry.metadata()?;
                sum += if kind.is_dir() {
                    bytes(&entry.path())?
                } else {
                    kind.len()
                };
            }
            Ok(sum)
        }
        bytes(&self.folder).map_err(|source| PreprocessError::Io {
            action: "list",
            path: self.folder.clone(),
            source,
        })
    }

    fn properties_file(&self, case_id: &str) -> PathBuf {
        self.folder.join(format!("{case_id}.json"))
    }

    fn arrays_folder(&self, case_id: &str) -> PathBuf {
        self.folder.join(format!("{case_id}.zarr"))
    }

    /// The names of all files and folders of the store.
    fn names(&self) -> Result<Vec<String>, PreprocessError> {
        let list = || -> std::io::Result<Vec<String>> {
            let entries = fs::read_dir(&self.folder)?;
            let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
            entries.map(|entry| entry.map(name)).collect()
        };
        list().map_err(|source| PreprocessError::Io {
            action: "list",
            path: self.folder.clone(),
            source,
        })
    }

    /// Removes what interrupted runs left: temporary names, and arrays without properties.
    fn remove_leftovers(&self) -> Result<(), PreprocessError> {
        for name in self.names()? {
            let incomplete = (name.strip_suffix(".zarr"))
                .is_some_and(|case| !self.properties_file(case).is_file());
            let path = self.folder.join(&name);
            if !(incomplete || name.starts_with(UNFINISHED)) {
                continue;
            }
            if path.is_dir() {
                remove_folder(&path)?;
            } else {
                remove_file(&path)?;
            }
        }
        Ok(())
    }
}

fn check_name(case_id: &str) -> Result<(), PreprocessError> {
    let plain = Path::new(case_id).file_name().is_some_and(|n| n == case_id);
    if plain && !case_id.starts_with('.') && case_id != HEADER {
        return Ok(());
    }
    Err(PreprocessError::CaseName {
        case: case_id.to_owned(),
    })
}

fn remove_file(path: &Path) -> Result<(), PreprocessError> {
    removed(path, fs::remove_file(path))
}

fn remove_folder(path: &Path) -> Result<(), PreprocessError> {
    removed(path, fs::remove_dir_all(path))
}

/// What was not there is as good as removed.
fn removed(path: &Path, result: std::io::Result<()>) -> Result<(), PreprocessError> {
    match result {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(PreprocessError::Io {
            action: "remove",
            path: path.to_path_buf(),
            source,
        }),
        _ => Ok(()),
    }
}

/// Makes sure that all files of a folder are on the disk.
fn flush(folder: &Path) -> Result<(), PreprocessError> {
    let flush_all = || -> std::io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                flush(&path).map_err(std::io::Error::other)?;
            } else {
                fs::File::open(&path)?.sync_all()?;
            }
        }
        Ok(())
    };
    flush_all().map_err(|source| PreprocessError::Io {
        action: "write",
        path: folder.to_path_buf(),
        source,
    })
}
