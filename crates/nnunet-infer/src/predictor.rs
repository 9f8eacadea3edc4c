use std::path::{Path, PathBuf};

use ndarray::Array4;
use nnunet_image::{Image, LabelMap};
use nnunet_model::{Checkpoint, CheckpointKind, Mode, NetworkSpec, UNet};
use nnunet_preprocess::{CasePipeline, PreprocessedCase};
use nnunet_schema::{DatasetDescription, Fold, Plans, layout};

use crate::cascade;
use crate::folds::no_folds;
use crate::predict::{Predicted, Wanted, predict_case};
use crate::probabilities::Collected;
use crate::{InferError, Network, PredictOptions, ProbabilitySink, Recipe, trained_folds};

/// A trained model, ready to predict: the networks of its folds and how they are applied.
///
/// The networks stay in memory, all folds at once, so that every window is read once and no
/// weights are loaded between cases. It needs no files but the model's, and predicts any number of
/// images. A predictor can be moved to another thread, and shared in a `Mutex`.
#[derive(Debug)]
pub struct Predictor {
    model: PathBuf,
    plans: Plans,
    dataset: DatasetDescription,
    recipe: Recipe,
    pipeline: CasePipeline,
    networks: Vec<UNet>,
    folds: Vec<Fold>,
    options: PredictOptions,
}

impl Predictor {
    /// Loads the networks of `folds` from a model folder: `TRAINER__PLANS__CONFIGURATION` with
    /// `plans.json`, `dataset.json` and in `fold_X` a `checkpoint_final.safetensors`, or the
    /// Python program's `checkpoint_final.pth`. An empty list stands for all [`trained_folds`].
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
        let (first, others) =
            (folds.split_first()).ok_or_else(|| no_folds(model, options.checkpoint))?;
        let checkpoint = open_checkpoint(model, *first, &options)?;
        let metadata = checkpoint.metadata();
        let name = configuration_of(model).unwrap_or(&metadata.configuration);
        let mirror_axes = &metadata.inference_allowed_mirroring_axes;
        let recipe = Recipe::new(&plans, name, &dataset, mirror_axes, &options)?;
        let pipeline = CasePipeline::new(&plans, name, &dataset)?;
        let device = options.device.open()?;
        let network = |checkpoint: &Checkpoint| -> Result<UNet, InferError> {
            let spec = NetworkSpec::of_model(&plans, recipe.name(), &dataset)?;
            let mut network = UNet::zeros(spec, device)?;
            checkpoint.load_into(&mut network)?;
            network.set_mode(Mode::Evaluation);
            network.set_arithmetic(options.precision.arithmetic());
            Ok(network)
        };
        let mut networks = vec![network(&checkpoint)?];
        drop(checkpoint);
        // One file at a time: each may hold the optimiser's state as well.
        for fold in others {
            networks.push(network(&open_checkpoint(model, *fold, &options)?)?);
        }
        Ok(Self {
            model: model.to_path_buf(),
            plans,
            dataset,
            recipe,
            pipeline,
            networks,
            folds,
            options,
        })
    }

    /// The model folder.
    #[must_use]
    pub fn model(&self) -> &Path {
        &self.model
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
    /// [`InferError::Cascade`] if the model continues another's label maps
    /// ([`Self::predict_with_previous`]), [`InferError::Preprocess`] if the image cannot be
    /// preprocessed, and as [`predict_with_networks`](crate::predict_with_networks).
    pub fn predict(&self, case: &str, image: &Image) -> Result<LabelMap, InferError> {
        let prepared = self.prepare(case, image.clone(), None)?;
        self.predict_preprocessed(case, &prepared)
    }

    /// As [`Self::predict`], with the probabilities of all classes: `(class, z, y, x)` on the
    /// grid of the image, a class per label with the background, or per region. They are in
    /// memory as a whole; [`Self::predict_preprocessed_into`] hands them out slice by slice.
    ///
    /// # Errors
    /// As [`Self::predict`].
    pub fn predict_probabilities(
        &self,
        case: &str,
        image: &Image,
    ) -> Result<(LabelMap, Array4<f32>), InferError> {
        let prepared = self.prepare(case, image.clone(), None)?;
        let mut collected = Collected::default();
        let labels = self.predict_preprocessed_into(case, &prepared, &mut collected)?;
        Ok((labels, collected.values))
    }

    /// Predicts an image with the second stage of a cascade: `previous` is the label map of the
    /// first stage, on the grid of the image.
    ///
    /// # Errors
    /// As [`Self::predict`]; [`InferError::NoCascade`] if the model has no previous stage, and
    /// [`InferError::Preprocess`] if `previous` has another shape than the image, or labels that
    /// the dataset does not know.
    pub fn predict_with_previous(
        &self,
        case: &str,
        image: &Image,
        previous: &LabelMap,
    ) -> Result<LabelMap, InferError> {
        let prepared = self.prepare(case, image.clone(), Some(previous.clone()))?;
        self.predict_preprocessed(case, &prepared)
    }

    fn prepare(
        &self,
        case: &str,
        image: Image,
        previous: Option<LabelMap>,
    ) -> Result<PreprocessedCase, InferError> {
        cascade::prepare(&self.pipeline, &self.recipe, case, image, previous)
    }

    /// Predicts a case that went through [`Self::pipeline`] (or the same plans' preprocessing in
    /// training); the label map lies on the grid of the original image. The second stage of a
    /// cascade takes the case that [`Recipe::with_previous_stage`] gives.
    ///
    /// # Errors
    /// As [`predict_with_networks`](crate::predict_with_networks).
    pub fn predict_preprocessed(
        &self,
        case: &str,
        prepared: &PreprocessedCase,
    ) -> Result<LabelMap, InferError> {
        Ok(self.run(case, prepared, Wanted::default())?.labels)
    }

    /// As [`Self::predict_preprocessed`]; `probabilities` receives those of all classes.
    ///
    /// # Errors
    /// As [`Self::predict_preprocessed`], and whatever `probabilities` says.
    pub fn predict_preprocessed_into(
        &self,
        case: &str,
        prepared: &PreprocessedCase,
        probabilities: &mut dyn ProbabilitySink,
    ) -> Result<LabelMap, InferError> {
        let wanted = Wanted {
            probabilities: Some(probabilities),
            ..Wanted::default()
        };
        Ok(self.run(case, prepared, wanted)?.labels)
    }

    pub(crate) fn run(
        &self,
        case: &str,
        prepared: &PreprocessedCase,
        wanted: Wanted<'_>,
    ) -> Result<Predicted, InferError> {
        let networks: Vec<&dyn Network> = (self.networks.iter())
            .map(|network| network as &dyn Network)
            .collect();
        let data = prepared.data.view();
        let properties = &prepared.properties;
        predict_case(&networks, &self.recipe, case, data, properties, wanted)
    }
}

fn open_checkpoint(
    model: &Path,
    fold: Fold,
    options: &PredictOptions,
) -> Result<Checkpoint, InferError> {
    let folder = layout::fold(model, fold);
    let (_, path) = CheckpointKind::find_any(&folder, &[options.checkpoint])?;
    Ok(Checkpoint::open(&path)?)
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
}
