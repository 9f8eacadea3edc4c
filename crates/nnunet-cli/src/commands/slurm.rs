//! The work on a dataset as jobs of a Slurm cluster.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use nnunet::model::DeviceChoice;
use nnunet::pipeline::Pipeline;
use nnunet::pipeline::graph::{
    GraphRequest, JobChoice, JobGraph, JobId, JobKind, JobState, JobStatus,
};
use nnunet::pipeline::slurm::{
    Arrangement, BatchContent, Cluster, JobClass, OMP_THREADS, Profile, Program, Queue, QueueEntry,
    Rest, Slurm, SlurmError, SlurmId, SubmissionPreview, SubmissionRecord, SubmitFrom, Variable,
    quoted,
};
use nnunet::schema::Progress as _;
use serde_json::{Value, json};

use super::{graph_end, graph_request, train};
use crate::args::RunArgs;
use crate::context::{Context, Need};
use crate::{Outcome, output};

/// Options of the command that the jobs' own commands do not repeat, or say in another way.
const NOT_PASSED_ON: [&str; 8] = [
    "raw",
    "preprocessed",
    "results",
    "threads",
    "slurm",
    "dry_run",
    "only",
    "devices",
];
/// Variables that jobs are run with as they are here, and how the names of others begin.
const LIBRARIES: &str = "LD_LIBRARY_PATH";
const THREADING: [&str; 4] = ["OMP_", "KMP_", "MKL_", "GOMP_"];
/// Where the profile lies if none is named, below the user's configuration.
const USUAL_PROFILE: &str = "nnunet/slurm.toml";

pub(crate) fn run(
    context: &Context,
    args: &RunArgs,
    profile: Option<&Path>,
    choice: &JobChoice,
) -> anyhow::Result<Outcome> {
    let pipeline = context.pipeline(Need::All)?;
    let profile = match profile {
        Some(path) => path.to_path_buf(),
        None => usual_profile()?,
    };
    let profile = Profile::read(&profile)?;
    let device = device(&args.graph.devices, &profile)?;
    let request = graph_request::request_on(vec![device], &args.dataset, &args.graph)?;
    let mut options = graph_request::given_options(&NOT_PASSED_ON)?;
    options.extend(graph_request::settings_option(context));
    // What the numbers are computed in depends on it, so it must not depend on the node.
    options.extend(["--device".to_owned(), device.to_string()]);
    let cluster = Cluster {
        slurm: Slurm,
        program: Program {
            executable: env::current_exe().context("cannot tell where this program lies")?,
            options,
            threads: graph_request::given_threads()?,
            environment: environment()?,
        },
        profile,
    };
    if args.dry_run {
        let preview = pipeline.preview_submission(&request, choice, &cluster)?;
        show(context, &preview);
        return Ok(Outcome::Complete);
    }
    if cluster.profile.submit_from == SubmitFrom::Here {
        let prepared = prepare(&pipeline, &request, choice)?;
        if prepared != Outcome::Complete {
            return Ok(prepared);
        }
    }
    let report = pipeline.submit_graph(&request, choice, &cluster)?;
    for (batch, number) in report.arrangement.batches.iter().zip(&report.numbers) {
        let tasks = batch.tasks();
        let ids: Vec<String> = match tasks.is_empty() {
            true => vec![number.to_string()],
            false => (tasks.iter())
                .map(|task| SlurmId::task(*number, *task).to_string())
                .collect(),
        };
        output::line(format!("{}: Slurm job {}", batch.name(), ids.join(", ")));
    }
    tell(&report.arrangement, "submitted");
    Ok(Outcome::Complete)
}

/// Where networks run in the jobs: on the GPU that trainings ask for, unless a device is given.
fn device(given: &[DeviceChoice], profile: &Profile) -> anyhow::Result<DeviceChoice> {
    ensure!(
        given.len() <= 1,
        "with `--slurm` each training is a job of its own: give `--device` one device"
    );
    let usual = match profile.settings(JobClass::Train).gpus() {
        0 => DeviceChoice::Cpu,
        _ => DeviceChoice::Cuda(0),
    };
    Ok(given.first().copied().unwrap_or(usual))
}

fn usual_profile() -> anyhow::Result<PathBuf> {
    let of_user = |variable: &str| env::var_os(variable).filter(|value| !value.is_empty());
    let folder = (of_user("XDG_CONFIG_HOME").map(PathBuf::from))
        .or_else(|| of_user("HOME").map(|home| Path::new(&home).join(".config")))
        .context(
            "name a profile with `--slurm PROFILE`: neither XDG_CONFIG_HOME nor HOME is set",
        )?;
    let path = folder.join(USUAL_PROFILE);
    if !path.is_file() {
        bail!(
            "there is no {}: write it, or name a profile with `--slurm PROFILE` (docs/slurm.md)",
            path.display()
        );
    }
    Ok(path)
}

/// What libtorch and its threads depend on here, for the nodes.
fn environment() -> anyhow::Result<Vec<Variable>> {
    let mut variables = Vec::new();
    for (name, value) in env::vars_os() {
        let Ok(name) = name.into_string() else {
            continue;
        };
        let is_wanted = name == LIBRARIES || THREADING.iter().any(|begin| name.starts_with(begin));
        // In a job it is what that job was given.
        let is_wanted = is_wanted && (name != OMP_THREADS || Slurm.own_job().is_none());
        if is_wanted {
            let Ok(value) = value.into_string() else {
                bail!("{name} is no UTF-8 text, and cannot be written into a script");
            };
            variables.push(Variable { name, value });
        }
    }
    variables.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(variables)
}

/// Runs the jobs up to the split on this machine.
fn prepare(
    pipeline: &Pipeline,
    request: &GraphRequest,
    choice: &JobChoice,
) -> anyhow::Result<Outcome> {
    let is_early = |kind: &JobKind| !kind.follows_the_plan();
    let JobGraph { jobs, .. } = pipeline.graph(request)?;
    let kinds = jobs.iter().map(|job| job.work.kind()).filter(is_early);
    let choice = JobChoice::Kinds(match choice {
        JobChoice::Kinds(chosen) => kinds.filter(|kind| chosen.contains(kind)).collect(),
        _ => kinds.collect(),
    });
    let stop = train::stop_on_signal()?;
    let report = pipeline.run_graph(request, &choice, &stop)?;
    graph_end::tell(&report, &choice, &stop)
}

/// The scripts, and what `sbatch` would be called with.
fn show(context: &Context, preview: &SubmissionPreview) {
    let names: Vec<String> = (preview.arrangement.batches.iter())
        .map(|batch| format!("<{}>", batch.name()))
        .collect();
    if !preview.arrangement.doomed.is_empty() {
        let doomed = preview.arrangement.doomed.iter().map(SlurmId::to_string);
        let doomed: Vec<String> = doomed.collect();
        output::line(format!("scancel {}", doomed.join(" ")));
    }
    for draft in &preview.drafts {
        let id = |batch: usize| names.get(batch).cloned().unwrap_or_default();
        let arguments = draft.arguments(id).into_iter();
        let words = arguments.map(|word| quoted(&word.to_string_lossy()));
        let path = quoted(&draft.path.to_string_lossy());
        output::line(format!("# {path}\n{}", draft.script));
        let words: Vec<String> = words.collect();
        output::line(format!("sbatch {} --parsable {path}\n", words.join(" ")));
    }
    if let Some(problem) = &preview.queue_unknown {
        context.progress.warn(&format!(
            "what is in the queue already is not known: {problem}"
        ));
    }
    tell(&preview.arrangement, "to be submitted");
}

fn tell(arrangement: &Arrangement, what: &str) {
    let Arrangement {
        batches,
        done,
        queued,
        doomed,
        left,
    } = arrangement;
    let jobs: usize = batches.iter().map(|batch| batch.jobs().len()).sum();
    let (slurm_jobs, done, in_queue) = (batches.len(), done.len(), queued.len());
    output::line(format!(
        "{slurm_jobs} Slurm jobs {what} for {jobs} jobs; {done} are done, {in_queue} in the queue"
    ));
    if !doomed.is_empty() {
        let doomed: Vec<String> = doomed.iter().map(SlurmId::to_string).collect();
        output::line(format!(
            "in their place: {}, which waited for what has failed",
            doomed.join(", ")
        ));
    }
    let is_followed = batches.iter().any(|batch| match &batch.content {
        BatchContent::Preparation { rest, .. } => *rest != Rest::None,
        _ => false,
    });
    if is_followed {
        output::line("what follows is submitted by `prepare` when the dataset is planned");
    } else if !left.is_empty() {
        output::line(format!(
            "{} jobs are left: what they need is neither done nor asked for, or submits them",
            left.len()
        ));
    }
}

/// What is known of the Slurm jobs of a dataset.
#[derive(Debug)]
pub(super) struct Submissions {
    record: SubmissionRecord,
    /// What the queue says, or why nothing is known of it.
    queue: Result<Queue, SlurmError>,
}

impl Submissions {
    /// Of a dataset that was submitted to Slurm; `None` if it never was.
    pub(super) fn of(pipeline: &Pipeline, dataset: &str) -> anyhow::Result<Option<Self>> {
        let record = pipeline.submissions(dataset)?;
        let queue = Slurm.queue(dataset, record.ids());
        Ok((!record.jobs.is_empty()).then_some(Self { record, queue }))
    }

    /// Number, state and reason of a job, for a table.
    pub(super) fn describe(&self, status: &JobStatus) -> String {
        let Some(submitted) = self.record.jobs.get(&status.job.id) else {
            return String::new();
        };
        let id = submitted.id;
        if status.state == JobState::Done {
            return id.to_string();
        }
        match self.queue.as_ref().map(|queue| queue.entry(id)) {
            Err(_) => id.to_string(),
            Ok(None) => format!("{id} has left the queue"),
            Ok(Some(QueueEntry { state, reason })) => match reason {
                Some(reason) => format!("{id} {state}: {reason}"),
                None => format!("{id} {state}"),
            },
        }
    }

    /// The same for programs: `slurm` of the object of a job.
    pub(super) fn add_to(&self, object: &mut Value, job: &JobId) {
        let (Some(submitted), Value::Object(object)) = (self.record.jobs.get(job), object) else {
            return;
        };
        let entry = match &self.queue {
            Ok(queue) => queue.entry(submitted.id),
            Err(_) => None,
        };
        let slurm = json!({
            "id": submitted.id,
            "log": submitted.log,
            "state": entry.map(|entry| entry.state),
            "reason": entry.and_then(|entry| entry.reason.as_deref()),
        });
        object.insert("slurm".to_owned(), slurm);
    }

    /// Says where to look for what went wrong, and why the queue is not known, if it is not.
    pub(super) fn tell_troubles(&self, context: &Context) {
        let queue = match &self.queue {
            Ok(queue) => queue,
            Err(problem) => {
                let text = format!("what the queue says is not known: {problem}");
                context.progress.warn(&text);
                return;
            }
        };
        for (job, submitted) in &self.record.jobs {
            let state = queue.entry(submitted.id).map(|entry| entry.state);
            if let Some(state) = state.filter(|state| state.is_failure()) {
                let log = submitted.log.display();
                output::line(format!("{job}, {}, {state}: see {log}", submitted.id));
            }
        }
    }
}
