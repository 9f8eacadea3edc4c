use std::path::PathBuf;

/// What can go wrong while a stage runs; each variant is the error of one crate, or a document
/// that an earlier stage should have left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// A document of an earlier stage is missing.
    #[error("{} is missing: run `{command}` first", path.display())]
    StageMissing {
        /// The document.
        path: PathBuf,
        /// The command that makes it.
        command: String,
    },
    /// There are splits already, and models may have been trained on them.
    #[error(
        "{} holds other splits, which trained models may depend on: replace them with `--clean`, \
         or leave them",
        path.display()
    )]
    OtherSplits {
        /// The document.
        path: PathBuf,
    },
    /// Some cases could not be preprocessed; the others were.
    #[error("{failed} of {total} cases could not be preprocessed")]
    CasesFailed {
        /// Cases that failed.
        failed: usize,
        /// Cases in all.
        total: usize,
    },
    /// A case that is not among the preprocessed ones.
    #[error(
        "{}: there is no case `{asked}` among the {cases} that are preprocessed",
        folder.display()
    )]
    NoCase {
        /// The preprocessed cases.
        folder: PathBuf,
        /// The case that was asked for.
        asked: String,
        /// Number of cases that are there.
        cases: usize,
    },
    /// There is no model to select.
    #[error("nothing to select in {}: {reason}", folder.display())]
    NothingSelectable {
        /// The folder of the dataset's models.
        folder: PathBuf,
        /// Why, and what to do about it.
        reason: String,
    },
    /// The second stage of a cascade lacks segmentations by the first.
    #[error(
        "`{configuration}` is trained with the segmentations that `{previous}` gives the cases that \
         its folds hold out; {} lacks {missing}: run {commands}", folder.display()
    )]
    PreviousStage {
        /// The configuration of the second stage.
        configuration: String,
        /// That of the first.
        previous: String,
        /// Where the segmentations should be.
        folder: PathBuf,
        /// The cases, by fold.
        missing: String,
        /// What makes them.
        commands: String,
    },
    /// A list of results, or an experiment, that cannot be meant.
    #[error("{}: {problem}", path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// The folder of a variant of an experiment holds something else.
    #[error(
        "{} holds a finished training with other settings than the variant `{variant}`: give the \
         experiment another folder of results, or move that training away", folder.display()
    )]
    OtherTraining {
        /// The fold folder.
        folder: PathBuf,
        /// The variant.
        variant: String,
    },
    /// Plans of the name that an experiment needs were made otherwise.
    #[error(
        "{} was made by other rules or with other values fixed by hand: give the experiment \
         another folder of preprocessed cases, or move these plans away", path.display()
    )]
    OtherPlans {
        /// The plans.
        path: PathBuf,
    },
    /// A model that cannot be put into the Python program's form.
    #[error("{} cannot be written: {problem}", path.display())]
    Export {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A channel that a case does not have.
    #[error("case `{case}` has {channels} channels, counted from 0: there is no channel {asked}")]
    NoChannel {
        /// The case.
        case: String,
        /// The channel that was asked for.
        asked: usize,
        /// Channels of the case.
        channels: usize,
    },
    /// A raw dataset that cannot be trained on as it is.
    #[error("{dataset}: {errors} errors, the first: {first}: `nnunet verify {dataset}` lists them")]
    Unusable {
        /// The dataset.
        dataset: String,
        /// Number of errors.
        errors: usize,
        /// The first of them.
        first: String,
    },
    /// Where a job would leave its results there is something that was made otherwise.
    #[error(
        "{}: {problem}: move it away, or ask for what it was made with", path.display()
    )]
    MadeOtherwise {
        /// What is there.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A job that the graph does not have.
    #[error("there is no job `{asked}`; there are {}", known.join(", "))]
    NoJob {
        /// The job that was asked for.
        asked: String,
        /// The jobs that there are.
        known: Vec<String>,
    },
    /// Another process has taken over a job.
    #[error(
        "another process has taken over the job `{job}`, as this one was not heard of: check that          it runs, and that the clocks of the machines agree"
    )]
    LockLost {
        /// The job.
        job: String,
    },
    /// Slurm, or what it was asked.
    #[error(transparent)]
    Slurm(#[from] super::slurm::SlurmError),
    /// A document.
    #[error(transparent)]
    Schema(#[from] nnunet_schema::SchemaError),
    /// A raw dataset or an image file.
    #[error(transparent)]
    Image(#[from] nnunet_image::ImageError),
    /// The fingerprint.
    #[error(transparent)]
    Fingerprint(#[from] nnunet_fingerprint::FingerprintError),
    /// The plan.
    #[error(transparent)]
    Plan(#[from] nnunet_planner::PlanError),
    /// Preprocessing.
    #[error(transparent)]
    Preprocess(#[from] nnunet_preprocess::PreprocessError),
    /// The batches.
    #[error(transparent)]
    Augment(#[from] nnunet_augment::AugmentError),
    /// The network.
    #[error(transparent)]
    Model(#[from] nnunet_model::ModelError),
    /// Training.
    #[error(transparent)]
    Train(#[from] nnunet_train::TrainError),
    /// Prediction.
    #[error(transparent)]
    Infer(#[from] nnunet_infer::InferError),
    /// Models that are given away, or come from elsewhere.
    #[error(transparent)]
    Sharing(#[from] super::SharingError),
    /// Drawing.
    #[error(transparent)]
    Draw(#[from] nnunet_draw::DrawError),
    /// Evaluation.
    #[error(transparent)]
    Evaluate(#[from] nnunet_evaluate::EvaluateError),
}
