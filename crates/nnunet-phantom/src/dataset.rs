use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use ndarray::Axis;
use nnunet_image::{FormatRegistry, Image};
use nnunet_schema::dataset::LabelValue;
use nnunet_schema::{DatasetDescription, Progress, SchemaError};
use rayon::prelude::*;
use serde_json::Map;

use crate::{Contrast, LESION, ORGAN, Phantom, PhantomConfig, PhantomError, VESSEL};

/// Numbers of test cases start here, so that they are the same whatever the number of training
/// cases.
const FIRST_TEST: u64 = 1 << 32;

/// A dataset of phantoms.
#[derive(Clone, Debug, PartialEq)]
pub struct PhantomDataset {
    /// The name of its folder, `DatasetNNN_Name`.
    pub name: String,
    /// Number of training cases.
    pub training_cases: usize,
    /// Number of test cases, whose labels go to `labelsTs`.
    pub test_cases: usize,
    /// Ending of the files, which selects the format.
    pub file_ending: String,
    /// What the phantoms look like.
    pub config: PhantomConfig,
}

impl Default for PhantomDataset {
    /// `Dataset900_Phantom`: 20 training and 5 test cases of the default configuration.
    fn default() -> Self {
        Self {
            name: "Dataset900_Phantom".to_owned(),
            training_cases: 20,
            test_cases: 5,
            file_ending: ".nii.gz".to_owned(),
            config: PhantomConfig::default(),
        }
    }
}

impl PhantomDataset {
    /// The `dataset.json` of the dataset.
    #[must_use]
    pub fn description(&self) -> DatasetDescription {
        let channels: &[&str] = match self.config.contrast {
            Contrast::Single => &["phantom"],
            Contrast::Complementary => &["organ-weighted", "vessel-weighted"],
        };
        let labels = [
            ("background", 0),
            ("organ", ORGAN),
            ("vessel", VESSEL),
            ("lesion", LESION),
        ];
        let mut extra = Map::new();
        let note = format!("synthetic phantoms, seed {}", self.config.seed);
        extra.insert("name".to_owned(), self.name.clone().into());
        extra.insert("description".to_owned(), note.into());
        DatasetDescription {
            channel_names: (channels.iter().enumerate())
                .map(|(i, name)| (i.to_string(), (*name).to_owned()))
                .collect(),
            labels: (labels.into_iter())
                .map(|(name, value)| (name.to_owned(), LabelValue::Single(value.unsigned_abs())))
                .collect::<IndexMap<_, _>>(),
            regions_class_order: None,
            num_training: self.training_cases,
            file_ending: self.file_ending.clone(),
            extra,
        }
    }

    fn cases(&self) -> Vec<Case> {
        let training = (0..self.training_cases).map(|i| Case {
            id: format!("phantom_{i:03}"),
            index: i as u64,
            images: "imagesTr",
            labels: "labelsTr",
        });
        let test = (0..self.test_cases).map(|i| Case {
            id: format!("phantom_test_{i:03}"),
            index: FIRST_TEST + i as u64,
            images: "imagesTs",
            labels: "labelsTs",
        });
        training.chain(test).collect()
    }
}

/// One case and where it goes.
#[derive(Debug)]
struct Case {
    id: String,
    index: u64,
    images: &'static str,
    labels: &'static str,
}

impl Case {
    fn image_file(&self, channel: usize, ending: &str) -> PathBuf {
        Path::new(self.images).join(format!("{}_{channel:04}{ending}", self.id))
    }

    fn label_file(&self, ending: &str) -> PathBuf {
        Path::new(self.labels).join(format!("{}{ending}", self.id))
    }
}

/// Writes a dataset of phantoms in nnU-Net's raw layout into `raw_root/{name}`: `imagesTr`,
/// `labelsTr`, `imagesTs`, `labelsTs`, and last `dataset.json`. Returns the folder.
///
/// Cases are made in parallel, in the rayon pool of the caller. Running it again writes the same
/// files again.
///
/// # Errors
/// [`PhantomError::Config`]; [`PhantomError::ForeignFile`] if one of the folders has files of
/// another dataset, which would mix with ours; [`PhantomError::Image`] or
/// [`PhantomError::Schema`] if a file cannot be written.
pub fn write_dataset(
    raw_root: &Path,
    dataset: &PhantomDataset,
    formats: &FormatRegistry,
    progress: &dyn Progress,
) -> Result<PathBuf, PhantomError> {
    dataset.config.check()?;
    let format = formats.for_ending(&dataset.file_ending)?;
    let folder = raw_root.join(&dataset.name);
    let cases = dataset.cases();
    refuse_foreign_files(&folder, &cases, dataset)?;
    for part in ["imagesTr", "labelsTr", "imagesTs", "labelsTs"] {
        let path = folder.join(part);
        fs::create_dir_all(&path).map_err(|source| io_error("make", &path, source))?;
    }

    let task = progress.start("make phantoms", cases.len());
    cases.par_iter().try_for_each(|case| {
        let phantom = Phantom::generate(&dataset.config, case.index)?;
        for (channel, data) in phantom.image.data.axis_chunks_iter(Axis(0), 1).enumerate() {
            let image = Image {
                data: data.to_owned(),
                geometry: phantom.image.geometry,
            };
            let file = case.image_file(channel, &dataset.file_ending);
            format.write_image(&folder.join(file), &image)?;
        }
        let file = case.label_file(&dataset.file_ending);
        format.write_labels(&folder.join(file), &phantom.labels)?;
        task.step(&case.id);
        Ok::<(), PhantomError>(())
    })?;
    dataset.description().save(&folder.join("dataset.json"))?;
    Ok(folder)
}

/// An error if the dataset's folders hold anything but what will be written there.
fn refuse_foreign_files(
    folder: &Path,
    cases: &[Case],
    dataset: &PhantomDataset,
) -> Result<(), PhantomError> {
    let ending = &dataset.file_ending;
    let channels = dataset.config.contrast.channels();
    let ours: BTreeSet<PathBuf> = (cases.iter())
        .flat_map(|case| {
            let images = (0..channels).map(|channel| case.image_file(channel, ending));
            images.chain([case.label_file(ending)])
        })
        .collect();
    for part in ["imagesTr", "labelsTr", "imagesTs", "labelsTs"] {
        let path = folder.join(part);
        if !path.exists() {
            continue;
        }
        let list_error = |source| io_error("list", &path, source);
        for entry in fs::read_dir(&path).map_err(list_error)? {
            let name = entry.map_err(list_error)?.file_name();
            let hidden = name.to_string_lossy().starts_with('.');
            if !hidden && !ours.contains(&Path::new(part).join(&name)) {
                let file = path.join(name);
                return Err(PhantomError::ForeignFile { file });
            }
        }
    }
    Ok(())
}

fn io_error(action: &'static str, path: &Path, source: std::io::Error) -> SchemaError {
    SchemaError::Io {
        action,
        path: path.to_path_buf(),
        source,
    }
}
