//! Predicting a folder of images.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use nnunet_image::{FormatRegistry, LabelMap, RawCase, find_cases};
use nnunet_preprocess::PreprocessedCase;
use nnunet_schema::{Progress, Task, atomic, layout};

use crate::predict::{Predicted, Wanted};
use crate::report::{CaseOutcome, CaseRecord, StageSeconds};
use crate::{
    ExistingOutputs, FolderRequest, InferError, Predictor, ProbabilityPrecision, ProbabilityStore,
    ProbabilityWriter, RunReport, SaveProbabilities, cascade, leftovers,
};

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

/// A case with where its label map goes, and what is known of it so far.
struct Job {
    case: RawCase,
    target: PathBuf,
    /// The label map of the previous stage.
    previous: Option<PathBuf>,
    record: CaseRecord,
}

type Prepared = (Job, Result<PreprocessedCase, InferError>);
type Answered = (Job, Result<(LabelMap, Option<PathBuf>), InferError>);

/// What all threads of a run look at.
#[derive(Clone, Copy)]
struct Run<'a> {
    formats: &'a FormatRegistry,
    progress: &'a dyn Progress,
    task: &'a dyn Task,
}

impl Predictor {
    /// Predicts every case of the folder `input` (files `CASE_0000.nii.gz`, one per channel, with
    /// the ending of the dataset) and writes `output/CASE.nii.gz`: [`Self::predict_cases`] without
    /// anything special.
    ///
    /// # Errors
    /// As [`Self::predict_cases`].
    pub fn predict_folder(
        &self,
        input: &Path,
        output: &Path,
        formats: &FormatRegistry,
        progress: &dyn Progress,
    ) -> Result<PredictReport, InferError> {
        self.predict_cases(&FolderRequest::new(input, output), formats, progress)
    }

    /// Predicts the cases of a folder. The model's `dataset.json` and `plans.json` are copied
    /// beside the label maps; probabilities and a report go there too, if asked for.
    ///
    /// While the network works on a case, the next one is read and preprocessed and the last one
    /// written, by two threads of their own; one case waits at most. A case that fails is
    /// reported and does not stop the others. The label map of a case is the last of its files to
    /// be written, and is there in full or not at all; what an interrupted run left of these cases
    /// under temporary names goes when cases that are done are kept. Don't call this from within a task of the
    /// global rayon pool, which the preprocessing needs.
    ///
    /// # Errors
    /// [`InferError::Image`] if there are no cases, files of a case are missing or too many, or
    /// the ending has no format; [`InferError::Schema`] if the copies cannot be written;
    /// [`InferError::Cascade`] or [`InferError::NoCascade`] if the label maps of a previous stage
    /// are missing or not wanted. Nothing was predicted then. [`InferError::Schema`] also if the
    /// report cannot be written in the end.
    pub fn predict_cases(
        &self,
        request: &FolderRequest,
        formats: &FormatRegistry,
        progress: &dyn Progress,
    ) -> Result<PredictReport, InferError> {
        let start = Instant::now();
        let output = &request.output;
        let ending = self.dataset().file_ending.as_str();
        formats.for_ending(ending)?;
        cascade::check(self.recipe(), request.previous_stage.is_some())?;
        let cases = find_cases(&request.input, ending, self.dataset().channels())?;
        self.dataset().save(&layout::dataset_json(output))?;
        self.plans().save(&layout::model_plans(output))?;
        let jobs = request.shard.of(cases).map(|case| {
            let name = format!("{}{ending}", case.id);
            Job {
                target: output.join(&name),
                previous: (request.previous_stage.as_ref()).map(|folder| folder.join(&name)),
                record: CaseRecord {
                    case: case.id.clone(),
                    outcome: CaseOutcome::Kept,
                    error: None,
                    shape: None,
                    windows: None,
                    planned_bytes: None,
                    seconds: StageSeconds::default(),
                },
                case,
            }
        });
        let keep = self.options().existing == ExistingOutputs::Keep;
        let (kept, jobs): (Vec<Job>, Vec<Job>) = jobs.partition(|job| keep && job.target.is_file());
        if keep {
            leftovers::remove(output, ending, jobs.iter().map(|job| job.case.id.as_str()))?;
        }
        let task = progress.start(&format!("predict {}", self.recipe().name()), jobs.len());
        let mut books = Books {
            report: PredictReport::default(),
            run: RunReport::new(self),
        };
        for job in kept {
            books.run.cases.push(job.record);
            books.report.kept.push(job.case.id);
        }
        let run = Run {
            formats,
            progress,
            task: task.as_ref(),
        };
        self.work(jobs, run, &mut books);
        if request.report {
            books.run.finish(start.elapsed());
            books.run.save(&request.report_path())?;
        }
        Ok(books.report)
    }

    /// Reading, network and writing, each in its own thread; the network in this one.
    fn work(&self, jobs: Vec<Job>, run: Run<'_>, books: &mut Books) {
        let (pipeline, recipe) = (self.pipeline(), self.recipe());
        let saved = self.options().probabilities;
        // Without a buffer, a prepared case waits in the hands of the thread that made it.
        let (to_network, prepared) = sync_channel(0);
        let (to_writer, predicted) = sync_channel(0);
        thread::scope(|scope| {
            scope.spawn(move || {
                let prepare = |job: &mut Job| prepare(job, run, pipeline, recipe);
                read(jobs, prepare, &to_network);
            });
            scope.spawn(move || books.write(&predicted, run, saved));
            for (mut job, prepared) in prepared {
                let id = job.case.id.clone();
                let labels =
                    prepared.and_then(|case| guarded(&id, || self.network(&mut job, &case, run)));
                if to_writer.send((job, labels)).is_err() {
                    break;
                }
            }
            drop(to_writer);
        });
    }

    /// The label map of a case, and where its probabilities are if they are wanted.
    fn network(
        &self,
        job: &mut Job,
        case: &PreprocessedCase,
        run: Run<'_>,
    ) -> Result<(LabelMap, Option<PathBuf>), InferError> {
        let id = &job.case.id;
        let planned = self.case_plan(id, case)?;
        job.record.windows = Some(planned.windows);
        job.record.planned_bytes = Some(planned.memory.total());
        let windows = run.task.part(&format!("{id}: windows"), planned.windows);
        let saved = self.options().probabilities;
        let mut chunked = saved.any().then(|| match saved.chunked {
            Some(precision) => (beside(&job.target, &job.case.id, "zarr"), precision),
            // Only on the way to another format.
            None => {
                let name = beside(&job.target, &job.case.id, "zarr");
                (
                    atomic::temporary_beside(&name),
                    ProbabilityPrecision::Single,
                )
            }
        });
        let mut writer = (chunked.as_ref())
            .map(|(target, precision)| ProbabilityWriter::new(target, *precision));
        let wanted = Wanted {
            probabilities: writer.as_mut().map(|writer| writer as _),
            progress: Some(windows.as_ref()),
            ..Wanted::default()
        };
        let Predicted { labels, times, .. } = self.run(id, case, wanted)?;
        job.record.seconds.network = times.network.as_secs_f64();
        job.record.seconds.export = times.export.as_secs_f64();
        let seconds = &job.record.seconds;
        tracing::debug!(
            case = id,
            windows = planned.windows,
            network_seconds = seconds.network,
            export_seconds = seconds.export,
            "predicted"
        );
        Ok((labels, chunked.take().map(|(target, _)| target)))
    }
}

/// `CASE.ending` beside the label map of a case.
fn beside(target: &Path, case: &str, ending: &str) -> PathBuf {
    target.with_file_name(format!("{case}.{ending}"))
}

/// Reads and preprocesses one case after the other, until all are done or nobody wants them.
fn read(
    jobs: Vec<Job>,
    prepare: impl Fn(&mut Job) -> Result<PreprocessedCase, InferError>,
    to_network: &SyncSender<Prepared>,
) {
    for mut job in jobs {
        let id = job.case.id.clone();
        let prepared = guarded(&id, || prepare(&mut job));
        if to_network.send((job, prepared)).is_err() {
            break;
        }
    }
}

/// Reads and preprocesses a case.
fn prepare(
    job: &mut Job,
    run: Run<'_>,
    pipeline: &nnunet_preprocess::CasePipeline,
    recipe: &crate::Recipe,
) -> Result<PreprocessedCase, InferError> {
    let id = &job.case.id;
    let start = Instant::now();
    let image = job.case.read_image(run.formats)?;
    let previous = (job.previous.as_ref())
        .map(|path| run.formats.read_labels(path))
        .transpose()?;
    job.record.seconds.read = start.elapsed().as_secs_f64();
    job.record.shape = Some(image.shape().voxels());
    if let Some(warning) = image.geometry.skew_warning() {
        (run.progress).warn(&format!("case `{id}`: {warning}"));
    }
    let start = Instant::now();
    let prepared = cascade::prepare(pipeline, recipe, id, image, previous);
    job.record.seconds.preprocess = start.elapsed().as_secs_f64();
    prepared
}

/// What is known of the cases that are done.
struct Books {
    report: PredictReport,
    run: RunReport,
}

impl Books {
    /// Writes label maps as they come and keeps the books.
    fn write(&mut self, predicted: &Receiver<Answered>, run: Run<'_>, saved: SaveProbabilities) {
        for (job, result) in predicted {
            let Job {
                case,
                target,
                mut record,
                ..
            } = job;
            let start = Instant::now();
            let written = result.and_then(|(labels, chunked)| {
                guarded(&case.id, || {
                    if let Some(chunked) = chunked {
                        finish_probabilities(&chunked, &target, &case.id, saved)?;
                    }
                    Ok(run.formats.write_labels(&target, &labels)?)
                })
            });
            record.seconds.write = start.elapsed().as_secs_f64();
            run.task.step(&case.id);
            match written {
                Ok(()) => {
                    record.outcome = CaseOutcome::Predicted;
                    self.report.predicted.push(case.id);
                }
                Err(error) => {
                    record.outcome = CaseOutcome::Failed;
                    record.error = Some(error.to_string());
                    self.report.failed.push(CaseFailure {
                        case: case.id,
                        error,
                    });
                }
            }
            self.run.cases.push(record);
        }
    }
}

/// Brings the chunked probabilities of a case into the other formats that are wanted.
fn finish_probabilities(
    chunked: &Path,
    target: &Path,
    case: &str,
    saved: SaveProbabilities,
) -> Result<(), InferError> {
    let npz = match saved.npz {
        true => ProbabilityStore::open(chunked)
            .and_then(|store| store.write_npz(&beside(target, case, "npz"))),
        false => Ok(()),
    };
    if saved.chunked.is_none() {
        // It was only a way to the other format; a leftover is only untidy.
        let _ = std::fs::remove_dir_all(chunked);
    }
    npz
}

/// Predicts a folder with both stages of a cascade: the label maps of `first` go to the folder
/// `previous_stage` below the output and are what `second` continues. The reports are of the
/// first and the second stage; a case that fails in the first fails in the second too.
///
/// # Errors
/// As [`Predictor::predict_cases`] of either.
pub fn predict_cascade(
    first: &Predictor,
    second: &Predictor,
    request: &FolderRequest,
    formats: &FormatRegistry,
    progress: &dyn Progress,
) -> Result<[PredictReport; 2], InferError> {
    // Before the first stage has run for nothing.
    cascade::check(second.recipe(), true)?;
    let previous = request.output.join("previous_stage");
    let mut early = request.clone();
    early.output.clone_from(&previous);
    early.previous_stage = None;
    let before = first.predict_cases(&early, formats, progress)?;
    let mut late = request.clone();
    late.previous_stage = Some(previous);
    let after = second.predict_cases(&late, formats, progress)?;
    Ok([before, after])
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
