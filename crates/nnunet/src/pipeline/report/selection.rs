//! What a selection decided, as its documents say.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use nnunet_evaluate::Classes;
use nnunet_evaluate::components::Connectivity;
use nnunet_evaluate::postprocessing::{LabelsOrRegions, Postprocessing};
use nnunet_evaluate::select::{Candidate, InferenceInformation, ModelName, candidates};
use nnunet_report::data::{Part, PostprocessingStep, Ranked, Selection, Verdict};
use nnunet_schema::Fold;

use super::models::{candidate_name, fold_list};
use super::{Sources, described};
use crate::pipeline::select::{POSTPROCESSING, folds_of};
use crate::pipeline::{Pipeline, PipelineError};

/// The outcome of the selection on a dataset.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    /// All that took part, single models first.
    pub(super) candidates: Vec<Candidate>,
    pub(super) winner: Candidate,
    pub(super) folds: Vec<Fold>,
    /// Scores by the names of the candidates.
    pub(super) scores: BTreeMap<String, f64>,
    /// Mean Dice without and with postprocessing.
    pub(super) dice: [f64; 2],
    /// Where the winner's predictions of the held-out cases lie.
    pub(super) folder: PathBuf,
}

impl Chosen {
    pub(super) fn read(pipeline: &Pipeline, dataset: &str) -> Part<Self> {
        let path = pipeline.information_path(dataset);
        if !path.is_file() {
            return Part::missing(format!(
                "Nothing is selected yet: `nnunet run {dataset}` selects when all folds are trained, \
                 `nnunet select {dataset} -f FOLD …` between what is trained on these folds."
            ));
        }
        let read = || -> Result<Self, PipelineError> {
            let information = InferenceInformation::load(&path)?;
            let results = pipeline.layout.results.join(dataset);
            Self::of(&information, &results).ok_or_else(|| PipelineError::NothingSelectable {
                folder: results,
                reason: format!("{} names neither one model nor two", path.display()),
            })
        };
        read().into()
    }

    fn of(information: &InferenceInformation, results: &std::path::Path) -> Option<Self> {
        let winner = match information.models().as_slice() {
            [one] => Candidate::Single(one.clone()),
            [first, second] => Candidate::Pair(first.clone(), second.clone()),
            _ => return None,
        };
        let folds = folds_of(information);
        let models: Vec<ModelName> = (information.considered_models.iter())
            .map(|model| ModelName {
                trainer: model.trainer.clone(),
                plans: model.plans.clone(),
                configuration: model.configuration.clone(),
            })
            .collect();
        let best = &information.best_model_or_ensemble;
        Some(Self {
            candidates: candidates(&models, information.ensembling_allowed),
            folder: winner.collected(results, &folds),
            winner,
            folds,
            scores: information.all_results.clone(),
            dice: [
                best.result_on_crossval_pre_pp,
                best.result_on_crossval_post_pp,
            ],
        })
    }
}

impl Sources<'_> {
    pub(super) fn selection(&self) -> Part<Selection> {
        let read = || -> Result<Selection, String> {
            let chosen = described(&self.chosen)?;
            let document = chosen.folder.join(POSTPROCESSING);
            let postprocessing =
                Postprocessing::load(&document).map_err(|error| error.to_string())?;
            let classes = self.classes()?;
            let instructions = self.results().join("inference_instructions.txt");
            Ok(Selection {
                ranking: ranking(chosen),
                folds: fold_list(&chosen.folds),
                steps: steps(&postprocessing, &classes),
                connectivity: match postprocessing.connectivity {
                    Connectivity::Face => "faces",
                    Connectivity::Edge => "faces and edges",
                    Connectivity::Full => "faces, edges and corners",
                }
                .to_owned(),
                dice: chosen.dice,
                instructions: fs::read_to_string(instructions).ok(),
            })
        };
        read().into()
    }
}

/// Best first; of equal ones as they took part.
fn ranking(chosen: &Chosen) -> Vec<Ranked> {
    let mut ranking: Vec<Ranked> = (chosen.candidates.iter())
        .filter_map(|candidate| {
            Some(Ranked {
                name: candidate_name(candidate),
                dice: *chosen.scores.get(&candidate.name(&chosen.folds))?,
                verdict: match *candidate == chosen.winner {
                    true => Verdict::Selected,
                    false => Verdict::Outdone,
                },
            })
        })
        .collect();
    ranking.sort_by(|a, b| b.dice.total_cmp(&a.dice));
    ranking
}

fn steps(postprocessing: &Postprocessing, classes: &Classes) -> Vec<PostprocessingStep> {
    let name_of = |key: &str| {
        let class = classes.classes().iter().find(|class| class.key() == key);
        class.map_or_else(|| key.to_owned(), |class| class.name().to_owned())
    };
    (postprocessing.decisions.iter())
        .map(|decision| PostprocessingStep {
            of: object(&decision.labels_or_regions, classes),
            dice: [decision.foreground.before, decision.foreground.after],
            classes: (decision.classes.iter())
                .map(|(key, change)| (name_of(key), [change.before, change.after]))
                .collect(),
            accepted: decision.accepted,
        })
        .collect()
}

/// What the largest component was taken of, by the names of the classes.
pub(super) fn object(labels: &LabelsOrRegions, classes: &Classes) -> String {
    let members = labels.members();
    let sorted = |members: &[u16]| {
        let mut members = members.to_vec();
        members.sort_unstable();
        members
    };
    let same = (classes.classes().iter()).find(|class| sorted(class.members()) == members);
    if let Some(class) = same {
        return class.name().to_owned();
    }
    let mut all: Vec<u16> = (classes.classes().iter())
        .flat_map(|class| class.members().iter().copied())
        .collect();
    all.sort_unstable();
    all.dedup();
    if all == members {
        return "the whole foreground".to_owned();
    }
    let numbers: Vec<String> = members.iter().map(u16::to_string).collect();
    format!("the labels {}", numbers.join(", "))
}
