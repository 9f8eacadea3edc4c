//! `dataset.json`: what the channels and the labels of a dataset are.

use std::path::Path;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{SchemaError, python_json};

const DOCUMENT: &str = "dataset.json";

/// The description of a dataset, nnU-Net v2's `dataset.json`. Unknown keys are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetDescription {
    /// Channel number as text (`"0"`, `"1"`, …) to channel name; the name selects the
    /// normalisation (`CT` or something else). The old key `modality` is accepted.
    #[serde(alias = "modality")]
    pub channel_names: IndexMap<String, String>,
    /// Label name to value, or to the values that make up a region; in the order of the file.
    pub labels: IndexMap<String, LabelValue>,
    /// For region-based training: the label that each region is written as, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regions_class_order: Option<Vec<u16>>,
    /// Number of training cases.
    #[serde(rename = "numTraining")]
    pub num_training: usize,
    /// Ending of images and label maps with its leading dot, e.g. `.nii.gz`.
    pub file_ending: String,
    /// Everything else in the file, untouched.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The value of an entry of `labels`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LabelValue {
    /// One label.
    Single(u16),
    /// A region: the union of several labels.
    Region(Vec<u16>),
}

impl LabelValue {
    /// The labels that belong to the entry.
    #[must_use]
    pub fn members(&self) -> &[u16] {
        match self {
            Self::Single(value) => std::slice::from_ref(value),
            Self::Region(values) => values,
        }
    }
}

impl DatasetDescription {
    /// Reads and checks a `dataset.json`.
    ///
    /// # Errors
    /// [`SchemaError`] with the file and the place in it.
    pub fn load(path: &Path) -> Result<Self, SchemaError> {
        let description: Self = python_json::load(path)?;
        description.check().map_err(|error| match error {
            SchemaError::Invalid {
                json_path, message, ..
            } => SchemaError::Malformed {
                path: path.to_path_buf(),
                json_path,
                message,
            },
            other => other,
        })?;
        Ok(description)
    }

    /// Writes the document atomically.
    ///
    /// # Errors
    /// [`SchemaError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), SchemaError> {
        python_json::save(path, self)
    }

    /// Number of image channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channel_names.len()
    }

    /// Channel names in the order of their numbers.
    #[must_use]
    pub fn ordered_channel_names(&self) -> Vec<&str> {
        (0..self.channels())
            .filter_map(|i| self.channel_names.get(&i.to_string()).map(String::as_str))
            .collect()
    }

    /// What the labels mean for training and inference.
    ///
    /// # Errors
    /// [`SchemaError::Invalid`] if the labels contradict each other.
    pub fn label_scheme(&self) -> Result<LabelScheme, SchemaError> {
        LabelScheme::new(self)
    }

    fn check(&self) -> Result<(), SchemaError> {
        for i in 0..self.channels() {
            if !self.channel_names.contains_key(&i.to_string()) {
                return Err(invalid(
                    "channel_names",
                    format!(
                        "has {} entries but none named \"{i}\": channels are numbered \"0\", \"1\", …",
                        self.channels()
                    ),
                ));
            }
        }
        if self.channels() == 0 {
            return Err(invalid(
                "channel_names",
                "is empty: name at least one channel".into(),
            ));
        }
        if !self.file_ending.starts_with('.') {
            return Err(invalid(
                "file_ending",
                format!(
                    "is `{}`, expected an ending with its dot, e.g. `.nii.gz`",
                    self.file_ending
                ),
            ));
        }
        self.label_scheme().map(|_| ())
    }
}

fn invalid(json_path: &str, message: String) -> SchemaError {
    SchemaError::Invalid {
        document: DOCUMENT,
        json_path: json_path.to_owned(),
        message,
    }
}

/// The labels of a dataset sorted into what a network learns and what a label map holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelScheme {
    all_labels: Vec<u16>,
    names: Vec<String>,
    targets: Vec<Vec<u16>>,
    output_values: Vec<u16>,
    ignore_label: Option<u16>,
    region_based: bool,
    entries: usize,
}

impl LabelScheme {
    fn new(description: &DatasetDescription) -> Result<Self, SchemaError> {
        match description.labels.get("background") {
            Some(LabelValue::Single(0)) => {}
            Some(other) => {
                return Err(invalid(
                    "labels.background",
                    format!("is {:?}, expected 0", other.members()),
                ));
            }
            None => return Err(invalid("labels", "has no `background`: add it as 0".into())),
        }
        let mut all_labels: Vec<u16> = (description.labels.iter())
            .filter(|(name, _)| *name != "ignore")
            .flat_map(|(_, value)| value.members().iter().copied())
            .collect();
        all_labels.sort_unstable();
        all_labels.dedup();

        let ignore_label = match description.labels.get("ignore") {
            None => None,
            Some(LabelValue::Single(value)) => Some(*value),
            Some(LabelValue::Region(values)) => {
                return Err(invalid(
                    "labels.ignore",
                    format!("is {values:?}, expected a single label"),
                ));
            }
        };
        let highest = all_labels.last().copied().unwrap_or(0);
        if let Some(ignore) = ignore_label
            && ignore != highest.saturating_add(1)
        {
            return Err(invalid(
                "labels.ignore",
                format!(
                    "is {ignore}, expected {}: one above the highest label",
                    u32::from(highest) + 1
                ),
            ));
        }

        let region_based = (description.labels.values()).any(|value| value.members().len() > 1);
        let (names, targets): (Vec<_>, Vec<_>) = (description.labels.iter())
            .filter(|(name, value)| *name != "ignore" && value.members().iter().any(|v| *v != 0))
            .map(|(name, value)| (name.clone(), value.members().to_vec()))
            .unzip();
        let (names, targets, output_values) = if region_based {
            let order = description.regions_class_order.clone().ok_or_else(|| {
                invalid(
                    "regions_class_order",
                    "is missing: regions need the label that each is written as".into(),
                )
            })?;
            if order.len() != targets.len() {
                return Err(invalid(
                    "regions_class_order",
                    format!("has {} entries for {} regions", order.len(), targets.len()),
                ));
            }
            (names, targets, order)
        } else {
            // Heads follow the label values, whatever the order of the file.
            let mut sorted: Vec<_> = names.into_iter().zip(targets).collect();
            sorted.sort_by_key(|(_, members)| members.first().copied());
            let values = sorted.iter().flat_map(|(_, m)| m.clone()).collect();
            let (names, targets) = sorted.into_iter().unzip();
            (names, targets, values)
        };
        if targets.is_empty() {
            return Err(invalid(
                "labels",
                "has no foreground: add at least one label above 0".into(),
            ));
        }
        Ok(Self {
            all_labels,
            names,
            targets,
            output_values,
            ignore_label,
            region_based,
            entries: description.labels.len(),
        })
    }

    /// All labels that a label map may hold, ascending, background included, ignore excluded.
    #[must_use]
    pub fn all_labels(&self) -> &[u16] {
        &self.all_labels
    }

    /// Labels above background, ascending, ignore excluded.
    #[must_use]
    pub fn foreground_labels(&self) -> Vec<u16> {
        (self.all_labels.iter().copied())
            .filter(|v| *v != 0)
            .collect()
    }

    /// Names of the foreground classes (labels or regions), in the order of [`Self::targets`].
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The foreground classes: for each the labels that belong to it. Single labels ascending,
    /// or the regions in the order of the file.
    #[must_use]
    pub fn targets(&self) -> &[Vec<u16>] {
        &self.targets
    }

    /// The label that each class is written as in a label map.
    #[must_use]
    pub fn output_values(&self) -> &[u16] {
        &self.output_values
    }

    /// The label whose voxels are left out of training and evaluation.
    #[must_use]
    pub const fn ignore_label(&self) -> Option<u16> {
        self.ignore_label
    }

    /// Whether classes are regions that may overlap (sigmoid) rather than labels (softmax).
    #[must_use]
    pub const fn is_region_based(&self) -> bool {
        self.region_based
    }

    /// Number of network outputs: the regions, or the labels with the background.
    #[must_use]
    pub fn segmentation_heads(&self) -> usize {
        if self.region_based {
            self.targets.len()
        } else {
            self.all_labels.len()
        }
    }

    /// Number of entries of `labels`, background and ignore included: the class count of the
    /// memory estimate.
    #[must_use]
    pub const fn entries(&self) -> usize {
        self.entries
    }

    /// Whether a label map may hold `value`.
    #[must_use]
    pub fn allows(&self, value: i64) -> bool {
        u16::try_from(value).is_ok_and(|v| {
            self.all_labels.binary_search(&v).is_ok() || self.ignore_label == Some(v)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(labels: &str, extra: &str) -> DatasetDescription {
        python_json::parse(&format!(
            "{{\"channel_names\": {{\"0\": \"MRI\"}}, \"labels\": {labels}, \
             \"numTraining\": 2, \"file_ending\": \".nii.gz\" {extra}}}"
        ))
        .unwrap()
    }

    #[test]
    fn plain_labels_make_one_head_each_with_background() {
        let d = description(r#"{"background": 0, "b": 2, "a": 1}"#, "");
        let scheme = d.label_scheme().unwrap();
        assert_eq!(scheme.segmentation_heads(), 3);
        assert_eq!(scheme.names(), ["a", "b"]);
        assert_eq!(scheme.targets(), [[1], [2]]);
        assert!(scheme.allows(2) && !scheme.allows(3) && !scheme.allows(-1));
    }

    #[test]
    fn regions_keep_the_order_of_the_file() {
        let d = description(
            r#"{"background": 0, "whole": [1, 2], "core": [2], "ignore": 3}"#,
            r#", "regions_class_order": [1, 2]"#,
        );
        let scheme = d.label_scheme().unwrap();
        assert!(scheme.is_region_based());
        assert_eq!(scheme.segmentation_heads(), 2);
        assert_eq!(scheme.targets(), [vec![1, 2], vec![2]]);
        assert_eq!(scheme.ignore_label(), Some(3));
        assert_eq!(scheme.entries(), 4);
    }

    #[test]
    fn contradictions_are_errors_that_say_where() {
        for (labels, wanted) in [
            (r#"{"a": 1}"#, "background"),
            (r#"{"background": 1, "a": 0}"#, "labels.background"),
            (r#"{"background": 0, "a": 1, "ignore": 5}"#, "expected 2"),
            (
                r#"{"background": 0, "a": 65535, "ignore": 5}"#,
                "expected 65536",
            ),
            (r#"{"background": 0, "a": [1, 2]}"#, "regions_class_order"),
            (r#"{"background": 0}"#, "no foreground"),
        ] {
            let error = description(labels, "").label_scheme().unwrap_err();
            assert!(error.to_string().contains(wanted), "{error}");
        }
    }

    #[test]
    fn unknown_keys_survive() {
        let d = description(r#"{"background": 0, "a": 1}"#, r#", "licence": "CC0""#);
        let text = python_json::to_text(&d).unwrap();
        assert!(text.contains("\"licence\": \"CC0\""), "{text}");
    }
}
