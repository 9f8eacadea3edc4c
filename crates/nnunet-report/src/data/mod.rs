//! What a page shows, as plain values: numbers with their units, names as the dataset gives them.

mod cases;
mod fingerprint;
mod overview;
mod plan;
mod selection;
mod training;
mod validation;
mod work;

use serde::Serialize;

pub use cases::{CaseGallery, CaseView, ClassDice, LabelColour, Png, Rank, Slice, SliceStack};
pub use fingerprint::{
    ChannelIntensities, ClassVolumes, Comparison, Fingerprint, Property, Spread,
};
pub use overview::{Fact, Outcome, Overview};
pub use plan::{Decision, Drawing, Plan, Reasons};
pub use selection::{PostprocessingStep, Ranked, Selection, Verdict};
pub use training::{Epoch, Training};
pub use validation::{Candidate, CaseScores, CrossValidation, Members};
pub use work::JobRecord;

/// All that is known of the work on a dataset.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What stands at the top.
    pub overview: Overview,
    /// The facts about the images.
    pub fingerprint: Part<Fingerprint>,
    /// What was planned from them.
    pub plan: Part<Plan>,
    /// How the trainings went, those of a configuration after each other.
    pub trainings: Part<Vec<Training>>,
    /// How good the models are on the cases that their trainings held out.
    pub validation: Part<CrossValidation>,
    /// Cases that went best and worst.
    pub cases: Part<CaseGallery>,
    /// What was selected, and how its predictions are postprocessed.
    pub selection: Part<Selection>,
    /// What the jobs took.
    pub jobs: Part<Vec<JobRecord>>,
}

/// A part of a report, or why it is not there.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part<T> {
    /// It is there.
    Present(T),
    /// It is not: what is missing, and what makes it; a sentence for people.
    Missing(String),
}

impl<T> Part<T> {
    /// A missing part.
    pub fn missing(reason: impl Into<String>) -> Self {
        Self::Missing(reason.into())
    }

    /// The part, if it is there.
    #[must_use]
    pub const fn present(&self) -> Option<&T> {
        match self {
            Self::Present(part) => Some(part),
            Self::Missing(_) => None,
        }
    }
}

impl<T, E: std::fmt::Display> From<Result<T, E>> for Part<T> {
    /// What cannot be read is missing, and the error says why.
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(part) => Self::Present(part),
            Err(error) => Self::Missing(error.to_string()),
        }
    }
}
