//! One fold of one configuration: how it is to be trained, which cases it has, and where
//! everything of it lies.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use nnunet_model::{DeviceChoice, Strictness};
use nnunet_preprocess::CaseStore;
use nnunet_schema::{DatasetDescription, DatasetId, Fold, Plans, Split, Splits, layout};
use nnunet_train::TrainingConfig;

use super::prepare::require;
use super::variant::{AugmentationChoice, trainer_name};
use super::{Existing, Pipeline, PipelineError};

/// What to train.
#[derive(Clone, Debug)]
pub struct TrainRequest {
    /// The dataset.
    pub dataset: DatasetId,
    /// Name of the plans.
    pub plans_name: String,
    /// The configuration, e.g. `3d_fullres`.
    pub configuration: String,
    /// Epochs, iterations, loss, optimiser, seed, fold.
    pub training: TrainingConfig,
    /// What is done to the patches.
    pub augmentation: AugmentationChoice,
    /// Weights to begin with. A training that goes on from a checkpoint of its own does not look
    /// at them.
    pub pretrained: Option<Pretrained>,
    /// Where the network runs.
    pub device: DeviceChoice,
    /// Threads that prepare batches.
    pub loader_threads: NonZeroUsize,
    /// What to do about a checkpoint in the fold folder: go on from it, or begin anew.
    pub existing: Existing,
}

/// Weights of a network that was trained on something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pretrained {
    /// A checkpoint of ours or of the Python program.
    pub weights: PathBuf,
    /// How well they must fit.
    pub strictness: Strictness,
}

/// What training and validation of a fold both need.
pub(super) struct FoldJob {
    pub(super) dataset: String,
    pub(super) plans: Plans,
    pub(super) plans_name: String,
    pub(super) configuration: String,
    pub(super) trainer: String,
    pub(super) fold: Fold,
    pub(super) description: DatasetDescription,
    pub(super) store: CaseStore,
    pub(super) split: Split,
    /// The model folder.
    pub(super) model: PathBuf,
    /// The fold folder.
    pub(super) folder: PathBuf,
}

impl FoldJob {
    /// Whether the network is validated on cases that it is trained on.
    pub(super) fn holds_nothing_out(&self) -> bool {
        self.fold == Fold::All
    }
}

impl Pipeline {
    pub(super) fn fold_job(&self, request: &TrainRequest) -> Result<FoldJob, PipelineError> {
        let dataset = self.layout.resolve(&request.dataset)?;
        let (plans_name, configuration) = (&request.plans_name, &request.configuration);
        let plans = self.plans(&dataset, plans_name)?;
        let store = self.store_folder(&dataset, &plans, configuration)?;
        require(&store, || {
            format!("nnunet preprocess {dataset} -c {configuration}")
        })?;
        let store = CaseStore::open(&store)?;
        let description = self.description(&dataset)?;
        let header = nnunet_preprocess::StoreHeader::new(&plans, configuration, &description)?;
        store.check_settings(&header.settings)?;
        let split = self.fold_of(&dataset, &store.cases()?, request.training.fold)?;
        let trainer = trainer_name(&request.training, request.augmentation);
        let model = self
            .layout
            .model(&dataset, &trainer, plans_name, configuration);
        Ok(FoldJob {
            folder: layout::fold(&model, request.training.fold),
            dataset,
            plans,
            plans_name: plans_name.clone(),
            configuration: configuration.clone(),
            trainer,
            fold: request.training.fold,
            description,
            store,
            split,
            model,
        })
    }

    /// One fold of a dataset that has these preprocessed cases. The splits are made from them if
    /// there are none yet; fold `all` needs none.
    fn fold_of(&self, dataset: &str, cases: &[String], fold: Fold) -> Result<Split, PipelineError> {
        let Fold::Number(number) = fold else {
            return Ok(Split::all(cases));
        };
        let path = self.layout.splits(dataset);
        let splits = if path.exists() {
            let (splits, left_out) = Splits::load_for(&path, cases)?;
            if let Some(left_out) = left_out.iter().find(|l| l.fold == number as usize) {
                self.progress
                    .warn(&format!("{} leaves out {left_out}", path.display()));
            }
            splits
        } else {
            let splits = Splits::five_fold(cases)?;
            splits.save(&path)?;
            splits
        };
        if number as usize >= splits.0.len() {
            self.progress.warn(&format!(
                "{} has {} folds: fold {number} is a random 80:20 split of the cases, which may \
                 put cases of one patient on both sides",
                path.display(),
                splits.0.len()
            ));
        }
        Ok(splits.fold(fold, cases)?)
    }
}

#[cfg(test)]
mod tests;
