//! The stages run over dataset folders: each reads the documents of the stage before it from
//! their place in the [`Layout`] and leaves its own there.

mod cascade;
mod compare;
mod error;
mod exchange;
mod experiment;
mod finished;
mod fold;
pub mod graph;
mod postprocess;
mod prepare;
mod preview;
mod report;
mod select;
mod sharing;
pub mod slurm;
mod stage;
#[cfg(test)]
mod testing;
mod train;
mod variant;

use std::num::NonZeroUsize;
use std::sync::Arc;

use nnunet_image::{FormatRegistry, RawDataset};
use nnunet_schema::{DatasetId, Layout, NoProgress, Progress};

pub use compare::{
    ComparisonFiles, FingerprintFile, MethodResult, compare_fingerprints, compare_results,
    save_comparison, save_fingerprints,
};
pub use error::PipelineError;
pub use exchange::export_checkpoints;
pub use experiment::{
    EncoderChoice, Experiment, ExperimentOutcome, ExperimentRequest, NormChoice, Variant,
};
pub use fold::{Pretrained, TrainRequest};
pub use postprocess::FolderReport;
pub use prepare::{Existing, PlanRequest};
pub use preview::{Preview, PreviewRequest};
pub use report::{ReportRequest, plan_quantities};
pub use select::{
    Contest, Contestant, Ensembling, SelectRequest, SelectedModels, SelectedRequest, Unfinished,
};
pub use sharing::{
    Damage, DamageKind, ExportReport, ExportRequest, ExportedModels, InstallRequest, Installation,
    OwnCheckpoints, SharedModel, SharingError, SizeLimit, Verification,
};
pub use train::TrainOutcome;
pub use variant::{AugmentationChoice, TRAINER, trainer_name};

/// The name under which nnU-Net stores the plans of its default planner.
pub const DEFAULT_PLANS: &str = "nnUNetPlans";

/// Runs stages over the datasets of one set of root folders.
#[derive(Debug)]
pub struct Pipeline {
    /// Where everything lies.
    pub layout: Layout,
    /// The file formats that can be read and written.
    pub formats: FormatRegistry,
    /// Threads for work that is shared out over cases.
    pub threads: NonZeroUsize,
    /// Who watches.
    pub progress: Arc<dyn Progress>,
}

impl Pipeline {
    /// A pipeline over these folders with the formats that come with the program, unwatched.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        Self {
            layout,
            formats: FormatRegistry::default(),
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            progress: Arc::new(NoProgress),
        }
    }

    /// The same pipeline on so many threads.
    #[must_use]
    pub fn on_threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = threads;
        self
    }

    /// The same pipeline, watched by `progress`.
    #[must_use]
    pub fn watched_by(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// Opens a raw dataset by number or name.
    ///
    /// # Errors
    /// If it is not there, or its `dataset.json` or its files are not as they should be.
    pub fn raw_dataset(&self, id: &DatasetId) -> Result<RawDataset, PipelineError> {
        let name = self.layout.resolve(id)?;
        Ok(RawDataset::open(&self.layout.raw_dataset(&name))?)
    }
}
