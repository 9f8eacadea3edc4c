//! Where each document lies: nnU-Net v2's three roots and the folders below them.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::{Fold, SchemaError};

/// Environment variable with the root of the raw datasets.
pub const ENV_RAW: &str = "nnUNet_raw";
/// Environment variable with the root of the preprocessed datasets, fingerprints and plans.
pub const ENV_PREPROCESSED: &str = "nnUNet_preprocessed";
/// Environment variable with the root of the trained models.
pub const ENV_RESULTS: &str = "nnUNet_results";

/// The three roots. Nothing here touches the disk except [`Layout::resolve`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Raw datasets.
    pub raw: PathBuf,
    /// Fingerprints, plans, splits and preprocessed cases.
    pub preprocessed: PathBuf,
    /// Trained models.
    pub results: PathBuf,
}

/// A dataset as a user names it: by number or by folder name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatasetId {
    /// `4` stands for the one folder `Dataset004_…`.
    Number(u32),
    /// A whole folder name.
    Name(String),
}

impl FromStr for DatasetId {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.parse() {
            Ok(number) => Self::Number(number),
            Err(_) => Self::Name(text.to_owned()),
        })
    }
}

impl fmt::Display for DatasetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl Layout {
    /// The folder name of a dataset, looked up in the three roots.
    ///
    /// # Errors
    /// [`SchemaError::Dataset`] if no folder, or more than one, answers to it.
    pub fn resolve(&self, id: &DatasetId) -> Result<String, SchemaError> {
        let known = self.datasets();
        let matching: Vec<&String> = match id {
            DatasetId::Name(name) => known.iter().filter(|k| *k == name).collect(),
            DatasetId::Number(number) => {
                let prefix = format!("Dataset{number:03}_");
                known.iter().filter(|k| k.starts_with(&prefix)).collect()
            }
        };
        let problem = match matching.as_slice() {
            [one] => return Ok((*one).clone()),
            [] => format!(
                "was not found in {}, {} or {}; there are: {}",
                self.raw.display(),
                self.preprocessed.display(),
                self.results.display(),
                if known.is_empty() {
                    "no datasets at all".to_owned()
                } else {
                    known.iter().cloned().collect::<Vec<_>>().join(", ")
                }
            ),
            several => format!("stands for more than one folder: {several:?}"),
        };
        Err(SchemaError::Dataset {
            asked: id.to_string(),
            problem,
        })
    }

    /// The names of all folders `DatasetNNN_…` in the three roots, sorted.
    fn datasets(&self) -> BTreeSet<String> {
        let roots = [&self.raw, &self.preprocessed, &self.results];
        (roots.into_iter())
            .filter_map(|root| fs::read_dir(root).ok())
            .flatten()
            .filter_map(Result::ok)
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.starts_with("Dataset"))
            .collect()
    }

    /// `raw/{dataset}`.
    #[must_use]
    pub fn raw_dataset(&self, dataset: &str) -> PathBuf {
        self.raw.join(dataset)
    }

    /// `preprocessed/{dataset}`.
    #[must_use]
    pub fn preprocessed_dataset(&self, dataset: &str) -> PathBuf {
        self.preprocessed.join(dataset)
    }

    /// `preprocessed/{dataset}/dataset_fingerprint.json`.
    #[must_use]
    pub fn fingerprint(&self, dataset: &str) -> PathBuf {
        self.preprocessed_dataset(dataset)
            .join("dataset_fingerprint.json")
    }

    /// `preprocessed/{dataset}/{plans_name}.json`.
    #[must_use]
    pub fn plans(&self, dataset: &str, plans_name: &str) -> PathBuf {
        self.preprocessed_dataset(dataset)
            .join(format!("{plans_name}.json"))
    }

    /// `raw/{dataset}/splits_final.json`: splits that come with a dataset.
    #[must_use]
    pub fn raw_splits(&self, dataset: &str) -> PathBuf {
        self.raw_dataset(dataset).join("splits_final.json")
    }

    /// `preprocessed/{dataset}/splits_final.json`.
    #[must_use]
    pub fn splits(&self, dataset: &str) -> PathBuf {
        self.preprocessed_dataset(dataset).join("splits_final.json")
    }

    /// `preprocessed/{dataset}/{data_identifier}`: the preprocessed cases of a configuration.
    #[must_use]
    pub fn store(&self, dataset: &str, data_identifier: &str) -> PathBuf {
        self.preprocessed_dataset(dataset).join(data_identifier)
    }

    /// `results/{dataset}/{trainer}__{plans_name}__{configuration}`.
    #[must_use]
    pub fn model(&self, dataset: &str, trainer: &str, plans: &str, configuration: &str) -> PathBuf {
        let folder = format!("{trainer}__{plans}__{configuration}");
        self.results.join(dataset).join(folder)
    }
}

/// `dataset.json` in a dataset folder or a model folder.
#[must_use]
pub fn dataset_json(folder: &Path) -> PathBuf {
    folder.join("dataset.json")
}

/// `imagesTr` in a raw dataset folder.
#[must_use]
pub fn training_images(raw_dataset: &Path) -> PathBuf {
    raw_dataset.join("imagesTr")
}

/// `labelsTr` in a raw dataset folder.
#[must_use]
pub fn training_labels(raw_dataset: &Path) -> PathBuf {
    raw_dataset.join("labelsTr")
}

/// `plans.json` in a model folder.
#[must_use]
pub fn model_plans(model: &Path) -> PathBuf {
    model.join("plans.json")
}

/// `fold_{fold}` in a model folder.
#[must_use]
pub fn fold(model: &Path, fold: Fold) -> PathBuf {
    model.join(format!("fold_{fold}"))
}

/// `predicted_next_stage/{configuration}` in the model folder of a cascade's first stage: what its
/// folds predicted for the training of `configuration`.
#[must_use]
pub fn predicted_next_stage(model: &Path, configuration: &str) -> PathBuf {
    model.join("predicted_next_stage").join(configuration)
}

/// `summary.json` in a folder of predictions.
#[must_use]
pub fn summary(predictions: &Path) -> PathBuf {
    predictions.join("summary.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_finds_its_one_folder_in_any_root() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout {
            raw: dir.path().join("raw"),
            preprocessed: dir.path().join("pre"),
            results: dir.path().join("res"),
        };
        fs::create_dir_all(layout.raw.join("Dataset004_A")).unwrap();
        fs::create_dir_all(layout.preprocessed.join("Dataset004_A")).unwrap();
        fs::create_dir_all(layout.results.join("Dataset005_B")).unwrap();
        fs::create_dir_all(layout.raw.join("Dataset005_C")).unwrap();
        let find = |text: &str| layout.resolve(&text.parse().unwrap());
        assert_eq!(find("4").unwrap(), "Dataset004_A");
        assert_eq!(find("Dataset005_B").unwrap(), "Dataset005_B");
        assert!(find("5").unwrap_err().to_string().contains("more than one"));
        let missing = find("6").unwrap_err().to_string();
        assert!(missing.contains("Dataset004_A, Dataset005_B"), "{missing}");
    }

    #[test]
    fn the_model_folder_has_the_name_that_python_gives_it() {
        let layout = Layout {
            raw: "r".into(),
            preprocessed: "p".into(),
            results: "m".into(),
        };
        let model = layout.model("Dataset004_A", "nnUNetTrainer", "nnUNetPlans", "2d");
        assert_eq!(
            fold(&model, Fold::All),
            Path::new("m/Dataset004_A/nnUNetTrainer__nnUNetPlans__2d/fold_all")
        );
    }
}
