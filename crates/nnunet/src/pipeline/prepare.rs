//! From raw images to preprocessed cases: verify, fingerprint, plan, preprocess.

use std::path::{Path, PathBuf};

use nnunet_fingerprint::{ExtractOptions, IntensitySampling, VerifyReport};
use nnunet_image::RawDataset;
use nnunet_planner::{Budget, PlanOutcome, Planner, Rules};
use nnunet_preprocess::{
    CaseStore, Precision, PreprocessOptions, PreprocessReport, StoreHeader, preprocess_dataset,
};
use nnunet_schema::plans::PlanOverrides;
use nnunet_schema::splits::Adoption;
use nnunet_schema::{
    DatasetDescription, DatasetFingerprint, DatasetId, Grouping, Plans, Splits, layout,
};
use tracing::{info, info_span};

use super::stage::Stage;
use super::{Pipeline, PipelineError};

/// What to do about a document that is already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Use it.
    Keep,
    /// Make it anew.
    Replace,
}

/// What a user may ask of the planner.
#[derive(Clone, Debug)]
pub struct PlanRequest {
    /// The rules to plan by.
    pub rules: Rules,
    /// The hardware to plan for.
    pub budget: Budget,
    /// Values fixed by hand.
    pub overrides: PlanOverrides,
}

impl PlanRequest {
    /// Plans by these rules for the hardware that their published plans are made for. The plans
    /// get the name that the rules carry.
    #[must_use]
    pub fn by(rules: Rules) -> Self {
        Self {
            budget: rules.reference_budget(),
            rules,
            overrides: PlanOverrides::default(),
        }
    }
}

impl Default for PlanRequest {
    fn default() -> Self {
        Self::by(Rules::paper())
    }
}

impl Pipeline {
    /// Looks at every file of a raw dataset; the report lists all findings of all cases.
    ///
    /// # Errors
    /// If the dataset cannot be opened at all.
    pub fn verify(&self, id: &DatasetId) -> Result<VerifyReport, PipelineError> {
        let name = self.layout.resolve(id)?;
        let _stage = Stage::begin(info_span!("verify", dataset = name));
        let raw = RawDataset::scan(&self.layout.raw_dataset(&name))?;
        Ok(nnunet_fingerprint::verify(
            &raw,
            &self.formats,
            self.progress.as_ref(),
        )?)
    }

    /// The fingerprint of a dataset, stored in its preprocessed folder. Intensities are sampled
    /// as a rule set does it ([`RuleSet`](nnunet_schema::RuleSet) converts to it).
    ///
    /// # Errors
    /// If a case cannot be read, naming it.
    pub fn fingerprint(
        &self,
        id: &DatasetId,
        sampling: IntensitySampling,
        existing: Existing,
    ) -> Result<DatasetFingerprint, PipelineError> {
        let name = self.layout.resolve(id)?;
        let path = self.layout.fingerprint(&name);
        if existing == Existing::Keep && path.exists() {
            return Ok(DatasetFingerprint::load(&path)?);
        }
        let _stage = Stage::begin(info_span!("fingerprint", dataset = name));
        let raw = self.raw_dataset(id)?;
        let options = ExtractOptions::with_sampling(sampling);
        let fingerprint =
            nnunet_fingerprint::extract(&raw, &self.formats, &options, self.progress.as_ref())?;
        fingerprint.save(&path)?;
        Ok(fingerprint)
    }

    /// Plans a dataset from its fingerprint (made if missing) and stores the plans, and copies
    /// of `dataset.json` and of splits that come with the dataset, in its preprocessed folder.
    ///
    /// # Errors
    /// If the fingerprint cannot be made, no plan fits the request, older plans of the same name
    /// are malformed, or the dataset's splits are not those that were taken over before.
    pub fn plan(
        &self,
        id: &DatasetId,
        request: &PlanRequest,
    ) -> Result<PlanOutcome, PipelineError> {
        let name = self.layout.resolve(id)?;
        let _stage = Stage::begin(info_span!("plan", dataset = name));
        let description = self.description(&name)?;
        let fingerprint = self.fingerprint(id, request.rules.set.into(), Existing::Keep)?;
        let outcome = Planner::new(request.rules.clone()).plan_with_searches(
            &fingerprint,
            &description,
            &name,
            &request.budget,
            &request.overrides,
        )?;
        for name in outcome.plans.configuration_names() {
            let planned = outcome.plans.configuration(name)?;
            info!(
                configuration = name,
                spacing = ?planned.spacing,
                patch = ?planned.patch_size,
                batch = planned.batch_size,
                "planned"
            );
        }
        self.save_plans(&name, outcome.plans.clone())?;
        let folder = self.layout.preprocessed_dataset(&name);
        description.save(&layout::dataset_json(&folder))?;
        self.adopt_splits(&name)?;
        Ok(outcome)
    }

    /// Stores plans over older ones of the same name, of which the configurations that the new
    /// ones don't have are kept: users add their own.
    fn save_plans(&self, dataset: &str, mut plans: Plans) -> Result<(), PipelineError> {
        let path = self.layout.plans(dataset, &plans.plans_name);
        if path.exists() {
            let kept = plans.keep_foreign_configurations(&Plans::load(&path)?);
            if !kept.is_empty() {
                self.progress.note(&format!(
                    "{}: kept {}, which the new plans don't have",
                    path.display(),
                    kept.join(", ")
                ));
            }
        }
        Ok(plans.save(&path)?)
    }

    /// Takes over the splits that come with a raw dataset, if there are any.
    pub(super) fn adopt_splits(&self, dataset: &str) -> Result<(), PipelineError> {
        let target = self.layout.splits(dataset);
        if Splits::adopt(&self.layout.raw_splits(dataset), &target)? == Adoption::Copied {
            self.progress
                .note(&format!("took over the splits as {}", target.display()));
        }
        Ok(())
    }

    /// Splits the training cases of a dataset into folds, all images of a group in the same
    /// (paper, supplement C.1), and stores that. Without this, training makes an ungrouped split.
    ///
    /// # Errors
    /// If a case has no group, there are too few groups, or there are other splits already and
    /// `existing` keeps them.
    pub fn split(
        &self,
        id: &DatasetId,
        grouping: Option<&Grouping>,
        existing: Existing,
    ) -> Result<Splits, PipelineError> {
        let name = self.layout.resolve(id)?;
        let raw = self.raw_dataset(id)?;
        let cases: Vec<String> = raw.cases.iter().map(|case| case.id.clone()).collect();
        let splits = match grouping {
            Some(grouping) => Splits::grouped(&cases, grouping)?,
            None => Splits::five_fold(&cases)?,
        };
        let path = self.layout.splits(&name);
        if existing == Existing::Keep && path.exists() && Splits::load(&path)? != splits {
            return Err(PipelineError::OtherSplits { path });
        }
        splits.save(&path)?;
        Ok(splits)
    }

    /// Preprocesses all cases for one configuration, intensities stored in single precision.
    /// Cases that are done are skipped; a case that fails is listed in the report and does not
    /// stop the others.
    ///
    /// # Errors
    /// If the plans or the dataset cannot be read, or the folder holds cases of another plan or
    /// precision.
    pub fn preprocess(
        &self,
        id: &DatasetId,
        plans_name: &str,
        configuration: &str,
    ) -> Result<PreprocessReport, PipelineError> {
        self.preprocess_as(id, plans_name, configuration, Precision::Single)
    }

    /// As [`preprocess`](Self::preprocess), with a precision of one's own. As many cases are in
    /// memory at once as there are threads, at most eight.
    ///
    /// # Errors
    /// As [`preprocess`](Self::preprocess).
    pub fn preprocess_as(
        &self,
        id: &DatasetId,
        plans_name: &str,
        configuration: &str,
        precision: Precision,
    ) -> Result<PreprocessReport, PipelineError> {
        let name = self.layout.resolve(id)?;
        let _stage = Stage::begin(info_span!("preprocess", dataset = name, configuration));
        let plans = self.plans(&name, plans_name)?;
        let raw = self.raw_dataset(id)?;
        let folder = self.store_folder(&name, &plans, configuration)?;
        let header = StoreHeader::new(&plans, configuration, &raw.description)?;
        let store = CaseStore::create(&folder, header.with_precision(precision))?;
        Ok(preprocess_dataset(
            &raw,
            &self.formats,
            &plans,
            configuration,
            &store,
            &PreprocessOptions::with_threads(self.threads),
            self.progress.as_ref(),
        )?)
    }

    /// The plans of a dataset.
    ///
    /// # Errors
    /// If they are missing or malformed.
    pub fn plans(&self, dataset: &str, plans_name: &str) -> Result<Plans, PipelineError> {
        let path = self.layout.plans(dataset, plans_name);
        require(&path, || format!("nnunet plan {dataset}"))?;
        Ok(Plans::load(&path)?)
    }

    /// Folder of the preprocessed cases of a configuration.
    pub(super) fn store_folder(
        &self,
        dataset: &str,
        plans: &Plans,
        configuration: &str,
    ) -> Result<PathBuf, PipelineError> {
        let identifier = plans.configuration(configuration)?.data_identifier;
        Ok(self.layout.store(dataset, &identifier))
    }

    /// `dataset.json` of a raw dataset.
    ///
    /// # Errors
    /// If it is not there or malformed.
    pub fn description(&self, dataset: &str) -> Result<DatasetDescription, PipelineError> {
        let folder = self.layout.raw_dataset(dataset);
        Ok(DatasetDescription::load(&layout::dataset_json(&folder))?)
    }
}

/// Checks that a document of an earlier stage is there.
pub(super) fn require(path: &Path, command: impl FnOnce() -> String) -> Result<(), PipelineError> {
    if path.exists() {
        return Ok(());
    }
    Err(PipelineError::StageMissing {
        path: path.to_path_buf(),
        command: command(),
    })
}

/// That no case failed, for work that needs them all.
pub(super) fn all_preprocessed(report: &PreprocessReport) -> Result<(), PipelineError> {
    if report.failed.is_empty() {
        return Ok(());
    }
    Err(PipelineError::CasesFailed {
        failed: report.failed.len(),
        total: report.failed.len() + report.done.len() + report.skipped.len(),
    })
}

#[cfg(test)]
mod tests;
