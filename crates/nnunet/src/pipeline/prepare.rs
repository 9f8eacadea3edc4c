//! From raw images to preprocessed cases: verify, fingerprint, plan, preprocess.

use std::path::{Path, PathBuf};

use nnunet_fingerprint::{ExtractOptions, VerifyReport};
use nnunet_image::RawDataset;
use nnunet_planner::{Budget, Planner, Rules};
use nnunet_preprocess::{
    CaseStore, PreprocessOptions, PreprocessReport, StoreHeader, preprocess_dataset,
};
use nnunet_schema::plans::PlanOverrides;
use nnunet_schema::{DatasetDescription, DatasetFingerprint, DatasetId, Plans, layout};

use super::{DEFAULT_PLANS, Pipeline, PipelineError};

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
    /// Name of the plans.
    pub plans_name: String,
}

impl Default for PlanRequest {
    fn default() -> Self {
        Self {
            rules: Rules::paper(),
            budget: Budget::default(),
            overrides: PlanOverrides::default(),
            plans_name: DEFAULT_PLANS.to_owned(),
        }
    }
}

impl Pipeline {
    /// Looks at every file of a raw dataset; the report lists all findings of all cases.
    ///
    /// # Errors
    /// If the dataset cannot be opened at all.
    pub fn verify(&self, id: &DatasetId) -> Result<VerifyReport, PipelineError> {
        let name = self.layout.resolve(id)?;
        let raw = RawDataset::scan(&self.layout.raw_dataset(&name))?;
        Ok(nnunet_fingerprint::verify(
            &raw,
            &self.formats,
            self.progress.as_ref(),
        )?)
    }

    /// The fingerprint of a dataset, stored in its preprocessed folder.
    ///
    /// # Errors
    /// If a case cannot be read, naming it.
    pub fn fingerprint(
        &self,
        id: &DatasetId,
        existing: Existing,
    ) -> Result<DatasetFingerprint, PipelineError> {
        let name = self.layout.resolve(id)?;
        let path = self.layout.fingerprint(&name);
        if existing == Existing::Keep && path.exists() {
            return Ok(DatasetFingerprint::load(&path)?);
        }
        let raw = self.raw_dataset(id)?;
        let options = ExtractOptions::default();
        let fingerprint =
            nnunet_fingerprint::extract(&raw, &self.formats, &options, self.progress.as_ref())?;
        fingerprint.save(&path)?;
        Ok(fingerprint)
    }

    /// Plans a dataset from its fingerprint (made if missing) and stores the plans, and a copy
    /// of `dataset.json`, in its preprocessed folder.
    ///
    /// # Errors
    /// If the fingerprint cannot be made, or no plan fits the request.
    pub fn plan(&self, id: &DatasetId, request: &PlanRequest) -> Result<Plans, PipelineError> {
        let name = self.layout.resolve(id)?;
        let description = self.description(&name)?;
        let fingerprint = self.fingerprint(id, Existing::Keep)?;
        let mut plans = Planner::new(request.rules.clone()).plan(
            &fingerprint,
            &description,
            &name,
            &request.budget,
            &request.overrides,
        )?;
        plans.plans_name.clone_from(&request.plans_name);
        plans.save(&self.layout.plans(&name, &request.plans_name))?;
        let folder = self.layout.preprocessed_dataset(&name);
        description.save(&layout::dataset_json(&folder))?;
        Ok(plans)
    }

    /// Preprocesses all cases for one configuration. Cases that are done are skipped; a case
    /// that fails is listed in the report and does not stop the others.
    ///
    /// # Errors
    /// If the plans or the dataset cannot be read, or the folder holds cases of another plan.
    pub fn preprocess(
        &self,
        id: &DatasetId,
        plans_name: &str,
        configuration: &str,
    ) -> Result<PreprocessReport, PipelineError> {
        let name = self.layout.resolve(id)?;
        let plans = self.plans(&name, plans_name)?;
        let raw = self.raw_dataset(id)?;
        let folder = self.store_folder(&name, &plans, configuration)?;
        let header = StoreHeader::new(&plans, configuration, &raw.description)?;
        let store = CaseStore::create(&folder, header)?;
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

    /// `dataset.json` of the raw dataset.
    pub(super) fn description(&self, dataset: &str) -> Result<DatasetDescription, PipelineError> {
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
