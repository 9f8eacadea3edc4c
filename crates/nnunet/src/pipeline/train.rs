//! Training one configuration on one fold, and its validation on the held-out cases.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use nnunet_augment::{
    AugmentationSetup, BatchLoader, CascadeCase, CaseSource, FreeCrops, LoaderConfig, LoaderMode,
};
use nnunet_evaluate::{EvaluateOptions, MissingPredictions, evaluate_folder};
use nnunet_image::CropBox;
use nnunet_infer::{PredictOptions, Predictor};
use nnunet_model::CheckpointKind;
use nnunet_preprocess::{CaseStore, PreprocessedCase};
use nnunet_schema::{Summary, layout};
use nnunet_train::{Outcome, Position, TrainObserver, Trainer, TrainerSetup};
use tracing::{debug, info, info_span};

use super::cascade::{self, NextStage};
use super::fold::{FoldJob, Pretrained, TrainRequest};
use super::stage::{self, Stage};
use super::{Existing, Pipeline, PipelineError};

/// Folder of the held-out cases' predictions in a fold folder.
pub(super) const VALIDATION: &str = "validation";

/// How a training ended.
#[derive(Clone, Debug)]
pub enum TrainOutcome {
    /// Trained and validated.
    Finished {
        /// The fold folder, with the checkpoints, the log and the validation.
        folder: PathBuf,
        /// The metrics of the held-out cases.
        validation: Summary,
    },
    /// Stopped on request; the checkpoint `latest` is in the fold folder.
    Stopped {
        /// The fold folder.
        folder: PathBuf,
    },
}

impl Pipeline {
    /// Trains a configuration on a fold, then segments the held-out cases with the final
    /// network and compares them with their references. Setting `stop` ends the training after
    /// the iteration under way, with a checkpoint.
    ///
    /// The first stage of a cascade also keeps the segmentations of the held-out cases for the
    /// second; the second is trained with those of all folds, and validated with those of the
    /// cases that it holds out.
    ///
    /// # Errors
    /// If an earlier stage is missing, a case of the split is not preprocessed, or training or
    /// validation fails; [`PipelineError::PreviousStage`] if the first stage of a cascade has not
    /// segmented all cases.
    pub fn train(
        &self,
        request: &TrainRequest,
        observer: &dyn TrainObserver,
        stop: &AtomicBool,
    ) -> Result<TrainOutcome, PipelineError> {
        let job = self.fold_job(request)?;
        let _stage = Stage::begin(info_span!(
            "train",
            dataset = job.dataset,
            configuration = request.configuration,
            fold = %request.training.fold
        ));
        let previous = self.previous_stage(&job)?;
        // For its warnings: there is time to preprocess the next stage until the training ends.
        self.next_stages(&job)?;
        self.write_model_documents(&job)?;
        if self.run_training(&job, previous.as_ref(), request, observer, stop)? == Outcome::Stopped
        {
            return Ok(TrainOutcome::Stopped { folder: job.folder });
        }
        let validation = self.validate(&job, request)?;
        Ok(TrainOutcome::Finished {
            folder: job.folder,
            validation,
        })
    }

    /// The copies of the documents that a model folder carries: inference reads only these.
    fn write_model_documents(&self, job: &FoldJob) -> Result<(), PipelineError> {
        job.plans.save(&layout::model_plans(&job.model))?;
        job.description.save(&layout::dataset_json(&job.model))?;
        let fingerprint = self.layout.fingerprint(&job.dataset);
        if fingerprint.exists() {
            let fingerprint = nnunet_schema::DatasetFingerprint::load(&fingerprint)?;
            fingerprint.save(&job.model.join("dataset_fingerprint.json"))?;
        }
        Ok(())
    }

    fn run_training(
        &self,
        job: &FoldJob,
        previous: Option<&CaseStore>,
        request: &TrainRequest,
        observer: &dyn TrainObserver,
        stop: &AtomicBool,
    ) -> Result<Outcome, PipelineError> {
        let configuration = job.plans.configuration(&request.configuration)?;
        let geometry = AugmentationSetup::for_configuration(&configuration);
        let labels = job.description.label_scheme()?;
        let previous_labels = match previous {
            Some(_) => labels.foreground_labels(),
            None => Vec::new(),
        };
        let setup = TrainerSetup {
            configuration_name: request.configuration.clone(),
            labels,
            channels: job.description.channels() + previous_labels.len(),
            device: request.device.open()?,
            trainer_name: job.trainer.clone(),
            mirror_axes: geometry.network_mirror_axes(),
            fold_folder: job.folder.clone(),
            configuration,
        };
        let config = request.training.clone().check()?;
        let mut trainer = match request.existing {
            Existing::Keep => Trainer::resume_or_new(setup.clone(), config)?,
            Existing::Replace => Trainer::new(setup.clone(), config)?,
        };
        if let Some(Pretrained {
            weights,
            strictness,
        }) = &request.pretrained
            && trainer.position() == Position::default()
        {
            let report = trainer.load_pretrained(weights, *strictness)?;
            self.progress
                .note(&format!("{}: {report}", weights.display()));
        }
        let loader = |cases: &[String], mode| -> Result<BatchLoader, PipelineError> {
            let mut settings = LoaderConfig::for_configuration(mode, &setup.configuration);
            settings.seed = request.training.seed;
            settings.fold = request.training.fold;
            settings.previous_labels.clone_from(&previous_labels);
            if setup.labels.ignore_label().is_some() {
                settings.free_crops = FreeCrops::Annotated;
            }
            Ok(BatchLoader::new(
                open_cases(&job.store, previous, cases)?,
                settings,
                request.loader_threads.get(),
            )?)
        };
        let mut training = loader(
            &job.split.train,
            LoaderMode::Training(request.augmentation.augmentation(&job.plans)),
        )?;
        let mut validation = loader(&job.split.val, LoaderMode::Validation)?;
        Ok(trainer.run(&mut training, &mut validation, observer, stop)?)
    }

    /// Segments the held-out cases with the final network of the fold and evaluates them.
    fn validate(&self, job: &FoldJob, request: &TrainRequest) -> Result<Summary, PipelineError> {
        let options = PredictOptions {
            device: request.device,
            checkpoint: CheckpointKind::Final,
            ..PredictOptions::default()
        };
        let predictor = Predictor::load(&job.model, &[request.training.fold], options)?;
        let folder = job.folder.join(VALIDATION);
        let task = (self.progress).start(
            &format!(
                "validate {} fold {}",
                request.configuration, request.training.fold
            ),
            job.split.val.len(),
        );
        let next = self.next_stages(job)?;
        for case in &job.split.val {
            let began = Instant::now();
            self.validate_case(&predictor, job, &next, case, &folder)?;
            debug!(case, seconds = stage::seconds(began), "validated");
            task.step(case);
        }
        drop(task);
        let summary = evaluate_folder(
            &layout::training_labels(&self.layout.raw_dataset(&job.dataset)),
            &folder,
            &job.description,
            &self.formats,
            // The references of the other folds are not missed.
            &EvaluateOptions {
                missing_predictions: MissingPredictions::Ignore,
            },
            self.progress.as_ref(),
        )?;
        summary.save(&layout::summary(&folder))?;
        info!(dice = summary.foreground_mean.dice, "validated");
        Ok(summary)
    }

    fn validate_case(
        &self,
        predictor: &Predictor,
        job: &FoldJob,
        next: &[NextStage],
        case: &str,
        folder: &Path,
    ) -> Result<(), PipelineError> {
        let prepared = held_out_case(predictor, &job.store, case)?;
        let mut stages = Vec::with_capacity(next.len());
        let mut grids = Vec::with_capacity(next.len());
        for stage in next {
            match stage.properties(case)? {
                None => self.warn_not_kept(job, stage, case),
                Some(properties) => {
                    stages.push(stage);
                    grids.push(properties);
                }
            }
        }
        let shapes = cascade::shapes(&grids);
        let (labels, segmentations) =
            predictor.predict_for_next_stages(case, &prepared, &shapes)?;
        for ((stage, labels), grid) in stages.into_iter().zip(segmentations).zip(grids) {
            stage.keep(case, labels, grid)?;
        }
        // Those of an earlier training would be taken for this network's.
        nnunet_infer::remove_probabilities(folder, case)?;
        let ending = &predictor.dataset().file_ending;
        let target = folder.join(format!("{case}{ending}"));
        Ok(self.formats.write_labels(&target, &labels)?)
    }
}

/// A preprocessed case as a whole, as validation puts it before the network: in the second stage
/// of a cascade with the segmentation that the first stage made of it when it was held out.
pub(super) fn held_out_case(
    predictor: &Predictor,
    store: &CaseStore,
    case: &str,
) -> Result<PreprocessedCase, PipelineError> {
    let stored = store.open_case(case)?;
    let whole = CropBox::whole(stored.shape());
    let prepared = PreprocessedCase {
        data: stored.read_data(whole)?,
        labels: stored.read_labels(whole)?,
        properties: stored.properties().clone(),
    };
    let recipe = predictor.recipe();
    let Some(previous) = recipe.previous_stage() else {
        return Ok(prepared);
    };
    let labels = cascade::previous_labels(predictor.model(), recipe.name(), previous, case)?;
    Ok(recipe.with_previous_stage(case, prepared, labels.view())?)
}

/// The sources of cases; with `previous`, those of the second stage of a cascade.
fn open_cases(
    store: &CaseStore,
    previous: Option<&CaseStore>,
    cases: &[String],
) -> Result<Vec<Arc<dyn CaseSource>>, PipelineError> {
    (cases.iter())
        .map(|case| -> Result<Arc<dyn CaseSource>, PipelineError> {
            Ok(match previous {
                Some(previous) => Arc::new(CascadeCase::open(store, previous, case)?),
                None => Arc::new(store.open_case(case)?),
            })
        })
        .collect()
}
