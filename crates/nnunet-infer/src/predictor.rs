use std::fs;
use std::path::Path;

use nnunet_image::{Image, LabelMap};
use nnunet_model::{Checkpoint, CheckpointKind, NetworkSpec, UNet};
use nnunet_preprocess::{CasePipeline, PreprocessedCase};
use nnunet_schema::{DatasetDescription, Fold, Plans, SchemaError, layout};

use crate::{InferError, Network, PredictOptions, Recipe, predict_with_networks};

/// A trained model, ready to predict: the networks of its folds and how they are applied.
///
/// The networks stay in memory, all folds at once, so that every window is read once and no
/// weights are loaded between cases. A predictor can be moved to another thread, but not shared.
#[derive(Debug)]
pub struct Predictor {
    plans: Plans,
    dataset: DatasetDescription,
    recipe: Recipe,
    pipeline: CasePipeline,
    networks: Vec<UNet>,
    folds: Vec<Fold>,
    options: PredictOptions,
}

impl Predictor {
    /// Loads the networks of `folds` from a model folder (`TRAINER__PLANS__CONFIGURATION` with
    /// `plans.json`, `dataset.json` and `fold_X/checkpoint_final.safetensors`); an empty list
    /// stands for all [`trained_folds`].
    ///
    /// The configuration is the last part of the folder's name, or, in a folder of another
    /// name, what the first fold's checkpoint says. The mirror axes are those of the first fold.
    ///
    /// # Errors
    /// [`InferError::ModelFolder`] if no fold is trained, [`InferError::Schema`] if a document is
    /// missing or wrong, [`InferError::Model`] if a checkpoint is missing, does not fit the plans
    /// or the device is not there, and as [`Recipe::new`] and [`CasePipeline::new`].
    pub fn load(model: &Path, folds: &[Fold], options: PredictOptions) -> Result<Self, InferError> {
        let plans = Plans::load(&layout::model_plans(model))?;
        let dataset = DatasetDescription::load(&layout::dataset_json(model))?;
        let folds = match folds {
            [] => trained_folds(model, options.checkpoint)?,
            given => given.to_vec(),
        };
        let checkpoints = (folds.iter())
            .map(|fold| {
                let folder = layout::fold(model, *fold);
                let (_, path) = CheckpointKind::find(&folder, &[options.checkpoint])?;
                Checkpoint::open(&path)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let first = checkpoints.first().map(Checkpoint::metadata);
        let first = first.ok_or_else(|| no_folds(model, options.checkpoint))?;
        let name = configuration_of(model).unwrap_or(&first.configuration);
        let mirror_axes = &first.inference_allowed_mirroring_axes;
        let recipe = Recipe::new(&plans, name, &dataset, mirror_axes, &options)?;
        let pipeline = CasePipeline::new(&plans, name, &dataset)?;
        let device = options.device.open()?;
        let networks = (checkpoints.iter())
            .map(|checkpoint| {
                let (channels, heads) = (recipe.channels(), recipe.heads());
                let spec = NetworkSpec::new(recipe.configuration(), channels, heads)?;
                let mut network = UNet::zeros(spec, device)?;
                checkpoint.load_into(&mut network)?;
                Ok(network)
            })
            .collect::<Result<Vec<_>, InferError>>()?;
        Ok(Self {
            plans,
            dataset,
            recipe,
            pipeline,
            networks,
            folds,
            options,
        })
    }

    /// The folds whose networks are averaged.
    #[must_use]
    pub fn folds(&self) -> &[Fold] {
        &self.folds
    }

    /// The plans of the model.
    #[must_use]
    pub const fn plans(&self) -> &Plans {
        &self.plans
    }

    /// The description of the dataset that the model was trained on.
    #[must_use]
    pub const fn dataset(&self) -> &DatasetDescription {
        &self.dataset
    }

    /// How the networks are applied.
    #[must_use]
    pub const fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// What the predictor was loaded with.
    #[must_use]
    pub const fn options(&self) -> &PredictOptions {
        &self.options
    }

    /// The preprocessing of the model's configuration.
    #[must_use]
    pub const fn pipeline(&self) -> &CasePipeline {
        &self.pipeline
    }

    /// Predicts an image; the label map lies on the image's grid. `case` names it in errors.
    ///
    /// # Errors
    /// [`InferError::Channels`] if the image does not have the model's channels,
    /// [`InferError::Preprocess`] if it cannot be preprocessed, and as
    /// [`predict_with_networks`].
    pub fn predict(&self, case: &str, image: &Image) -> Result<LabelMap, InferError> {
        let prepared = prepare(&self.pipeline, self.recipe.channels(), case, image.clone())?;
        self.predict_preprocessed(case, &prepared)
    }

    /// Predicts a case that went through [`Self::pipeline`] (or the same plans' preprocessing in
    /// training); the label map lies on the grid of the original image.
    ///
    /// # Errors
    /// As [`predict_with_networks`].
    pub fn predict_preprocessed(
        &self,
        case: &str,
        prepared: &PreprocessedCase,
    ) -> Result<LabelMap, InferError> {
        let networks: Vec<&dyn Network> = (self.networks.iter())
            .map(|network| network as &dyn Network)
            .collect();
        let data = prepared.data.view();
        predict_with_networks(&networks, &self.recipe, case, data, &prepared.properties)
    }
}

/// Preprocesses an image that may have other channels than the model.
pub(crate) fn prepare(
    pipeline: &CasePipeline,
    channels: usize,
    case: &str,
    image: Image,
) -> Result<PreprocessedCase, InferError> {
    if image.channels() != channels {
        return Err(InferError::Channels {
            case: case.to_owned(),
            found: image.channels(),
            expected: channels,
        });
    }
    Ok(pipeline.run(case, image, None)?)
}

/// The folds of a model folder that have a checkpoint of this kind, ascending; fold `all` only
/// if it is the only one.
///
/// # Errors
/// [`InferError::Schema`] if the folder cannot be listed, [`InferError::ModelFolder`] if there
/// is none.
pub fn trained_folds(model: &Path, kind: CheckpointKind) -> Result<Vec<Fold>, InferError> {
    let entries = fs::read_dir(model).map_err(|source| SchemaError::Io {
        action: "list",
        path: model.to_path_buf(),
        source,
    })?;
    let fold_of = |name: &str| name.strip_prefix("fold_")?.parse::<Fold>().ok();
    let found: Vec<Fold> = entries
        .filter_map(Result::ok)
        .filter(|entry| kind.path(&entry.path()).is_file())
        .filter_map(|entry| fold_of(entry.file_name().to_str()?))
        .collect();
    let mut numbers: Vec<u32> = (found.iter())
        .filter_map(|fold| match fold {
            Fold::Number(number) => Some(*number),
            Fold::All => None,
        })
        .collect();
    numbers.sort_unstable();
    match (numbers.as_slice(), found.as_slice()) {
        ([], []) => Err(no_folds(model, kind)),
        ([], _) => Ok(vec![Fold::All]),
        _ => Ok(numbers.into_iter().map(Fold::Number).collect()),
    }
}

fn no_folds(model: &Path, kind: CheckpointKind) -> InferError {
    InferError::ModelFolder {
        folder: model.to_path_buf(),
        problem: format!(
            "expected at least one fold with a {kind} checkpoint, found none: train a fold first"
        ),
    }
}

/// The configuration that a folder `TRAINER__PLANS__CONFIGURATION` is named after.
fn configuration_of(model: &Path) -> Option<&str> {
    let parts: Vec<&str> = model.file_name()?.to_str()?.split("__").collect();
    match parts.as_slice() {
        [_, _, .., configuration] => Some(configuration),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_the_last_part_of_the_name() {
        let of = |name| configuration_of(Path::new(name)).map(str::to_owned);
        assert_eq!(of("a/T__P__3d_fullres").as_deref(), Some("3d_fullres"));
        assert_eq!(of("a/model"), None);
    }

    #[test]
    fn trained_folds_are_those_with_a_checkpoint() {
        let dir = tempfile::tempdir().unwrap();
        let find = || trained_folds(dir.path(), CheckpointKind::Final);
        assert!(
            find()
                .unwrap_err()
                .to_string()
                .contains("train a fold first")
        );
        for fold in ["fold_all", "fold_10", "fold_2", "fold_3", "fold_x"] {
            fs::create_dir(dir.path().join(fold)).unwrap();
        }
        let finish = |fold: &str| {
            let path = CheckpointKind::Final.path(&dir.path().join(fold));
            fs::write(path, b"").unwrap();
        };
        finish("fold_all");
        finish("fold_x");
        assert_eq!(find().unwrap(), [Fold::All]);
        finish("fold_10");
        finish("fold_2");
        assert_eq!(find().unwrap(), [Fold::Number(2), Fold::Number(10)]);
    }
}
