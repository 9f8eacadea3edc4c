use std::path::PathBuf;

use nnunet_image::ImageError;
use nnunet_schema::{SchemaError, Shape, abridged};

use crate::Map;

/// Names are listed up to this many.
const NAMED: usize = 5;

/// What can go wrong while predictions are compared with references.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// A document is missing, wrong, or could not be written.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A label map could not be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A pair of label maps cannot be compared.
    #[error(
        "case `{case}` ({} against {}): {source}", prediction.display(), reference.display()
    )]
    Case {
        /// The case.
        case: String,
        /// The reference label map.
        reference: PathBuf,
        /// The predicted label map.
        prediction: PathBuf,
        /// What is wrong with them.
        source: Box<EvaluateError>,
    },
    /// A label map could not be postprocessed.
    #[error("case `{case}` ({}): {source}", path.display())]
    File {
        /// The case.
        case: String,
        /// Its label map.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<EvaluateError>,
    },
    /// Several cases failed; the others were evaluated in vain, for a summary needs all.
    #[error("{} cases failed:\n{}", failures.len(), lines(failures))]
    Several {
        /// One per case.
        failures: Vec<EvaluateError>,
    },
    /// Prediction and reference have different shapes.
    #[error(
        "the prediction has {prediction} voxels (z, y, x) and the reference {reference}: they \
         must be of the same image"
    )]
    Shapes {
        /// Shape of the reference.
        reference: Shape,
        /// Shape of the prediction.
        prediction: Shape,
    },
    /// Prediction and reference have different numbers of voxels.
    #[error("the prediction has {prediction} voxels and the reference {reference}")]
    Lengths {
        /// Voxels of the reference.
        reference: usize,
        /// Voxels of the prediction.
        prediction: usize,
    },
    /// A label map holds a label that `dataset.json` does not list.
    #[error("the {map} holds the label {label}, but dataset.json has only {known:?}")]
    UnexpectedLabel {
        /// The map that holds it.
        map: Map,
        /// The label.
        label: i64,
        /// The labels of the dataset.
        known: Vec<u16>,
    },
    /// The folder of the predictions holds no label map.
    #[error("{} holds no predictions: expected files named like CASE{ending}", folder.display())]
    NoPredictions {
        /// The folder.
        folder: PathBuf,
        /// The file ending of the dataset.
        ending: String,
    },
    /// A prediction has no reference to be compared with.
    #[error(
        "case `{case}` has a prediction but no reference: expected {}; give the folder with the \
         labels of these cases", expected.display()
    )]
    MissingReference {
        /// The case.
        case: String,
        /// The file that should be there.
        expected: PathBuf,
    },
    /// References have no prediction, and the caller wants all of them predicted.
    #[error(
        "{} of {total} references have no prediction in {}: {}; predict them, or allow missing \
         predictions", cases.len(), folder.display(), abridged(cases, NAMED)
    )]
    MissingPredictions {
        /// The folder of the predictions.
        folder: PathBuf,
        /// The cases without a prediction.
        cases: Vec<String>,
        /// Number of references.
        total: usize,
    },
    /// A case occurs in two summaries that are to be merged.
    #[error(
        "the case {case} occurs in the summaries {first} and {second} (counted from 0): the folds \
         of a cross-validation have no case in common"
    )]
    CaseInTwoSummaries {
        /// The file name of the case.
        case: String,
        /// Position of the first summary.
        first: usize,
        /// Position of the second summary.
        second: usize,
    },
    /// The folds of a cross-validation don't make up the dataset.
    #[error(
        "the folds of the cross-validation don't hold every case once:\n{}",
        lines(problems)
    )]
    CrossValidation {
        /// All that is wrong, one entry each.
        problems: Vec<String>,
    },
    /// Metrics of different classes, which have no common mean.
    #[error(
        "`{case}` has the classes {found:?}, but `{expected_by}` has {expected:?}: they must be \
         of the same dataset"
    )]
    DifferentClasses {
        /// The case or candidate that differs.
        case: String,
        /// Its classes.
        found: Vec<String>,
        /// The case or candidate that it was compared with.
        expected_by: String,
        /// Its classes.
        expected: Vec<String>,
    },
    /// A dataset on which other methods were evaluated.
    #[error(
        "on `{dataset}` there are the methods {found:?}, on `{expected_by}` {expected:?}: they \
         must be the same to be compared"
    )]
    DifferentMethods {
        /// The dataset that differs.
        dataset: String,
        /// Its methods.
        found: Vec<String>,
        /// The dataset that it was compared with.
        expected_by: String,
        /// Its methods.
        expected: Vec<String>,
    },
    /// Candidates that were not evaluated on the same cases.
    #[error(
        "`{first}` and `{second}` were not evaluated on the same cases: {case} is in only one of \
         them"
    )]
    DifferentCases {
        /// A candidate.
        first: String,
        /// Another candidate.
        second: String,
        /// A case that only one of them has.
        case: String,
    },
    /// Postprocessing that this program cannot carry out.
    #[error("{} has {problem}; determine the postprocessing anew", path.display())]
    PostprocessingStep {
        /// The document.
        path: PathBuf,
        /// What was found and what was expected.
        problem: String,
    },
    /// A tolerance that is none.
    #[error("a tolerance of {found} mm is not usable: it must be a number of at least 0")]
    Tolerance {
        /// The value.
        found: f64,
    },
    /// A class that the dataset does not have.
    #[error("there is no class `{asked}`; the dataset has: {known}")]
    UnknownClass {
        /// The key that was asked for.
        asked: String,
        /// Those that exist.
        known: String,
    },
    /// A label map is too large, or too noisy, for its components to be numbered.
    #[error(
        "a label map of {shape} voxels (z, y, x) has more runs of equal labels than 2³²: crop it \
         to the region of interest"
    )]
    TooManyRuns {
        /// The shape of the map.
        shape: Shape,
    },
    /// There is no best candidate.
    #[error("nothing to select: {reason}")]
    NothingToSelect {
        /// Why.
        reason: String,
    },
}

fn lines<T: std::fmt::Display>(entries: &[T]) -> String {
    let lines: Vec<String> = entries.iter().map(|entry| format!("  {entry}")).collect();
    lines.join("\n")
}
