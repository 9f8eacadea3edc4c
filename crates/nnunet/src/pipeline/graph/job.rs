//! A job as data: what it does, what it needs, what it leaves, what it takes.

use std::fmt;
use std::path::PathBuf;

use nnunet_schema::Fold;
use nnunet_train::TrainingConfig;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The name of a job, unique in its graph and usable as the name of a file:
/// `train-3d_fullres-0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(String);

impl JobId {
    /// The job of this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The kinds of jobs, in the order of the method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum JobKind {
    /// Look at every file of the raw dataset.
    Verify,
    /// Gather the facts about it.
    Fingerprint,
    /// Decide on networks and preprocessing.
    Plan,
    /// Share the cases out over the folds.
    Split,
    /// Crop, resample and normalise all cases for a configuration.
    Preprocess,
    /// Train and validate a configuration on a fold.
    Train,
    /// Choose the best model and its postprocessing.
    Select,
    /// Show it all on a page.
    Report,
}

impl JobKind {
    /// Whether the plans must be there before jobs of this kind are known.
    #[must_use]
    pub const fn follows_the_plan(self) -> bool {
        matches!(
            self,
            Self::Preprocess | Self::Train | Self::Select | Self::Report
        )
    }

    /// The word that ids of this kind begin with.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Fingerprint => "fingerprint",
            Self::Plan => "plan",
            Self::Split => "split",
            Self::Preprocess => "preprocess",
            Self::Train => "train",
            Self::Select => "select",
            Self::Report => "report",
        }
    }
}

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a job does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Work {
    /// Look at every file of the raw dataset.
    Verify,
    /// Gather the facts about it.
    Fingerprint,
    /// Decide on networks and preprocessing.
    Plan,
    /// Share the cases out over the folds.
    Split,
    /// Crop, resample and normalise all cases.
    Preprocess {
        /// For this configuration, and all that use the same preprocessed cases.
        configuration: String,
    },
    /// Train and validate.
    Train {
        /// This configuration.
        configuration: String,
        /// With these settings, on the fold among them.
        training: Box<TrainingConfig>,
        /// The second stages of a cascade that the held-out cases are segmented for.
        keeps_for: Vec<String>,
    },
    /// Choose the best model and its postprocessing.
    Select {
        /// Between these configurations.
        configurations: Vec<String>,
        /// In a cross-validation of these folds.
        folds: Vec<String>,
    },
    /// Show it all on a page.
    Report,
}

impl Work {
    /// The training of a configuration.
    pub(super) fn training(
        configuration: &str,
        training: TrainingConfig,
        keeps_for: Vec<String>,
    ) -> Self {
        Self::Train {
            configuration: configuration.to_owned(),
            training: Box::new(training),
            keeps_for,
        }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> JobKind {
        match self {
            Self::Verify => JobKind::Verify,
            Self::Fingerprint => JobKind::Fingerprint,
            Self::Plan => JobKind::Plan,
            Self::Split => JobKind::Split,
            Self::Preprocess { .. } => JobKind::Preprocess,
            Self::Train { .. } => JobKind::Train,
            Self::Select { .. } => JobKind::Select,
            Self::Report => JobKind::Report,
        }
    }

    /// The name of the job that does it.
    #[must_use]
    pub fn id(&self) -> JobId {
        let kind = self.kind();
        JobId::new(match self {
            Self::Preprocess { configuration } => format!("{kind}-{configuration}"),
            Self::Train {
                configuration,
                training,
                ..
            } => format!("{kind}-{configuration}-{}", training.fold),
            _ => kind.to_string(),
        })
    }
}

/// What a job's result depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "input", rename_all = "kebab-case")]
pub enum Input {
    /// `dataset.json` and the content of all training images and labels.
    RawDataset,
    /// The names of the training cases.
    CaseNames,
    /// The content of a document.
    Document {
        /// What it is called in a message.
        name: String,
        /// Where it lies.
        path: PathBuf,
    },
    /// The cases of a fold, and the content of their images and labels.
    Fold {
        /// Which.
        #[serde(with = "fold_text")]
        fold: Fold,
    },
    /// A value.
    Setting {
        /// What it is called in a message.
        name: String,
        /// The value.
        value: Value,
    },
}

/// What a job takes while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Resources {
    /// What runs its networks, if it has any.
    pub accelerator: Accelerator,
    /// Threads.
    pub threads: usize,
    /// Bytes of memory that a training step takes at least, on the GPU if there is one; of other
    /// jobs it is not known.
    pub memory_bytes: Option<u64>,
    /// How long it may take, a guess; `None` where nothing is known yet.
    pub seconds: Option<f64>,
}

/// What a job needs beside the processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accelerator {
    /// Nothing.
    #[default]
    None,
    /// A GPU to itself.
    Gpu,
}

/// One piece of the work on a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// What it does.
    pub work: Work,
    /// The jobs that must be done before it.
    pub needs: Vec<JobId>,
    /// What its result depends on.
    pub inputs: Vec<Input>,
    /// The files and folders that are there when it is done.
    pub outputs: Vec<PathBuf>,
    /// Its stamp, which says when and of what it was made; its lock lies beside it.
    pub stamp: PathBuf,
    /// What it takes.
    pub resources: Resources,
}

impl Job {
    /// The value among its inputs that is called so.
    pub(super) fn setting(&self, wanted: &str) -> Option<&Value> {
        self.inputs.iter().find_map(|input| match input {
            Input::Setting { name, value } if name == wanted => Some(value),
            _ => None,
        })
    }
}

/// A fold as a text: `0`, `all`.
mod fold_text {
    use nnunet_schema::Fold;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(fold: &Fold, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(fold)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Fold, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(de::Error::custom)
    }
}
