use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use nnunet_schema::Fold;

/// What stands between the parts of a name of an ensemble.
const ENSEMBLE_SEPARATOR: &str = "___";

/// A trained model: `Trainer__Plans__Configuration`, the name of its folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelName {
    /// The trainer, e.g. `nnUNetTrainer`.
    pub trainer: String,
    /// The plans, e.g. `nnUNetPlans`.
    pub plans: String,
    /// The configuration, e.g. `3d_fullres`.
    pub configuration: String,
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}__{}__{}",
            self.trainer, self.plans, self.configuration
        )
    }
}

impl FromStr for ModelName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split("__").collect::<Vec<_>>().as_slice() {
            [trainer, plans, configuration] => Ok(Self {
                trainer: (*trainer).to_owned(),
                plans: (*plans).to_owned(),
                configuration: (*configuration).to_owned(),
            }),
            parts => Err(format!(
                "`{text}` has {} parts between `__`, expected Trainer__Plans__Configuration",
                parts.len()
            )),
        }
    }
}

/// What takes part in the selection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Candidate {
    /// One model.
    Single(ModelName),
    /// Two models whose probabilities are averaged.
    Pair(ModelName, ModelName),
}

impl Candidate {
    /// The models of the candidate.
    #[must_use]
    pub fn models(&self) -> Vec<&ModelName> {
        match self {
            Self::Single(model) => vec![model],
            Self::Pair(first, second) => vec![first, second],
        }
    }

    /// The name that the Python program gives it: that of the model, or
    /// `ensemble___A___B___0_1_2_3_4`.
    #[must_use]
    pub fn name(&self, folds: &[Fold]) -> String {
        match self {
            Self::Single(model) => model.to_string(),
            Self::Pair(first, second) => [
                "ensemble",
                &first.to_string(),
                &second.to_string(),
                &joined(folds),
            ]
            .join(ENSEMBLE_SEPARATOR),
        }
    }

    /// Where the predictions of its cross-validation are collected, in the folder
    /// `results` of the dataset's models.
    #[must_use]
    pub fn collected(&self, results: &Path, folds: &[Fold]) -> PathBuf {
        match self {
            Self::Single(model) => results
                .join(model.to_string())
                .join(format!("crossval_results_folds_{}", joined(folds))),
            Self::Pair(..) => results.join("ensembles").join(self.name(folds)),
        }
    }
}

/// Every model, and then, if that is wanted, every pair of them, in the order given: of equal
/// scores the first wins, which is the simpler one.
#[must_use]
pub fn candidates(models: &[ModelName], ensembling: bool) -> Vec<Candidate> {
    let singles = models.iter().cloned().map(Candidate::Single);
    let pairs = models.iter().enumerate().flat_map(|(i, first)| {
        let others = models.iter().skip(i + 1);
        others.map(|second| Candidate::Pair(first.clone(), second.clone()))
    });
    singles.chain(pairs.filter(|_| ensembling)).collect()
}

fn joined(folds: &[Fold]) -> String {
    let texts: Vec<String> = folds.iter().map(Fold::to_string).collect();
    texts.join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_models_come_before_pairs_under_the_names_of_the_reference_program() {
        let model = |configuration: &str| -> ModelName {
            format!("T__P__{configuration}").parse().unwrap()
        };
        let models = [model("2d"), model("3d_lowres"), model("3d_fullres")];
        let folds = [Fold::Number(0), Fold::Number(1)];
        let names = |ensembling| -> Vec<String> {
            (candidates(&models, ensembling).iter())
                .map(|candidate| candidate.name(&folds))
                .collect()
        };
        assert_eq!(
            names(false),
            ["T__P__2d", "T__P__3d_lowres", "T__P__3d_fullres"]
        );
        let all = names(true);
        assert_eq!(all.len(), 6);
        assert_eq!(all[3], "ensemble___T__P__2d___T__P__3d_lowres___0_1");
        assert_eq!(
            all[5],
            "ensemble___T__P__3d_lowres___T__P__3d_fullres___0_1"
        );
        assert_eq!(
            Candidate::Single(model("2d")).collected(Path::new("r"), &folds),
            Path::new("r/T__P__2d/crossval_results_folds_0_1")
        );
        assert!("T__2d".parse::<ModelName>().is_err());
    }
}
