//! From a fingerprint to plans: all configurations of a dataset.

use nnunet_schema::plans::{PlanOverrides, PlanningRecord};
use nnunet_schema::{DatasetDescription, DatasetFingerprint, Plans};

use crate::designer::{Designer, Designs, FULLRES, LOWRES, SLICES};
use crate::document::{Role, configuration};
use crate::facts::DatasetFacts;
use crate::overrides::{CheckedOverrides, check_budget};
use crate::{Budget, ConfigurationSearch, PlanError, PlanOutcome, Rules, reader};

const CASCADE: &str = "3d_cascade_fullres";

/// Designs the pipelines of a dataset by a set of rules.
///
/// A pure function of its arguments: the same fingerprint, description, budget and overrides
/// give the same plans, everywhere.
#[derive(Clone, Debug, Default)]
pub struct Planner {
    rules: Rules,
}

impl Planner {
    /// A planner that follows `rules`.
    #[must_use]
    pub const fn new(rules: Rules) -> Self {
        Self { rules }
    }

    /// The rules that this planner follows.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Plans for a dataset: `2d` and, unless the cases are single slices, `3d_fullres`; also
    /// `3d_lowres` and `3d_cascade_fullres` where the full-resolution patch sees too little of
    /// a case.
    ///
    /// `dataset_name` is the folder name, e.g. `Dataset004_Hippocampus`. What is fixed in
    /// `overrides` is taken as given (a patch size is rounded up to what its network divides)
    /// and everything else is inferred around it: many base features or a large batch make the
    /// patch smaller, a large patch makes the batch smaller. A batch size fixed below the
    /// rules' minimum saves memory; it does not make the patch larger.
    ///
    /// # Errors
    /// [`PlanError`]: a fingerprint or description that cannot be planned for, overrides out of
    /// range, or [`PlanError::OverBudget`] if what was fixed by hand does not fit the budget
    /// with anything that is free to choose.
    pub fn plan(
        &self,
        fingerprint: &DatasetFingerprint,
        description: &DatasetDescription,
        dataset_name: &str,
        budget: &Budget,
        overrides: &PlanOverrides,
    ) -> Result<Plans, PlanError> {
        self.plan_with_searches(fingerprint, description, dataset_name, budget, overrides)
            .map(|outcome| outcome.plans)
    }

    /// As [`plan`](Self::plan), and how each configuration was found.
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    pub fn plan_with_searches(
        &self,
        fingerprint: &DatasetFingerprint,
        description: &DatasetDescription,
        dataset_name: &str,
        budget: &Budget,
        overrides: &PlanOverrides,
    ) -> Result<PlanOutcome, PlanError> {
        self.rules.check()?;
        check_budget(budget)?;
        let checked = CheckedOverrides::new(&self.rules, overrides)?;
        let facts = DatasetFacts::collect(&self.rules, fingerprint, description, overrides)?;
        let reader = reader::choose(description, facts.original_shape)?;
        let designs = Designer {
            rules: &self.rules,
            facts: &facts,
            budget,
            overrides: checked,
        }
        .design_all()?;

        let planning = PlanningRecord {
            rules: self.rules.set,
            gpu_memory_gb: budget.gpu_memory_gb,
            overrides: overrides.clone(),
            notes: designs.notes.clone(),
        };
        let mut plans = Plans {
            dataset_name: dataset_name.to_owned(),
            plans_name: self.rules.plans_name.clone(),
            original_median_spacing_after_transp: facts.original_spacing,
            original_median_shape_after_transp: facts.original_shape,
            image_reader_writer: reader,
            transpose_forward: facts.transposition,
            transpose_backward: facts.transposition.inverse(),
            configurations: Default::default(),
            experiment_planner_used: self.rules.planner_name.clone(),
            label_manager: "LabelManager".to_owned(),
            foreground_intensity_properties_per_channel: fingerprint
                .foreground_intensity_properties_per_channel
                .clone(),
            planning: Some(planning),
            extra: Default::default(),
        };
        let searches = designs.write(&self.rules, &facts, &mut plans)?;
        Ok(PlanOutcome {
            plans,
            searches,
            lowres: designs.lowres_search,
            rules: self.rules.clone(),
            facts,
        })
    }
}

impl Designs {
    /// Writes the configurations into the plans, in the order of the Python program.
    fn write(
        &self,
        rules: &Rules,
        facts: &DatasetFacts,
        plans: &mut Plans,
    ) -> Result<Vec<ConfigurationSearch>, PlanError> {
        let role = |name, batch_dice, next_stage| Role {
            name,
            batch_dice,
            next_stage,
        };
        let mut searches = Vec::new();
        if let Some(design) = &self.slices {
            let entry = configuration(rules, facts, design, role(SLICES, true, None));
            plans.insert(SLICES, &entry)?;
            searches.push(ConfigurationSearch::of(SLICES, design));
        }
        if let Some(design) = &self.lowres {
            let entry = configuration(rules, facts, design, role(LOWRES, false, Some(CASCADE)));
            plans.insert(LOWRES, &entry)?;
            searches.push(ConfigurationSearch::of(LOWRES, design));
        }
        if let Some(design) = &self.fullres {
            // Patches that see a small part of a case may miss a class altogether: pooling the
            // batch steadies their Dice.
            let batch_dice = self.lowres.is_some();
            let entry = configuration(rules, facts, design, role(FULLRES, batch_dice, None));
            plans.insert(FULLRES, &entry)?;
            searches.push(ConfigurationSearch::of(FULLRES, design));
        }
        if self.lowres.is_some() {
            plans.insert_cascade(CASCADE, FULLRES, LOWRES);
        }
        Ok(searches)
    }
}
