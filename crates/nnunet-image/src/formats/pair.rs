//! Files whose header may be a file of its own.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use nnunet_schema::{SchemaError, atomic};

use super::source::not_writable;
use crate::ImageError;

/// Where a format keeps its voxels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    /// Behind the header, in the same file.
    Attached,
    /// In a file beside the header.
    Detached,
}

/// Writes voxels into the file beside `path` that has the ending `data_ending`, then the header,
/// which gets the name of that file.
pub(super) fn write(
    path: &Path,
    data_ending: &str,
    voxels: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    header: impl FnOnce(&mut dyn Write, &str) -> io::Result<()>,
) -> Result<(), ImageError> {
    let data = path.with_extension(data_ending);
    let Some(name) = data.file_name().and_then(|name| name.to_str()) else {
        return Err(not_writable(path, "its name is not UTF-8".to_owned()));
    };
    // An older header must not stand beside new voxels, even if we are killed in between.
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            let path = path.to_path_buf();
            let action = "write";
            return Err(SchemaError::Io {
                action,
                path,
                source,
            }
            .into());
        }
        _ => {}
    }
    atomic::write_with(&data, |file| voxels(file))?;
    atomic::write_with(path, |file| header(file, name))?;
    Ok(())
}
