//! What a run was and what it took, as a document.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nnunet_schema::{SchemaError, python_json};
use serde::{Deserialize, Serialize};

/// The version of libtorch that this program is built for.
pub const LIBTORCH: &str = "2.11.0";

/// `predict_report.json`: what a run over a folder was and what it took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Version of this program.
    pub version: String,
    /// Version of libtorch that it is built for.
    pub libtorch: String,
    /// Where the networks ran, e.g. `cpu` or `cuda:0`.
    pub device: String,
    /// Threads of the machine that the run could use.
    pub threads: usize,
    /// The model folder.
    pub model: PathBuf,
    /// Name of the plans.
    pub plans_name: String,
    /// Name of the configuration.
    pub configuration: String,
    /// The folds that were averaged.
    pub folds: Vec<String>,
    /// How far windows were apart, as a fraction of their edge.
    pub step: f64,
    /// Passes of each window through each network: 1 without mirroring.
    pub passes: usize,
    /// When the run began, seconds since 1970.
    pub started: f64,
    /// Wall-clock seconds of the run, without loading the model.
    pub seconds: f64,
    /// Peak resident memory of the process so far, bytes, where the system tells.
    pub peak_memory_bytes: Option<u64>,
    /// The cases, in the order in which they were done.
    pub cases: Vec<CaseRecord>,
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseRecord {
    /// Name of the case.
    pub case: String,
    /// Whether it was predicted, left out or failed.
    pub outcome: CaseOutcome,
    /// What went wrong, if anything.
    pub error: Option<String>,
    /// Voxels `(z, y, x)` of the image, as far as it came.
    pub shape: Option<[usize; 3]>,
    /// Windows that covered it.
    pub windows: Option<usize>,
    /// What it was to take at most beside networks and image, bytes, by the plan.
    pub planned_bytes: Option<u64>,
    /// Seconds per stage, of those that it reached.
    pub seconds: StageSeconds,
}

/// What became of a case, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaseOutcome {
    /// Its label map was written.
    Predicted,
    /// Its label map was there already.
    Kept,
    /// It has no label map.
    Failed,
}

/// Seconds that a case spent in each stage. Stages of different cases overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageSeconds {
    /// Reading its files.
    pub read: f64,
    /// Cropping, normalising, resampling.
    pub preprocess: f64,
    /// Windows through the networks, and adding them up.
    pub network: f64,
    /// From outputs to labels (and probabilities).
    pub export: f64,
    /// Writing the files.
    pub write: f64,
}

impl RunReport {
    /// A report of nothing yet.
    pub(crate) fn new(predictor: &crate::Predictor) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            libtorch: LIBTORCH.to_owned(),
            device: predictor.options().device.to_string(),
            threads,
            model: predictor.model().to_path_buf(),
            plans_name: predictor.plans().plans_name.clone(),
            configuration: predictor.recipe().name().to_owned(),
            folds: predictor.folds().iter().map(ToString::to_string).collect(),
            step: predictor.options().step,
            passes: predictor.recipe().passes(),
            started: since.as_ref().map_or(0.0, Duration::as_secs_f64),
            seconds: 0.0,
            peak_memory_bytes: None,
            cases: Vec::new(),
        }
    }

    /// Ends the run.
    pub(crate) fn finish(&mut self, took: Duration) {
        self.seconds = took.as_secs_f64();
        self.peak_memory_bytes = peak_resident();
    }

    /// Reads a report.
    ///
    /// # Errors
    /// [`SchemaError`] with the path, if the file is missing or malformed.
    pub fn load(path: &Path) -> Result<Self, SchemaError> {
        python_json::load(path)
    }

    /// Writes the report, replacing an older one.
    ///
    /// # Errors
    /// [`SchemaError`] with the path.
    pub fn save(&self, path: &Path) -> Result<(), SchemaError> {
        python_json::save(path, self)
    }
}

/// Peak resident memory of this process so far, in bytes, where the system tells.
#[must_use]
pub fn peak_resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}
