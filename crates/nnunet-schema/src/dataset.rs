//! `dataset.json`: what the channels and the labels of a dataset are.

use std::path::Path;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{SchemaError, python_json};

mod labels;
mod read;

pub use labels::LabelScheme;

const DOCUMENT: &str = "dataset.json";

/// The description of a dataset, nnU-Net v2's `dataset.json`. Unknown keys are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "read::AsWritten")]
pub struct DatasetDescription {
    /// Channel number as text (`"0"`, `"1"`, …) to channel name; the name selects the
    /// normalisation (`CT` or something else). The old key `modality` is accepted in its place.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
        self.check_channels()?;
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

    fn check_channels(&self) -> Result<(), SchemaError> {
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
        // The Python program names channels by the one and counts them by the other.
        let counted = self.extra.get("modality").and_then(Value::as_object);
        match counted.map(Map::len) {
            Some(counted) if counted != self.channels() => Err(invalid(
                "modality",
                format!(
                    "has {counted} entries, but `channel_names` has {}: one of the two is enough",
                    self.channels()
                ),
            )),
            _ => Ok(()),
        }
    }
}

fn invalid(json_path: &str, message: String) -> SchemaError {
    SchemaError::Invalid {
        document: DOCUMENT,
        json_path: json_path.to_owned(),
        message,
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
            (
                r#"{"background": 0, "a": 1, "b": 1}"#,
                "`labels.b` is 1, which is `a` already",
            ),
            (
                r#"{"background": 0, "a": 1, "b": []}"#,
                "`labels.b` is an empty list",
            ),
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

    fn parse(text: &str) -> Result<DatasetDescription, (String, String)> {
        python_json::parse(&format!(
            "{{\"labels\": {{\"background\": 0, \"a\": 1}}, \"numTraining\": 2, \
             \"file_ending\": \".nii.gz\", {text}}}"
        ))
    }

    #[test]
    fn the_old_name_of_the_channels_is_read() {
        let old = parse(r#""modality": {"0": "CT", "1": "PET"}"#).unwrap();
        assert_eq!(old.ordered_channel_names(), ["CT", "PET"]);
        assert!(!old.extra.contains_key("modality"));
        let neither = parse(r#""name": "x""#).unwrap_err().1;
        assert!(
            neither.contains("missing field `channel_names`"),
            "{neither}"
        );
        let list = parse(r#""modality": ["CT"]"#).unwrap_err().1;
        assert!(
            list.contains("`modality`") && list.contains("expected a map"),
            "{list}"
        );
    }

    #[test]
    fn both_names_of_the_channels_may_stand_side_by_side() {
        let both = parse(r#""modality": {"0": "MR"}, "channel_names": {"0": "T1"}"#).unwrap();
        assert_eq!(both.ordered_channel_names(), ["T1"]);
        assert!(both.check().is_ok());
        let text = python_json::to_text(&both).unwrap();
        assert!(text.contains("\"modality\": {"), "{text}");
        let other = parse(r#""modality": {"0": "a", "1": "b"}, "channel_names": {"0": "T1"}"#);
        let error = other.unwrap().check().unwrap_err().to_string();
        assert!(error.contains("`modality` has 2 entries"), "{error}");
    }

    #[test]
    fn a_label_that_is_none_says_what_was_expected() {
        for (value, place, wanted) in [
            (
                "-1",
                "labels.b",
                "integer `-1`, expected a label from 0 to 65535",
            ),
            ("70000", "labels.b", "integer `70000`"),
            ("1.5", "labels.b", "floating point `1.5`"),
            ("null", "labels.b", "null"),
            ("[1, \"x\"]", "labels.b[1]", "expected u16"),
            ("\"spleen\"", "labels.b", "nnU-Net v1"),
        ] {
            let text = format!(
                "{{\"channel_names\": {{\"0\": \"CT\"}}, \"numTraining\": 1, \
                 \"file_ending\": \".nii\", \"labels\": {{\"background\": 0, \"b\": {value}}}}}"
            );
            let (found, message) = python_json::parse::<DatasetDescription>(&text).unwrap_err();
            assert_eq!(found, place);
            assert!(message.contains(wanted), "{message}");
        }
    }
}
