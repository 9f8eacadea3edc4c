//! Variants of the method on several datasets: is what one does differently any better?
//!
//! An [`Experiment`] is a document that names datasets and variants. Every variant is planned,
//! preprocessed, trained and validated on every dataset, and the cross-validations are compared
//! (paper, Figure 6). What is finished is not done again, so that an experiment can be stopped or
//! killed at any time and repeated until it is through.

mod document;
mod plans;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use nnunet_evaluate::compare::{CompareOptions, Comparison};
use nnunet_model::DeviceChoice;
use nnunet_schema::{DatasetId, Fold, Summary, layout};
use nnunet_train::{ProgressObserver, TrainingConfig};

use super::finished::FoundTraining;
use super::fold::TrainRequest;
use super::prepare::all_preprocessed;
use super::train::TrainOutcome;
use super::variant::trainer_name;
use super::{Existing, MethodResult, Pipeline, PipelineError, compare_results};

pub use document::{EncoderChoice, Experiment, NormChoice, Variant};

/// How an experiment is run.
#[derive(Clone, Debug)]
pub struct ExperimentRequest {
    /// What to do.
    pub experiment: Experiment,
    /// Where the networks run.
    pub device: DeviceChoice,
    /// Threads that prepare batches.
    pub loader_threads: NonZeroUsize,
    /// Folder for the summaries of all variants, `VARIANT/DATASET/summary.json`.
    pub output: PathBuf,
    /// How the variants are compared in the end.
    pub compare: CompareOptions,
}

/// How an experiment ended.
#[derive(Clone, Debug)]
pub enum ExperimentOutcome {
    /// All variants are trained and validated on all datasets.
    Finished {
        /// The result of each variant on each dataset.
        results: Vec<MethodResult>,
        /// How they compare.
        comparison: Comparison,
    },
    /// Stopped on request; the next run goes on where this one was.
    Stopped,
}

/// A training of an experiment.
struct Job<'a> {
    name: &'a str,
    variant: &'a Variant,
    /// The settings of a training that the variant does not change.
    usual: &'a TrainingConfig,
    dataset: String,
    plans_name: String,
}

impl Pipeline {
    /// Runs an experiment as far as it is not done yet. Setting `stop` ends the training under way
    /// with a checkpoint.
    ///
    /// # Errors
    /// [`PipelineError::OtherTraining`] if the folder of a variant holds a finished training with
    /// other settings, [`PipelineError::OtherPlans`] if plans of its name are there that were made
    /// otherwise, and as the stages themselves.
    pub fn experiment(
        &self,
        request: &ExperimentRequest,
        stop: &AtomicBool,
    ) -> Result<ExperimentOutcome, PipelineError> {
        let experiment = &request.experiment;
        let datasets = (experiment.datasets())
            .map(|id| Ok(self.layout.resolve(&id)?))
            .collect::<Result<Vec<String>, PipelineError>>()?;
        let usual = experiment.training(request.device);
        let mut results = Vec::new();
        for (name, variant) in &experiment.variants {
            for dataset in &datasets {
                let job = Job {
                    name,
                    variant,
                    usual: &usual,
                    dataset: dataset.clone(),
                    plans_name: self.plan_variant(experiment, variant, dataset)?,
                };
                if !self.run_job(request, &job, stop)? {
                    return Ok(ExperimentOutcome::Stopped);
                }
                results.push(self.gather(request, &job)?);
            }
        }
        let comparison = compare_results(&results, &request.compare)?;
        Ok(ExperimentOutcome::Finished {
            results,
            comparison,
        })
    }

    /// Preprocesses and trains on all folds; whether it got through.
    fn run_job(
        &self,
        request: &ExperimentRequest,
        job: &Job<'_>,
        stop: &AtomicBool,
    ) -> Result<bool, PipelineError> {
        let experiment = &request.experiment;
        for fold in experiment.folds() {
            let training = job.variant.training(job.usual, fold);
            if self.is_finished(experiment, job, &training)? {
                continue;
            }
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let id = DatasetId::Name(job.dataset.clone());
            let configuration = &experiment.configuration;
            let report = self.preprocess(&id, &job.plans_name, configuration)?;
            all_preprocessed(&report)?;
            let what = format!("{} on {}, fold {fold}", job.name, job.dataset);
            let observer = ProgressObserver::new(self.progress.as_ref(), &what, training.epochs);
            let train = TrainRequest {
                dataset: id,
                plans_name: job.plans_name.clone(),
                configuration: configuration.clone(),
                training,
                augmentation: job.variant.augmentation,
                pretrained: None,
                device: request.device,
                loader_threads: request.loader_threads,
                existing: Existing::Keep,
            };
            match self.train(&train, &observer, stop)? {
                TrainOutcome::Finished { .. } => {}
                TrainOutcome::Stopped { .. } => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Whether a fold is trained with these settings and validated.
    fn is_finished(
        &self,
        experiment: &Experiment,
        job: &Job<'_>,
        training: &TrainingConfig,
    ) -> Result<bool, PipelineError> {
        let folder = self.fold_folder(experiment, job, training.fold);
        match FoundTraining::look(&folder, training)? {
            FoundTraining::Unfinished => Ok(false),
            FoundTraining::Finished => Ok(true),
            FoundTraining::Other => Err(PipelineError::OtherTraining {
                folder,
                variant: job.name.to_owned(),
            }),
        }
    }

    fn fold_folder(&self, experiment: &Experiment, job: &Job<'_>, fold: Fold) -> PathBuf {
        let training = job.variant.training(job.usual, fold);
        let trainer = trainer_name(&training, job.variant.augmentation);
        let configuration = &experiment.configuration;
        let model = (self.layout).model(&job.dataset, &trainer, &job.plans_name, configuration);
        layout::fold(&model, fold)
    }

    /// Puts the validations of all folds together.
    fn gather(
        &self,
        request: &ExperimentRequest,
        job: &Job<'_>,
    ) -> Result<MethodResult, PipelineError> {
        let summaries = (request.experiment.folds())
            .map(|fold| {
                let folder = self.fold_folder(&request.experiment, job, fold);
                Ok(Summary::load(&layout::summary(&folder.join("validation")))?)
            })
            .collect::<Result<Vec<Summary>, PipelineError>>()?;
        let summary = nnunet_evaluate::merge(&summaries)?;
        let folder = request.output.join(file_name(job.name)).join(&job.dataset);
        let path = layout::summary(Path::new(&folder));
        summary.save(&path)?;
        Ok(MethodResult {
            method: job.name.to_owned(),
            dataset: job.dataset.clone(),
            summary: path,
        })
    }
}

/// A name for people as the name of a folder.
fn file_name(name: &str) -> String {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let kept = name.chars().map(|c| if allowed(c) { c } else { '_' });
    kept.collect()
}

#[cfg(test)]
mod tests;
