//! What all commands share: the roots, the threads, the terminal.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use nnunet::model::DeviceChoice;
use nnunet::pipeline::Pipeline;
use nnunet::schema::Layout;
use nnunet::schema::layout::{ENV_PREPROCESSED, ENV_RAW, ENV_RESULTS};

use crate::args::{Arguments, Roots};
use crate::progress::TerminalProgress;

/// The resolved settings that every command starts from.
#[derive(Debug)]
pub(crate) struct Context {
    roots: Roots,
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
    pub(crate) fn new(arguments: &Arguments) -> anyhow::Result<Self> {
        let threads = (arguments.threads)
            .or_else(|| std::thread::available_parallelism().ok())
            .unwrap_or(NonZeroUsize::MIN);
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.get())
            .build_global()
            .context("cannot start the worker threads")?;
        Ok(Self {
            roots: arguments.roots.clone(),
            threads,
            progress: Arc::new(TerminalProgress::new()),
        })
    }

    /// The root folders as far as they were given.
    pub(crate) fn roots(&self) -> &Roots {
        &self.roots
    }

    /// The pipeline over the root folders, after checking that those needed are given.
    pub(crate) fn pipeline(&self, need: Need) -> anyhow::Result<Pipeline> {
        let root = |given: &Option<PathBuf>, needed: bool, option: &str, variable: &str| match given
        {
            Some(path) => Ok(path.clone()),
            None if !needed => Ok(PathBuf::new()),
            None => bail!("no folder given: use `{option} DIR` or set `{variable}`"),
        };
        let layout = Layout {
            raw: root(
                &self.roots.raw,
                !matches!(need, Need::Preprocessed | Need::Results),
                "--raw",
                ENV_RAW,
            )?,
            preprocessed: root(
                &self.roots.preprocessed,
                matches!(
                    need,
                    Need::Preprocessed | Need::RawAndPreprocessed | Need::All
                ),
                "--preprocessed",
                ENV_PREPROCESSED,
            )?,
            results: root(
                &self.roots.results,
                matches!(need, Need::Results | Need::All),
                "--results",
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

    /// The device asked for, or the best there is.
    pub(crate) fn device(&self, asked: Option<DeviceChoice>) -> DeviceChoice {
        asked.unwrap_or_else(|| {
            let first = DeviceChoice::Cuda(0);
            if first.open().is_ok() {
                first
            } else {
                DeviceChoice::Cpu
            }
        })
    }
}
