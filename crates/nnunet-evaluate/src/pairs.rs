use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nnunet_image::{FormatRegistry, LabelMap};
use nnunet_schema::{Progress, SchemaError};
use rayon::prelude::*;

use crate::{EvaluateError, EvaluateOptions, LabelPair, MissingPredictions};

/// The two files of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CasePair {
    /// The case: the name of its files without their ending.
    pub case: String,
    /// The truth.
    pub reference: PathBuf,
    /// What a model says.
    pub prediction: PathBuf,
}

impl CasePair {
    /// The pairs of two folders: the visible files in `predictions` that end so, sorted by name,
    /// and the references of the same names.
    ///
    /// # Errors
    /// [`EvaluateError::NoPredictions`], [`EvaluateError::MissingReference`] and, if the options
    /// say so, [`EvaluateError::MissingPredictions`].
    pub fn find(
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

    /// Reads each pair and hands it to `work`, in parallel in the rayon pool of the caller; the
    /// results are in the order of the pairs. Memory is bounded by two label maps per thread.
    ///
    /// # Errors
    /// [`EvaluateError::Case`] for a case that cannot be read or that `work` fails for,
    /// [`EvaluateError::Several`] for more than one.
    pub(crate) fn process<T: Send>(
        pairs: &[Self],
        formats: &FormatRegistry,
        progress: &dyn Progress,
        what: &str,
        work: impl Fn(&Self, LabelPair<'_>) -> Result<T, EvaluateError> + Sync,
    ) -> Result<Vec<T>, EvaluateError> {
        let task = progress.start(what, pairs.len());
        let results: Vec<Result<T, EvaluateError>> = (pairs.par_iter())
            .map(|pair| {
                let began = Instant::now();
                let result = pair.read(formats).and_then(|(reference, prediction)| {
                    let maps = LabelPair {
                        reference: &reference,
                        prediction: &prediction,
                    };
                    work(pair, maps)
                });
                let seconds = began.elapsed().as_secs_f64();
                tracing::debug!(what, case = pair.case, seconds, "compared");
                task.step(&pair.case);
                result.map_err(|error| pair.blame(error))
            })
            .collect();
        all_or_failures(results)
    }

    fn read(&self, formats: &FormatRegistry) -> Result<(LabelMap, LabelMap), EvaluateError> {
        let reference = formats.read_labels(&self.reference)?;
        let prediction = formats.read_labels(&self.prediction)?;
        Ok((reference, prediction))
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

/// All results, or what went wrong with those that are none.
pub(crate) fn all_or_failures<T>(
    results: Vec<Result<T, EvaluateError>>,
) -> Result<Vec<T>, EvaluateError> {
    let (mut good, mut failures) = (Vec::with_capacity(results.len()), Vec::new());
    for result in results {
        match result {
            Ok(value) => good.push(value),
            Err(failure) => failures.push(failure),
        }
    }
    match failures.len() {
        0 => Ok(good),
        1 => Err(failures.remove(0)),
        _ => Err(EvaluateError::Several { failures }),
    }
}

/// Names of the visible files of a folder that end so, sorted.
pub(crate) fn label_files(folder: &Path, ending: &str) -> Result<BTreeSet<String>, EvaluateError> {
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
