//! Predicting with what a selection chose.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nnunet_evaluate::EvaluateError;
use nnunet_evaluate::postprocessing::Postprocessing;
use nnunet_evaluate::select::{Candidate, InferenceInformation, ModelName, NumberOrName};
use nnunet_infer::{
    ExistingOutputs, FolderRequest, PredictOptions, PredictReport, Predictor, ProbabilityPrecision,
    SaveProbabilities, ensemble_case, predict_cascade, remove_probabilities,
};
use nnunet_schema::{DatasetDescription, DatasetId, Fold, layout};
use tracing::info_span;

use super::POSTPROCESSING;
use crate::pipeline::postprocess::{Cleaning, FolderReport, RAW_PREDICTIONS};
use crate::pipeline::prepare::require;
use crate::pipeline::stage::Stage;
use crate::pipeline::{Pipeline, PipelineError};

/// Folder of the predictions of the two models of an ensemble, below that of the label maps.
const MEMBERS: &str = "members";

/// What to predict with the winner of a selection.
#[derive(Clone, Debug)]
pub struct SelectedRequest {
    /// The dataset whose winner predicts.
    pub dataset: DatasetId,
    /// Images, where the label maps go, and which part of the cases.
    pub folder: FolderRequest,
    /// How each model predicts.
    pub options: PredictOptions,
}

/// The winner of a selection as it is stored.
#[derive(Clone, Debug)]
pub struct SelectedModels {
    /// Name of the dataset.
    pub dataset: String,
    /// One model, or two whose probabilities are averaged.
    pub models: Vec<ModelName>,
    /// The folds whose networks are averaged.
    pub folds: Vec<Fold>,
    /// What is done to the label maps.
    pub postprocessing: Postprocessing,
}

impl Pipeline {
    /// The winner of the selection on a dataset, ours or the Python program's.
    ///
    /// # Errors
    /// [`PipelineError::StageMissing`] if there was no selection, [`PipelineError::Evaluate`] if
    /// its documents cannot be read.
    pub fn selected(&self, id: &DatasetId) -> Result<SelectedModels, PipelineError> {
        let dataset = self.layout.resolve(id)?;
        let path = self.information_path(&dataset);
        require(&path, || format!("nnunet select {dataset}"))?;
        let information = InferenceInformation::load(&path)?;
        let (models, folds) = (information.models(), folds_of(&information));
        let candidate = match models.as_slice() {
            [one] => Candidate::Single(one.clone()),
            [first, second] => Candidate::Pair(first.clone(), second.clone()),
            other => {
                return Err(EvaluateError::NothingToSelect {
                    reason: format!(
                        "{} names {} models, expected one or two: run `nnunet select {dataset}`",
                        path.display(),
                        other.len()
                    ),
                }
                .into());
            }
        };
        // The results may have moved since, so that the stored path is not relied upon.
        let results = self.layout.results.join(&dataset);
        let document = candidate.collected(&results, &folds).join(POSTPROCESSING);
        require(&document, || format!("nnunet select {dataset}"))?;
        Ok(SelectedModels {
            postprocessing: Postprocessing::load(&document)?,
            dataset,
            models,
            folds,
        })
    }

    /// Predicts a folder with the winner of a selection: with both models of an ensemble and the
    /// first stage of a cascade, and its postprocessing.
    ///
    /// Label maps before postprocessing stay in the folder `before_postprocessing` below the
    /// output, those of the models of an ensemble in `members`; the probabilities of a case are
    /// removed when its average is written. A case that fails is reported and does not stop the
    /// others.
    ///
    /// # Errors
    /// As [`selected`](Self::selected), and [`PipelineError::Infer`] if a model cannot be loaded
    /// or a folder not be read.
    pub fn predict_selected(
        &self,
        request: &SelectedRequest,
    ) -> Result<FolderReport, PipelineError> {
        let selected = self.selected(&request.dataset)?;
        let _stage = Stage::begin(info_span!("predict", dataset = selected.dataset));
        let is_cleaned = !selected.postprocessing.steps().is_empty();
        let output = &request.folder.output;
        let mut raw = request.folder.clone();
        if is_cleaned {
            raw.output = output.join(RAW_PREDICTIONS);
        }
        let report = match selected.models.as_slice() {
            [model] => self
                .predict_member(&selected, model, &raw, request.options.clone())?
                .into(),
            models => self.predict_pair(&selected, models, &raw, request)?,
        };
        if !is_cleaned {
            return Ok(report);
        }
        let step = Cleaning {
            postprocessing: &selected.postprocessing,
            description: &self.member_description(&selected)?,
            raw: raw.output,
            output,
            existing: request.options.existing,
        };
        self.clean(&step, report)
    }

    fn member_folder(&self, selected: &SelectedModels, model: &ModelName) -> PathBuf {
        let results = self.layout.results.join(&selected.dataset);
        results.join(model.to_string())
    }

    fn member_description(
        &self,
        selected: &SelectedModels,
    ) -> Result<DatasetDescription, PipelineError> {
        let model = (selected.models.first()).map(|model| self.member_folder(selected, model));
        let folder = model.unwrap_or_else(|| self.layout.results.join(&selected.dataset));
        Ok(DatasetDescription::load(&layout::dataset_json(&folder))?)
    }

    /// One model, after the first stage if it is the second of a cascade.
    fn predict_member(
        &self,
        selected: &SelectedModels,
        model: &ModelName,
        request: &FolderRequest,
        options: PredictOptions,
    ) -> Result<PredictReport, PipelineError> {
        let (formats, progress) = (&self.formats, self.progress.as_ref());
        let folder = self.member_folder(selected, model);
        let predictor = Predictor::load(&folder, &selected.folds, options.clone())?;
        let previous = match predictor.recipe().previous_stage() {
            Some(previous) if request.previous_stage.is_none() => previous.to_owned(),
            _ => return Ok(predictor.predict_cases(request, formats, progress)?),
        };
        let first_stage = ModelName {
            configuration: previous,
            ..model.clone()
        };
        let options = PredictOptions {
            probabilities: SaveProbabilities::default(),
            ..options
        };
        let folder = self.member_folder(selected, &first_stage);
        let first = Predictor::load(&folder, &selected.folds, options)?;
        let [_, report] = predict_cascade(&first, &predictor, request, formats, progress)?;
        Ok(report)
    }

    fn predict_pair(
        &self,
        selected: &SelectedModels,
        models: &[ModelName],
        request: &FolderRequest,
        whole: &SelectedRequest,
    ) -> Result<FolderReport, PipelineError> {
        let members = whole.folder.output.join(MEMBERS);
        let options = PredictOptions {
            probabilities: SaveProbabilities {
                chunked: Some(ProbabilityPrecision::Single),
                npz: false,
            },
            ..whole.options.clone()
        };
        let (mut folders, mut reports) = (Vec::new(), Vec::new());
        for model in models {
            let mut own = request.clone();
            own.output = members.join(model.to_string());
            reports.push(self.predict_member(selected, model, &own, options.clone())?);
            folders.push(own.output);
        }
        let description = self.member_description(selected)?;
        description.save(&layout::dataset_json(&request.output))?;
        let (cases, failed) = predicted_by_all(reports);
        let mut report = FolderReport {
            failed,
            ..FolderReport::default()
        };
        let task = self.progress.start("ensemble", cases.len());
        for case in cases {
            let target = (request.output).join(format!("{case}{}", description.file_ending));
            if whole.options.existing == ExistingOutputs::Keep && target.is_file() {
                report.kept.push(case);
                continue;
            }
            task.step(&case);
            match self.average(&folders, &case, &description, &target) {
                Ok(()) => report.done.push(case),
                Err(error) => report.failed.push((case, error)),
            }
        }
        Ok(report)
    }

    /// The label map of the mean of what all folders say about a case.
    fn average(
        &self,
        folders: &[PathBuf],
        case: &str,
        description: &DatasetDescription,
        target: &Path,
    ) -> Result<(), PipelineError> {
        let name = format!("{case}{}", description.file_ending);
        let first = folders.first().map(|folder| folder.join(name));
        let like = self.formats.read_labels(&first.unwrap_or_default())?;
        let labels = ensemble_case(folders, case, description, like)?;
        self.formats.write_labels(target, &labels)?;
        for folder in folders {
            remove_probabilities(folder, case)?;
        }
        Ok(())
    }
}

/// The cases that every model has predicted, and those that one could not.
fn predicted_by_all(reports: Vec<PredictReport>) -> (Vec<String>, Vec<(String, PipelineError)>) {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    let mut failed: Vec<(String, PipelineError)> = Vec::new();
    let members = reports.len();
    for report in reports {
        for case in report.predicted.into_iter().chain(report.kept) {
            *times.entry(case).or_default() += 1;
        }
        for failure in report.failed {
            if failed.iter().all(|(case, _)| *case != failure.case) {
                failed.push((failure.case, failure.error.into()));
            }
        }
    }
    let common = times.into_iter().filter(|(_, count)| *count == members);
    (common.map(|(case, _)| case).collect(), failed)
}

pub(in crate::pipeline) fn folds_of(information: &InferenceInformation) -> Vec<Fold> {
    (information.folds.iter())
        .map(|fold| match fold {
            NumberOrName::Number(number) => Fold::Number(*number),
            NumberOrName::Name(_) => Fold::All,
        })
        .collect()
}
