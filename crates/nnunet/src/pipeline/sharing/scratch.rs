//! Files and folders that are removed unless they are kept.

use std::fs;
use std::path::{Path, PathBuf};

use nnunet_schema::{SchemaError, atomic};

/// A path for work in progress: what is there is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// A path beside `target`, on the same file system, where nothing is yet. The folder that
    /// they lie in is made.
    pub(super) fn beside(target: &Path) -> Result<Self, SchemaError> {
        if let Some(parent) = target.parent().filter(|p| !p.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(|source| SchemaError::Io {
                action: "make",
                path: parent.to_path_buf(),
                source,
            })?;
        }
        let path = atomic::temporary_beside(target);
        Ok(Self { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the work the name that it was meant for.
    pub(super) fn rename(self, target: &Path) -> Result<(), SchemaError> {
        fs::rename(&self.path, target).map_err(|source| SchemaError::Io {
            action: "write",
            path: target.to_path_buf(),
            source,
        })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // After a renaming there is nothing; a leftover is only untidy.
        let _ = match self.path.is_dir() {
            true => fs::remove_dir_all(&self.path),
            false => fs::remove_file(&self.path),
        };
    }
}
