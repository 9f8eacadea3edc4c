//! The predictions of all candidates in their folders: copies of the folds' for a single model,
//! averages of probabilities for two.

use std::fs;
use std::path::{Path, PathBuf};

use nnunet_evaluate::select::{Candidate, ModelName};
use nnunet_evaluate::{EvaluateError, HeldOut};
use nnunet_infer::{
    PredictOptions, Predictor, ProbabilityPrecision, ProbabilityWriter, ensemble_case,
    has_probabilities,
};
use nnunet_model::DeviceChoice;
use nnunet_preprocess::{CaseStore, StoreHeader};
use nnunet_schema::{Fold, SchemaError, layout};

use super::SelectRequest;
use super::models::Trained;
use crate::pipeline::prepare::require;
use crate::pipeline::train::held_out_case;
use crate::pipeline::{Existing, Pipeline, PipelineError};

/// A candidate with its models.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) candidate: Candidate,
    pub(super) folder: PathBuf,
    pub(super) first: &'a Trained,
    second: Option<&'a Trained>,
}

impl<'a> Entry<'a> {
    /// `results` is the folder of the dataset's models. `None` if a model is not there.
    pub(super) fn new(
        candidate: Candidate,
        models: &'a [Trained],
        results: &Path,
        folds: &[Fold],
    ) -> Option<Self> {
        let find = |name: &ModelName| models.iter().find(|model| model.name == *name);
        let (first, second) = match &candidate {
            Candidate::Single(model) => (find(model)?, None),
            Candidate::Pair(first, second) => (find(first)?, Some(find(second)?)),
        };
        Some(Self {
            folder: candidate.collected(results, folds),
            candidate,
            first,
            second,
        })
    }

    fn label_map(&self, case: &str) -> PathBuf {
        let ending = &self.first.description.file_ending;
        self.folder.join(format!("{case}{ending}"))
    }
}

impl Pipeline {
    /// Puts the predictions of the held-out cases of every candidate into its folder, with the
    /// documents that say what the labels mean.
    pub(super) fn collect(
        &self,
        dataset: &str,
        request: &SelectRequest,
        entries: &[Entry<'_>],
    ) -> Result<(), PipelineError> {
        for entry in entries {
            if entry.second.is_none() {
                entry.first.cases.copy_to(&entry.folder)?;
            } else if request.existing == Existing::Replace {
                remove_folder(&entry.folder)?;
            }
            entry
                .first
                .plans
                .save(&layout::model_plans(&entry.folder))?;
            (entry.first.description).save(&layout::dataset_json(&entry.folder))?;
        }
        let pairs: Vec<(&Entry<'_>, &Trained)> = (entries.iter())
            .filter_map(|entry| Some((entry, entry.second?)))
            .collect();
        if let Some((entry, _)) = pairs.first() {
            // Models have their networks of one fold loaded at a time.
            let mut cases: Vec<&HeldOut> = entry.first.cases.cases.iter().collect();
            cases.sort_by_key(|case| match case.fold {
                Fold::Number(number) => number,
                Fold::All => u32::MAX,
            });
            let scratch = self
                .layout
                .results
                .join(dataset)
                .join("ensembles/.probabilities");
            let mut averages = Averages {
                pipeline: self,
                dataset,
                device: request.device,
                scratch: Scratch::new(scratch)?,
                loaded: Vec::new(),
            };
            let task = self.progress.start("ensembles", cases.len());
            for case in cases {
                averages.make(&case.case, &pairs)?;
                task.step(&case.case);
            }
        }
        Ok(())
    }
}

/// Averages pairs case by case.
struct Averages<'a> {
    pipeline: &'a Pipeline,
    dataset: &'a str,
    device: DeviceChoice,
    scratch: Scratch,
    loaded: Vec<Loaded<'a>>,
}

/// The network of one fold of a model, and the cases that it predicts.
struct Loaded<'a> {
    model: &'a Trained,
    fold: Fold,
    predictor: Predictor,
    store: CaseStore,
}

impl<'a> Averages<'a> {
    /// Writes the label maps of a case of all pairs that lack it.
    fn make(
        &mut self,
        case: &str,
        pairs: &[(&Entry<'a>, &'a Trained)],
    ) -> Result<(), PipelineError> {
        for (entry, second) in pairs {
            let target = entry.label_map(case);
            if target.is_file() {
                continue;
            }
            let folders = [
                self.probabilities(entry.first, case)?,
                self.probabilities(second, case)?,
            ];
            let formats = &self.pipeline.formats;
            let like = formats.read_labels(&held_out(entry.first, case)?.prediction)?;
            let labels = ensemble_case(&folders, case, &entry.first.description, like)?;
            formats.write_labels(&target, &labels)?;
        }
        self.scratch.empty()
    }

    /// The folder with the probabilities of a case, which are computed if they were not stored.
    fn probabilities(&mut self, model: &'a Trained, case: &str) -> Result<PathBuf, PipelineError> {
        let held_out = held_out(model, case)?;
        let stored = layout::fold(&model.folder, held_out.fold).join("validation");
        let computed = self.scratch.0.join(model.name.to_string());
        let found = [&stored, &computed]
            .into_iter()
            .find(|folder| has_probabilities(folder, case));
        if let Some(found) = found {
            return Ok(found.clone());
        }
        let loaded = self.load(model, held_out.fold)?;
        let prepared = held_out_case(&loaded.predictor, &loaded.store, case)?;
        let target = computed.join(format!("{case}.zarr"));
        let mut writer = ProbabilityWriter::new(&target, ProbabilityPrecision::Single);
        (loaded.predictor).predict_preprocessed_into(case, &prepared, &mut writer)?;
        Ok(computed)
    }

    fn load(&mut self, model: &'a Trained, fold: Fold) -> Result<&Loaded<'a>, PipelineError> {
        let of_model = |loaded: &Loaded<'_>| loaded.model.name == model.name;
        if let Some(found) = (self.loaded.iter()).position(|l| of_model(l) && l.fold == fold) {
            return Ok(&self.loaded[found]);
        }
        self.loaded.retain(|loaded| !of_model(loaded));
        let options = PredictOptions {
            device: self.device,
            ..PredictOptions::default()
        };
        let configuration = &model.name.configuration;
        let store = (self.pipeline).store_folder(self.dataset, &model.plans, configuration)?;
        require(&store, || {
            let (dataset, plans) = (self.dataset, &model.name.plans);
            format!("nnunet preprocess {dataset} -c {configuration} -p {plans}")
        })?;
        let store = CaseStore::open(&store)?;
        let header = StoreHeader::new(&model.plans, configuration, &model.description)?;
        store.check_settings(&header.settings)?;
        self.loaded.push(Loaded {
            model,
            fold,
            predictor: Predictor::load(&model.folder, &[fold], options)?,
            store,
        });
        Ok(&self.loaded[self.loaded.len() - 1])
    }
}

/// The prediction of a case by a model.
fn held_out<'a>(model: &'a Trained, case: &str) -> Result<&'a HeldOut, PipelineError> {
    let found = model.cases.cases.iter().find(|c| c.case == case);
    Ok(found.ok_or_else(|| EvaluateError::DifferentCases {
        first: model.name.to_string(),
        second: "another model".to_owned(),
        case: case.to_owned(),
    })?)
}

/// A folder for probabilities of one case at a time; gone when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    /// Takes the place of what a run that was killed may have left.
    fn new(folder: PathBuf) -> Result<Self, PipelineError> {
        let scratch = Self(folder);
        scratch.empty()?;
        Ok(scratch)
    }

    fn empty(&self) -> Result<(), PipelineError> {
        remove_folder(&self.0)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A leftover is only untidy, and goes when the next selection begins.
        let _ = self.empty();
    }
}

fn remove_folder(folder: &Path) -> Result<(), PipelineError> {
    if !folder.exists() {
        return Ok(());
    }
    Ok(
        fs::remove_dir_all(folder).map_err(|source| SchemaError::Io {
            action: "remove",
            path: folder.to_path_buf(),
            source,
        })?,
    )
}
