use nnunet_model::ModelError;
use nnunet_schema::SchemaError;

/// What can go wrong during training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A setting out of its range.
    #[error("training setting `{field}` is {found}, expected {expected}")]
    Setting {
        /// The field of [`crate::TrainingConfig`].
        field: &'static str,
        /// Its value.
        found: f64,
        /// The range.
        expected: &'static str,
    },
    /// A batch that does not fit the network or the labels of the dataset.
    #[error("batch of {}: {problem}", cases.join(", "))]
    Batch {
        /// The cases that the batch was cut from.
        cases: Vec<String>,
        /// What was found and what was expected.
        problem: String,
    },
    /// The batches ran out before the training did.
    #[error("the {which} batches ended in epoch {epoch} at iteration {iteration}")]
    NoMoreBatches {
        /// `training` or `validation`.
        which: &'static str,
        /// Epoch, from 0.
        epoch: usize,
        /// Iteration within the epoch, from 0.
        iteration: usize,
    },
    /// The batches could not be made.
    #[error("cannot load a {which} batch: {source}")]
    Loading {
        /// `training` or `validation`.
        which: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The loss or the gradient is NaN or infinite. The weights are as before the step.
    #[error(
        "the {what} is {value} in epoch {epoch}, iteration {iteration} (learning rate \
         {learning_rate}), cases {}: look for NaN or extreme intensities in them, or lower the \
         learning rate; the last checkpoint is unharmed", cases.join(", ")
    )]
    NotFinite {
        /// `loss`, `gradient` or `validation loss`.
        what: &'static str,
        /// Its value.
        value: f64,
        /// Epoch, from 0.
        epoch: usize,
        /// Iteration within the epoch, from 0.
        iteration: usize,
        /// The learning rate of the epoch.
        learning_rate: f64,
        /// The cases of the batch.
        cases: Vec<String>,
    },
    /// A checkpoint of another training.
    #[error(
        "the checkpoint in {folder} is of another training: `{key}` is {found} there and \
         {expected} here; use the same settings, or train into another folder"
    )]
    OtherTraining {
        /// The fold folder.
        folder: String,
        /// The setting that differs.
        key: String,
        /// Its value in the checkpoint.
        found: String,
        /// Its value now.
        expected: String,
    },
    /// A checkpoint whose optimiser state is not that of this network.
    #[error("the optimiser state lacks `{name}` in the right shape: the checkpoint is damaged")]
    OptimizerState {
        /// The tensor.
        name: String,
    },
    /// The network, or a checkpoint.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The picture of the progress.
    #[error(transparent)]
    Draw(#[from] nnunet_draw::DrawError),
    /// A document or the log.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Libtorch refused an operation, or ran out of memory.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}
