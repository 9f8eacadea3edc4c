//! A small untrained model folder as the Python program writes them, for examples that want one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use nnunet::model::{CheckpointKind, Device, NetworkSpec, PythonCheckpoint, PythonMetadata, UNet};
use nnunet::planner::{Planner, Rules};
use nnunet::schema::plans::{PlanOverrides, RuleSet};
use nnunet::schema::{DatasetDescription, DatasetFingerprint, Fold, layout};
use serde_json::json;

/// Writes the folder of a model with one fold below `folder`, planned with these rules.
pub(crate) fn write(folder: &Path, rules: RuleSet) -> anyhow::Result<PathBuf> {
    let labels = json!({
        "channel_names": {"0": "MRI"}, "labels": {"background": 0, "organ": 1, "tumour": 2},
        "numTraining": 2, "file_ending": ".nii.gz",
    });
    let facts = json!({
        "shapes_after_crop": [[32, 40, 40], [32, 40, 40]],
        "spacings": [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]],
        "median_relative_size_after_cropping": 1.0,
        "foreground_intensity_properties_per_channel": {"0": {
            "max": 420, "mean": 99, "median": 101, "min": -400, "percentile_00_5": -17,
            "percentile_99_5": 201, "std": 40
        }},
    });
    let dataset: DatasetDescription = serde_json::from_value(labels.clone())?;
    let facts: DatasetFingerprint = serde_json::from_value(facts)?;
    let rules = Rules::of(rules)?;
    let budget = rules.reference_budget();
    let small = PlanOverrides {
        base_features: Some(4),
        ..PlanOverrides::default()
    };
    let name = "Dataset001_Example";
    let plans = Planner::new(rules).plan(&facts, &dataset, name, &budget, &small)?;

    let configuration = "3d_fullres";
    let spec = NetworkSpec::of_model(&plans, configuration, &dataset)?;
    let mut network = UNet::zeros(spec, Device::Cpu)?;
    network.initialise(1)?;
    let mut metadata = PythonMetadata {
        trainer_name: Some("nnUNetTrainer".to_owned()),
        inference_allowed_mirroring_axes: Some(vec![0, 1, 2]),
        ..PythonMetadata::default()
    };
    metadata.init_args.plans = serde_json::to_value(&plans)?;
    metadata.init_args.dataset_json = labels;
    metadata.init_args.configuration = Some(configuration.to_owned());
    metadata.init_args.fold = Some("0".to_owned());

    let model = folder.join(format!(
        "nnUNetTrainer__{}__{configuration}",
        plans.plans_name
    ));
    plans.save(&layout::model_plans(&model))?;
    dataset.save(&layout::dataset_json(&model))?;
    let path = CheckpointKind::Final.python_path(&layout::fold(&model, Fold::Number(0)));
    if let Some(fold) = path.parent() {
        std::fs::create_dir_all(fold)?;
    }
    PythonCheckpoint::save(&path, &network, &HashMap::new(), &metadata)?;
    Ok(model)
}
