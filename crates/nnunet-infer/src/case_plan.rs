//! What the cases of a folder would take, without predicting them.

use nnunet_image::{FormatRegistry, find_cases};
use nnunet_model::Device;
use nnunet_preprocess::PreprocessedCase;
use nnunet_schema::{Progress, Shape};

use crate::{CaseFailure, FolderRequest, InferError, MemoryPlan, Predictor, cascade};

/// How a case would be predicted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CasePlan {
    /// Name of the case.
    pub case: String,
    /// Voxels `(z, y, x)` that the networks see, axes as transposed by the plans.
    pub shape: Shape,
    /// Windows that cover them.
    pub windows: usize,
    /// What it takes, and the way to go.
    pub memory: MemoryPlan,
}

impl Predictor {
    /// Plans the cases of a folder as [`Self::predict_cases`] would predict them, and writes
    /// nothing: each is read and preprocessed, no network runs. The second part are the cases that
    /// would fail before their first window, those that don't fit a limit among them.
    ///
    /// # Errors
    /// [`InferError::Image`] if there are no cases, files of a case are missing or too many, or
    /// the ending has no format; [`InferError::Cascade`] or [`InferError::NoCascade`] if the label
    /// maps of a previous stage are missing or not wanted.
    pub fn plan_cases(
        &self,
        request: &FolderRequest,
        formats: &FormatRegistry,
        progress: &dyn Progress,
    ) -> Result<(Vec<CasePlan>, Vec<CaseFailure>), InferError> {
        let ending = self.dataset().file_ending.as_str();
        formats.for_ending(ending)?;
        cascade::check(self.recipe(), request.previous_stage.is_some())?;
        let cases = find_cases(&request.input, ending, self.dataset().channels())?;
        let cases: Vec<_> = request.shard.of(cases).collect();
        let task = progress.start("plan", cases.len());
        let (mut plans, mut failures) = (Vec::new(), Vec::new());
        for case in cases {
            let prepared = case.read_image(formats).map_err(InferError::from);
            let plan = prepared.and_then(|image| {
                let previous = (request.previous_stage.as_ref())
                    .map(|folder| formats.read_labels(&folder.join(format!("{}{ending}", case.id))))
                    .transpose()?;
                let (pipeline, recipe) = (self.pipeline(), self.recipe());
                let prepared = cascade::prepare(pipeline, recipe, &case.id, image, previous)?;
                self.case_plan(&case.id, &prepared)
            });
            task.step(&case.id);
            match plan {
                Ok(plan) => plans.push(plan),
                Err(error) => failures.push(CaseFailure {
                    case: case.id,
                    error,
                }),
            }
        }
        Ok((plans, failures))
    }

    /// How a preprocessed case is predicted, if it fits the limits.
    pub(crate) fn case_plan(
        &self,
        case: &str,
        prepared: &PreprocessedCase,
    ) -> Result<CasePlan, InferError> {
        let shape = prepared.shape();
        let whole = prepared.properties.shape_before_cropping;
        let device = self.options().device.open().unwrap_or(Device::Cpu);
        Ok(CasePlan {
            case: case.to_owned(),
            shape,
            windows: self.recipe().tiling(shape)?.windows().len(),
            memory: (self.recipe()).fitting_plan(case, shape, whole, device)?,
        })
    }
}
