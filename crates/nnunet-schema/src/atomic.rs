//! Writing a file so that it is either whole or not there.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::SchemaError;

/// A name beside `target` that no other writer uses, on the same file system, with the same
/// ending (some writers choose their format by it).
#[must_use]
pub fn temporary_beside(target: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let name = target
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    target.with_file_name(format!(".tmp-{}-{count}-{name}", std::process::id()))
}

/// Writes `target` through `write`: into a temporary file beside it, flushed to the disk and
/// renamed last. On an error, or if the process is killed, an older `target` stays as it was.
/// Missing parent folders are made.
///
/// # Errors
/// [`SchemaError::Io`] with the path if anything fails; the temporary file is removed.
pub fn write_with(
    target: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), SchemaError> {
    replace_with(target, |temporary| {
        let mut writer = BufWriter::new(File::create(temporary)?);
        write(&mut writer)?;
        writer.flush()
    })
}

/// As [`write_with`], for writers that want a path: `write` makes the file at the path that it
/// is given, which is then flushed to the disk and renamed to `target`.
///
/// # Errors
/// As [`write_with`].
pub fn replace_with(
    target: &Path,
    write: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), SchemaError> {
    let io_error = |source| SchemaError::Io {
        action: "write",
        path: target.to_path_buf(),
        source,
    };
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(io_error)?;
    }
    let temporary = temporary_beside(target);
    let result = write(&temporary)
        .and_then(|()| File::open(&temporary)?.sync_all())
        .and_then(|()| fs::rename(&temporary, target));
    if result.is_err() {
        // The error that matters is the one above; a leftover is only untidy.
        let _ = fs::remove_file(&temporary);
    }
    result.map_err(io_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a.json");
        write_with(&target, |w| w.write_all(b"old")).unwrap();
        let result = write_with(&target, |w| {
            w.write_all(b"half of the new")?;
            Err(io::Error::other("disk full"))
        });
        assert!(result.unwrap_err().to_string().contains("a.json"));
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
