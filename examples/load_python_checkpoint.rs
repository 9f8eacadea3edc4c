//! A checkpoint of the Python program without Python: what is in it, what its network costs, and
//! what the network answers. Give a `checkpoint_final.pth`; without one, the example writes a
//! small one first, as the Python program could read it.
#![allow(clippy::print_stdout)] // an example shows what it found

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use nnunet::model::{
    Device, ModelInfo, NetworkSpec, PythonCheckpoint, PythonMetadata, Strictness, Tensor, UNet,
};
use nnunet::planner::{Planner, Rules};
use nnunet::schema::plans::{PlanOverrides, RuleSet};
use nnunet::schema::{DatasetDescription, DatasetFingerprint, Plans};
use serde_json::json;

fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = match std::env::args_os().nth(1) {
        Some(path) => PathBuf::from(path),
        None => write_one(folder.path())?,
    };

    // Nothing in the file is run: what means nothing here is listed instead.
    let checkpoint = PythonCheckpoint::open(&path)?;
    let metadata = checkpoint.metadata();
    let trainer = metadata
        .trainer_name
        .as_deref()
        .unwrap_or("unknown trainer");
    println!("{trainer}, {} epochs", metadata.current_epoch);
    for skipped in checkpoint.skipped() {
        println!("skipped: {skipped}");
    }

    let spec = metadata.network_spec(&path)?;
    let plans: Plans = serde_json::from_value(metadata.init_args.plans.clone())?;
    let name = metadata.init_args.configuration.as_deref();
    let patch = plans
        .configuration(name.context("no configuration")?)?
        .patch_size;
    println!("{}", ModelInfo::new(&spec, &patch)?);

    let mut network = UNet::zeros(spec, Device::Cpu)?;
    let report = checkpoint.load_into(&mut network, Strictness::Exact)?;
    println!("{report}");
    let shape: Vec<i64> = [1, network.spec().channels()]
        .iter()
        .chain(&patch)
        .map(|edge| *edge as i64)
        .collect();
    let zeros = vec![0.0_f32; shape.iter().product::<i64>() as usize];
    let logits = network.infer(&Tensor::f_from_slice(&zeros)?.f_view(shape.as_slice())?)?;
    println!("logits of shape {:?}", logits.size());
    Ok(())
}

/// An untrained residual-encoder network of a small plan, as `checkpoint_final.pth`.
fn write_one(folder: &Path) -> anyhow::Result<PathBuf> {
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
    let rules = Rules::of(RuleSet::ResencM)?;
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
    let path = folder.join("checkpoint_final.pth");
    PythonCheckpoint::save(&path, &network, &HashMap::new(), &metadata)?;
    Ok(path)
}
