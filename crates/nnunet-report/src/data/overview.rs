use serde::Serialize;

/// What stands at the top of the page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overview {
    /// Folder name of the dataset, e.g. `Dataset004_Hippocampus`.
    pub dataset: String,
    /// When the page was made, for people: date, time and time zone.
    pub made: String,
    /// Facts about the dataset: cases, channels, classes, ….
    pub facts: Vec<Fact>,
    /// What made the page and the models, with its version.
    pub versions: Vec<Fact>,
    /// What came of the work; `None` if nothing is selected.
    pub outcome: Option<Outcome>,
}

/// A name and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// What it is, with its unit if it has one.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Fact {
    /// A fact.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

/// The selected model in a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Its configuration, or two: `2d + 3d_fullres`.
    pub selected: String,
    /// The folds of the cross-validation: `0 1 2 3 4`.
    pub folds: String,
    /// Held-out cases.
    pub cases: usize,
    /// Mean Dice over them and the classes, with postprocessing. NaN if it is not known.
    pub dice: f64,
    /// The same without postprocessing.
    pub dice_before_postprocessing: f64,
}
