//! `summary.json`: the metrics of a set of predictions against their references.

use std::path::Path;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::{SchemaError, python_json};

/// Metrics per case, per class, and over all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Mean of `mean` over the foreground classes.
    pub foreground_mean: MeanMetrics,
    /// Per class the mean over the cases; the key is the label (`1`) or region (`(1, 2)`).
    pub mean: IndexMap<String, MeanMetrics>,
    /// One entry per case, in the order of the file names.
    pub metric_per_case: Vec<CaseMetrics>,
}

/// The metrics of one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseMetrics {
    /// Per class; keys as in [`Summary::mean`].
    pub metrics: IndexMap<String, ClassMetrics>,
    /// The predicted label map.
    pub prediction_file: String,
    /// The reference label map.
    pub reference_file: String,
}

/// Overlap of one class in one case. Ratios are NaN where neither map has the class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassMetrics {
    /// 2·TP / (2·TP + FP + FN).
    #[serde(rename = "Dice", with = "python_json::float")]
    pub dice: f64,
    /// Voxels of the reference that the prediction misses.
    #[serde(rename = "FN")]
    pub false_negative: u64,
    /// Voxels of the prediction that the reference lacks.
    #[serde(rename = "FP")]
    pub false_positive: u64,
    /// TP / (TP + FP + FN).
    #[serde(rename = "IoU", with = "python_json::float")]
    pub iou: f64,
    /// Voxels that neither has.
    #[serde(rename = "TN")]
    pub true_negative: u64,
    /// Voxels that both have.
    #[serde(rename = "TP")]
    pub true_positive: u64,
    /// Voxels of the prediction.
    pub n_pred: u64,
    /// Voxels of the reference.
    pub n_ref: u64,
}

/// Means of [`ClassMetrics`] over cases, NaN left out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeanMetrics {
    /// Mean Dice.
    #[serde(rename = "Dice", with = "python_json::float")]
    pub dice: f64,
    /// Mean number of missed voxels.
    #[serde(rename = "FN", with = "python_json::float")]
    pub false_negative: f64,
    /// Mean number of extra voxels.
    #[serde(rename = "FP", with = "python_json::float")]
    pub false_positive: f64,
    /// Mean intersection over union.
    #[serde(rename = "IoU", with = "python_json::float")]
    pub iou: f64,
    /// Mean number of voxels that neither has.
    #[serde(rename = "TN", with = "python_json::float")]
    pub true_negative: f64,
    /// Mean number of voxels that both have.
    #[serde(rename = "TP", with = "python_json::float")]
    pub true_positive: f64,
    /// Mean number of predicted voxels.
    #[serde(with = "python_json::float")]
    pub n_pred: f64,
    /// Mean number of reference voxels.
    #[serde(with = "python_json::float")]
    pub n_ref: f64,
}

impl Summary {
    /// Reads a summary.
    ///
    /// # Errors
    /// [`SchemaError`] with the file and the place in it.
    pub fn load(path: &Path) -> Result<Self, SchemaError> {
        python_json::load(path)
    }

    /// Writes the document atomically.
    ///
    /// # Errors
    /// [`SchemaError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), SchemaError> {
        python_json::save(path, self)
    }
}
