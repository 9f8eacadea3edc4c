//! Predicting a folder of images.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use nnunet_image::{FormatRegistry, LabelMap, RawCase, find_cases};
use nnunet_preprocess::{CasePipeline, PreprocessedCase};
use nnunet_schema::{Progress, Task, layout};

use crate::predictor::prepare;
use crate::{ExistingOutputs, InferError, Predictor};

/// What became of the cases of a folder.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct PredictReport {
    /// Cases whose label map was written, in the order of the folder.
    pub predicted: Vec<String>,
    /// Cases that were left out because they have an output already.
    pub kept: Vec<String>,
    /// Cases without a label map, and why.
    pub failed: Vec<CaseFailure>,
}

/// A case that could not be predicted.
#[derive(Debug)]
pub struct CaseFailure {
    /// The case.
    pub case: String,
    /// What went wrong.
    pub error: InferError,
}

/// A case with where its label map goes.
struct Job {
    case: RawCase,
    target: PathBuf,
}

type Prepared = (Job, Result<PreprocessedCase, InferError>);
type Predicted = (Job, Result<LabelMap, InferError>);

impl Predictor {
    /// Predicts every case of the folder `input` (files `CASE_0000.nii.gz`, one per channel, with
    /// the ending of the dataset) and writes `output/CASE.nii.gz`. The model's `dataset.json`
    /// and `plans.json` are copied beside them.
    ///
    /// While the network works on a case, the next one is read and preprocessed and the last one
    /// written, by two threads of their own; one case waits at most. A case that fails is
    /// reported and does not stop the others. Don't call this from within a task of the global
    /// rayon pool, which the preprocessing needs.
    ///
    /// # Errors
    /// [`InferError::Image`] if there are no cases, files of a case are missing or too many, or
    /// the ending has no format; [`InferError::Schema`] if the copies cannot be written. Nothing
    /// was predicted then.
    pub fn predict_folder(
        &self,
        input: &Path,
        output: &Path,
        formats: &FormatRegistry,
        progress: &dyn Progress,
    ) -> Result<PredictReport, InferError> {
        let ending = self.dataset().file_ending.as_str();
        formats.for_ending(ending)?;
        let cases = find_cases(input, ending, self.dataset().channels())?;
        self.dataset().save(&layout::dataset_json(output))?;
        self.plans().save(&layout::model_plans(output))?;
        let jobs = cases.into_iter().map(|case| Job {
            target: output.join(format!("{}{ending}", case.id)),
            case,
        });
        let keep = self.options().existing == ExistingOutputs::Keep;
        let (kept, jobs): (Vec<Job>, Vec<Job>) = jobs.partition(|job| keep && job.target.is_file());
        let task = progress.start(&format!("predict {}", self.recipe().name()), jobs.len());
        let mut report = PredictReport {
            kept: kept.into_iter().map(|job| job.case.id).collect(),
            ..PredictReport::default()
        };
        self.work(jobs, formats, progress, task.as_ref(), &mut report);
        Ok(report)
    }

    /// Reading, network and writing, each in its own thread; the network in this one.
    fn work(
        &self,
        jobs: Vec<Job>,
        formats: &FormatRegistry,
        progress: &dyn Progress,
        task: &dyn Task,
        report: &mut PredictReport,
    ) {
        let (pipeline, channels) = (self.pipeline(), self.recipe().channels());
        // Without a buffer, a prepared case waits in the hands of the thread that made it.
        let (to_network, prepared) = sync_channel(0);
        let (to_writer, predicted) = sync_channel(0);
        thread::scope(|scope| {
            scope.spawn(move || read(jobs, pipeline, channels, formats, progress, &to_network));
            scope.spawn(move || write(&predicted, formats, task, report));
            for (job, prepared) in prepared {
                let id = job.case.id.clone();
                let labels = prepared
                    .and_then(|case| guarded(&id, || self.predict_preprocessed(&id, &case)));
                if to_writer.send((job, labels)).is_err() {
                    break;
                }
            }
            drop(to_writer);
        });
    }
}

/// Reads and preprocesses one case after the other, until all are done or nobody wants them.
fn read(
    jobs: Vec<Job>,
    pipeline: &CasePipeline,
    channels: usize,
    formats: &FormatRegistry,
    progress: &dyn Progress,
    to_network: &SyncSender<Prepared>,
) {
    for job in jobs {
        let id = &job.case.id;
        let prepared = guarded(id, || {
            let image = job.case.read_image(formats)?;
            if let Some(warning) = image.geometry.skew_warning() {
                progress.warn(&format!("case `{id}`: {warning}"));
            }
            prepare(pipeline, channels, id, image)
        });
        if to_network.send((job, prepared)).is_err() {
            break;
        }
    }
}

/// Writes label maps as they come and keeps the books.
fn write(
    predicted: &Receiver<Predicted>,
    formats: &FormatRegistry,
    task: &dyn Task,
    report: &mut PredictReport,
) {
    for (job, labels) in predicted {
        let id = job.case.id;
        let written = labels
            .and_then(|labels| guarded(&id, || Ok(formats.write_labels(&job.target, &labels)?)));
        task.step(&id);
        match written {
            Ok(()) => report.predicted.push(id),
            Err(error) => report.failed.push(CaseFailure { case: id, error }),
        }
    }
}

/// Turns a panic, which is a fault of ours, into an error of this case.
fn guarded<T>(case: &str, work: impl FnOnce() -> Result<T, InferError>) -> Result<T, InferError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = (panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .or_else(|| panic.downcast_ref::<String>().cloned());
        Err(InferError::Internal {
            case: case.to_owned(),
            problem: text.unwrap_or_else(|| "a panic without a text".to_owned()),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_the_error_of_its_case() {
        let error = guarded::<()>("c1", || panic!("went {}", "wrong")).unwrap_err();
        assert_eq!(error.to_string(), "case `c1`: internal fault: went wrong");
    }
}
