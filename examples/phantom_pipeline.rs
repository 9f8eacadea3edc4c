//! The whole method as a library: phantoms on the disk become a trained, validated model that
//! segments an image it has not seen. A tiny network and a handful of steps, to show the calls.
#![allow(clippy::print_stdout)] // an example shows what it found

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;

use nnunet::infer::{PredictOptions, Predictor};
use nnunet::model::DeviceChoice;
use nnunet::phantom::{Phantom, PhantomConfig, PhantomDataset, write_dataset};
use nnunet::pipeline::{
    AugmentationChoice, DEFAULT_PLANS, Existing, Pipeline, PlanRequest, TrainOutcome, TrainRequest,
};
use nnunet::schema::plans::PlanOverrides;
use nnunet::schema::{DatasetId, Fold, Layout, NoProgress};
use nnunet::train::{Silent, TrainingConfig};

fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let pipeline = Pipeline::new(Layout {
        raw: folder.path().join("raw"),
        preprocessed: folder.path().join("preprocessed"),
        results: folder.path().join("results"),
    });
    let phantoms = PhantomDataset {
        training_cases: 5,
        test_cases: 0,
        config: PhantomConfig::tiny(),
        ..PhantomDataset::default()
    };
    write_dataset(
        &pipeline.layout.raw,
        &phantoms,
        &pipeline.formats,
        &NoProgress,
    )?;
    let id = DatasetId::Name(phantoms.name.clone());

    let outcome = pipeline.plan(
        &id,
        &PlanRequest {
            overrides: PlanOverrides {
                base_features: Some(4),
                batch_size: Some(2),
                ..PlanOverrides::default()
            },
            ..PlanRequest::default()
        },
    )?;
    let configuration = "3d_fullres";
    let plan = outcome.plans.configuration(configuration)?;
    println!("patch {:?}", plan.patch_size);
    pipeline.preprocess(&id, DEFAULT_PLANS, configuration)?;

    let request = TrainRequest {
        dataset: id,
        plans_name: DEFAULT_PLANS.to_owned(),
        configuration: configuration.to_owned(),
        training: TrainingConfig {
            epochs: 2,
            iterations_per_epoch: 5,
            validation_iterations: 1,
            fold: Fold::Number(0),
            ..TrainingConfig::default()
        },
        device: DeviceChoice::Cpu,
        loader_threads: NonZeroUsize::MIN,
        augmentation: AugmentationChoice::Planned,
        pretrained: None,
        existing: Existing::Replace,
    };
    let outcome = pipeline.train(&request, &Silent, &AtomicBool::new(false))?;
    let TrainOutcome::Finished {
        folder: fold,
        validation,
    } = outcome
    else {
        anyhow::bail!("nobody stopped it");
    };
    println!(
        "validation Dice after ten steps: {:.3}",
        validation.foreground_mean.dice
    );

    let model = fold.parent().unwrap_or(&fold);
    let predictor = Predictor::load(model, &[], PredictOptions::default())?;
    let unseen = Phantom::generate(&phantoms.config, 1000)?;
    let labels = predictor.predict("unseen", &unseen.image)?;
    println!("segmented {} voxels", labels.shape());
    Ok(())
}
