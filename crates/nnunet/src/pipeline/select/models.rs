//! The models that can take part in a selection.

use std::fs;
use std::path::{Path, PathBuf};

use nnunet_evaluate::CrossValidation;
use nnunet_evaluate::select::ModelName;
use nnunet_schema::{DatasetDescription, Fold, Plans, Splits, layout};

use super::SelectRequest;
use crate::pipeline::prepare::require;
use crate::pipeline::{Pipeline, PipelineError};

/// The order of the configurations, which decides between equal ones: that of the Python program.
pub(in crate::pipeline) const ORDER: [&str; 4] =
    ["2d", "3d_fullres", "3d_lowres", "3d_cascade_fullres"];

/// A model that is trained, but not validated on all folds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The model.
    pub model: ModelName,
    /// The folds that are missing.
    pub folds: Vec<Fold>,
}

/// A model that is trained and validated on all folds.
#[derive(Debug)]
pub(super) struct Trained {
    pub(super) name: ModelName,
    pub(super) folder: PathBuf,
    pub(super) plans: Plans,
    pub(super) description: DatasetDescription,
    pub(super) cases: CrossValidation,
}

impl Pipeline {
    /// The models that take part, and those that would if they were finished.
    pub(super) fn validated_models(
        &self,
        dataset: &str,
        request: &SelectRequest,
    ) -> Result<(Vec<Trained>, Vec<Unfinished>), PipelineError> {
        let results = self.layout.results.join(dataset);
        let nothing = |reason: String| PipelineError::NothingSelectable {
            folder: results.clone(),
            reason,
        };
        if request.folds.is_empty() || request.folds.contains(&Fold::All) {
            let reason = "a cross-validation needs folds by number, as `0 1 2 3 4`: fold `all` \
                          holds no case out";
            return Err(nothing(reason.to_owned()));
        }
        let are_named = !request.configurations.is_empty();
        let names = if are_named {
            named_models(request)
        } else {
            found_models(&results, request)
        };
        let expected = self.held_out_cases(dataset, &request.folds)?;
        let (mut trained, mut unfinished) = (Vec::new(), Vec::new());
        for name in names {
            let folder = results.join(name.to_string());
            let validated =
                |fold: &Fold| layout::summary(&layout::fold(&folder, *fold).join("validation"));
            let missing: Vec<Fold> = (request.folds.iter().copied())
                .filter(|fold| !validated(fold).is_file())
                .collect();
            match missing.first() {
                Some(fold) if are_named => require(&validated(fold), || {
                    let (configuration, plans) = (&name.configuration, &name.plans);
                    format!("nnunet train {dataset} {configuration} {fold} -p {plans}")
                })?,
                Some(_) => unfinished.push(Unfinished {
                    model: name,
                    folds: missing,
                }),
                None => {
                    let folds = &request.folds;
                    trained.push(Trained::open(name, folder, folds, expected.as_deref())?);
                }
            }
        }
        if trained.is_empty() {
            return Err(nothing(format!(
                "no model of {} with {} is trained and validated on the folds {}: train them \
                 with `nnunet train`, or select on fewer folds{}",
                request.trainers.join(" or "),
                request.plans.join(" or "),
                joined(&request.folds),
                listed(&unfinished)
            )));
        }
        Ok((trained, unfinished))
    }

    /// Where the references of the training cases are: with the raw dataset, else where the
    /// Python program keeps its copies.
    pub(in crate::pipeline) fn references(&self, dataset: &str) -> PathBuf {
        let raw = layout::training_labels(&self.layout.raw_dataset(dataset));
        if raw.is_dir() {
            return raw;
        }
        let copies = (self.layout.preprocessed_dataset(dataset)).join("gt_segmentations");
        if copies.is_dir() { copies } else { raw }
    }

    /// The cases that the folds hold out, if the splits are known and have these folds.
    fn held_out_cases(
        &self,
        dataset: &str,
        folds: &[Fold],
    ) -> Result<Option<Vec<String>>, PipelineError> {
        let path = self.layout.splits(dataset);
        if !path.is_file() {
            return Ok(None);
        }
        let splits = Splits::load(&path)?;
        let mut cases = Vec::new();
        for fold in folds {
            let Fold::Number(number) = fold else {
                return Ok(None);
            };
            let Some(split) = splits.0.get(*number as usize) else {
                return Ok(None);
            };
            cases.extend(split.val.iter().cloned());
        }
        Ok(Some(cases))
    }
}

impl Trained {
    fn open(
        name: ModelName,
        folder: PathBuf,
        folds: &[Fold],
        expected: Option<&[String]>,
    ) -> Result<Self, PipelineError> {
        let plans = Plans::load(&layout::model_plans(&folder))?;
        let description = DatasetDescription::load(&layout::dataset_json(&folder))?;
        let ending = &description.file_ending;
        Ok(Self {
            cases: CrossValidation::of_model(&folder, folds, ending, expected)?,
            name,
            folder,
            plans,
            description,
        })
    }
}

/// All combinations of what was asked for.
fn named_models(request: &SelectRequest) -> Vec<ModelName> {
    let mut names = Vec::new();
    for trainer in &request.trainers {
        for configuration in &request.configurations {
            names.extend(request.plans.iter().map(|plans| ModelName {
                trainer: trainer.clone(),
                plans: plans.clone(),
                configuration: configuration.clone(),
            }));
        }
    }
    names
}

/// The model folders of the trainers and plans, in the order in which ties are decided.
fn found_models(results: &Path, request: &SelectRequest) -> Vec<ModelName> {
    let place = |names: &[String], name: &str| names.iter().position(|n| n == name);
    let mut names: Vec<ModelName> = (fs::read_dir(results).into_iter())
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|name: &ModelName| place(&request.plans, &name.plans).is_some())
        .filter(|name| place(&request.trainers, &name.trainer).is_some())
        .collect();
    names.sort_by_key(|name| {
        let configuration = ORDER.iter().position(|known| *known == name.configuration);
        (
            place(&request.trainers, &name.trainer),
            configuration.unwrap_or(ORDER.len()),
            name.configuration.clone(),
            place(&request.plans, &name.plans),
        )
    });
    names
}

fn listed(unfinished: &[Unfinished]) -> String {
    (unfinished.iter())
        .map(|one| format!("\n  {} lacks the folds {}", one.model, joined(&one.folds)))
        .collect()
}

fn joined(folds: &[Fold]) -> String {
    let texts: Vec<String> = folds.iter().map(Fold::to_string).collect();
    texts.join(" ")
}
