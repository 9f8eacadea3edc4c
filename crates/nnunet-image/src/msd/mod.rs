//! Datasets of the Medical Segmentation Decathlon in nnU-Net v2's layout.

mod document;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nnunet_schema::{Progress, SchemaError, atomic, layout};
use rayon::prelude::*;

use crate::formats::split_channels;
use crate::formats::unsupported;
use crate::{ImageError, cases};
use document::{Document, ENDING, Listed};

/// The largest number that has three digits, as the names of datasets have them.
const MOST_NUMBER: u16 = 999;

/// What [`convert_msd`] has made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MsdConversion {
    /// The new dataset's folder.
    pub folder: PathBuf,
    /// Name of the folder, `DatasetNNN_Name`.
    pub name: String,
    /// Image channels of each case.
    pub channels: usize,
    /// Number of training cases.
    pub training: usize,
    /// Number of images without labels.
    pub test: usize,
}

/// Converts a dataset of the Medical Segmentation Decathlon, the folder `TaskNN_Name`, to
/// nnU-Net v2's layout: `raw_root/DatasetNNN_Name`, with `id` instead of its own number if that
/// is given.
///
/// The cases are those that its `dataset.json` lists under `training` and `test`. The fourth axis
/// of an image becomes files `CASE_0000.nii.gz` and so on, with voxels and geometry as they were;
/// an image that is 3D, and the label maps, are copied. The new `dataset.json` has `channel_names`
/// in the place of `modality`, labels by name, and all other keys but the lists of cases. Hidden
/// files are passed over.
///
/// Cases are converted in parallel, in the rayon pool of the caller, each streamed from file to
/// file. All is written to a hidden folder beside the new one, which appears when it is complete.
///
/// # Errors
/// [`ImageError::Unsupported`] if the folder's name has no number and none is given, or if the
/// number of channels of a file is not that of the dataset; [`ImageError::DatasetExists`] if
/// `raw_root` has a dataset of the same number that is not empty; [`ImageError::Schema`] for
/// `dataset.json`; other [`ImageError`]s naming the first file that cannot be read or written.
pub fn convert_msd(
    source: &Path,
    raw_root: &Path,
    id: Option<u16>,
    progress: &dyn Progress,
) -> Result<MsdConversion, ImageError> {
    let name = dataset_name(source, id)?;
    let target = raw_root.join(&name);
    refuse_existing(raw_root, &target, &name)?;
    let document = Document::load(source)?;
    warn_of_others(source, &document, progress)?;

    let unfinished = Unfinished(atomic::temporary_beside(&target));
    let jobs = jobs(source, &document, &unfinished.0, progress);
    let task = progress.start(&format!("convert {name}"), jobs.len());
    jobs.par_iter().try_for_each(|job| {
        job.run()?;
        task.step(&job.id);
        Ok::<(), ImageError>(())
    })?;
    let description = document.description;
    description.save(&layout::dataset_json(&unfinished.0))?;
    let made = MsdConversion {
        folder: target,
        name,
        channels: description.channels(),
        training: description.num_training,
        test: jobs.len() - description.num_training,
    };
    unfinished.rename_to(&made.folder)?;
    Ok(made)
}

/// `DatasetNNN_Name` for `TaskNN_Name`.
fn dataset_name(source: &Path, id: Option<u16>) -> Result<String, ImageError> {
    let folder = cases::folder_name(source);
    let (own, name) = match folder
        .strip_prefix("Task")
        .and_then(|rest| rest.split_once('_'))
    {
        Some((number, name)) => (number.parse().ok(), name),
        None => (None, folder.as_str()),
    };
    match id.or(own) {
        Some(number) if number <= MOST_NUMBER && !name.is_empty() => {
            Ok(format!("Dataset{number:03}_{name}"))
        }
        Some(number) if number > MOST_NUMBER => Err(unsupported(
            source,
            format!("its number is {number}, expected at most {MOST_NUMBER}: choose another one"),
        )),
        _ => Err(unsupported(
            source,
            "its name is not TaskNN_Name: rename it or choose a number".to_owned(),
        )),
    }
}

/// Refuses a root that has a dataset of this number, unless it is our target and empty.
fn refuse_existing(raw_root: &Path, target: &Path, name: &str) -> Result<(), ImageError> {
    let prefix = name.split_inclusive('_').next().unwrap_or(name);
    let entries = match fs::read_dir(raw_root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(list_error(raw_root)(error)),
    };
    for entry in entries {
        let existing = entry.map_err(list_error(raw_root))?.path();
        let same_number = cases::folder_name(&existing).starts_with(prefix);
        let empty = fs::read_dir(&existing).is_ok_and(|mut inside| inside.next().is_none());
        if same_number && !(existing == target && empty) {
            return Err(ImageError::DatasetExists {
                target: target.to_path_buf(),
                existing,
            });
        }
    }
    Ok(())
}

/// Images that are there but not listed are not part of the dataset; better to say so.
fn warn_of_others(
    source: &Path,
    document: &Document,
    progress: &dyn Progress,
) -> Result<(), ImageError> {
    let folder = source.join("imagesTr");
    let Ok(entries) = fs::read_dir(&folder) else {
        return Ok(());
    };
    let mut others = 0;
    for entry in entries {
        let name = entry.map_err(list_error(&folder))?.file_name();
        let name = name.to_string_lossy();
        let id = name.strip_suffix(ENDING).filter(|id| !id.starts_with('.'));
        others += usize::from(id.is_some_and(|id| document.training.iter().all(|c| c.id != id)));
    }
    if others > 0 {
        let folder = folder.display();
        progress.warn(&format!(
            "{others} of the images in {folder} not converted: dataset.json does not list them"
        ));
    }
    Ok(())
}

/// A case, and where it goes.
#[derive(Debug)]
struct Job {
    id: String,
    image: PathBuf,
    channels: usize,
    images: PathBuf,
    /// The label map and the folder that it goes to.
    label: Option<(PathBuf, PathBuf)>,
}

impl Job {
    fn run(&self) -> Result<(), ImageError> {
        split_channels(&self.image, self.channels, |channel| {
            self.images
                .join(format!("{}_{channel:04}{ENDING}", self.id))
        })?;
        match &self.label {
            None => Ok(()),
            Some((label, folder)) => {
                split_channels(label, 1, |_| folder.join(format!("{}{ENDING}", self.id)))
            }
        }
    }
}

fn jobs(source: &Path, document: &Document, target: &Path, progress: &dyn Progress) -> Vec<Job> {
    let channels = document.description.channels();
    let job = |case: &Listed, images: PathBuf| Job {
        id: case.id.clone(),
        image: source.join(&case.image),
        channels,
        images,
        label: (case.label.as_ref())
            .map(|label| (source.join(label), layout::training_labels(target))),
    };
    let training = document.training.iter();
    let mut jobs: Vec<Job> = training
        .map(|case| job(case, layout::training_images(target)))
        .collect();
    if !document.test.is_empty() && !source.join("imagesTs").is_dir() {
        progress.warn("dataset.json lists test images, but there is no folder imagesTs");
    } else {
        let test = document.test.iter();
        jobs.extend(test.map(|case| job(case, target.join("imagesTs"))));
    }
    jobs
}

/// A folder that is removed unless it gets its final name.
#[derive(Debug)]
struct Unfinished(PathBuf);

impl Unfinished {
    fn rename_to(self, target: &Path) -> Result<(), ImageError> {
        let io_error = |source| SchemaError::Io {
            action: "write",
            path: target.to_path_buf(),
            source,
        };
        // Only an empty one can be there, and not everywhere would it be replaced.
        match fs::remove_dir(target) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error(error).into());
            }
            _ => {}
        }
        fs::rename(&self.0, target).map_err(io_error)?;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After renaming there is nothing to remove; a leftover is only untidy.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn list_error(path: &Path) -> impl FnOnce(io::Error) -> ImageError {
    let path = path.to_path_buf();
    move |source| ImageError::Io {
        action: "list",
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_becomes_a_dataset_of_its_number_or_the_one_asked_for() {
        let name = |folder: &str, id| dataset_name(Path::new(folder), id).ok();
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(
            name("a/Task04_Hippocampus", None),
            some("Dataset004_Hippocampus")
        );
        assert_eq!(name("Task04_A_B/", Some(7)), some("Dataset007_A_B"));
        assert_eq!(name("Mine", Some(12)), some("Dataset012_Mine"));
        assert_eq!(name("Mine", None), None);
        assert_eq!(name("TaskX_Mine", None), None);
        assert_eq!(name("Task1000_Mine", None), None);
    }
}
