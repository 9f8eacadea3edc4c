use std::path::Path;

use nnunet_image::{FormatRegistry, LabelMap};
use nnunet_schema::summary::CaseMetrics;
use nnunet_schema::{DatasetDescription, Progress, Summary};

use crate::{CasePair, Classes, EvaluateError, evaluate_case, summarise};

/// How [`evaluate_folder`] goes about its work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvaluateOptions {
    /// What to do about references without a prediction.
    pub missing_predictions: MissingPredictions,
}

/// What to do about references without a prediction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingPredictions {
    /// They are left out of the summary: the default, for a fold predicts only its own cases.
    #[default]
    Ignore,
    /// They are an error.
    Refuse,
}

/// Compares every prediction of a folder with the reference of the same file name.
///
/// The cases are the files in `predictions` with the dataset's ending, sorted by name; hidden
/// files are passed over. The rest is as [`evaluate_pairs`] does it.
///
/// # Errors
/// As [`CasePair::find`], before anything is read, and [`evaluate_pairs`].
pub fn evaluate_folder(
    references: &Path,
    predictions: &Path,
    description: &DatasetDescription,
    formats: &FormatRegistry,
    options: &EvaluateOptions,
    progress: &dyn Progress,
) -> Result<Summary, EvaluateError> {
    let classes = Classes::of(description)?;
    let pairs = CasePair::find(references, predictions, &description.file_ending, options)?;
    evaluate_pairs(&pairs, &classes, formats, progress)
}

/// Compares predictions with their references, wherever they lie.
///
/// The summary is nnU-Net's `summary.json`: see [`summarise`] for the means; its cases are in the
/// order of the pairs. Cases are read and compared in parallel, in the rayon pool of the caller;
/// memory is bounded by two label maps per thread. A spacing that differs between prediction and
/// reference is only a warning, since metrics count voxels.
///
/// # Errors
/// [`EvaluateError::Case`] if a file cannot be read, if shapes differ, or if a label is not in
/// `dataset.json`; [`EvaluateError::Several`] if that is so for more than one case.
pub fn evaluate_pairs(
    pairs: &[CasePair],
    classes: &Classes,
    formats: &FormatRegistry,
    progress: &dyn Progress,
) -> Result<Summary, EvaluateError> {
    Ok(measure_pairs(pairs, classes, formats, progress)?.summary)
}

/// A summary, and how large the voxels are that it counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The metrics.
    pub summary: Summary,
    /// The volume of a voxel of the reference of each case in cubic millimetres, in the order of
    /// the cases in the summary. In a 2D image it is that of a voxel one millimetre thick.
    pub voxel_mm3: Vec<f64>,
}

/// As [`evaluate_pairs`], with what turns counts of voxels into volumes.
///
/// # Errors
/// As [`evaluate_pairs`].
pub fn measure_pairs(
    pairs: &[CasePair],
    classes: &Classes,
    formats: &FormatRegistry,
    progress: &dyn Progress,
) -> Result<Measured, EvaluateError> {
    let cases = CasePair::process(pairs, formats, progress, "evaluate", |case, pair| {
        let metrics = evaluate_case(pair, classes)?;
        if !same_spacing(pair.reference, pair.prediction) {
            progress.warn(&format!(
                "case `{}`: the prediction has a voxel spacing of {}, the reference of {}",
                case.case, pair.prediction.geometry.spacing, pair.reference.geometry.spacing
            ));
        }
        let metrics = CaseMetrics {
            metrics,
            prediction_file: case.prediction.to_string_lossy().into_owned(),
            reference_file: case.reference.to_string_lossy().into_owned(),
        };
        let geometry = &pair.reference.geometry;
        let [z, y, x] = geometry.spacing.mm();
        let thickness = if geometry.is_planar() { 1.0 } else { z };
        Ok((metrics, thickness * y * x))
    })?;
    let (cases, voxel_mm3): (Vec<CaseMetrics>, Vec<f64>) = cases.into_iter().unzip();
    Ok(Measured {
        summary: summarise(cases)?,
        voxel_mm3,
    })
}

/// Equal within a relative 1e-5, which float32 headers need.
fn same_spacing(a: &LabelMap, b: &LabelMap) -> bool {
    let (a, b) = (a.geometry.spacing.mm(), b.geometry.spacing.mm());
    a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 1e-5 * b)
}
