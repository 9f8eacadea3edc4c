//! Finding cases by the names of files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::RawCase;
use crate::ImageError;

/// The digits of a channel number in a file name.
const CHANNEL_DIGITS: usize = 4;

pub(super) struct Found {
    /// Sorted by name; every case has the path of each channel, there or not, then surplus ones;
    /// or only that of the first, if that may hold all of them.
    pub(super) cases: Vec<RawCase>,
    pub(super) misnamed: Vec<PathBuf>,
}

/// Sorts the files of a folder into cases. Hidden files are passed over.
pub(super) fn images(folder: &Path, ending: &str, channels: usize) -> Result<Found, ImageError> {
    let mut by_case: BTreeMap<String, BTreeMap<usize, PathBuf>> = BTreeMap::new();
    let mut misnamed = Vec::new();
    for name in file_names(folder)? {
        let Some(stem) = name.strip_suffix(ending).filter(|_| !name.starts_with('.')) else {
            continue;
        };
        match split_channel(stem) {
            Some((id, channel)) => {
                let files = by_case.entry(id.to_owned()).or_default();
                files.insert(channel, folder.join(&name));
            }
            None => misnamed.push(folder.join(&name)),
        }
    }
    misnamed.sort();
    let cases = by_case.into_iter().map(|(id, files)| {
        let alone = may_hold_all_channels(ending) && files.keys().eq(&[0]);
        let wanted = if alone { channels.min(1) } else { channels };
        let expected = (0..wanted).map(|c| folder.join(format!("{id}_{c:04}{ending}")));
        let surplus = files.range(channels..).map(|(_, path)| path.clone());
        RawCase {
            images: expected.chain(surplus).collect(),
            id,
            label: None,
        }
    });
    Ok(Found {
        cases: cases.collect(),
        misnamed,
    })
}

/// Refuses a folder without cases, and files that belong to none.
pub(super) fn check_names(
    cases: &[RawCase],
    misnamed: &[PathBuf],
    folder: &Path,
    ending: &str,
) -> Result<(), ImageError> {
    let ending = ending.to_owned();
    match (cases, misnamed) {
        ([], _) => Err(ImageError::NoCases {
            path: folder.to_path_buf(),
            ending,
            instead: (misnamed.first())
                .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned())),
        }),
        (_, [path, ..]) => Err(ImageError::Misnamed {
            path: path.clone(),
            ending,
        }),
        _ => Ok(()),
    }
}

/// Refuses a case with missing or surplus channels.
pub(super) fn check_images(case: &RawCase, channels: usize) -> Result<(), ImageError> {
    if let Some(path) = case.images.get(channels) {
        return Err(ImageError::SurplusChannel {
            case: case.id.clone(),
            path: path.clone(),
            channels,
        });
    }
    match case
        .images
        .iter()
        .enumerate()
        .find(|(_, path)| !path.is_file())
    {
        None => Ok(()),
        Some((channel, expected)) => Err(ImageError::MissingChannel {
            case: case.id.clone(),
            channel,
            expected: expected.clone(),
        }),
    }
}

fn file_names(folder: &Path) -> Result<Vec<String>, ImageError> {
    let list_error = |source| ImageError::Io {
        action: "list",
        path: folder.to_path_buf(),
        source,
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(list_error)? {
        let entry = entry.map_err(list_error)?;
        if entry.path().is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

/// Whether a file `CASE_0000` that is alone may be all of its case, a picture in colours for
/// example. In a dataset of NIfTI files it is one whose other channels are missing. How many
/// channels a file really has shows when it is read.
fn may_hold_all_channels(ending: &str) -> bool {
    !ending.to_lowercase().starts_with(".nii")
}

/// `CASE_0012` is channel 12 of `CASE`; exactly four digits, and a name before them.
fn split_channel(stem: &str) -> Option<(&str, usize)> {
    let (id, digits) = stem.rsplit_once('_')?;
    let is_number = digits.len() == CHANNEL_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    (is_number && !id.is_empty()).then_some((id, digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_has_exactly_four_digits() {
        assert_eq!(split_channel("a_1_0012"), Some(("a_1", 12)));
        for bad in ["a_1", "a_00012", "a_001x", "_0000", "a0000", "0000", ""] {
            assert_eq!(split_channel(bad), None, "{bad}");
        }
    }

    #[test]
    fn one_file_may_hold_all_channels_unless_it_is_nifti() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a_0000.png", "b_0000.png", "b_0001.png", "a_0000.nii.gz"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let files = |ending| -> Vec<usize> {
            let found = images(dir.path(), ending, 3).unwrap();
            found.cases.iter().map(|case| case.images.len()).collect()
        };
        assert_eq!(files(".png"), [1, 3]);
        assert_eq!(files(".nii.gz"), [3]);
        let found = images(dir.path(), ".png", 3).unwrap();
        assert!(check_images(&found.cases[0], 3).is_ok());
        assert!(check_images(&found.cases[1], 3).is_err());
    }

    #[test]
    fn one_name_may_begin_like_another() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "case_1_0000.nii",
            "case_1_2_0000.nii",
            "._case_1_0000.nii",
            "x.txt",
        ] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let found = images(dir.path(), ".nii", 1).unwrap();
        let ids: Vec<_> = found.cases.iter().map(|c| c.id.as_str()).collect();
        assert_eq!(ids, ["case_1", "case_1_2"]);
        assert_eq!(found.cases[0].images, [dir.path().join("case_1_0000.nii")]);
        assert!(found.misnamed.is_empty());
    }
}
