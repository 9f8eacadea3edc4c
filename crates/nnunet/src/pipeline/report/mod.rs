//! Everything that is known of the work on a dataset, gathered from where it lies, as one page.
//!
//! Each part is there if what it is made of is; else it says in a sentence what is missing. Nothing
//! is computed anew but what is quick: the reasons of the plan, and the slices of a few cases.

mod candidates;
mod cases;
mod clock;
mod fingerprint;
mod jobs;
mod models;
mod overview;
mod plan;
mod selection;
mod trainings;

use std::path::PathBuf;

use nnunet_evaluate::Classes;
use nnunet_report::data::Part;
use nnunet_report::{Report, page};
use nnunet_schema::{DatasetDescription, DatasetId, Plans, layout};

use super::compare::write_text;
use super::{DEFAULT_PLANS, Pipeline, PipelineError};
use models::Model;
pub use plan::plan_quantities;
use selection::Chosen;

/// A report on a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRequest {
    /// The dataset.
    pub dataset: DatasetId,
    /// Name of the plans whose models it is about.
    pub plans_name: String,
    /// So many of the best cases are shown, and so many of the worst.
    pub cases: usize,
}

impl ReportRequest {
    /// Of the default plans, with three cases each.
    #[must_use]
    pub fn new(dataset: DatasetId) -> Self {
        Self {
            dataset,
            plans_name: DEFAULT_PLANS.to_owned(),
            cases: 3,
        }
    }
}

impl Pipeline {
    /// What is known of the work on a dataset, whatever of it is done already.
    ///
    /// # Errors
    /// If there is no such dataset. What cannot be read is missing in the report, with the reason.
    pub fn report(&self, request: &ReportRequest) -> Result<Report, PipelineError> {
        let sources = Sources::look(self, request)?;
        let validated = sources.validated();
        let validation = sources.validation(&validated);
        Ok(Report {
            overview: sources.overview(&validated),
            fingerprint: sources.fingerprint(&validated),
            plan: sources.plan(),
            trainings: sources.trainings(),
            cases: sources.gallery(&validated),
            validation,
            selection: sources.selection(),
            jobs: sources.jobs(),
        })
    }

    /// Makes the report as an HTML page; where it lies.
    ///
    /// # Errors
    /// As [`report`](Self::report), and if the file cannot be written.
    pub fn save_report(
        &self,
        request: &ReportRequest,
        output: Option<PathBuf>,
    ) -> Result<PathBuf, PipelineError> {
        let report = self.report(request)?;
        let path = output.unwrap_or_else(|| self.report_path(&report.overview.dataset));
        write_text(&path, &page(&report))?;
        Ok(path)
    }

    /// `report.html` with the results of a dataset.
    #[must_use]
    pub fn report_path(&self, dataset: &str) -> PathBuf {
        self.layout.results.join(dataset).join("report.html")
    }
}

/// What the parts of a report are gathered from.
#[derive(Debug)]
struct Sources<'a> {
    pipeline: &'a Pipeline,
    request: &'a ReportRequest,
    /// Name of the dataset's folder.
    dataset: String,
    description: Part<DatasetDescription>,
    plans: Part<Plans>,
    models: Vec<Model>,
    chosen: Part<Chosen>,
}

impl<'a> Sources<'a> {
    fn look(pipeline: &'a Pipeline, request: &'a ReportRequest) -> Result<Self, PipelineError> {
        let dataset = pipeline.layout.resolve(&request.dataset)?;
        let description = description(pipeline, &dataset);
        let plans = pipeline.plans(&dataset, &request.plans_name).into();
        let results = pipeline.layout.results.join(&dataset);
        Ok(Self {
            models: models::find(&results, &request.plans_name),
            chosen: Chosen::read(pipeline, &dataset),
            pipeline,
            request,
            dataset,
            description,
            plans,
        })
    }

    /// The value, or `None` and a word to who watches: other parts of the report need not lack for it.
    fn told<T>(&self, result: Result<T, PipelineError>) -> Option<T> {
        result
            .map_err(|error| self.pipeline.progress.warn(&error.to_string()))
            .ok()
    }

    fn results(&self) -> PathBuf {
        self.pipeline.layout.results.join(&self.dataset)
    }

    /// The classes, or why they are not known.
    fn classes(&self) -> Result<Classes, String> {
        let description = described(&self.description)?;
        Classes::of(description).map_err(|error| error.to_string())
    }
}

/// `dataset.json`, with the raw dataset or its copy with the plans.
fn description(pipeline: &Pipeline, dataset: &str) -> Part<DatasetDescription> {
    let copy = layout::dataset_json(&pipeline.layout.preprocessed_dataset(dataset));
    let found = pipeline.description(dataset);
    match found {
        Err(_) if copy.is_file() => DatasetDescription::load(&copy).into(),
        found => found.into(),
    }
}

/// A part, or the reason why it is missing.
fn described<T>(part: &Part<T>) -> Result<&T, String> {
    match part {
        Part::Present(part) => Ok(part),
        Part::Missing(reason) => Err(reason.clone()),
    }
}

#[cfg(test)]
mod tests;
