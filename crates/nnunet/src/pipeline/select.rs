//! Which configuration is the best one.

use std::path::PathBuf;

use nnunet_evaluate::{Selection, best_configuration};
use nnunet_schema::{DatasetId, Fold, Summary, layout};

use super::prepare::require;
use super::{Pipeline, PipelineError, TRAINER};

/// Configurations that were trained and validated on the same folds, and the one that won.
#[derive(Clone, Debug)]
pub struct Contest {
    /// Each configuration with its validation over all folds, in the order given.
    pub entries: Vec<(String, Summary)>,
    /// The verdict.
    pub selection: Selection,
}

impl Pipeline {
    /// Compares configurations by the mean Dice of their validation on `folds` (paper, online
    /// methods: the best configuration is chosen in cross-validation).
    ///
    /// # Errors
    /// If a fold of a configuration has not been validated, naming the command that does it.
    pub fn select(
        &self,
        id: &DatasetId,
        plans_name: &str,
        configurations: &[String],
        folds: &[Fold],
    ) -> Result<Contest, PipelineError> {
        let dataset = self.layout.resolve(id)?;
        let mut entries = Vec::with_capacity(configurations.len());
        for name in configurations {
            let mut summaries = Vec::with_capacity(folds.len());
            for fold in folds {
                let path = self.validation_summary(&dataset, plans_name, name, *fold);
                require(&path, || format!("nnunet train {dataset} {name} {fold}"))?;
                summaries.push(Summary::load(&path)?);
            }
            entries.push((name.clone(), nnunet_evaluate::merge(&summaries)?));
        }
        let selection = best_configuration(&entries)?;
        Ok(Contest { entries, selection })
    }

    fn validation_summary(
        &self,
        dataset: &str,
        plans_name: &str,
        configuration: &str,
        fold: Fold,
    ) -> PathBuf {
        let model = self
            .layout
            .model(dataset, TRAINER, plans_name, configuration);
        layout::summary(&layout::fold(&model, fold).join("validation"))
    }
}
