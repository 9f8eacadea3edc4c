//! All cases of a dataset.

use std::any::Any;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use nnunet_image::{FormatRegistry, RawCase, RawDataset};
use nnunet_schema::{Plans, Progress};
use rayon::ThreadPoolBuilder;

use crate::normalize::Normalizers;
use crate::{CasePipeline, CaseStore, PreprocessError, StoreHeader, placement};

/// How the cases of a dataset are shared out.
#[derive(Clone, Debug)]
pub struct PreprocessOptions {
    /// Threads that compute.
    pub threads: NonZeroUsize,
    /// Cases that are worked on, and held in memory, at the same time: each takes about the size
    /// of its image and of the result together.
    pub cases_at_once: NonZeroUsize,
    /// What carries out the normalisation schemes of the plans.
    pub normalizers: Normalizers,
}

impl Default for PreprocessOptions {
    /// A thread per processor core, and as many cases at once, but at most eight.
    fn default() -> Self {
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self::with_threads(threads)
    }
}

impl PreprocessOptions {
    /// So many threads, and as many cases at once, but at most eight.
    #[must_use]
    pub fn with_threads(threads: NonZeroUsize) -> Self {
        const MOST_CASES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);
        Self {
            threads,
            cases_at_once: threads.min(MOST_CASES),
            normalizers: Normalizers::default(),
        }
    }
}

/// What became of the cases of a dataset; each list in the order of the dataset.
#[derive(Debug, Default)]
pub struct PreprocessReport {
    /// Cases that were preprocessed and written.
    pub done: Vec<String>,
    /// Cases that the store had already.
    pub skipped: Vec<String>,
    /// Cases that failed, and why.
    pub failed: Vec<(String, PreprocessError)>,
    /// Bytes of all files of the store, also of cases that it had already.
    pub bytes_on_disk: u64,
}

impl PreprocessReport {
    /// Whether the store now has all cases.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty()
    }
}

/// Preprocesses every case of `dataset` that `store` does not have yet.
///
/// A case that fails does not stop the others: it is in the report. Progress has one step per
/// case, named by it, and warnings for labels that do not lie where their image lies and for axes
/// that are not at right angles.
///
/// # Errors
/// [`PreprocessError`] if nothing can be done at all: the plans are unusable, the store was made
/// with other settings, or the threads cannot be started.
pub fn preprocess_dataset(
    dataset: &RawDataset,
    formats: &FormatRegistry,
    plans: &Plans,
    configuration: &str,
    store: &CaseStore,
    options: &PreprocessOptions,
    progress: &dyn Progress,
) -> Result<PreprocessReport, PreprocessError> {
    let description = &dataset.description;
    store.check_settings(&StoreHeader::new(plans, configuration, description)?.settings)?;
    let pipeline =
        CasePipeline::with_normalizers(plans, configuration, description, &options.normalizers)?;
    let threads = options.threads.get();
    let pool = (ThreadPoolBuilder::new().num_threads(threads).build()).map_err(|error| {
        PreprocessError::Threads {
            threads,
            problem: error.to_string(),
        }
    })?;

    let task = progress.start(&format!("preprocess {configuration}"), dataset.cases.len());
    let outcomes: Mutex<Vec<(usize, Outcome)>> = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((index, case)) = take(&next, &dataset.cases) {
            let outcome = if store.contains(&case.id) {
                Outcome::Skipped
            } else {
                // Reading and writing too, so that no more threads compute than were asked for.
                match pool.install(|| guarded(&pipeline, case, formats, store, progress)) {
                    Ok(()) => Outcome::Done,
                    Err(error) => Outcome::Failed(error),
                }
            };
            task.step(&case.id);
            let mut outcomes = outcomes
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            outcomes.push((index, outcome));
        }
    };
    // One waiting thread per case bounds the cases in memory; the pool does the work.
    let workers = options.cases_at_once.get().min(dataset.cases.len());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    let outcomes = outcomes
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut report = report(&dataset.cases, outcomes);
    report.bytes_on_disk = store.bytes_on_disk()?;
    Ok(report)
}

enum Outcome {
    Done,
    Skipped,
    Failed(PreprocessError),
}

fn take<'a>(next: &AtomicUsize, cases: &'a [RawCase]) -> Option<(usize, &'a RawCase)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    cases.get(index).map(|case| (index, case))
}

/// One case; a panic becomes its error.
fn guarded(
    pipeline: &CasePipeline,
    case: &RawCase,
    formats: &FormatRegistry,
    store: &CaseStore,
    progress: &dyn Progress,
) -> Result<(), PreprocessError> {
    let began = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let image = case.read_image(formats)?;
        let labels = case.read_labels(formats)?;
        for warning in placement::warnings(&image.geometry, labels.as_ref()) {
            progress.warn(&format!("case `{}`: {warning}", case.id));
        }
        let preprocessed =
            (pipeline.run(&case.id, image, labels)).map_err(|error| error.in_files_of(case))?;
        store.write(&case.id, &preprocessed)?;
        tracing::debug!(
            case = case.id,
            seconds = began.elapsed().as_secs_f64(),
            shape = ?preprocessed.data.shape(),
            "preprocessed"
        );
        Ok(())
    }));
    result.unwrap_or_else(|panic| {
        Err(PreprocessError::Internal {
            case: case.id.clone(),
            problem: message(panic.as_ref()),
        })
    })
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = (panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "unknown".to_owned())
}

fn report(cases: &[RawCase], mut outcomes: Vec<(usize, Outcome)>) -> PreprocessReport {
    outcomes.sort_by_key(|(index, _)| *index);
    let mut report = PreprocessReport::default();
    for (index, outcome) in outcomes {
        let Some(case) = cases.get(index) else {
            continue;
        };
        let id = case.id.clone();
        match outcome {
            Outcome::Done => report.done.push(id),
            Outcome::Skipped => report.skipped.push(id),
            Outcome::Failed(error) => report.failed.push((id, error)),
        }
    }
    report
}
