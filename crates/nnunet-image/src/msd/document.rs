//! The `dataset.json` of the Decathlon.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nnunet_schema::{DatasetDescription, LabelValue, SchemaError, layout, python_json};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The ending of all its files.
pub(super) const ENDING: &str = ".nii.gz";

/// What a `dataset.json` of the Decathlon says.
#[derive(Debug)]
pub(super) struct Document {
    /// The description that nnU-Net v2 wants.
    pub(super) description: DatasetDescription,
    pub(super) training: Vec<Listed>,
    pub(super) test: Vec<Listed>,
}

/// A case; paths are relative to the dataset's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// Name of the case: that of its image without the ending.
    pub(super) id: String,
    pub(super) image: PathBuf,
    pub(super) label: Option<PathBuf>,
}

/// The document as it is in the file.
#[derive(Deserialize)]
struct AsWritten {
    modality: BTreeMap<usize, String>,
    labels: BTreeMap<u16, String>,
    training: Vec<Pair>,
    #[serde(default)]
    test: Vec<TestImage>,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

#[derive(Deserialize)]
struct Pair {
    image: String,
    label: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TestImage {
    Path(String),
    Entry { image: String },
}

impl Document {
    /// Reads the document of the dataset in `folder`.
    pub(super) fn load(folder: &Path) -> Result<Self, SchemaError> {
        let path = layout::dataset_json(folder);
        let written: AsWritten = python_json::load(&path)?;
        let malformed = |json_path: &str, message: String| SchemaError::Malformed {
            path: path.clone(),
            json_path: json_path.to_owned(),
            message,
        };
        if written
            .modality
            .keys()
            .enumerate()
            .any(|(i, channel)| i != *channel)
        {
            let found: Vec<_> = written.modality.keys().collect();
            let message = format!("has the channels {found:?}, expected 0, 1, … without gaps");
            return Err(malformed("modality", message));
        }
        let training = written.training.iter().map(|pair| {
            let label = Some(relative(&pair.label));
            listed(&pair.image, label)
        });
        let training = sort(training.collect(), |message| malformed("training", message))?;
        let test = written.test.iter().map(|image| match image {
            TestImage::Path(image) | TestImage::Entry { image } => listed(image, None),
        });
        let test = sort(test.collect(), |message| malformed("test", message))?;
        if training.is_empty() {
            return Err(malformed("training", "lists no case".to_owned()));
        }

        let mut extra = written.extra;
        // Both are in the description itself.
        extra.shift_remove("numTraining");
        extra.shift_remove("file_ending");
        let label = |(value, name): (u16, String)| {
            // Version 2 knows the background by its name.
            let name = if value == 0 {
                "background".to_owned()
            } else {
                name
            };
            (name, LabelValue::Single(value))
        };
        let values = written.labels.len();
        let description = DatasetDescription {
            channel_names: (written.modality.into_iter())
                .map(|(channel, name)| (channel.to_string(), name))
                .collect(),
            labels: written.labels.into_iter().map(label).collect(),
            regions_class_order: None,
            num_training: training.len(),
            file_ending: ENDING.to_owned(),
            extra,
        };
        if description.labels.len() < values {
            return Err(malformed(
                "labels",
                "gives two labels the same name".to_owned(),
            ));
        }
        if description.channels() == 0 {
            return Err(malformed("modality", "is empty".to_owned()));
        }
        let scheme = description.label_scheme();
        scheme.map_err(|error| malformed("labels", error.to_string()))?;
        Ok(Self {
            description,
            training,
            test,
        })
    }
}

/// `./imagesTr/a.nii.gz` as a path below the dataset's folder.
fn relative(path: &str) -> PathBuf {
    PathBuf::from(path.trim_start_matches("./"))
}

/// `None` for a hidden file, which some archives list beside each true one.
fn listed(image: &str, label: Option<PathBuf>) -> Option<Result<Listed, String>> {
    let image = relative(image);
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with('.') {
        return None;
    }
    Some(match name.strip_suffix(ENDING) {
        Some(id) if !id.is_empty() => Ok(Listed {
            id: id.to_owned(),
            label,
            image,
        }),
        _ => Err(format!(
            "lists {}, expected files ending in {ENDING}",
            image.display()
        )),
    })
}

/// The cases by name, or what is wrong with them.
fn sort(
    cases: Vec<Option<Result<Listed, String>>>,
    error: impl Fn(String) -> SchemaError,
) -> Result<Vec<Listed>, SchemaError> {
    let cases: Result<Vec<Listed>, String> = cases.into_iter().flatten().collect();
    let mut cases = cases.map_err(&error)?;
    cases.sort_by(|a, b| a.id.cmp(&b.id));
    let twice = cases.array_windows().find(|[a, b]| a.id == b.id);
    match twice {
        Some([case, _]) => Err(error(format!("lists the case `{}` twice", case.id))),
        None => Ok(cases),
    }
}
