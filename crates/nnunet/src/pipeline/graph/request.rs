//! What the work on a dataset is to be.

use std::num::NonZeroUsize;

use nnunet_model::DeviceChoice;
use nnunet_planner::{Budget, Rules};
use nnunet_schema::{DatasetId, Fold, Plans};
use nnunet_train::TrainingConfig;

use crate::pipeline::{AugmentationChoice, DEFAULT_PLANS, PipelineError, PlanRequest};

/// The whole work on a dataset.
#[derive(Clone, Debug)]
pub struct GraphRequest {
    /// The dataset.
    pub dataset: DatasetId,
    /// How it is planned.
    pub planning: Planning,
    /// Which models are trained.
    pub extent: Extent,
    /// Settings of all trainings; the fold is none of them.
    pub training: TrainingConfig,
    /// What is done to the patches.
    pub augmentation: AugmentationChoice,
    /// Where networks run: one training at a time on each. The first also serves other jobs.
    pub devices: Vec<DeviceChoice>,
    /// Threads that prepare batches, of each training.
    pub loader_threads: NonZeroUsize,
}

/// How a dataset is planned.
#[derive(Clone, Debug)]
pub enum Planning {
    /// The plans of this name are taken if they are there, and made again as they were made if
    /// the dataset has changed; else they are made by the rules of the paper.
    AsFound {
        /// Name of the plans.
        plans_name: String,
    },
    /// The plans must have been made by this request, or are made by it.
    By(Box<PlanRequest>),
}

/// Which models are trained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Configurations in a cross-validation.
    Chosen {
        /// The configurations; none means all of the plans.
        configurations: Vec<String>,
        /// The folds.
        folds: Vec<Fold>,
    },
    /// `3d_fullres` (`2d` where there is nothing else) on fold 0: what the paper offers where
    /// computing is scarce.
    Fast,
}

impl Extent {
    /// All configurations in five folds.
    #[must_use]
    pub fn full() -> Self {
        Self::Chosen {
            configurations: Vec::new(),
            folds: (0..5).map(Fold::Number).collect(),
        }
    }
}

impl GraphRequest {
    /// The method as it is published: all configurations in five folds, on the processor.
    #[must_use]
    pub fn new(dataset: DatasetId) -> Self {
        Self {
            dataset,
            planning: Planning::AsFound {
                plans_name: DEFAULT_PLANS.to_owned(),
            },
            extent: Extent::full(),
            training: TrainingConfig::default(),
            augmentation: AugmentationChoice::default(),
            devices: vec![DeviceChoice::Cpu],
            loader_threads: NonZeroUsize::MIN,
        }
    }

    /// Name of the plans.
    #[must_use]
    pub fn plans_name(&self) -> &str {
        match &self.planning {
            Planning::AsFound { plans_name } => plans_name,
            Planning::By(request) => &request.rules.plans_name,
        }
    }

    /// The settings of the training on a fold.
    #[must_use]
    pub fn training_on(&self, fold: Fold) -> TrainingConfig {
        TrainingConfig {
            fold,
            ..self.training.clone()
        }
    }

    /// How the plans are made, where `found` are there; `None` for plans that another program
    /// made, which stay as they are.
    pub(in crate::pipeline) fn plan_request(
        &self,
        found: Option<&Plans>,
    ) -> Result<Option<PlanRequest>, PipelineError> {
        let plans_name = match &self.planning {
            Planning::By(request) => return Ok(Some(request.as_ref().clone())),
            Planning::AsFound { plans_name } => plans_name.clone(),
        };
        let named = |mut rules: Rules| {
            rules.plans_name.clone_from(&plans_name);
            rules
        };
        let Some(plans) = found else {
            return Ok(Some(PlanRequest::by(named(Rules::paper()))));
        };
        let Some(record) = &plans.planning else {
            return Ok(None);
        };
        Ok(Some(PlanRequest {
            rules: named(Rules::of(record.rules)?),
            budget: Budget {
                gpu_memory_gb: record.gpu_memory_gb,
            },
            overrides: record.overrides.clone(),
        }))
    }
}
