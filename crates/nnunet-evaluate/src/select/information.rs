use std::collections::BTreeMap;
use std::path::Path;

use nnunet_schema::{Fold, python_json};
use serde::{Deserialize, Serialize};

use super::{Candidate, ModelName, Selection};
use crate::EvaluateError;

/// `inference_information.json`: the outcome of the selection with all scores, as the Python
/// program writes it, keys in alphabetical order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InferenceInformation {
    /// The score of each candidate, by its [name](Candidate::name).
    pub all_results: BTreeMap<String, f64>,
    /// The winner.
    pub best_model_or_ensemble: Best,
    /// Every model that took part.
    pub considered_models: Vec<ConsideredModel>,
    /// The dataset.
    pub dataset_name_or_id: NumberOrName,
    /// Whether pairs of models were candidates.
    pub ensembling_allowed: bool,
    /// The folds of the cross-validation.
    pub folds: Vec<NumberOrName>,
}

/// The winner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The postprocessing that was determined for it. The Python program names its own file,
    /// `postprocessing.pkl`, here; the document lies beside that with the ending `.json`.
    pub postprocessing_file: String,
    /// Foreground mean Dice of the cross-validation with postprocessing.
    #[serde(with = "python_json::float")]
    pub result_on_crossval_post_pp: f64,
    /// Foreground mean Dice of the cross-validation without postprocessing, by which it won.
    #[serde(with = "python_json::float")]
    pub result_on_crossval_pre_pp: f64,
    /// One model, or the two of an ensemble.
    pub selected_model_or_models: Vec<SelectedModel>,
    /// The plans of one of the models, for the meaning of labels.
    pub some_plans_file: String,
}

/// A model of the winner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelectedModel {
    /// The configuration.
    pub configuration: String,
    /// The plans.
    pub plans_identifier: String,
    /// The trainer.
    pub trainer: String,
}

/// A model that took part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsideredModel {
    /// The configuration.
    pub configuration: String,
    /// The plans.
    pub plans: String,
    /// The trainer.
    pub trainer: String,
}

/// A fold or a dataset, which the Python program writes as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum NumberOrName {
    /// `4`.
    Number(u32),
    /// `Dataset004_Hippocampus`, `all`.
    Name(String),
}

impl From<Fold> for NumberOrName {
    fn from(fold: Fold) -> Self {
        match fold {
            Fold::Number(number) => Self::Number(number),
            Fold::All => Self::Name(fold.to_string()),
        }
    }
}

/// What is known of the winner besides its name and score.
#[derive(Clone, Debug, PartialEq)]
pub struct WinnerFiles {
    /// The postprocessing document.
    pub postprocessing: String,
    /// Plans of one of its models.
    pub plans: String,
    /// Foreground mean Dice with postprocessing.
    pub score_after: f64,
}

impl InferenceInformation {
    /// Puts the outcome of a selection between `candidates` together.
    ///
    /// # Errors
    /// [`EvaluateError::NothingToSelect`] if the selection is not one between these candidates.
    pub fn new(
        dataset: NumberOrName,
        folds: &[Fold],
        candidates: &[Candidate],
        selection: &Selection,
        winner: WinnerFiles,
    ) -> Result<Self, EvaluateError> {
        let Some(best) = (candidates.get(selection.index))
            .filter(|candidate| candidate.name(folds) == selection.name)
        else {
            return Err(EvaluateError::NothingToSelect {
                reason: format!("`{}` is not among the candidates", selection.name),
            });
        };
        let considered = candidates.iter().filter_map(|candidate| match candidate {
            Candidate::Single(model) => Some(ConsideredModel {
                configuration: model.configuration.clone(),
                plans: model.plans.clone(),
                trainer: model.trainer.clone(),
            }),
            Candidate::Pair(..) => None,
        });
        Ok(Self {
            all_results: (selection.ranking.iter())
                .map(|ranked| (ranked.name.clone(), ranked.score))
                .collect(),
            best_model_or_ensemble: Best {
                postprocessing_file: winner.postprocessing,
                result_on_crossval_post_pp: winner.score_after,
                result_on_crossval_pre_pp: selection.score,
                selected_model_or_models: (best.models().into_iter())
                    .map(|model| SelectedModel {
                        configuration: model.configuration.clone(),
                        plans_identifier: model.plans.clone(),
                        trainer: model.trainer.clone(),
                    })
                    .collect(),
                some_plans_file: winner.plans,
            },
            considered_models: considered.collect(),
            dataset_name_or_id: dataset,
            ensembling_allowed: (candidates.iter()).any(|c| matches!(c, Candidate::Pair(..))),
            folds: folds.iter().map(|fold| (*fold).into()).collect(),
        })
    }

    /// The models to predict with; their probabilities are averaged if there are two.
    #[must_use]
    pub fn models(&self) -> Vec<ModelName> {
        (self.best_model_or_ensemble.selected_model_or_models.iter())
            .map(|model| ModelName {
                trainer: model.trainer.clone(),
                plans: model.plans_identifier.clone(),
                configuration: model.configuration.clone(),
            })
            .collect()
    }

    /// Reads the document, ours or the Python program's.
    ///
    /// # Errors
    /// [`EvaluateError::Schema`] with the file and the place in it.
    pub fn load(path: &Path) -> Result<Self, EvaluateError> {
        Ok(python_json::load(path)?)
    }

    /// Writes the document atomically.
    ///
    /// # Errors
    /// [`EvaluateError::Schema`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), EvaluateError> {
        Ok(python_json::save(path, self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ScoreBasis;
    use crate::select::{Ranked, candidates};

    fn information() -> InferenceInformation {
        let models = ["T__P__2d", "T__P__3d_fullres"].map(|name| name.parse().unwrap());
        let folds = [Fold::Number(0), Fold::Number(1)];
        let candidates = candidates(&models, true);
        let name = candidates[2].name(&folds);
        let selection = Selection {
            name: name.clone(),
            index: 2,
            score: 0.9,
            score_basis: ScoreBasis::AllClasses,
            ranking: vec![
                Ranked { name, score: 0.9 },
                Ranked {
                    name: "T__P__2d".to_owned(),
                    score: 0.8,
                },
            ],
        };
        let winner = WinnerFiles {
            postprocessing: "e/postprocessing.pkl".to_owned(),
            plans: "e/plans.json".to_owned(),
            score_after: 0.91,
        };
        let dataset = NumberOrName::Name("Dataset004_X".to_owned());
        InferenceInformation::new(dataset, &folds, &candidates, &selection, winner).unwrap()
    }

    #[test]
    fn the_document_has_the_keys_of_the_reference_program_in_its_order() {
        let text = python_json::to_text(&information()).unwrap();
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        assert_eq!(
            text,
            concat!(
                r#"{"all_results":{"T__P__2d":0.8,"#,
                r#""ensemble___T__P__2d___T__P__3d_fullres___0_1":0.9},"#,
                r#""best_model_or_ensemble":{"postprocessing_file":"e/postprocessing.pkl","#,
                r#""result_on_crossval_post_pp":0.91,"result_on_crossval_pre_pp":0.9,"#,
                r#""selected_model_or_models":[{"configuration":"2d","plans_identifier":"P","#,
                r#""trainer":"T"},{"configuration":"3d_fullres","plans_identifier":"P","#,
                r#""trainer":"T"}],"some_plans_file":"e/plans.json"},"#,
                r#""considered_models":[{"configuration":"2d","plans":"P","trainer":"T"},"#,
                r#"{"configuration":"3d_fullres","plans":"P","trainer":"T"}],"#,
                r#""dataset_name_or_id":"Dataset004_X","ensembling_allowed":true,"folds":[0,1]}"#,
            )
        );
    }

    #[test]
    fn the_document_says_what_to_predict_with() {
        let written = information();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("inference_information.json");
        written.save(&path).unwrap();
        let read = InferenceInformation::load(&path).unwrap();
        assert_eq!(read, written);
        let names: Vec<String> = read.models().iter().map(ModelName::to_string).collect();
        assert_eq!(names, ["T__P__2d", "T__P__3d_fullres"]);
    }
}
