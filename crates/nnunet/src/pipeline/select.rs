//! Which configuration, or which two together, is the best one.
//!
//! The candidates are all trained configurations and the ensembles of every two of them; the
//! cross-validation decides between them by the mean Dice of the foreground, and then whether
//! removing small components helps the winner (paper, Online Methods, "Ensemble selection and
//! postprocessing"). What is written is what the Python program's `find_best_configuration`
//! writes, at its places.

mod follow;
mod instructions;
mod models;
mod pairs;
mod winner;

use std::path::PathBuf;

use nnunet_evaluate::postprocessing::Postprocessing;
use nnunet_evaluate::select::{Candidate, InferenceInformation, ModelName, candidates};
use nnunet_evaluate::{Classes, Selection, best_configuration, evaluate_pairs};
use nnunet_model::DeviceChoice;
use nnunet_schema::{DatasetId, Fold, Summary, layout};
use tracing::{info, info_span};

use super::stage::Stage;
use super::{DEFAULT_PLANS, Existing, Pipeline, PipelineError, TRAINER};

pub(in crate::pipeline) use follow::folds_of;
pub use follow::{SelectedModels, SelectedRequest};
pub(in crate::pipeline) use models::ORDER;
pub use models::Unfinished;
use pairs::Entry;

/// The name of the document of a postprocessing, beside the predictions.
pub(in crate::pipeline) const POSTPROCESSING: &str = "postprocessing.json";

/// Between which models to select, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectRequest {
    /// The dataset.
    pub dataset: DatasetId,
    /// Names of the trainers whose models take part.
    pub trainers: Vec<String>,
    /// Names of the plans whose models take part.
    pub plans: Vec<String>,
    /// The configurations that must take part; none means all that are validated on all folds.
    pub configurations: Vec<String>,
    /// The folds of the cross-validation.
    pub folds: Vec<Fold>,
    /// Whether ensembles take part.
    pub ensembling: Ensembling,
    /// What to do about label maps of ensembles that are there already.
    pub existing: Existing,
    /// Where networks run, should probabilities have to be computed again.
    pub device: DeviceChoice,
}

impl SelectRequest {
    /// All validated configurations of the default trainer and plans in five folds, and every
    /// pair of them.
    #[must_use]
    pub fn new(dataset: DatasetId) -> Self {
        Self {
            dataset,
            trainers: vec![TRAINER.to_owned()],
            plans: vec![DEFAULT_PLANS.to_owned()],
            configurations: Vec::new(),
            folds: (0..5).map(Fold::Number).collect(),
            ensembling: Ensembling::Pairs,
            existing: Existing::Replace,
            device: DeviceChoice::Cpu,
        }
    }
}

/// Whether ensembles take part in a selection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ensembling {
    /// Every two configurations, whose probabilities are averaged.
    #[default]
    Pairs,
    /// None.
    Off,
}

/// A selection: who took part, who won, and what is done to the winner's predictions.
#[derive(Clone, Debug)]
pub struct Contest {
    /// All that took part, single models first.
    pub contestants: Vec<Contestant>,
    /// Models that did not, because they are not trained and validated on all folds.
    pub unfinished: Vec<Unfinished>,
    /// The verdict.
    pub selection: Selection,
    /// What was decided on the winner's predictions.
    pub postprocessing: Postprocessing,
    /// The whole outcome as a document.
    pub information: InferenceInformation,
    /// Where that document lies.
    pub information_path: PathBuf,
    /// The same for people: the commands that predict with the winner.
    pub instructions: String,
}

/// A candidate with its predictions of all held-out cases.
#[derive(Clone, Debug)]
pub struct Contestant {
    /// The model or models.
    pub candidate: Candidate,
    /// Folder of the predictions, with their summary.
    pub folder: PathBuf,
    /// How good they are.
    pub summary: Summary,
}

impl Contest {
    /// The winner.
    #[must_use]
    pub fn winner(&self) -> Option<&Contestant> {
        self.contestants.get(self.selection.index)
    }
}

impl Pipeline {
    /// Collects the cross-validations of all models that take part, averages every two of them,
    /// picks the best and determines its postprocessing.
    ///
    /// Probabilities come from where a validation stored them (`validation/CASE.npz`, `.zarr`),
    /// else the fold's network predicts the case again from the preprocessed cases; never more
    /// than one case is on disk or in memory. One selection may run on a dataset at a time.
    ///
    /// # Errors
    /// [`PipelineError::NothingSelectable`] if no model is finished;
    /// [`PipelineError::StageMissing`] if one that was asked for is not, naming the command that
    /// does it; [`PipelineError::Evaluate`] with a list if the folds don't hold every case once;
    /// and if a file cannot be read or written.
    pub fn select(&self, request: &SelectRequest) -> Result<Contest, PipelineError> {
        let dataset = self.layout.resolve(&request.dataset)?;
        let _stage = Stage::begin(info_span!("select", dataset));
        let (models, unfinished) = self.validated_models(&dataset, request)?;
        let references = self.references(&dataset);
        let names: Vec<ModelName> = models.iter().map(|model| model.name.clone()).collect();
        let results = self.layout.results.join(&dataset);
        let entries: Vec<Entry<'_>> = candidates(&names, request.ensembling == Ensembling::Pairs)
            .into_iter()
            .filter_map(|candidate| Entry::new(candidate, &models, &results, &request.folds))
            .collect();
        self.collect(&dataset, request, &entries)?;

        let mut contestants = Vec::with_capacity(entries.len());
        for entry in entries {
            let cases = entry.first.cases.within(&entry.folder);
            let classes = Classes::of(&entry.first.description)?;
            let pairs = cases.pairs(&references)?;
            let summary = evaluate_pairs(&pairs, &classes, &self.formats, self.progress.as_ref())?;
            summary.save(&layout::summary(&entry.folder))?;
            contestants.push(Contestant {
                candidate: entry.candidate,
                folder: entry.folder,
                summary,
            });
        }
        let summaries: Vec<(String, Summary)> = (contestants.iter())
            .map(|c| (c.candidate.name(&request.folds), c.summary.clone()))
            .collect();
        let selection = best_configuration(&summaries)?;
        for ranked in &selection.ranking {
            info!(candidate = ranked.name, dice = ranked.score, "candidate");
        }
        info!(winner = selection.name, dice = selection.score, "selected");
        let outcome = self.settle(&dataset, request, &contestants, &selection)?;
        Ok(Contest {
            contestants,
            unfinished,
            selection,
            postprocessing: outcome.postprocessing,
            information: outcome.information,
            information_path: outcome.information_path,
            instructions: outcome.instructions,
        })
    }
}

#[cfg(test)]
mod tests;
