//! What an interrupted run leaves in the folder of its outputs: files and folders with temporary
//! names.

use std::fs;
use std::io;
use std::path::Path;

use nnunet_schema::SchemaError;

use crate::InferError;

/// How temporary names begin: then follow the number of the process, a count and the name.
const BEGIN: &str = ".tmp-";

/// Removes the unfinished outputs of these cases, label maps with this ending and probabilities.
/// Those of other cases stay: another run may be writing them.
pub(crate) fn remove<'a>(
    output: &Path,
    ending: &str,
    cases: impl Iterator<Item = &'a str>,
) -> Result<(), InferError> {
    let fail = |action, path: &Path, source| {
        InferError::Schema(SchemaError::Io {
            action,
            path: path.to_path_buf(),
            source,
        })
    };
    let unfinished: Vec<String> = match fs::read_dir(output) {
        Ok(entries) => entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| target(name).is_some())
            .collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(fail("list", output, source)),
    };
    if unfinished.is_empty() {
        return Ok(());
    }
    let endings = [ending, ".zarr", ".npz"];
    for case in cases {
        let is_of_case = |name: &&String| {
            let rest = target(name).and_then(|target| target.strip_prefix(case));
            rest.is_some_and(|rest| endings.contains(&rest))
        };
        for name in unfinished.iter().filter(is_of_case) {
            let path = output.join(name);
            let removed = match path.is_dir() {
                true => fs::remove_dir_all(&path),
                false => fs::remove_file(&path),
            };
            removed.map_err(|source| fail("remove", &path, source))?;
        }
    }
    Ok(())
}

/// The name that an unfinished file was to get.
fn target(name: &str) -> Option<&str> {
    let (process, rest) = name.strip_prefix(BEGIN)?.split_once('-')?;
    let (count, target) = rest.split_once('-')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (is_number(process) && is_number(count)).then_some(target)
}

#[cfg(test)]
mod tests {
    use nnunet_schema::atomic::temporary_beside;

    use super::*;

    #[test]
    fn unfinished_outputs_of_the_cases_go_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let beside = |name: &str| temporary_beside(&dir.path().join(name));
        let zarr = beside("a-b.zarr");
        fs::create_dir(&zarr).unwrap();
        fs::write(zarr.join("part"), b"").unwrap();
        let ours = [beside("a-b.nii.gz"), beside("a-b.npz")];
        let others = [
            beside("a.nii.gz"),
            beside("a-b.json"),
            dir.path().join("a-b.nii.gz"),
            dir.path().join(".tmp-x-1-a-b.nii.gz"),
        ];
        for path in ours.iter().chain(&others) {
            fs::write(path, b"").unwrap();
        }
        remove(dir.path(), ".nii.gz", ["a-b"].into_iter()).unwrap();
        assert!(!zarr.exists());
        assert!(ours.iter().all(|path| !path.exists()));
        assert!(others.iter().all(|path| path.exists()));
        remove(&dir.path().join("none"), ".nii.gz", ["a"].into_iter()).unwrap();
    }
}
