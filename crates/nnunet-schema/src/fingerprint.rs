//! `dataset_fingerprint.json`: the facts about a dataset that the planner works from.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{SchemaError, Shape, Spacing, python_json};

/// What a planner needs to know of a dataset (paper, online methods, "Dataset fingerprint").
///
/// Shapes and spacings are in the axis order of the files, before any transposition by a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetFingerprint {
    /// Intensity statistics of the foreground voxels of all cases; the key is the channel number.
    #[serde(
        alias = "foreground_intensity_properties_by_modality",
        serialize_with = "by_channel"
    )]
    pub foreground_intensity_properties_per_channel: BTreeMap<String, IntensityProperties>,
    /// Median over the cases of volume after cropping divided by volume before.
    #[serde(with = "python_json::float")]
    pub median_relative_size_after_cropping: f64,
    /// Shape of each case after cropping to its nonzero box, voxels `(z, y, x)`.
    pub shapes_after_crop: Vec<Shape>,
    /// Spacing of each case, millimetres `(z, y, x)`.
    pub spacings: Vec<Spacing>,
    /// Everything else in the file, untouched.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Statistics of the intensities of one channel; NaN where the dataset has no foreground.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntensityProperties {
    /// Largest value.
    #[serde(with = "python_json::float")]
    pub max: f64,
    /// Mean.
    #[serde(with = "python_json::float")]
    pub mean: f64,
    /// 50th percentile.
    #[serde(with = "python_json::float")]
    pub median: f64,
    /// Smallest value.
    #[serde(with = "python_json::float")]
    pub min: f64,
    /// 0.5th percentile.
    #[serde(with = "python_json::float")]
    pub percentile_00_5: f64,
    /// 99.5th percentile.
    #[serde(with = "python_json::float")]
    pub percentile_99_5: f64,
    /// Standard deviation of the population (divisor n).
    #[serde(with = "python_json::float")]
    pub std: f64,
}

impl DatasetFingerprint {
    /// Reads and checks a fingerprint.
    ///
    /// # Errors
    /// [`SchemaError`] with the file and the place in it.
    pub fn load(path: &Path) -> Result<Self, SchemaError> {
        let fingerprint: Self = python_json::load(path)?;
        match fingerprint.fault() {
            None => Ok(fingerprint),
            Some((json_path, message)) => Err(SchemaError::Malformed {
                path: path.to_path_buf(),
                json_path,
                message,
            }),
        }
    }

    /// `(place, message)` of a value that cannot be right.
    fn fault(&self) -> Option<(String, String)> {
        let (shapes, spacings) = (&self.shapes_after_crop, &self.spacings);
        if shapes.len() != spacings.len() {
            let message = format!(
                "has {} entries, but `shapes_after_crop` has {}",
                spacings.len(),
                shapes.len()
            );
            return Some(("spacings".to_owned(), message));
        }
        if let Some(case) = shapes.iter().position(|shape| shape.volume() == 0) {
            let message = format!("is {}, expected voxels along every axis", shapes[case]);
            return Some((format!("shapes_after_crop[{case}]"), message));
        }
        let channels = &self.foreground_intensity_properties_per_channel;
        let missing = (0..channels.len()).find(|c| !channels.contains_key(&c.to_string()))?;
        Some((
            "foreground_intensity_properties_per_channel".to_owned(),
            format!(
                "has {} entries but none named \"{missing}\": channels are numbered \"0\", \"1\", …",
                channels.len()
            ),
        ))
    }

    /// Writes the document atomically.
    ///
    /// # Errors
    /// [`SchemaError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), SchemaError> {
        python_json::save(path, self)
    }
}

/// Writes channels in the order of their numbers: `10` comes after `9`, not after `1`.
pub(crate) fn by_channel<S: Serializer>(
    properties: &BTreeMap<String, IntensityProperties>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut entries: Vec<_> = properties.iter().collect();
    entries.sort_by_key(|(channel, _)| channel.parse().unwrap_or(u64::MAX));
    serializer.collect_map(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_without_foreground_round_trips() {
        let text = r#"{"foreground_intensity_properties_per_channel": {"0": {"max": NaN,
            "mean": NaN, "median": NaN, "min": NaN, "percentile_00_5": NaN,
            "percentile_99_5": NaN, "std": NaN}}, "median_relative_size_after_cropping": 1.0,
            "shapes_after_crop": [[1, 2, 3]], "spacings": [[1.0, 1, 0.5]]}"#;
        let fingerprint: DatasetFingerprint = python_json::parse(text).unwrap();
        assert!(
            fingerprint.foreground_intensity_properties_per_channel["0"]
                .mean
                .is_nan()
        );
        let again = python_json::to_text(&fingerprint).unwrap();
        assert!(again.contains("\"std\": NaN"), "{again}");
    }

    #[test]
    fn a_bad_spacing_says_where() {
        let text = r#"{"foreground_intensity_properties_per_channel": {},
            "median_relative_size_after_cropping": 1.0,
            "shapes_after_crop": [[1, 2, 3]], "spacings": [[1.0, 0.0, 0.5]]}"#;
        let (_, message) = python_json::parse::<DatasetFingerprint>(text).unwrap_err();
        assert!(message.contains("above zero"), "{message}");
    }
}
