//! What the jobs took, from their stamps; of trainings without a stamp from their logs.

use std::path::PathBuf;

use nnunet_report::data::{JobRecord, Part};

use super::models::short_name;
use super::trainings::logged;
use super::{Sources, clock};
use crate::pipeline::graph::{Job, JobKind, Stamp, StampState};

impl Sources<'_> {
    pub(super) fn jobs(&self) -> Part<Vec<JobRecord>> {
        let graph = match self.pipeline.kept_graph(&self.dataset) {
            Ok(graph) => graph,
            Err(error) => return Part::missing(error.to_string()),
        };
        let jobs = graph.map_or_else(Vec::new, |graph| graph.jobs);
        // This report is being made.
        let others = jobs.iter().filter(|job| job.work.kind() != JobKind::Report);
        let mut records: Vec<JobRecord> = others.map(|job| self.record(job)).collect();
        records.extend(self.trainings_without_job(&jobs));
        match records.is_empty() {
            false => Part::Present(records),
            true => Part::missing(format!(
                "Nothing is recorded: `nnunet run {}` notes what each job takes.",
                self.dataset
            )),
        }
    }

    fn record(&self, job: &Job) -> JobRecord {
        let stamp = self.stamp(job);
        let state = match stamp.as_ref().map(|stamp| stamp.state) {
            None => "not done",
            Some(StampState::Done) => "done",
            Some(StampState::Begun) => "begun",
            Some(StampState::Clearing) => "to be done again",
        };
        let stamp = stamp.as_ref();
        JobRecord {
            job: job.id.to_string(),
            state: state.to_owned(),
            begun: stamp.map(|stamp| clock::written(stamp.begun)),
            seconds: stamp.and_then(|stamp| stamp.seconds),
            attempts: stamp.map(|stamp| stamp.attempts),
            memory_bytes: job.resources.memory_bytes,
        }
    }

    /// The stamp of a job, also where the folders have moved since.
    fn stamp(&self, job: &Job) -> Option<Stamp> {
        let preprocessed = self.pipeline.layout.preprocessed_dataset(&self.dataset);
        let name = job.stamp.file_name()?;
        let mut places = [self.results(), preprocessed]
            .into_iter()
            .map(|folder| folder.join("jobs").join(name));
        places.find_map(|path| Stamp::load(&path).ok().flatten())
    }

    /// Trainings that `nnunet train` did.
    fn trainings_without_job(&self, jobs: &[Job]) -> Vec<JobRecord> {
        let mut records = Vec::new();
        for model in &self.models {
            for fold in &model.folds {
                let folder = model.fold_folder(*fold);
                if jobs.iter().any(|job| is_of(job, &folder)) {
                    continue;
                }
                // The chapter on training has told of a log that cannot be read.
                let epochs = logged(&folder).unwrap_or_default();
                if epochs.is_empty() {
                    continue;
                }
                records.push(JobRecord {
                    job: format!("training of {}, fold {fold}", short_name(&model.name)),
                    state: match model.validated_folds().contains(fold) {
                        true => "done".to_owned(),
                        false => "begun".to_owned(),
                    },
                    begun: None,
                    seconds: Some(epochs.iter().map(|epoch| epoch.seconds).sum()),
                    attempts: None,
                    memory_bytes: None,
                });
            }
        }
        records
    }
}

/// Whether a job is the training whose folder this is, wherever the results lay then.
fn is_of(job: &Job, folder: &std::path::Path) -> bool {
    let last_two = |path: &std::path::Path| -> Option<PathBuf> {
        Some(PathBuf::from(path.parent()?.file_name()?).join(path.file_name()?))
    };
    let trained = job.outputs.first().and_then(|path| path.parent());
    job.work.kind() == JobKind::Train && trained.and_then(last_two) == last_two(folder)
}
