//! Label maps as networks make them, and what postprocessing leaves of them.

use std::path::{Path, PathBuf};

use nnunet_evaluate::postprocessing::{Cleaned, Postprocessing, apply_to_folder};
use nnunet_infer::{ExistingOutputs, FolderRequest, PredictReport, Predictor};
use nnunet_schema::{DatasetDescription, layout};

use super::prepare::require;
use super::{Pipeline, PipelineError};

/// Folder of the label maps as the networks made them, below that of the finished ones.
pub(super) const RAW_PREDICTIONS: &str = "before_postprocessing";

/// What became of the cases of a folder that was predicted and postprocessed.
#[derive(Debug, Default)]
pub struct FolderReport {
    /// Cases whose label map was written.
    pub done: Vec<String>,
    /// Cases that were left out because they have a label map already.
    pub kept: Vec<String>,
    /// Cases without a label map, and why.
    pub failed: Vec<(String, PipelineError)>,
}

impl From<PredictReport> for FolderReport {
    fn from(report: PredictReport) -> Self {
        let failed = report.failed.into_iter();
        Self {
            done: report.predicted,
            kept: report.kept,
            failed: failed.map(|one| (one.case, one.error.into())).collect(),
        }
    }
}

impl Pipeline {
    /// Postprocesses every label map of a folder of predictions. What the labels mean is told by
    /// the `dataset.json` there, which predictions have.
    ///
    /// # Errors
    /// [`PipelineError::StageMissing`] without `dataset.json`; [`PipelineError::Evaluate`] if
    /// there are no label maps, or some cannot be read or written (the others are).
    pub fn postprocess(
        &self,
        postprocessing: &Postprocessing,
        input: &Path,
        output: &Path,
    ) -> Result<Vec<Cleaned>, PipelineError> {
        let document = layout::dataset_json(input);
        require(&document, || {
            format!("nnunet predict -o {}", input.display())
        })?;
        let description = DatasetDescription::load(&document)?;
        let cleaned = apply_to_folder(
            postprocessing,
            input,
            output,
            &description.file_ending,
            &self.formats,
            self.progress.as_ref(),
        )?;
        description.save(&layout::dataset_json(output))?;
        Ok(cleaned)
    }

    /// Predicts a folder and postprocesses every label map. The label maps as the networks made
    /// them stay in the folder `before_postprocessing` below the output.
    ///
    /// # Errors
    /// [`PipelineError::Infer`] if a folder cannot be read or written.
    pub fn predict_postprocessed(
        &self,
        predictor: &Predictor,
        request: &FolderRequest,
        postprocessing: &Postprocessing,
    ) -> Result<FolderReport, PipelineError> {
        let mut raw = request.clone();
        raw.output = request.output.join(RAW_PREDICTIONS);
        let report = predictor.predict_cases(&raw, &self.formats, self.progress.as_ref())?;
        let step = Cleaning {
            postprocessing,
            description: predictor.dataset(),
            raw: raw.output,
            output: &request.output,
            existing: predictor.options().existing,
        };
        self.clean(&step, report.into())
    }

    /// Postprocesses the cases that were predicted.
    pub(super) fn clean(
        &self,
        step: &Cleaning<'_>,
        predicted: FolderReport,
    ) -> Result<FolderReport, PipelineError> {
        step.description.save(&layout::dataset_json(step.output))?;
        let mut report = FolderReport {
            failed: predicted.failed,
            ..FolderReport::default()
        };
        let kept = predicted.kept.into_iter().map(|case| (case, true));
        let new = predicted.done.into_iter().map(|case| (case, false));
        let cases: Vec<(String, bool)> = kept.chain(new).collect();
        let task = self.progress.start("postprocess", cases.len());
        for (case, was_there) in cases {
            let name = format!("{case}{}", step.description.file_ending);
            let target = step.output.join(&name);
            let is_finished = step.existing == ExistingOutputs::Keep && target.is_file();
            if was_there && is_finished {
                report.kept.push(case);
                continue;
            }
            task.step(&case);
            match self.clean_case(step.postprocessing, &step.raw.join(&name), &target) {
                Ok(()) => report.done.push(case),
                Err(error) => report.failed.push((case, error)),
            }
        }
        Ok(report)
    }

    fn clean_case(
        &self,
        postprocessing: &Postprocessing,
        raw: &Path,
        target: &Path,
    ) -> Result<(), PipelineError> {
        let mut map = self.formats.read_labels(raw)?;
        postprocessing.apply(&mut map)?;
        Ok(self.formats.write_labels(target, &map)?)
    }
}

/// From label maps in one folder to cleaned ones in another.
#[derive(Debug)]
pub(super) struct Cleaning<'a> {
    pub(super) postprocessing: &'a Postprocessing,
    pub(super) description: &'a DatasetDescription,
    pub(super) raw: PathBuf,
    pub(super) output: &'a Path,
    pub(super) existing: ExistingOutputs,
}
