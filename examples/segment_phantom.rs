//! From raw images to segmentations that nobody drew: phantoms go through the whole method, and the
//! model that wins segments one that it has not seen. `cargo run --release --example
//! segment_phantom -- EPOCHS` trains for longer than the seconds that it takes by itself.
#![allow(clippy::print_stdout)] // an example shows what it found

use std::sync::atomic::AtomicBool;

use nnunet::evaluate::{EvaluateOptions, evaluate_folder};
use nnunet::infer::{FolderRequest, PredictOptions};
use nnunet::phantom::{PhantomConfig, PhantomDataset, write_dataset};
use nnunet::pipeline::graph::{Extent, GraphRequest, JobChoice, Planning};
use nnunet::pipeline::{Pipeline, PlanRequest, SelectedRequest};
use nnunet::schema::{DatasetId, Fold, Layout, NoProgress};

fn main() -> anyhow::Result<()> {
    let epochs = std::env::args()
        .nth(1)
        .map_or(Ok(20), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let pipeline = Pipeline::new(Layout {
        raw: folder.path().join("raw"),
        preprocessed: folder.path().join("preprocessed"),
        results: folder.path().join("results"),
    });
    let config = PhantomConfig::tiny();
    let phantoms = PhantomDataset {
        training_cases: 5,
        test_cases: 1,
        config,
        ..Default::default()
    };
    write_dataset(
        &pipeline.layout.raw,
        &phantoms,
        &pipeline.formats,
        &NoProgress,
    )?;

    // Verify, fingerprint, plan, split, preprocess, train, select, report: what is done is kept.
    let mut plan = PlanRequest::default();
    plan.overrides.base_features = Some(4);
    plan.overrides.batch_size = Some(2);
    let mut request = GraphRequest::new(DatasetId::Name(phantoms.name.clone()));
    request.planning = Planning::By(Box::new(plan));
    let folds = vec![Fold::Number(0), Fold::Number(1)];
    request.extent = Extent::Chosen {
        configurations: vec!["2d".to_owned()],
        folds,
    };
    request.training.epochs = epochs;
    request.training.iterations_per_epoch = 10;
    request.training.validation_iterations = 1;
    let done = pipeline.run_graph(&request, &JobChoice::All, &AtomicBool::new(false))?;
    anyhow::ensure!(done.is_all_done(), "a job failed: {:?}", done.jobs);
    println!("{} jobs are done", done.jobs.len());

    let (raw, output) = (
        pipeline.layout.raw_dataset(&phantoms.name),
        folder.path().join("output"),
    );
    let images = FolderRequest::new(&raw.join("imagesTs"), &output);
    let options = PredictOptions::default();
    pipeline.predict_selected(&SelectedRequest {
        dataset: request.dataset,
        folder: images,
        options,
    })?;
    let (labels, description) = (raw.join("labelsTs"), pipeline.description(&phantoms.name)?);
    let options = EvaluateOptions::default();
    let summary = evaluate_folder(
        &labels,
        &output,
        &description,
        &pipeline.formats,
        &options,
        &NoProgress,
    )?;
    println!(
        "mean Dice of the unseen phantom: {:.3}",
        summary.foreground_mean.dice
    );
    Ok(())
}
