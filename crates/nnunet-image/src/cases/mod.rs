//! The folder of a raw dataset: which files belong to which case.
//!
//! ```text
//! DatasetNNN_Name/
//!     dataset.json
//!     imagesTr/CASE_0000.nii.gz   first channel
//!     imagesTr/CASE_0001.nii.gz   second channel, …
//!     labelsTr/CASE.nii.gz
//! ```
//!
//! In formats of pictures and the like, `CASE_0000` alone may hold all channels (RGB).
//!
//! Instead of the two folders, `dataset.json` may list the files of each case under the key
//! `dataset`.

mod listed;
mod scan;

use std::path::{Path, PathBuf};

use ndarray::Array4;
use nnunet_schema::{DatasetDescription, layout};

use crate::{FormatRegistry, Image, ImageError, LabelMap};

/// The files of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawCase {
    /// Name of the case: that of its files without channel number and ending.
    pub id: String,
    /// The images in the order of the channels, usually one file per channel.
    pub images: Vec<PathBuf>,
    /// The label map; `None` for a case that is to be predicted.
    pub label: Option<PathBuf>,
}

/// A raw dataset: its description and the files of its training cases.
#[derive(Clone, Debug)]
pub struct RawDataset {
    /// The dataset's folder.
    pub folder: PathBuf,
    /// Name of the folder, `DatasetNNN_Name`.
    pub name: String,
    /// Its `dataset.json`.
    pub description: DatasetDescription,
    /// The training cases: sorted by name, or in the order of `dataset.json` if that lists them.
    pub cases: Vec<RawCase>,
    /// Files among the images that have the dataset's ending but no channel number.
    pub misnamed: Vec<PathBuf>,
}

impl RawDataset {
    /// Finds the cases of a dataset and checks that all their files are there.
    ///
    /// Whether there are as many cases as `numTraining` says, and what the files hold, is for an
    /// integrity check to tell.
    ///
    /// # Errors
    /// [`ImageError::Schema`] for `dataset.json`, [`ImageError::Io`] if a folder cannot be listed,
    /// and [`NoCases`](ImageError::NoCases), [`Misnamed`](ImageError::Misnamed),
    /// [`MissingChannel`](ImageError::MissingChannel),
    /// [`SurplusChannel`](ImageError::SurplusChannel) or
    /// [`MissingLabel`](ImageError::MissingLabel) for the first file that is missing or too many.
    pub fn open(folder: &Path) -> Result<Self, ImageError> {
        let dataset = Self::scan(folder)?;
        let ending = &dataset.description.file_ending;
        let images = layout::training_images(folder);
        scan::check_names(&dataset.cases, &dataset.misnamed, &images, ending)?;
        for case in &dataset.cases {
            scan::check_images(case, dataset.description.channels())?;
            if let Some(label) = case.label.as_ref().filter(|path| !path.is_file()) {
                return Err(ImageError::MissingLabel {
                    case: case.id.clone(),
                    expected: label.clone(),
                });
            }
        }
        Ok(dataset)
    }

    /// As [`open`](Self::open), but files may be missing or too many: every case has the paths
    /// that it should have, and those that it has beyond. For an integrity check, which reports
    /// them all.
    ///
    /// # Errors
    /// [`ImageError::Schema`] for `dataset.json`, [`ImageError::Io`] if a folder cannot be listed.
    pub fn scan(folder: &Path) -> Result<Self, ImageError> {
        let description = DatasetDescription::load(&layout::dataset_json(folder))?;
        let (cases, misnamed) = match listed::cases(&description, folder)? {
            Some(cases) => (cases, Vec::new()),
            None => {
                let ending = &description.file_ending;
                let images = layout::training_images(folder);
                let mut found = scan::images(&images, ending, description.channels())?;
                let labels = layout::training_labels(folder);
                for case in &mut found.cases {
                    case.label = Some(labels.join(format!("{}{ending}", case.id)));
                }
                (found.cases, found.misnamed)
            }
        };
        Ok(Self {
            folder: folder.to_path_buf(),
            name: folder_name(folder),
            description,
            cases,
            misnamed,
        })
    }

    /// The case of this name.
    #[must_use]
    pub fn case(&self, id: &str) -> Option<&RawCase> {
        self.cases.iter().find(|case| case.id == id)
    }
}

/// The cases of a folder of images that are to be predicted, sorted by name: all files named
/// `CASE_dddd{ending}`, four digits for the channel.
///
/// # Errors
/// [`ImageError::Io`] if the folder cannot be listed, and [`NoCases`](ImageError::NoCases),
/// [`Misnamed`](ImageError::Misnamed), [`MissingChannel`](ImageError::MissingChannel) or
/// [`SurplusChannel`](ImageError::SurplusChannel) for the first file that is missing or too many.
pub fn find_cases(
    folder: &Path,
    ending: &str,
    channels: usize,
) -> Result<Vec<RawCase>, ImageError> {
    let found = scan::images(folder, ending, channels)?;
    scan::check_names(&found.cases, &found.misnamed, folder, ending)?;
    for case in &found.cases {
        scan::check_images(case, channels)?;
    }
    Ok(found.cases)
}

impl RawCase {
    /// Reads all channels, stacked in the order of the files. The geometry is that of the first.
    ///
    /// # Errors
    /// [`ImageError`] of the first file that cannot be read, or whose shape or spacing differs
    /// from the first channel's ([`Geometry::same_spacing`](crate::Geometry::same_spacing)).
    pub fn read_image(&self, registry: &FormatRegistry) -> Result<Image, ImageError> {
        let (first, others) = (self.images.split_first()).ok_or_else(|| ImageError::NoImages {
            case: self.id.clone(),
        })?;
        let first = registry.read_image(first)?;
        if others.is_empty() {
            return Ok(first);
        }
        let (shape, geometry) = (first.shape(), first.geometry);
        let mut channels = first.channels();
        let mut data: Vec<f32> = first.data.into_iter().collect();
        data.reserve_exact(data.len().saturating_mul(others.len()));
        for path in others {
            let next = registry.read_image(path)?;
            if next.shape() != shape {
                return Err(ImageError::ChannelShape {
                    case: self.id.clone(),
                    path: path.clone(),
                    expected: shape,
                    found: next.shape(),
                });
            }
            if !next.geometry.same_spacing(&geometry) {
                return Err(ImageError::ChannelSpacing {
                    case: self.id.clone(),
                    path: path.clone(),
                    expected: geometry.spacing.mm(),
                    found: next.geometry.spacing.mm(),
                });
            }
            channels += next.channels();
            data.extend(next.data.iter());
        }
        let [z, y, x] = shape.voxels();
        let data = Array4::from_shape_vec((channels, z, y, x), data);
        let data = data.map_err(|error| ImageError::Damaged {
            path: self.images.first().cloned().unwrap_or_default(),
            problem: error.to_string(),
        })?;
        Ok(Image { data, geometry })
    }

    /// Reads the label map, if the case has one.
    ///
    /// # Errors
    /// [`ImageError`] naming the file.
    pub fn read_labels(&self, registry: &FormatRegistry) -> Result<Option<LabelMap>, ImageError> {
        let label = self.label.as_ref();
        label.map(|path| registry.read_labels(path)).transpose()
    }

    /// The file that holds a channel, for messages: the channel's own, or the only one.
    #[must_use]
    pub fn file_of_channel(&self, channel: usize) -> Option<&Path> {
        let file = self.images.get(channel).or(self.images.last());
        file.map(PathBuf::as_path)
    }
}

/// The last part of the path, also of one like `.` or `a/..`.
pub(crate) fn folder_name(folder: &Path) -> String {
    let name = |path: &Path| Some(path.file_name()?.to_string_lossy().into_owned());
    name(folder)
        .or_else(|| name(&folder.canonicalize().ok()?))
        .unwrap_or_default()
}
