//! The JSON file beside an image in a format that knows of no spacing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nnunet_schema::{SchemaError, Spacing, python_json};
use serde_json::{Map, Value};

use super::source::damaged;
use crate::ImageError;

/// The key of the spacing in millimetres, `(z, y, x)`.
const SPACING: &str = "spacing";
/// `_0000`, the number of a channel.
const SUFFIX: usize = 5;

/// The spacing of the file at `path`, if there is a file that says it: `CASE.json` for
/// `CASE.tif` and for the channel `CASE_0000.tif`.
pub(super) fn spacing(path: &Path) -> Result<Option<Spacing>, ImageError> {
    let own = path.with_extension("json");
    let Some(sidecar) = [of_case(path), own].into_iter().find(|p| p.is_file()) else {
        return Ok(None);
    };
    let document: Map<String, Value> = python_json::load(&sidecar)?;
    let Some(spacing) = document.get(SPACING) else {
        return Ok(None);
    };
    let numbers: Option<Vec<f64>> =
        (spacing.as_array()).map(|numbers| numbers.iter().filter_map(Value::as_f64).collect());
    match numbers.as_deref() {
        Some(&[z, y, x]) if spacing.as_array().is_some_and(|all| all.len() == 3) => {
            Spacing::new([z, y, x])
                .map(Some)
                .map_err(|error| damaged(&sidecar, error.to_string()))
        }
        _ => Err(damaged(
            &sidecar,
            format!("`{SPACING}` is {spacing}, expected three numbers (mm; z, y, x)"),
        )),
    }
}

/// Writes the spacing of the file at `path` beside it; other keys of an older file stay.
pub(super) fn write(path: &Path, spacing: Spacing) -> Result<(), SchemaError> {
    let sidecar = of_case(path);
    let mut document: Map<String, Value> = match fs::metadata(&sidecar) {
        Ok(_) => python_json::load(&sidecar)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Map::new(),
        Err(source) => {
            let (action, path) = ("read", sidecar);
            return Err(SchemaError::Io {
                action,
                path,
                source,
            });
        }
    };
    let value = Value::from(spacing.mm().to_vec());
    if document.get(SPACING) == Some(&value) {
        return Ok(());
    }
    document.insert(SPACING.to_owned(), value);
    python_json::save(&sidecar, &document)
}

/// `CASE.json` for `CASE.tif` and `CASE_0000.tif`.
fn of_case(path: &Path) -> PathBuf {
    let sidecar = path.with_extension("json");
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let split = stem.len().checked_sub(SUFFIX);
    match split.and_then(|split| stem.split_at_checked(split)) {
        Some((case, suffix)) if !case.is_empty() && is_channel(suffix) => {
            sidecar.with_file_name(format!("{case}.json"))
        }
        _ => sidecar,
    }
}

fn is_channel(suffix: &str) -> bool {
    let digits = suffix.strip_prefix('_');
    digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channel_is_not_part_of_the_case() {
        for (path, wanted) in [
            ("a/case_0001.tif", "a/case.json"),
            ("a/case.tif", "a/case.json"),
            ("a/case_001.tif", "a/case_001.json"),
            ("a/x.y_0000.tiff", "a/x.y.json"),
            ("_0000.tif", "_0000.json"),
            ("ä0001.npy", "ä0001.json"),
        ] {
            assert_eq!(of_case(Path::new(path)), Path::new(wanted));
        }
    }
}
