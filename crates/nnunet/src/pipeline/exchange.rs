//! Models on their way to the Python program.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use nnunet_infer::trained_folds;
use nnunet_model::checkpoint::MOMENTUM_PREFIX;
use nnunet_model::{
    Checkpoint, CheckpointKind, Device, NetworkSpec, PythonCheckpoint, PythonMetadata, Tensor, UNet,
};
use nnunet_schema::{DatasetDescription, Fold, Plans, layout};

use super::{PipelineError, TRAINER};

/// Trainers that the Python program has under the names that ours give themselves. Others are
/// exported as its default one, which builds the same networks.
const PYTHON_TRAINERS: [&str; 7] = [
    TRAINER,
    "nnUNetTrainerCELoss",
    "nnUNetTrainerTopk10Loss",
    "nnUNetTrainerDiceTopK10Loss",
    "nnUNetTrainerDiceLoss",
    "nnUNetTrainerVanillaAdam3en4",
    "nnUNetTrainerNoDA",
];

/// Writes the checkpoints of a model folder beside themselves as the Python program's
/// (`fold_X/checkpoint_final.pth`), which makes the folder one that it predicts with and trains
/// on. All trained folds, if none are named.
///
/// The momentum of SGD goes along; what Adam keeps does not.
///
/// # Errors
/// If the folder has no such checkpoints, or a file cannot be read or written.
pub fn export_checkpoints(
    model: &Path,
    folds: &[Fold],
    kind: CheckpointKind,
) -> Result<Vec<PathBuf>, PipelineError> {
    let plans = Plans::load(&layout::model_plans(model))?;
    let dataset = DatasetDescription::load(&layout::dataset_json(model))?;
    let trained;
    let folds = if folds.is_empty() {
        trained = trained_folds(model, kind)?;
        &trained
    } else {
        folds
    };
    let mut written = Vec::new();
    for fold in folds {
        let folder = layout::fold(model, *fold);
        let (_, path) = CheckpointKind::find(&folder, &[kind])?;
        let target = kind.python_path(&folder);
        write_python_checkpoint(&path, &target, &plans, &dataset)?;
        written.push(target);
    }
    Ok(written)
}

/// Writes the checkpoint `path` of a model with these documents to `target`, as the Python
/// program's.
pub(super) fn write_python_checkpoint(
    path: &Path,
    target: &Path,
    plans: &Plans,
    dataset: &DatasetDescription,
) -> Result<(), PipelineError> {
    let checkpoint = Checkpoint::open(path)?;
    let metadata = checkpoint.metadata();
    let spec = NetworkSpec::of_model(plans, &metadata.configuration, dataset)?;
    let mut network = UNet::zeros(spec, Device::Cpu)?;
    checkpoint.load_into(&mut network)?;

    let json = |document: Result<serde_json::Value, serde_json::Error>| {
        document.map_err(|error| PipelineError::Export {
            path: target.to_path_buf(),
            problem: error.to_string(),
        })
    };
    let (plans, dataset) = (
        json(serde_json::to_value(plans))?,
        json(serde_json::to_value(dataset))?,
    );
    let mut python = PythonMetadata::of_checkpoint(metadata, plans, dataset);
    if !PYTHON_TRAINERS.contains(&metadata.trainer_name.as_str()) {
        python.trainer_name = Some(TRAINER.to_owned());
    }
    let state = checkpoint.optimizer()?;
    PythonCheckpoint::save(target, &network, &momenta(&state), &python)?;
    Ok(())
}

/// The momenta of a state of SGD, by parameter; none of another optimiser's.
fn momenta(state: &HashMap<String, Tensor>) -> HashMap<String, &Tensor> {
    let by_name = |(name, tensor)| {
        let name: &String = name;
        Some((name.strip_prefix(MOMENTUM_PREFIX)?.to_owned(), tensor))
    };
    let found: Option<HashMap<String, &Tensor>> = state.iter().map(by_name).collect();
    found.unwrap_or_default()
}
