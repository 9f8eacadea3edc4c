//! What goes into an archive.

use std::fs;
use std::path::{Path, PathBuf};

use nnunet_evaluate::select::{InferenceInformation, ModelName};
use nnunet_infer::trained_folds;
use nnunet_model::CheckpointKind;
use nnunet_schema::{Fold, Plans, abridged, layout, python_json};

use super::documents::{models_of, relocated};
use super::request::{ExportRequest, ExportedModels, OwnCheckpoints};
use super::{ENSEMBLES, INFORMATION, SharedModel, SharingError};
use crate::pipeline::select::{ORDER, folds_of};
use crate::pipeline::{Pipeline, PipelineError};

/// What is kept of a folder of predictions of a cross-validation, but for the predictions.
const COLLECTED: [&str; 5] = [
    "summary.json",
    "postprocessing.json",
    "postprocessing.pkl",
    "plans.json",
    "dataset.json",
];
/// What a model folder has beside its folds.
const MODEL_FILES: [&str; 2] = ["plans.json", "dataset.json"];
/// What it may have.
const OPTIONAL_MODEL_FILES: [&str; 1] = ["dataset_fingerprint.json"];
/// What a fold folder may have beside its checkpoints, ours and the Python program's.
const FOLD_FILES: [&str; 5] = [
    "progress.png",
    "training_log.jsonl",
    "debug.json",
    "network_architecture.pdf",
    "validation/summary.json",
];

/// Where the bytes of an entry come from.
#[derive(Debug)]
pub(super) enum EntrySource {
    /// A file, as it is.
    File(PathBuf),
    /// A checkpoint of ours in this model folder, which is written as the Python program's.
    PythonCheckpoint { checkpoint: PathBuf, model: PathBuf },
    /// A document that is made for the archive.
    Text(String),
}

/// A file of the archive.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its path in the archive.
    pub(super) name: String,
    pub(super) source: EntrySource,
}

/// All that goes into an archive.
#[derive(Debug)]
pub(super) struct Content {
    /// Name of the dataset.
    pub(super) dataset: String,
    pub(super) entries: Vec<Entry>,
    pub(super) models: Vec<SharedModel>,
    /// The winner of the selection, if it is among the models.
    pub(super) selected: Option<Vec<ModelName>>,
    /// What somebody should know who did not ask for it, or did.
    pub(super) notes: Vec<String>,
}

impl Content {
    /// Finds what was asked for.
    pub(super) fn find(
        pipeline: &Pipeline,
        request: &ExportRequest,
    ) -> Result<Self, PipelineError> {
        let dataset = pipeline.layout.resolve(&request.dataset)?;
        let mut finder = Finder {
            results: pipeline.layout.results.clone(),
            folder: pipeline.layout.results.join(&dataset),
            request,
            content: Self {
                dataset,
                entries: Vec::new(),
                models: Vec::new(),
                selected: None,
                notes: Vec::new(),
            },
        };
        let (names, folds) = match &request.models {
            ExportedModels::Selected => {
                let selected = pipeline.selected(&request.dataset)?;
                (selected.models, selected.folds)
            }
            ExportedModels::Chosen { folds, .. } => (finder.chosen()?, folds.clone()),
        };
        finder.models(names, &folds)?;
        for model in finder.content.models.clone() {
            finder.model_entries(&model)?;
        }
        finder.ensembles()?;
        finder.selection(&pipeline.information_path(&finder.content.dataset))?;
        Ok(finder.content)
    }
}

struct Finder<'a> {
    results: PathBuf,
    /// The dataset's folder in it.
    folder: PathBuf,
    request: &'a ExportRequest,
    content: Content,
}

impl Finder<'_> {
    /// The models of the configurations asked for, or all that there are, in the usual order.
    fn chosen(&self) -> Result<Vec<ModelName>, PipelineError> {
        let ExportedModels::Chosen {
            trainer,
            plans,
            configurations,
            ..
        } = &self.request.models
        else {
            return Ok(Vec::new());
        };
        let name = |configuration: &String| ModelName {
            trainer: trainer.clone(),
            plans: plans.clone(),
            configuration: configuration.clone(),
        };
        if !configurations.is_empty() {
            return Ok(configurations.iter().map(name).collect());
        }
        let is_asked_for = |model: &ModelName| {
            let folder = self.folder.join(model.to_string());
            let is_trained = || trained_folds(&folder, self.request.first_checkpoint()).is_ok();
            model.trainer == *trainer && model.plans == *plans && is_trained()
        };
        let mut names = self.model_folders();
        names.retain(is_asked_for);
        names.sort_by_key(|name| {
            let place = ORDER.iter().position(|known| *known == name.configuration);
            (place.unwrap_or(ORDER.len()), name.configuration.clone())
        });
        if names.is_empty() {
            let there = self.what_is_there();
            let kind = self.request.first_checkpoint();
            return Err(SharingError::NothingToExport {
                folder: self.folder.clone(),
                reason: format!(
                    "no fold of a model {trainer}__{plans}__… has a {kind} checkpoint; {there}: \
                     name another trainer (`--trainer`) or plans (`--plans`), or train first"
                ),
            }
            .into());
        }
        Ok(names)
    }

    /// These models, and what those of a cascade continue, with the folds to export.
    fn models(&mut self, names: Vec<ModelName>, folds: &[Fold]) -> Result<(), PipelineError> {
        let mut names = names;
        let mut next = 0;
        while let Some(name) = names.get(next).cloned() {
            next += 1;
            let folder = self.folder.join(name.to_string());
            let incomplete = |problem: String| SharingError::Incomplete {
                folder: folder.clone(),
                problem,
            };
            if !folder.is_dir() {
                let there = self.what_is_there();
                return Err(incomplete(format!("it is not there; {there}")).into());
            }
            let plans = Plans::load(&layout::model_plans(&folder))?;
            let configuration = plans.configuration(&name.configuration)?;
            if let Some(previous) = configuration.previous_stage {
                let previous = ModelName {
                    configuration: previous,
                    ..name.clone()
                };
                if !names.contains(&previous) {
                    self.content.notes.push(format!(
                        "{} goes along, as {} continues it",
                        previous.configuration, name.configuration
                    ));
                    names.push(previous);
                }
            }
            let folds = match folds {
                [] => trained_folds(&folder, self.request.first_checkpoint())?,
                given => given.to_vec(),
            };
            self.content.models.push(SharedModel { name, folds });
        }
        Ok(())
    }

    /// The model folders that there are.
    fn model_folders(&self) -> Vec<ModelName> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten();
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect()
    }

    /// The model folders that there are, in words.
    fn what_is_there(&self) -> String {
        let mut names: Vec<String> = (self.model_folders().iter())
            .map(ModelName::to_string)
            .collect();
        names.sort();
        match names.is_empty() {
            true => "there are no model folders".to_owned(),
            false => format!("there are the model folders {}", abridged(names, 20)),
        }
    }

    /// The files of a model.
    fn model_entries(&mut self, model: &SharedModel) -> Result<(), PipelineError> {
        let folder = self.folder.join(model.name.to_string());
        for file in MODEL_FILES {
            if !self.file_if_there(folder.join(file))? {
                let problem = format!("it has no `{file}`");
                return Err(SharingError::Incomplete { folder, problem }.into());
            }
        }
        for file in OPTIONAL_MODEL_FILES {
            self.file_if_there(folder.join(file))?;
        }
        for fold in &model.folds {
            let fold = layout::fold(&folder, *fold);
            for kind in &self.request.checkpoints {
                self.checkpoint(&folder, &fold, *kind)?;
            }
            for file in FOLD_FILES {
                self.file_if_there(fold.join(file))?;
            }
        }
        let Ok(folders) = fs::read_dir(&folder) else {
            return Ok(());
        };
        let mut collected: Vec<PathBuf> = (folders.flatten())
            .filter(|entry| {
                let name = entry.file_name();
                let folds = name
                    .to_str()
                    .and_then(|n| n.strip_prefix("crossval_results_folds_"));
                folds.is_some_and(|folds| are_among(folds, &model.folds))
            })
            .map(|entry| entry.path())
            .collect();
        collected.sort();
        collected
            .iter()
            .try_for_each(|folder| self.collected(folder))
    }

    /// A checkpoint of a fold: the Python program's, made from ours if there is one, and ours if
    /// that is wanted.
    fn checkpoint(
        &mut self,
        model: &Path,
        fold: &Path,
        kind: CheckpointKind,
    ) -> Result<(), PipelineError> {
        let (_, found) = CheckpointKind::find_any(fold, &[kind])?;
        let python = kind.python_path(fold);
        if found == python {
            self.file_if_there(python)?;
            return Ok(());
        }
        let name = self.name_of(&python)?;
        self.content.entries.push(Entry {
            name,
            source: EntrySource::PythonCheckpoint {
                checkpoint: found.clone(),
                model: model.to_path_buf(),
            },
        });
        if self.request.own_checkpoints == OwnCheckpoints::Added {
            self.file_if_there(found)?;
        }
        Ok(())
    }

    /// The documents of ensembles whose models all go along.
    fn ensembles(&mut self) -> Result<(), PipelineError> {
        let folder = self.folder.join(ENSEMBLES);
        let folders = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut complete: Vec<PathBuf> = folders
            .filter(|entry| {
                (entry.file_name().to_str()).is_some_and(|name| self.has_members_of(name))
            })
            .map(|entry| entry.path())
            .collect();
        complete.sort();
        complete
            .iter()
            .try_for_each(|folder| self.collected(folder))
    }

    /// Whether the models and folds of an ensemble of this name, `ensemble___A___B___0_1_2`, all
    /// go along.
    fn has_members_of(&self, ensemble: &str) -> bool {
        let parts: Vec<&str> = ensemble.split("___").collect();
        let ["ensemble", members @ .., folds] = parts.as_slice() else {
            return false;
        };
        members.iter().all(|member| {
            let exported = self.content.models.iter();
            let mut same = exported.filter(|model| model.name.to_string() == *member);
            same.any(|model| are_among(folds, &model.folds))
        })
    }

    /// The outcome of the selection, if its winner goes along.
    fn selection(&mut self, path: &Path) -> Result<(), PipelineError> {
        if !path.is_file() {
            return Ok(());
        }
        let information = InferenceInformation::load(path)?;
        let folds = folds_of(&information);
        let winner = information.models();
        let goes_along = |name: &ModelName| {
            let mut same = self
                .content
                .models
                .iter()
                .filter(|model| model.name == *name);
            same.any(|model| folds.iter().all(|fold| model.folds.contains(fold)))
        };
        if !winner.iter().all(goes_along) {
            let winner = abridged(&winner, 2);
            self.content.notes.push(format!(
                "the selection stays behind: its winner, {winner}, does not go along with all its \
                 folds"
            ));
            return Ok(());
        }
        let (Some(candidate), false) = (models_of(&winner), folds.is_empty()) else {
            return Ok(());
        };
        let collected = candidate.collected(Path::new(&self.content.dataset), &folds);
        let relocated = relocated(information, &collected, |path| {
            self.results.join(path).is_file()
        });
        let text = python_json::to_text(&relocated).map_err(|error| SharingError::Archive {
            archive: self.request.output.clone(),
            problem: format!("the selection cannot be written: {error}"),
        })?;
        let name = self.name_of(&self.folder.join(INFORMATION))?;
        let source = EntrySource::Text(text);
        self.content.entries.push(Entry { name, source });
        self.content.selected = Some(winner);
        Ok(())
    }

    fn collected(&mut self, folder: &Path) -> Result<(), PipelineError> {
        for file in COLLECTED {
            self.file_if_there(folder.join(file))?;
        }
        Ok(())
    }

    fn file_if_there(&mut self, path: PathBuf) -> Result<bool, PipelineError> {
        if !path.is_file() {
            return Ok(false);
        }
        let name = self.name_of(&path)?;
        let source = EntrySource::File(path);
        self.content.entries.push(Entry { name, source });
        Ok(true)
    }

    /// The path of a file below the folder of results, as it stands in the archive.
    fn name_of(&self, path: &Path) -> Result<String, PipelineError> {
        let below = path.strip_prefix(&self.results).unwrap_or(path);
        let parts: Option<Vec<&str>> = below.iter().map(|part| part.to_str()).collect();
        let parts = parts.ok_or_else(|| SharingError::Archive {
            archive: self.request.output.clone(),
            problem: format!(
                "the name of {} is not UTF-8, which the archive needs: rename it",
                path.display()
            ),
        })?;
        Ok(parts.join("/"))
    }
}

/// Whether folds as they stand in the name of a folder, `0_1_2`, are all among these.
fn are_among(folds: &str, exported: &[Fold]) -> bool {
    (folds.split('_')).all(|fold| fold.parse().is_ok_and(|fold| exported.contains(&fold)))
}
