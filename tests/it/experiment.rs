//! Variants trained on phantoms and compared.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use nnunet::evaluate::compare::CompareOptions;
use nnunet::model::DeviceChoice;
use nnunet::phantom::{PhantomConfig, PhantomDataset, write_dataset};
use nnunet::pipeline::{Experiment, ExperimentOutcome, ExperimentRequest, Pipeline, PipelineError};
use nnunet::schema::{Layout, NoProgress, Summary};

const EXPERIMENT: &str = r#"
datasets = [900]
configuration = "2d"
folds = [0, 1]

[planning]
base_features = 4
batch_size = 2

[training]
epochs = 1
iterations_per_epoch = 2
validation_iterations = 1

[variants.baseline]

[variants."batch norm, three convolutions"]
norm = "batch"
convolutions = 3

[variants."no augmentation"]
augmentation = "none"
"#;

fn load(folder: &Path, text: &str) -> Experiment {
    let path = folder.join("experiment.toml");
    fs::write(&path, text).unwrap();
    Experiment::load(&path).unwrap()
}

/// When each network was last written, by its path.
fn checkpoints(folder: &Path) -> Vec<(String, SystemTime)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(checkpoints(&path));
        } else if path.ends_with("checkpoint_final.safetensors") {
            let written = fs::metadata(&path).unwrap().modified().unwrap();
            found.push((path.to_string_lossy().into_owned(), written));
        }
    }
    found.sort();
    found
}

#[test]
fn an_experiment_is_through_once_and_goes_on_where_it_was_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let at = |part: &str| folder.path().join(part);
    let pipeline = Pipeline::new(Layout {
        raw: at("raw"),
        preprocessed: at("preprocessed"),
        results: at("results"),
    });
    let dataset = PhantomDataset {
        training_cases: 5,
        test_cases: 0,
        config: PhantomConfig::tiny(),
        ..PhantomDataset::default()
    };
    write_dataset(&at("raw"), &dataset, &pipeline.formats, &NoProgress).unwrap();
    let mut request = ExperimentRequest {
        experiment: load(folder.path(), EXPERIMENT),
        device: DeviceChoice::Cpu,
        loader_threads: NonZeroUsize::MIN,
        output: at("out"),
        compare: CompareOptions::default(),
    };
    let stopped = pipeline
        .experiment(&request, &AtomicBool::new(true))
        .unwrap();
    assert!(matches!(stopped, ExperimentOutcome::Stopped));

    let stop = AtomicBool::new(false);
    let outcome = pipeline.experiment(&request, &stop).unwrap();
    let ExperimentOutcome::Finished {
        results,
        comparison,
    } = outcome
    else {
        panic!("nobody stopped it");
    };
    assert_eq!(comparison.methods.len(), 3);
    assert_eq!(comparison.datasets[0].cases, 2);
    for result in &results {
        let summary = Summary::load(&result.summary).unwrap();
        assert_eq!(summary.metric_per_case.len(), 2, "{}", result.method);
    }
    let plans = pipeline.plans(&dataset.name, "nnUNetPlans3ConvBN").unwrap();
    let network = plans.configuration("2d").unwrap().architecture.arch_kwargs;
    assert_eq!(
        network.norm_op.unwrap(),
        "torch.nn.modules.batchnorm.BatchNorm2d"
    );
    assert!(network.n_conv_per_stage.unwrap().iter().all(|n| *n == 3));
    // Both plans use the same preprocessed cases.
    let stores = fs::read_dir(pipeline.layout.preprocessed_dataset(&dataset.name)).unwrap();
    let stores = stores.filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(stores.count(), 1);

    let before = checkpoints(&at("results"));
    assert_eq!(before.len(), 6);
    let again = pipeline.experiment(&request, &stop).unwrap();
    let ExperimentOutcome::Finished {
        comparison: second, ..
    } = again
    else {
        panic!("nobody stopped it");
    };
    assert_eq!(second, comparison);
    assert_eq!(checkpoints(&at("results")), before);

    let longer = EXPERIMENT.replace("epochs = 1", "epochs = 2");
    request.experiment = load(folder.path(), &longer);
    let error = pipeline.experiment(&request, &stop).unwrap_err();
    assert!(
        matches!(error, PipelineError::OtherTraining { .. }),
        "{error}"
    );
    let wider = EXPERIMENT.replace("base_features = 4", "base_features = 6");
    request.experiment = load(folder.path(), &wider);
    let error = pipeline.experiment(&request, &stop).unwrap_err();
    assert!(matches!(error, PipelineError::OtherPlans { .. }), "{error}");
}
