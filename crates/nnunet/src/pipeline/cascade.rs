//! The cascade between two trainings: the segmentations that the first stage's folds give the
//! cases that they hold out, which are what the second stage is trained with (paper, online
//! methods, "Network architecture": the low-resolution predictions come from cross-validation).
//!
//! They lie where the Python program has them, `predicted_next_stage/CONFIGURATION` in the model
//! folder of the first stage, as a store of cases without intensities: labels on the grid of the
//! second stage's preprocessed cases.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ndarray::{Array3, Array4};
use nnunet_image::CropBox;
use nnunet_preprocess::{
    CaseProperties, CaseStore, ClassLocations, PreprocessError, PreprocessedCase, StoreHeader,
};
use nnunet_schema::plans::StageNames;
use nnunet_schema::{DatasetDescription, Plans, Shape, Splits, abridged, layout};

use super::fold::FoldJob;
use super::{Pipeline, PipelineError, TRAINER};

/// Cases that a message lists before it only counts.
const LISTED: usize = 5;

/// A configuration that continues the one that is trained: what it has of a case decides the grid
/// that the case's segmentation is kept on.
#[derive(Debug)]
pub(super) struct NextStage {
    name: String,
    cases: CaseStore,
    header: StoreHeader,
    folder: PathBuf,
}

impl NextStage {
    fn open(pipeline: &Pipeline, job: &FoldJob, name: &str) -> Result<Self, PipelineError> {
        let header = StoreHeader::new(&job.plans, name, &job.description)?;
        let cases = CaseStore::open(&pipeline.store_folder(&job.dataset, &job.plans, name)?)?;
        cases.check_settings(&header.settings)?;
        Ok(Self {
            name: name.to_owned(),
            cases,
            header,
            folder: layout::predicted_next_stage(&job.model, name),
        })
    }

    /// The case as this stage has it, if it is preprocessed.
    pub(super) fn properties(&self, case: &str) -> Result<Option<CaseProperties>, PipelineError> {
        if !self.cases.contains(case) {
            return Ok(None);
        }
        Ok(Some(self.cases.open_case(case)?.properties().clone()))
    }

    /// Stores the labels `(z, y, x)` of a case, on the grid of the case with these properties.
    pub(super) fn keep(
        &self,
        case: &str,
        labels: Array3<i16>,
        properties: CaseProperties,
    ) -> Result<(), PipelineError> {
        let (z, y, x) = labels.dim();
        let segmentation = PreprocessedCase {
            data: Array4::zeros((0, z, y, x)),
            labels,
            properties: CaseProperties {
                class_locations: ClassLocations::default(),
                ..properties
            },
        };
        Ok(self.target()?.write(case, &segmentation)?)
    }

    /// The store of the segmentations, made if it is not there.
    fn target(&self) -> Result<CaseStore, PipelineError> {
        // Making a store cleans up what looks unfinished: other folds may be writing.
        match CaseStore::open(&self.folder) {
            Ok(store) => {
                store.check_settings(&self.header.settings)?;
                Ok(store)
            }
            Err(PreprocessError::NoStore { .. }) => {
                Ok(CaseStore::create(&self.folder, self.header.clone())?)
            }
            Err(other) => Err(other.into()),
        }
    }
}

impl Pipeline {
    /// The stages that continue the configuration of a job, as far as they are preprocessed; a
    /// warning for each that is not. There are none for fold `all`, which holds nothing out.
    pub(super) fn next_stages(&self, job: &FoldJob) -> Result<Vec<NextStage>, PipelineError> {
        if job.holds_nothing_out() {
            return Ok(Vec::new());
        }
        let configuration = job.plans.configuration(&job.configuration)?;
        let names = match configuration.next_stage {
            None => Vec::new(),
            Some(StageNames::One(name)) => vec![name],
            Some(StageNames::Many(names)) => names,
        };
        let mut stages = Vec::with_capacity(names.len());
        for name in names {
            match NextStage::open(self, job, &name) {
                Ok(stage) => stages.push(stage),
                Err(error) => self.progress.warn(&format!(
                    "segmentations for `{name}` are not kept: {error}; {}",
                    advice(job, &name)
                )),
            }
        }
        Ok(stages)
    }

    /// Says that a case is missing in the next stage.
    pub(super) fn warn_not_kept(&self, job: &FoldJob, stage: &NextStage, case: &str) {
        self.progress.warn(&format!(
            "case `{case}`: its segmentation for `{}` is not kept: {} does not have the case; {}",
            stage.name,
            stage.cases.folder().display(),
            advice(job, &stage.name)
        ));
    }

    /// The segmentations that the configuration of a job continues; none if it continues no other.
    ///
    /// # Errors
    /// [`PipelineError::PreviousStage`] if some of the job's cases have none, with what makes
    /// them.
    pub(super) fn previous_stage(&self, job: &FoldJob) -> Result<Option<CaseStore>, PipelineError> {
        let configuration = job.plans.configuration(&job.configuration)?;
        let Some(previous) = configuration.previous_stage else {
            return Ok(None);
        };
        let wanted: BTreeSet<&String> = job.split.train.iter().chain(&job.split.val).collect();
        let folder = folder_of(&job.model, &previous, &job.configuration);
        let store = match CaseStore::open(&folder) {
            Ok(store) => Some(store),
            // The folder may hold what the Python program keeps there.
            Err(PreprocessError::NoStore { .. }) => None,
            Err(other) => return Err(other.into()),
        };
        let missing: Vec<&String> = (wanted.into_iter())
            .filter(|case| !store.as_ref().is_some_and(|store| store.contains(case)))
            .collect();
        match store {
            Some(store) if missing.is_empty() => {
                let (plans, description) = (&job.plans, &job.description);
                check_grid(&store, plans, &job.configuration, description)?;
                Ok(Some(store))
            }
            _ => Err(self.missing(job, previous, folder, &missing)?),
        }
    }

    fn missing(
        &self,
        job: &FoldJob,
        previous: String,
        folder: PathBuf,
        missing: &[&String],
    ) -> Result<PipelineError, PipelineError> {
        let path = self.layout.splits(&job.dataset);
        let splits = match path.exists() {
            true => Splits::load(&path)?,
            false => Splits::five_fold(&job.store.cases()?)?,
        };
        let mut by_fold: BTreeMap<Option<usize>, Vec<&str>> = BTreeMap::new();
        for case in missing {
            let fold = splits.0.iter().position(|split| split.val.contains(case));
            by_fold.entry(fold).or_default().push(case.as_str());
        }
        let described = by_fold.iter().map(|(fold, cases)| match fold {
            Some(fold) => format!("{} of fold {fold}", listed(cases)),
            None => format!(
                "{} that no fold of {} holds out",
                listed(cases),
                path.display()
            ),
        });
        let commands = (by_fold.keys().flatten())
            .map(|fold| format!("`{}`", train_command(job, &previous, &fold.to_string())));
        Ok(PipelineError::PreviousStage {
            configuration: job.configuration.clone(),
            missing: described.collect::<Vec<_>>().join("; "),
            commands: commands.collect::<Vec<_>>().join(", "),
            previous,
            folder,
        })
    }
}

/// The labels that the previous stage gave a case of the model in the folder `model`.
///
/// # Errors
/// If they are not there, or damaged.
pub(super) fn previous_labels(
    model: &Path,
    configuration: &str,
    previous: &str,
    case: &str,
) -> Result<Array3<i16>, PipelineError> {
    let store = CaseStore::open(&folder_of(model, previous, configuration))?;
    let stored = store.open_case(case)?;
    Ok(stored.read_labels(CropBox::whole(stored.shape()))?)
}

/// Where `previous` keeps its segmentations for `configuration`, whose model folder is `model`:
/// the two have the same trainer and plans.
fn folder_of(model: &Path, previous: &str, configuration: &str) -> PathBuf {
    let name = model.file_name().unwrap_or_default().to_string_lossy();
    let common = name.strip_suffix(configuration).unwrap_or(&name);
    let first = model.with_file_name(format!("{common}{previous}"));
    layout::predicted_next_stage(&first, configuration)
}

/// Refuses segmentations that were made for other preprocessing settings.
fn check_grid(
    store: &CaseStore,
    plans: &Plans,
    configuration: &str,
    description: &DatasetDescription,
) -> Result<(), PipelineError> {
    let header = StoreHeader::new(plans, configuration, description)?;
    Ok(store.check_settings(&header.settings)?)
}

/// The shapes of the cases with these properties.
pub(super) fn shapes(properties: &[CaseProperties]) -> Vec<Shape> {
    (properties.iter())
        .map(|properties| properties.shape_after_resampling)
        .collect()
}

/// What to do when a fold cannot keep segmentations for `next`.
fn advice(job: &FoldJob, next: &str) -> String {
    let plans = plans_option(job);
    format!(
        "run `nnunet preprocess {} -c {next}{plans}`, then `{}`",
        job.dataset,
        train_command(job, &job.configuration, &job.fold.to_string())
    )
}

/// What trains and validates a fold, or only validates it if it is trained.
fn train_command(job: &FoldJob, configuration: &str, fold: &str) -> String {
    let plans = plans_option(job);
    let variant = match job.trainer == TRAINER {
        true => String::new(),
        false => format!(" (with the options of {})", job.trainer),
    };
    format!(
        "nnunet train {} {configuration} {fold}{plans} --continue{variant}",
        job.dataset
    )
}

fn plans_option(job: &FoldJob) -> String {
    match job.plans_name == super::DEFAULT_PLANS {
        true => String::new(),
        false => format!(" -p {}", job.plans_name),
    }
}

/// The first of some cases, and how many there are.
fn listed(cases: &[&str]) -> String {
    abridged(cases.iter().map(|case| format!("`{case}`")), LISTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_stage_has_the_same_trainer_and_plans() {
        let model = Path::new("results/D/T__P__3d_cascade_fullres");
        assert_eq!(
            folder_of(model, "3d_lowres", "3d_cascade_fullres"),
            Path::new("results/D/T__P__3d_lowres/predicted_next_stage/3d_cascade_fullres")
        );
    }

    #[test]
    fn many_cases_are_counted() {
        assert_eq!(listed(&["a", "b"]), "`a`, `b`");
        let many = ["a", "b", "c", "d", "e", "f", "g"];
        assert_eq!(listed(&many), "`a`, `b`, `c`, `d`, `e` and 2 more");
    }
}
