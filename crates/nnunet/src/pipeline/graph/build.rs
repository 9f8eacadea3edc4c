//! From what is asked for and what the plans say to the graph: pure, nothing is read or written.

use std::path::PathBuf;

use nnunet_fingerprint::IntensitySampling;
use nnunet_preprocess::StoreHeader;
use nnunet_schema::plans::StageNames;
use nnunet_schema::{DatasetDescription, Fold, Layout, Plans, layout};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::estimate::Estimate;
use super::job::{Accelerator, Input, Job, JobId, JobKind, Resources, Work};
use super::request::{Extent, GraphRequest};
use crate::pipeline::variant::trainer_name;
use crate::pipeline::{PipelineError, PlanRequest};

/// The input of the plans that says how they are made.
pub(super) const PLANNING: &str = "rules, memory and values fixed by hand";

/// The input of preprocessed cases that says how they are made.
pub(super) const PREPROCESSING: &str = "preprocessing";

/// What is known of a dataset when its graph is built.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Name of its folder.
    pub dataset: String,
    /// Where everything lies.
    pub layout: Layout,
    /// `dataset.json`.
    pub description: DatasetDescription,
    /// The plans, if there are any yet.
    pub plans: Option<Plans>,
    /// Number of folds that the splits have, or will have.
    pub folds: u32,
    /// Threads that there are.
    pub threads: usize,
}

/// The work on a dataset. A job comes after those that it needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobGraph {
    /// Name of the dataset's folder.
    pub dataset: String,
    /// Name of the plans.
    pub plans_name: String,
    /// Whether all jobs are known.
    pub completeness: Completeness,
    /// The jobs.
    pub jobs: Vec<Job>,
}

/// Whether all jobs of a graph are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Completeness {
    /// All are.
    Whole,
    /// Those that follow the plans are known when these are made.
    UntilPlanned,
}

impl JobGraph {
    /// The jobs of a dataset: up to the split if it has no plans, all if it has.
    ///
    /// # Errors
    /// If the plans lack a configuration that is asked for, or cannot be followed.
    pub fn build(request: &GraphRequest, facts: &Facts) -> Result<Self, PipelineError> {
        let builder = Builder { request, facts };
        let plan_request = request.plan_request(facts.plans.as_ref())?;
        let mut graph = Self {
            dataset: facts.dataset.clone(),
            plans_name: request.plans_name().to_owned(),
            completeness: Completeness::UntilPlanned,
            jobs: builder.preparation(plan_request.as_ref())?,
        };
        if let Some(plans) = &facts.plans {
            graph.jobs.extend(builder.models(plans)?);
            graph.completeness = Completeness::Whole;
        }
        Ok(graph)
    }

    /// The job of this name.
    #[must_use]
    pub fn job(&self, id: &JobId) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == *id)
    }
}

struct Builder<'a> {
    request: &'a GraphRequest,
    facts: &'a Facts,
}

impl Builder<'_> {
    /// Verify, fingerprint, plan, split.
    fn preparation(&self, plan: Option<&PlanRequest>) -> Result<Vec<Job>, PipelineError> {
        let (layout, dataset) = (&self.facts.layout, &self.facts.dataset);
        let fingerprint = layout.fingerprint(dataset);
        let description = layout::dataset_json(&layout.raw_dataset(dataset));
        let verify = self.job(Work::Verify, "verify", Vec::new());
        let mut jobs = vec![Job {
            inputs: vec![Input::RawDataset],
            ..verify
        }];
        // Plans of another program stay as they are, whatever fingerprint they were made of.
        let mut before_split = JobKind::Verify;
        if let Some(plan) = plan {
            let sampling = IntensitySampling::from(plan.rules.set);
            jobs.push(Job {
                inputs: vec![
                    Input::RawDataset,
                    setting("sampling of intensities", json!(format!("{sampling:?}"))),
                ],
                outputs: vec![fingerprint.clone()],
                ..self.job(Work::Fingerprint, "fingerprint", vec![id(JobKind::Verify)])
            });
            let name = format!("plan-{}", plan.rules.plans_name);
            jobs.push(Job {
                inputs: vec![
                    document("fingerprint", fingerprint),
                    document("dataset.json", description),
                    setting(
                        PLANNING,
                        json!({
                            "rules": plan.rules.set,
                            "gpu_memory_gb": plan.budget.gpu_memory_gb,
                            "overrides": plan.overrides,
                        }),
                    ),
                ],
                outputs: vec![layout.plans(dataset, &plan.rules.plans_name)],
                ..self.job(Work::Plan, &name, vec![id(JobKind::Fingerprint)])
            });
            before_split = JobKind::Plan;
        }
        jobs.push(Job {
            inputs: vec![Input::CaseNames],
            outputs: vec![layout.splits(dataset)],
            ..self.job(Work::Split, "split", vec![id(before_split)])
        });
        Ok(jobs)
    }

    /// Preprocess, train, select, report.
    fn models(&self, plans: &Plans) -> Result<Vec<Job>, PipelineError> {
        let (configurations, folds) = self.extent(plans)?;
        let mut trainings = Vec::new();
        for configuration in &configurations {
            self.add_trainings(plans, configuration, &folds, &mut trainings)?;
        }
        let mut jobs = Vec::new();
        for (configuration, _) in &trainings {
            let job = self.preprocess(plans, configuration)?;
            if jobs.iter().all(|known: &Job| known.id != job.id) {
                jobs.push(job);
            }
        }
        for (configuration, fold) in &trainings {
            jobs.push(self.train(plans, configuration, *fold, &trainings)?);
        }
        let can_select = !folds.is_empty() && !folds.contains(&Fold::All);
        let selection = can_select.then(|| self.select(configurations, &folds));
        let report = self.report(&jobs, selection.as_ref());
        jobs.extend(selection);
        jobs.push(report);
        Ok(jobs)
    }

    /// The configurations, in the order of the plans, and the folds that are asked for.
    fn extent(&self, plans: &Plans) -> Result<(Vec<String>, Vec<Fold>), PipelineError> {
        let all: Vec<String> = (plans.configuration_names().into_iter())
            .map(str::to_owned)
            .collect();
        match &self.request.extent {
            Extent::Fast => {
                let full = all.iter().find(|name| *name == "3d_fullres");
                let chosen = full.or_else(|| all.first()).cloned();
                Ok((chosen.into_iter().collect(), vec![Fold::Number(0)]))
            }
            Extent::Chosen {
                configurations,
                folds,
            } => {
                for name in configurations {
                    plans.configuration(name)?;
                }
                let is_chosen =
                    |name: &String| configurations.is_empty() || configurations.contains(name);
                let mut unique = Vec::with_capacity(folds.len());
                for fold in folds {
                    if !unique.contains(fold) {
                        unique.push(*fold);
                    }
                }
                Ok((all.into_iter().filter(is_chosen).collect(), unique))
            }
        }
    }

    /// The trainings of a configuration after those of the stage that it continues: the second
    /// stage of a cascade is trained with what all folds of the first hold out.
    fn add_trainings(
        &self,
        plans: &Plans,
        configuration: &str,
        folds: &[Fold],
        trainings: &mut Vec<(String, Fold)>,
    ) -> Result<(), PipelineError> {
        if let Some(previous) = plans.configuration(configuration)?.previous_stage {
            self.add_trainings(plans, &previous, &self.all_folds(), trainings)?;
        }
        for fold in folds {
            let training = (configuration.to_owned(), *fold);
            if !trainings.contains(&training) {
                trainings.push(training);
            }
        }
        Ok(())
    }

    fn all_folds(&self) -> Vec<Fold> {
        (0..self.facts.folds).map(Fold::Number).collect()
    }

    /// The job that preprocesses for a configuration: named after the first one of the plans that
    /// uses the same cases.
    fn preprocess(&self, plans: &Plans, configuration: &str) -> Result<Job, PipelineError> {
        let identifier = plans.configuration(configuration)?.data_identifier;
        let mut first = configuration;
        for name in plans.configuration_names() {
            if plans.configuration(name)?.data_identifier == identifier {
                first = name;
                break;
            }
        }
        let work = Work::Preprocess {
            configuration: first.to_owned(),
        };
        let store = (self.facts.layout).store(&self.facts.dataset, &identifier);
        let name = format!("preprocess-{identifier}");
        Ok(Job {
            inputs: vec![Input::RawDataset, self.preprocessing(plans, first)?],
            outputs: vec![store],
            ..self.job(work, &name, vec![id(JobKind::Plan), id(JobKind::Verify)])
        }
        .without_absent(&self.request.plan_request(Some(plans))?))
    }

    /// What the content of preprocessed cases depends on beside the images.
    fn preprocessing(&self, plans: &Plans, configuration: &str) -> Result<Input, PipelineError> {
        let header = StoreHeader::new(plans, configuration, &self.facts.description)?;
        Ok(setting(PREPROCESSING, to_value(&header.settings)))
    }

    fn train(
        &self,
        plans: &Plans,
        configuration: &str,
        fold: Fold,
        trainings: &[(String, Fold)],
    ) -> Result<Job, PipelineError> {
        let planned = plans.configuration(configuration)?;
        let training = self.request.training_on(fold);
        let model = self.model(configuration);
        let mut settings = to_value(&training);
        if let Some(settings) = settings.as_object_mut() {
            // It changes no number.
            settings.remove("checkpoint_every");
        }
        let mut needs = vec![
            id(JobKind::Split),
            self.preprocess(plans, configuration)?.id,
        ];
        let mut inputs = vec![
            Input::Fold { fold },
            self.preprocessing(plans, configuration)?,
            setting("configuration", to_value(&planned)),
            setting("labels", to_value(&self.facts.description.labels)),
            setting("training", settings),
        ];
        // The held-out cases are segmented on the grid of the next stage's cases.
        let mut keeps_for = Vec::new();
        for next in next_stages(planned.next_stage.as_ref()) {
            let is_trained = trainings.iter().any(|(name, _)| *name == next);
            if is_trained && fold != Fold::All {
                push_new(&mut needs, self.preprocess(plans, &next)?.id);
                keeps_for.push(next);
            }
        }
        if let Some(previous) = &planned.previous_stage {
            for fold in self.all_folds() {
                let first = Work::training(previous, self.request.training_on(fold), Vec::new());
                needs.push(first.id());
                inputs.push(document(
                    &format!("validation of {previous}, fold {fold}"),
                    self.validation(previous, fold),
                ));
            }
        }
        let folder = layout::fold(&model, fold);
        let stamp = format!("{}-fold_{fold}", file_name(&model));
        let work = Work::training(configuration, training, keeps_for);
        let estimate = Estimate::of_training(&planned, &self.facts.description, self.request);
        Ok(Job {
            inputs,
            outputs: vec![
                folder.join("checkpoint_final.safetensors"),
                self.validation(configuration, fold),
            ],
            stamp: self.results().join("jobs").join(format!("{stamp}.json")),
            resources: Resources {
                accelerator: self.accelerator(),
                threads: self.facts.threads,
                memory_bytes: Some(estimate.memory_bytes),
                seconds: Some(estimate.seconds),
            },
            ..self.job(work, &stamp, needs)
        })
    }

    fn select(&self, configurations: Vec<String>, folds: &[Fold]) -> Job {
        let mut needs = Vec::new();
        let mut inputs = vec![
            setting("configurations", json!(configurations)),
            setting("plans", json!(self.request.plans_name())),
            setting(
                "folds",
                json!(folds.iter().map(Fold::to_string).collect::<Vec<_>>()),
            ),
        ];
        for configuration in &configurations {
            for fold in folds {
                let training = self.request.training_on(*fold);
                needs.push(Work::training(configuration, training, Vec::new()).id());
                inputs.push(document(
                    &format!("validation of {configuration}, fold {fold}"),
                    self.validation(configuration, *fold),
                ));
            }
        }
        let work = Work::Select {
            configurations,
            folds: folds.iter().map(Fold::to_string).collect(),
        };
        Job {
            inputs,
            outputs: vec![self.results().join("inference_information.json")],
            stamp: self.results().join("jobs").join("select.json"),
            resources: Resources {
                accelerator: self.accelerator(),
                ..self.resources()
            },
            ..self.job(work, "select", needs)
        }
    }

    /// The page about all that was asked for: after the selection, or after the trainings where
    /// there is nothing to select between.
    fn report(&self, jobs: &[Job], selection: Option<&Job>) -> Job {
        let (layout, dataset) = (&self.facts.layout, &self.facts.dataset);
        let trainings = || jobs.iter().filter(|job| job.work.kind() == JobKind::Train);
        let mut needs: Vec<JobId> = match selection {
            Some(selection) => vec![selection.id.clone()],
            None => trainings().map(|job| job.id.clone()).collect(),
        };
        if needs.is_empty() {
            needs.push(id(JobKind::Split));
        }
        let plans = layout.plans(dataset, self.request.plans_name());
        let mut inputs = vec![
            setting("version of the report", json!(env!("CARGO_PKG_VERSION"))),
            document("fingerprint", layout.fingerprint(dataset)),
            document("plans", plans),
        ];
        let results = trainings().chain(selection);
        inputs.extend(results.filter_map(|job| {
            let result = job.outputs.last()?;
            Some(document(&format!("result of {}", job.id), result.clone()))
        }));
        Job {
            inputs,
            outputs: vec![self.results().join("report.html")],
            stamp: self.results().join("jobs").join("report.json"),
            ..self.job(Work::Report, "report", needs)
        }
    }

    /// A job without inputs and outputs, whose stamp of this name is with the preprocessed
    /// dataset.
    fn job(&self, work: Work, stamp: &str, needs: Vec<JobId>) -> Job {
        let folder = (self.facts.layout).preprocessed_dataset(&self.facts.dataset);
        Job {
            id: work.id(),
            work,
            needs,
            inputs: Vec::new(),
            outputs: Vec::new(),
            stamp: folder.join("jobs").join(format!("{stamp}.json")),
            resources: self.resources(),
        }
    }

    fn resources(&self) -> Resources {
        Resources {
            threads: self.facts.threads,
            ..Resources::default()
        }
    }

    fn accelerator(&self) -> Accelerator {
        use nnunet_model::DeviceChoice::Cuda;
        match self.request.devices.first() {
            Some(Cuda(_)) => Accelerator::Gpu,
            _ => Accelerator::None,
        }
    }

    fn results(&self) -> PathBuf {
        self.facts.layout.results.join(&self.facts.dataset)
    }

    fn model(&self, configuration: &str) -> PathBuf {
        let trainer = trainer_name(&self.request.training, self.request.augmentation);
        let (layout, plans) = (&self.facts.layout, self.request.plans_name());
        layout.model(&self.facts.dataset, &trainer, plans, configuration)
    }

    fn validation(&self, configuration: &str, fold: Fold) -> PathBuf {
        let folder = layout::fold(&self.model(configuration), fold);
        layout::summary(&folder.join("validation"))
    }
}

impl Job {
    /// Plans of another program have no job that makes them.
    fn without_absent(mut self, plan: &Option<PlanRequest>) -> Self {
        if plan.is_none() {
            self.needs.retain(|need| *need != id(JobKind::Plan));
        }
        self
    }
}

fn id(kind: JobKind) -> JobId {
    JobId::new(kind.word())
}

fn document(name: &str, path: PathBuf) -> Input {
    Input::Document {
        name: name.to_owned(),
        path,
    }
}

fn setting(name: &str, value: Value) -> Input {
    Input::Setting {
        name: name.to_owned(),
        value,
    }
}

/// Our own documents have no keys that JSON cannot have.
fn to_value(document: &impl Serialize) -> Value {
    serde_json::to_value(document).unwrap_or_default()
}

fn push_new(ids: &mut Vec<JobId>, id: JobId) {
    if !ids.contains(&id) {
        ids.push(id);
    }
}

fn next_stages(names: Option<&StageNames>) -> Vec<String> {
    match names {
        None => Vec::new(),
        Some(StageNames::One(name)) => vec![name.clone()],
        Some(StageNames::Many(names)) => names.clone(),
    }
}

fn file_name(path: &std::path::Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
