use serde::Serialize;

/// What was selected, and what follows from it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Selection {
    /// All that took part, best first.
    pub ranking: Vec<Ranked>,
    /// The folds of the cross-validation: `0 1 2 3 4`.
    pub folds: String,
    /// What was tried as postprocessing of the selected one's predictions, in order.
    pub steps: Vec<PostprocessingStep>,
    /// Which voxels hang together: `faces`, `faces, edges and corners`.
    pub connectivity: String,
    /// Mean Dice without and with the accepted steps.
    pub dice: [f64; 2],
    /// The commands that predict with it, as they are written for people.
    pub instructions: Option<String>,
}

/// A model or an ensemble that took part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranked {
    /// Its configuration, or two.
    pub name: String,
    /// Its mean Dice, by which it was ranked.
    pub dice: f64,
    /// What became of it.
    pub verdict: Verdict,
}

/// What a selection made of a model or an ensemble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It was selected.
    Selected,
    /// It took part, and another one was selected.
    Outdone,
    /// There was no selection that it took part in.
    Undecided,
}

/// A step of postprocessing that was tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PostprocessingStep {
    /// Of what only the largest component was kept.
    pub of: String,
    /// Mean Dice without and with it.
    pub dice: [f64; 2],
    /// Per class: its name, and its Dice without and with it.
    pub classes: Vec<(String, [f64; 2])>,
    /// Whether it is carried out.
    pub accepted: bool,
}
