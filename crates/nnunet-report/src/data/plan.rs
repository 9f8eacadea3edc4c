use serde::Serialize;

use super::{Fact, Part};

/// What was planned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Name of the plans.
    pub name: String,
    /// By which rules, for which hardware, with what fixed by hand.
    pub made_by: Vec<Fact>,
    /// Remarks of the planner.
    pub notes: Vec<String>,
    /// Names of the configurations.
    pub configurations: Vec<String>,
    /// What they are: a row per quantity, with its name and a value per configuration.
    pub quantities: Vec<(String, Vec<String>)>,
    /// Why they are so.
    pub reasons: Part<Vec<Reasons>>,
    /// The networks.
    pub drawings: Vec<Drawing>,
}

/// The decisions about one thing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reasons {
    /// What they are about: all configurations, or one of them.
    pub about: String,
    /// The decisions.
    pub decisions: Vec<Decision>,
}

/// A decision of the planner.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// What was decided.
    pub subject: String,
    /// What came out.
    pub value: String,
    /// The rule.
    pub rule: String,
    /// Where the rule comes from.
    pub source: String,
    /// The facts that went into it.
    pub inputs: Vec<Fact>,
}

/// The figure of a network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drawing {
    /// The configuration.
    pub configuration: String,
    /// A whole SVG document, which goes into the page as it is: it must come from the planner.
    pub svg: String,
    /// The network in words, for those who don't see the figure.
    pub description: String,
}
