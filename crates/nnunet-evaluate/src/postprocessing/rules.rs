use nnunet_schema::RuleSet;

use crate::components::Connectivity;

/// How postprocessing is decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PostprocessingRules {
    /// Which voxels hang together.
    pub connectivity: Connectivity,
    /// Whether a class that has no Dice in any case keeps the first step from being taken: its
    /// mean over the classes is then no number, which is not better than anything. Otherwise such
    /// classes have no say.
    pub absent_class_vetoes: bool,
    /// When the step for a single class is taken.
    pub class_criterion: ClassCriterion,
}

/// When the step for a single class is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassCriterion {
    /// If the mean over the classes improves and none of them gets worse.
    MeanImproves,
    /// If the class' own Dice improves.
    OwnDiceImproves,
}

impl PostprocessingRules {
    /// The paper's: each step is taken if the mean Dice improves and no class gets worse. The
    /// text is silent on the neighbourhood; its program used faces.
    #[must_use]
    pub const fn paper() -> Self {
        Self {
            connectivity: Connectivity::Face,
            absent_class_vetoes: false,
            class_criterion: ClassCriterion::MeanImproves,
        }
    }

    /// nnU-Net v2's.
    #[must_use]
    pub const fn v2() -> Self {
        Self {
            connectivity: Connectivity::Full,
            absent_class_vetoes: true,
            class_criterion: ClassCriterion::OwnDiceImproves,
        }
    }

    /// Those that go with a rule set for planning.
    #[must_use]
    pub const fn of(set: RuleSet) -> Self {
        match set {
            RuleSet::Paper => Self::paper(),
            _ => Self::v2(),
        }
    }
}
