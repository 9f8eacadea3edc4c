use std::path::Path;

use indexmap::IndexMap;
use nnunet_image::LabelMap;
use nnunet_schema::summary::MeanMetrics;
use nnunet_schema::{Summary, python_json};
use serde::{Deserialize, Serialize};

use super::{KeepLargest, LabelsOrRegions};
use crate::EvaluateError;
use crate::components::Connectivity;

/// What the Python program calls the step.
const KEEP_LARGEST: &str = "remove_all_but_largest_component_from_segmentation";

/// `postprocessing.json`: the steps that were decided on, and what they bring.
///
/// It is the Python program's document with two keys more, which that program ignores: the
/// neighbourhood, if it is not the full one, and what was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Postprocessing {
    /// Which voxels hang together.
    #[serde(default, skip_serializing_if = "is_full")]
    pub connectivity: Connectivity,
    /// All that was tried, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Decision>,
    /// The predictions as they were.
    pub input_folder: Means,
    /// The predictions after all steps.
    pub postprocessed: Means,
    /// The name of each step's function.
    pub postprocessing_fns: Vec<String>,
    /// The arguments of each step's function.
    pub postprocessing_kwargs: Vec<KeepLargest>,
}

fn is_full(connectivity: &Connectivity) -> bool {
    *connectivity == Connectivity::Full
}

/// The means of a `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Means {
    /// Over the classes.
    pub foreground_mean: MeanMetrics,
    /// Over the cases, for each class.
    pub mean: IndexMap<String, MeanMetrics>,
}

impl From<Summary> for Means {
    fn from(summary: Summary) -> Self {
        Self {
            foreground_mean: summary.foreground_mean,
            mean: summary.mean,
        }
    }
}

/// A step that was tried on what the steps accepted before had left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// What the largest component was taken of.
    pub labels_or_regions: LabelsOrRegions,
    /// Whether the step was accepted.
    pub accepted: bool,
    /// The foreground mean Dice.
    pub foreground: Change,
    /// The mean Dice of each class.
    pub classes: IndexMap<String, Change>,
}

/// A Dice before and after a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Without the step.
    #[serde(with = "python_json::float")]
    pub before: f64,
    /// With it.
    #[serde(with = "python_json::float")]
    pub after: f64,
}

impl Postprocessing {
    /// A document of steps, all of which keep the largest component of something.
    pub(super) fn new(
        connectivity: Connectivity,
        decisions: Vec<Decision>,
        [input_folder, postprocessed]: [Means; 2],
        steps: Vec<KeepLargest>,
    ) -> Self {
        Self {
            connectivity,
            decisions,
            input_folder,
            postprocessed,
            postprocessing_fns: vec![KEEP_LARGEST.to_owned(); steps.len()],
            postprocessing_kwargs: steps,
        }
    }

    /// The steps, in the order in which they are carried out.
    #[must_use]
    pub fn steps(&self) -> &[KeepLargest] {
        &self.postprocessing_kwargs
    }

    /// Carries out the steps on one label map; returns how many voxels became background.
    ///
    /// # Errors
    /// [`EvaluateError::TooManyRuns`].
    pub fn apply(&self, map: &mut LabelMap) -> Result<u64, EvaluateError> {
        (self.steps().iter())
            .map(|step| step.apply(&mut map.labels, self.connectivity))
            .sum()
    }

    /// Reads the document, ours or the Python program's. For that program's `postprocessing.pkl`,
    /// which only Python reads, the document `postprocessing.json` that it writes beside it is
    /// taken.
    ///
    /// # Errors
    /// [`EvaluateError::Schema`] with the file and the place in it,
    /// [`EvaluateError::PostprocessingStep`] if it has a step that this program does not know.
    pub fn load(path: &Path) -> Result<Self, EvaluateError> {
        let beside = path.with_extension("json");
        let path = match path.extension().is_some_and(|ending| ending == "pkl") {
            false => path,
            true if beside.is_file() => &beside,
            true => {
                return Err(EvaluateError::PostprocessingStep {
                    path: path.to_path_buf(),
                    problem: "a form that only Python reads, and postprocessing.json is not \
                              beside it"
                        .to_owned(),
                });
            }
        };
        let document: Self = python_json::load(path)?;
        let problem = (document.postprocessing_fns.iter())
            .find(|name| *name != KEEP_LARGEST)
            .map(|name| format!("a step `{name}`, but the only known one is `{KEEP_LARGEST}`"));
        let (names, arguments) = (
            document.postprocessing_fns.len(),
            document.postprocessing_kwargs.len(),
        );
        let problem = problem.or_else(|| {
            (names != arguments).then(|| format!("{names} steps, but arguments of {arguments}"))
        });
        match problem {
            None => Ok(document),
            Some(problem) => Err(EvaluateError::PostprocessingStep {
                path: path.to_path_buf(),
                problem,
            }),
        }
    }

    /// Writes the document atomically.
    ///
    /// # Errors
    /// [`EvaluateError::Schema`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), EvaluateError> {
        Ok(python_json::save(path, self)?)
    }
}
