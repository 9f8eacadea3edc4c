//! What all commands share: the roots, the threads, the terminal.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use nnunet::model::DeviceChoice;
use nnunet::pipeline::Pipeline;
use nnunet::schema::Layout;
use nnunet::schema::layout::{ENV_PREPROCESSED, ENV_RAW, ENV_RESULTS};

use crate::progress::TerminalProgress;
use crate::settings::{Setting, Settings};

/// The resolved settings that every command starts from.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) threads: NonZeroUsize,
    pub(crate) progress: Arc<TerminalProgress>,
}

/// The roots that a command cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Raw,
    Preprocessed,
    RawAndPreprocessed,
    Results,
    All,
}

impl Context {
    pub(crate) fn new(settings: Settings, progress: Arc<TerminalProgress>) -> anyhow::Result<Self> {
        let threads = (settings.threads.as_ref().map(|setting| setting.value))
            .or_else(|| std::thread::available_parallelism().ok())
            .unwrap_or(NonZeroUsize::MIN);
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.get())
            .build_global()
            .context("cannot start the worker threads")?;
        Ok(Self {
            settings,
            threads,
            progress,
        })
    }

    /// The pipeline over the root folders, after checking that those needed are given.
    pub(crate) fn pipeline(&self, need: Need) -> anyhow::Result<Pipeline> {
        let root = |given: &Option<Setting<PathBuf>>, needed: bool, name: &str, variable: &str| {
            match given {
                Some(path) => Ok(path.value.clone()),
                None if !needed => Ok(PathBuf::new()),
                None => bail!(
                    "no folder given: use `--{name} DIR`, write `{name} = \"DIR\"` into the \
                     settings file `nnunet.toml`, or set `{variable}`"
                ),
            }
        };
        let layout = Layout {
            raw: root(
                &self.settings.raw,
                !matches!(need, Need::Preprocessed | Need::Results),
                "raw",
                ENV_RAW,
            )?,
            preprocessed: root(
                &self.settings.preprocessed,
                matches!(
                    need,
                    Need::Preprocessed | Need::RawAndPreprocessed | Need::All
                ),
                "preprocessed",
                ENV_PREPROCESSED,
            )?,
            results: root(
                &self.settings.results,
                matches!(need, Need::Results | Need::All),
                "results",
                ENV_RESULTS,
            )?,
        };
        Ok(self.pipeline_over(layout))
    }

    /// The pipeline over folders that the command chose itself.
    pub(crate) fn pipeline_over(&self, layout: Layout) -> Pipeline {
        Pipeline::new(layout)
            .on_threads(self.threads)
            .watched_by(self.progress.clone())
    }

    /// The pipeline for what needs no root folders.
    pub(crate) fn pipeline_without_roots(&self) -> Pipeline {
        self.pipeline_over(Layout {
            raw: PathBuf::new(),
            preprocessed: PathBuf::new(),
            results: PathBuf::new(),
        })
    }

    /// The device asked for, else that of the settings file, else the best there is.
    pub(crate) fn device(&self, asked: Option<DeviceChoice>) -> DeviceChoice {
        let set = self.settings.device.as_ref().map(|setting| setting.value);
        asked.or(set).unwrap_or_else(|| {
            let first = DeviceChoice::Cuda(0);
            if first.open().is_ok() {
                first
            } else {
                DeviceChoice::Cpu
            }
        })
    }
}
