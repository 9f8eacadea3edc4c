//! The trained models of a dataset.

use std::fs;
use std::path::{Path, PathBuf};

use nnunet_evaluate::select::{Candidate, ModelName};
use nnunet_schema::{Fold, layout};

use crate::pipeline::TRAINER;
use crate::pipeline::select::ORDER;
use crate::pipeline::train::VALIDATION;

/// A model folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) name: ModelName,
    pub(super) folder: PathBuf,
    /// The folds that are begun, ascending.
    pub(super) folds: Vec<Fold>,
}

impl Model {
    pub(super) fn fold_folder(&self, fold: Fold) -> PathBuf {
        layout::fold(&self.folder, fold)
    }

    /// Where a fold's network left its predictions of the cases that it held out.
    pub(super) fn validation(&self, fold: Fold) -> PathBuf {
        self.fold_folder(fold).join(VALIDATION)
    }

    /// The folds that are validated.
    pub(super) fn validated_folds(&self) -> Vec<Fold> {
        let is_there = |fold: &Fold| layout::summary(&self.validation(*fold)).is_file();
        self.folds.iter().copied().filter(is_there).collect()
    }
}

/// The models of these plans, in the order of the configurations, those of the default trainer
/// first.
pub(super) fn find(results: &Path, plans_name: &str) -> Vec<Model> {
    let mut models: Vec<Model> = (fs::read_dir(results).into_iter().flatten())
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name: ModelName = entry.file_name().to_str()?.parse().ok()?;
            let folder = entry.path();
            let folds = folds(&folder);
            (name.plans == plans_name && !folds.is_empty()).then_some(Model {
                name,
                folder,
                folds,
            })
        })
        .collect();
    models.sort_by_key(|model| {
        let name = &model.name;
        let place = ORDER.iter().position(|known| *known == name.configuration);
        (
            name.trainer != TRAINER,
            name.trainer.clone(),
            place.unwrap_or(ORDER.len()),
            name.configuration.clone(),
        )
    });
    models
}

fn folds(model: &Path) -> Vec<Fold> {
    let mut folds: Vec<Fold> = (fs::read_dir(model).into_iter().flatten())
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            name.to_str()?.strip_prefix("fold_")?.parse().ok()
        })
        .collect();
    folds.sort_by_key(|fold| match fold {
        Fold::Number(number) => (0, *number),
        Fold::All => (1, 0),
    });
    folds
}

/// A model by its configuration, with its trainer if that is not the usual one.
pub(super) fn short_name(model: &ModelName) -> String {
    match model.trainer.strip_prefix(TRAINER) {
        Some("") => model.configuration.clone(),
        Some(variant) => format!("{} ({variant})", model.configuration),
        None => format!("{} ({})", model.configuration, model.trainer),
    }
}

/// A candidate by its models: `2d + 3d_fullres`.
pub(super) fn candidate_name(candidate: &Candidate) -> String {
    let names: Vec<String> = candidate.models().into_iter().map(short_name).collect();
    names.join(" + ")
}

/// Folds as people list them: `0 1 2`.
pub(super) fn fold_list(folds: &[Fold]) -> String {
    let texts: Vec<String> = folds.iter().map(Fold::to_string).collect();
    texts.join(" ")
}
