//! A scratch folder in the cache, and the rename that makes its result
//! visible, so that nothing half-made is ever found there.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result};

/// What the names of scratch folders begin with.
const PREFIX: &str = ".staging-";

/// Keeps other processes from fetching the same thing at the same time, until
/// it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    // Held for its lock; `None` where the file system has no locks.
    file: Option<File>,
}

impl Lock {
    /// Waits for the other process, if there is one.
    pub(super) fn take(cache: &Path) -> Result<Self> {
        let path = cache.join(".lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let locked = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => {
                println!("waiting for another process that fetches libtorch");
                file.lock().is_ok()
            }
            // Without locks two processes may both fetch; the last wins.
            Err(TryLockError::Error(_)) => false,
        };
        Ok(Self {
            file: locked.then_some(file),
        })
    }
}

/// A scratch folder, removed when it is dropped.
#[derive(Debug)]
pub(super) struct Staging {
    folder: PathBuf,
}

impl Staging {
    /// Makes an empty scratch folder, and removes those that killed processes
    /// have left behind.
    pub(super) fn new(cache: &Path, lock: &Lock) -> Result<Self> {
        if lock.file.is_some() {
            remove_stale(cache);
        }
        let folder = cache.join(format!("{PREFIX}{}", process::id()));
        fs::create_dir(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// Makes a folder in it.
    pub(super) fn subfolder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        fs::create_dir(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        Ok(folder)
    }

    /// Moves a finished folder of the scratch folder to its place, and what
    /// was there away.
    pub(super) fn publish(&self, finished: &Path, place: &Path) -> Result<()> {
        self.swap(finished, place)
            .with_context(|| format!("cannot make the folder {}", place.display()))
    }

    fn swap(&self, finished: &Path, place: &Path) -> io::Result<()> {
        match fs::rename(place, self.folder.join("replaced")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => fs::rename(finished, place),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("warning: cannot remove {}: {error}", self.folder.display());
        }
    }
}

/// Removes the scratch folders of other processes. With the lock held, these
/// have ended. What cannot be removed is no reason to stop.
fn remove_stale(cache: &Path) {
    let entries = fs::read_dir(cache).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finished_folder_takes_the_place_of_the_old_one() {
        let cache = tempfile::tempdir().unwrap();
        let place = cache.path().join("libtorch");
        let lock = Lock::take(cache.path()).unwrap();
        for content in ["old", "new"] {
            let staging = Staging::new(cache.path(), &lock).unwrap();
            let folder = staging.subfolder("x").unwrap();
            fs::write(folder.join("file"), content).unwrap();
            staging.publish(&folder, &place).unwrap();
            assert_eq!(fs::read_to_string(place.join("file")).unwrap(), content);
        }
        // The lock and the result.
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 2);
    }

    #[test]
    fn nothing_is_left_of_what_did_not_finish() {
        let cache = tempfile::tempdir().unwrap();
        fs::create_dir_all(cache.path().join(".staging-0/left/over")).unwrap();
        let lock = Lock::take(cache.path()).unwrap();
        let staging = Staging::new(cache.path(), &lock).unwrap();
        staging.subfolder("x").unwrap();
        drop(staging);
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 1);
    }
}
