use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

use super::Part;

/// Cases with their images.
#[derive(Clone, Debug, Serialize)]
pub struct CaseGallery {
    /// Whose predictions they are, in a few words.
    pub predicted_by: String,
    /// Name of the channel that is shown.
    pub channel: String,
    /// The labels that are drawn, with their colours.
    pub labels: Vec<LabelColour>,
    /// The cases, best first.
    pub cases: Vec<CaseView>,
}

/// The colour of a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LabelColour {
    /// Its name.
    pub label: String,
    /// Red, green, blue.
    pub colour: [u8; 3],
}

/// A case.
#[derive(Clone, Debug, Serialize)]
pub struct CaseView {
    /// Its name.
    pub case: String,
    /// Why it is shown.
    pub rank: Rank,
    /// Mean Dice over the classes.
    pub dice: f64,
    /// Dice of each class.
    pub classes: Vec<ClassDice>,
    /// The images.
    pub stack: Part<SliceStack>,
}

/// The Dice of a class in a case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassDice {
    /// The class.
    pub class: String,
    /// Its Dice; NaN where neither reference nor prediction has it.
    pub dice: f64,
}

/// The place of a case among all that were held out, by mean Dice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rank {
    /// From the best, which has 1.
    Best(usize),
    /// From the worst, which has 1.
    Worst(usize),
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Best(place) => write!(f, "{}best", ordinal(*place)),
            Self::Worst(place) => write!(f, "{}worst", ordinal(*place)),
        }
    }
}

/// What stands before a superlative; nothing for the first.
fn ordinal(place: usize) -> String {
    match place {
        1 => String::new(),
        2 => "2nd ".to_owned(),
        3 => "3rd ".to_owned(),
        n => format!("{n}th "),
    }
}

/// Slices of a case, one behind the other.
#[derive(Clone, Debug, Serialize)]
pub struct SliceStack {
    /// Height and width of a slice, millimetres: the proportions that it is shown in.
    pub extent_mm: [f64; 2],
    /// Slices of the case; some may be left out.
    pub slices_in_case: usize,
    /// The slices.
    pub slices: Vec<Slice>,
    /// The place among `slices` of the one that is shown first.
    pub first_shown: usize,
}

/// A slice. The label maps are transparent where there is no label.
#[derive(Clone, Debug, Serialize)]
pub struct Slice {
    /// Its number in the case, from 0.
    pub number: usize,
    /// Intensities.
    pub image: Png,
    /// The reference.
    pub reference: Png,
    /// The prediction.
    pub prediction: Png,
}

/// A PNG file in memory; serialised as base64.
#[derive(Clone, PartialEq, Eq)]
pub struct Png(pub Vec<u8>);

impl Png {
    /// As an address that holds the image itself.
    #[must_use]
    pub fn data_uri(&self) -> String {
        format!("data:image/png;base64,{}", self.base64())
    }

    pub(crate) fn base64(&self) -> String {
        STANDARD.encode(&self.0)
    }
}

impl fmt::Debug for Png {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Png({} bytes)", self.0.len())
    }
}

impl Serialize for Png {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.base64())
    }
}
