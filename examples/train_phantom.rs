//! A training put together from the crates, without dataset folders: phantoms in memory become
//! preprocessed cases, the cases batches, the batches a network.
#![allow(clippy::print_stdout)] // an example shows what it found

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nnunet::augment::{
    Augmentation, AugmentationSetup, BatchLoader, CaseSource, LoaderConfig, LoaderMode, MemoryCase,
    VoxelGroup,
};
use nnunet::model::Device;
use nnunet::phantom::{Phantom, PhantomConfig, PhantomDataset};
use nnunet::planner::{Planner, Rules};
use nnunet::preprocess::CasePipeline;
use nnunet::schema::plans::PlanOverrides;
use nnunet::schema::{DatasetDescription, DatasetFingerprint, Plans};
use nnunet::train::{
    EpochRecord, EpochTiming, TrainObserver, Trainer, TrainerSetup, TrainingConfig,
};
use serde_json::json;

const CONFIGURATION: &str = "3d_fullres";

fn main() -> anyhow::Result<()> {
    let dataset = PhantomDataset::default().description();
    let phantoms = (0..6)
        .map(|case| Phantom::generate(&PhantomConfig::tiny(), case))
        .collect::<Result<Vec<_>, _>>()?;
    let plans = plan(&phantoms, &dataset)?;
    let configuration = plans.configuration(CONFIGURATION)?;
    let geometry = AugmentationSetup::for_configuration(&configuration);
    println!("patches of {} voxels", geometry.patch);

    let preprocessing = CasePipeline::new(&plans, CONFIGURATION, &dataset)?;
    let cases = (phantoms.into_iter().enumerate())
        .map(|(number, phantom)| prepared(&format!("phantom_{number}"), phantom, &preprocessing))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let (validation, training) = cases.split_at(1);
    let loader = |cases: &[Arc<dyn CaseSource>], mode| {
        let config = LoaderConfig::for_configuration(mode, &configuration);
        BatchLoader::new(cases.to_vec(), config, 1)
    };
    let mut training = loader(training, LoaderMode::Training(Augmentation::paper()))?;
    let mut validation = loader(validation, LoaderMode::Validation)?;

    let folder = tempfile::tempdir()?;
    let setup = TrainerSetup {
        configuration_name: CONFIGURATION.to_owned(),
        labels: dataset.label_scheme()?,
        channels: dataset.channels(),
        device: Device::Cpu,
        trainer_name: "Example".to_owned(),
        mirror_axes: geometry.network_mirror_axes(),
        fold_folder: folder.path().to_path_buf(),
        configuration: configuration.clone(),
    };
    let config = TrainingConfig {
        epochs: 3,
        iterations_per_epoch: 10,
        validation_iterations: 2,
        ..TrainingConfig::default()
    };
    let mut trainer = Trainer::new(setup, config.check()?)?;
    let stop = AtomicBool::new(false);
    trainer.run(&mut training, &mut validation, &Printer, &stop)?;
    println!(
        "{} parameters trained",
        trainer.network().spec().parameter_count()
    );
    Ok(())
}

/// Plans a small network for these phantoms.
fn plan(phantoms: &[Phantom], dataset: &DatasetDescription) -> anyhow::Result<Plans> {
    let shapes: Vec<_> = phantoms.iter().map(|p| p.image.shape()).collect();
    let spacings: Vec<_> = phantoms.iter().map(|p| p.image.geometry.spacing).collect();
    let facts: DatasetFingerprint = serde_json::from_value(json!({
        "shapes_after_crop": shapes, "spacings": spacings,
        "median_relative_size_after_cropping": 1.0,
        // Only CT would look at them.
        "foreground_intensity_properties_per_channel": {"0": {
            "max": 2000, "mean": 1000, "median": 1000, "min": 0, "percentile_00_5": 10,
            "percentile_99_5": 1900, "std": 300
        }},
    }))?;
    let rules = Rules::paper();
    let budget = rules.reference_budget();
    let small = PlanOverrides {
        base_features: Some(6),
        batch_size: Some(2),
        ..PlanOverrides::default()
    };
    let plans = Planner::new(rules).plan(&facts, dataset, "Phantoms", &budget, &small)?;
    Ok(plans)
}

/// A case as the loader wants it: normalised, resampled, with the voxels of each class.
fn prepared(
    id: &str,
    phantom: Phantom,
    preprocessing: &CasePipeline,
) -> anyhow::Result<Arc<dyn CaseSource>> {
    let case = preprocessing.run(id, phantom.image, Some(phantom.labels))?;
    let classes = case.properties.class_locations.classes;
    let mut source = MemoryCase::new(id, case.data, case.labels)?;
    for (number, class) in classes.into_iter().enumerate() {
        let voxels = class.voxels.iter().map(|v| v.map(|i| i as usize)).collect();
        source = source.with_group(VoxelGroup::Class(number), voxels);
    }
    Ok(Arc::new(source))
}

/// Prints a line per epoch.
#[derive(Debug)]
struct Printer;

impl TrainObserver for Printer {
    fn epoch_finished(&self, record: &EpochRecord, timing: &EpochTiming) {
        println!(
            "epoch {}: loss {:.3}, validation {:.3}, Dice {:.3}, {:.0} ms per iteration",
            record.epoch,
            record.train_loss,
            record.validation_loss,
            record.mean_dice.unwrap_or(f64::NAN),
            1000.0 * timing.iteration(),
        );
    }
}
