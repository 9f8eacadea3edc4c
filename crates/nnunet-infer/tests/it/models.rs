//! Model folders and folders of images.

use std::fs;
use std::path::Path;

use nnunet_image::{FormatRegistry, Geometry, Image};
use nnunet_infer::{PredictOptions, Predictor};
use nnunet_model::checkpoint::FORMAT_VERSION;
use nnunet_model::{
    Checkpoint, CheckpointKind, CheckpointMetadata, NetworkSpec, TrainingLog, UNet,
};
use nnunet_schema::{Fold, Plans, Shape, Spacing, layout};
use tempfile::TempDir;

use crate::common::{PlanOf, dataset, noise, one_label, plans};

pub(crate) const MODEL: &str = "nnUNetTrainer__nnUNetPlans__test";

/// A model folder with these folds; the weights of fold `n` are drawn with seed `n`.
pub(crate) fn model_folder(folds: &[u32]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write_model(&dir.path().join(MODEL), &plans(&PlanOf::default()), folds);
    dir
}

/// Writes a model of the configuration `test` of these plans.
pub(crate) fn write_model(model: &Path, plans: &Plans, folds: &[u32]) {
    let dataset = dataset(1, one_label());
    plans.save(&layout::model_plans(model)).unwrap();
    dataset.save(&layout::dataset_json(model)).unwrap();
    for fold in folds {
        let spec = NetworkSpec::of_model(plans, "test", &dataset).unwrap();
        let mut network = UNet::zeros(spec, tch::Device::Cpu).unwrap();
        network.initialise(u64::from(*fold)).unwrap();
        let metadata = CheckpointMetadata {
            format_version: FORMAT_VERSION,
            trainer_name: "nnUNetTrainer".into(),
            configuration: "test".into(),
            fold: fold.to_string(),
            current_epoch: 1,
            inference_allowed_mirroring_axes: vec![0, 1],
            best_ema: None,
            log: TrainingLog::default(),
            training: serde_json::Value::Null,
            extra: serde_json::Map::new(),
        };
        let folder = layout::fold(model, Fold::Number(*fold));
        fs::create_dir_all(&folder).unwrap();
        Checkpoint::save(&folder, CheckpointKind::Final, &network, &[], &metadata).unwrap();
    }
}

/// Writes images of one channel, `CASE_0000.nii.gz`.
pub(crate) fn write_images(folder: &Path, cases: &[(&str, [usize; 3])]) {
    fs::create_dir_all(folder).unwrap();
    for (case, shape) in cases {
        let path = folder.join(format!("{case}_0000.nii.gz"));
        let formats = FormatRegistry::default();
        formats.write_image(&path, &image(*shape, 1)).unwrap();
    }
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = (fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub(crate) fn load(dir: &Path, options: PredictOptions) -> Predictor {
    Predictor::load(&dir.join(MODEL), &[], options).unwrap()
}

pub(crate) fn image(shape: [usize; 3], channels: usize) -> Image {
    Image {
        data: noise(channels, Shape::new(shape)),
        geometry: Geometry::axis_aligned(Spacing::new([1.0, 1.0, 1.2]).unwrap()),
    }
}
