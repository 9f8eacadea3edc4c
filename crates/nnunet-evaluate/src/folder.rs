use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use nnunet_image::{FormatRegistry, LabelMap};
use nnunet_schema::summary::CaseMetrics;
use nnunet_schema::{DatasetDescription, Progress, SchemaError, Summary};
use rayon::prelude::*;

use crate::{Classes, EvaluateError, LabelPair, evaluate_case, summarise};

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
/// files are passed over. The summary is nnU-Net's `summary.json`: see [`summarise`] for the
/// means. Cases are read and compared in parallel, in the rayon pool of the caller; memory is
/// bounded by two label maps per thread. A spacing that differs between prediction and reference
/// is only a warning, since metrics count voxels.
///
/// # Errors
/// [`EvaluateError::NoPredictions`], [`EvaluateError::MissingReference`],
/// [`EvaluateError::MissingPredictions`] before anything is read; [`EvaluateError::Case`] if a
/// file cannot be read, if shapes differ, or if a label is not in `dataset.json`;
/// [`EvaluateError::Several`] if that is so for more than one case.
pub fn evaluate_folder(
    references: &Path,
    predictions: &Path,
    description: &DatasetDescription,
    formats: &FormatRegistry,
    options: &EvaluateOptions,
    progress: &dyn Progress,
) -> Result<Summary, EvaluateError> {
    let classes = Classes::of(description)?;
    let ending = &description.file_ending;
    let files = FilePair::find(references, predictions, ending, options)?;

    let task = progress.start("evaluate", files.len());
    let results: Vec<Result<CaseMetrics, EvaluateError>> = (files.par_iter())
        .map(|pair| {
            let result = pair.evaluate(&classes, formats, progress);
            task.step(&pair.case);
            result.map_err(|error| pair.blame(error))
        })
        .collect();

    let (mut cases, mut failures) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(case) => cases.push(case),
            Err(failure) => failures.push(failure),
        }
    }
    match failures.len() {
        0 => summarise(cases),
        1 => Err(failures.remove(0)),
        _ => Err(EvaluateError::Several { failures }),
    }
}

/// The two files of a case.
#[derive(Debug)]
struct FilePair {
    case: String,
    reference: PathBuf,
    prediction: PathBuf,
}

impl FilePair {
    /// The pairs of two folders, sorted by file name.
    fn find(
        references: &Path,
        predictions: &Path,
        ending: &str,
        options: &EvaluateOptions,
    ) -> Result<Vec<Self>, EvaluateError> {
        let predicted = label_files(predictions, ending)?;
        if predicted.is_empty() {
            return Err(EvaluateError::NoPredictions {
                folder: predictions.to_path_buf(),
                ending: ending.to_owned(),
            });
        }
        let case = |file: &str| file.strip_suffix(ending).unwrap_or(file).to_owned();
        let known = label_files(references, ending)?;
        if let Some(file) = predicted.difference(&known).next() {
            return Err(EvaluateError::MissingReference {
                case: case(file),
                expected: references.join(file),
            });
        }
        let missing: Vec<String> = known.difference(&predicted).map(|f| case(f)).collect();
        if options.missing_predictions == MissingPredictions::Refuse && !missing.is_empty() {
            return Err(EvaluateError::MissingPredictions {
                folder: predictions.to_path_buf(),
                cases: missing,
                total: known.len(),
            });
        }
        Ok((predicted.into_iter())
            .map(|file| Self {
                case: case(&file),
                reference: references.join(&file),
                prediction: predictions.join(&file),
            })
            .collect())
    }

    fn evaluate(
        &self,
        classes: &Classes,
        formats: &FormatRegistry,
        progress: &dyn Progress,
    ) -> Result<CaseMetrics, EvaluateError> {
        let reference = formats.read_labels(&self.reference)?;
        let prediction = formats.read_labels(&self.prediction)?;
        let pair = LabelPair {
            reference: &reference,
            prediction: &prediction,
        };
        let metrics = evaluate_case(pair, classes)?;
        if !same_spacing(&reference, &prediction) {
            progress.warn(&format!(
                "case `{}`: the prediction has a voxel spacing of {}, the reference of {}",
                self.case, prediction.geometry.spacing, reference.geometry.spacing
            ));
        }
        Ok(CaseMetrics {
            metrics,
            prediction_file: self.prediction.to_string_lossy().into_owned(),
            reference_file: self.reference.to_string_lossy().into_owned(),
        })
    }

    /// Says which case an error is about.
    fn blame(&self, error: EvaluateError) -> EvaluateError {
        EvaluateError::Case {
            case: self.case.clone(),
            reference: self.reference.clone(),
            prediction: self.prediction.clone(),
            source: Box::new(error),
        }
    }
}

/// Names of the visible files of a folder that end so, sorted.
fn label_files(folder: &Path, ending: &str) -> Result<BTreeSet<String>, EvaluateError> {
    let io_error = |source| SchemaError::Io {
        action: "list",
        path: folder.to_path_buf(),
        source,
    };
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(io_error)? {
        let name = entry.map_err(io_error)?.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(ending) && !name.starts_with('.') {
            names.insert(name.into_owned());
        }
    }
    Ok(names)
}

/// Equal within a relative 1e-5, which float32 headers need.
fn same_spacing(a: &LabelMap, b: &LabelMap) -> bool {
    let (a, b) = (a.geometry.spacing.mm(), b.geometry.spacing.mm());
    a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 1e-5 * b)
}
