use serde::Serialize;

/// Models and ensembles on the cases that trainings held out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrossValidation {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// The models and ensembles.
    pub candidates: Vec<Candidate>,
}

/// A model or an ensemble.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// Its configuration, or two: `2d + 3d_fullres`.
    pub name: String,
    /// Whether it is one model or two.
    pub members: Members,
    /// The folds that it is validated on: `0 1 2 3 4`.
    pub folds: String,
    /// Mean Dice over the classes; NaN if a class has none.
    pub dice: f64,
    /// Mean Dice per class.
    pub class_dice: Vec<f64>,
    /// The cases.
    pub cases: Vec<CaseScores>,
    /// What became of it.
    pub verdict: super::Verdict,
}

/// How many models predict together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Members {
    /// One.
    Single,
    /// Two, whose probabilities are averaged.
    Pair,
}

/// The Dice of a case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaseScores {
    /// The case.
    pub case: String,
    /// Dice per class; NaN where neither reference nor prediction has the class.
    pub dice: Vec<f64>,
}

impl CaseScores {
    /// Mean over the classes that have a Dice; NaN if none has.
    #[must_use]
    pub fn mean(&self) -> f64 {
        let known: Vec<f64> = self.dice.iter().copied().filter(|d| !d.is_nan()).collect();
        known.iter().sum::<f64>() / known.len() as f64
    }
}
