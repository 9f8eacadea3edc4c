use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::ensure;
use comfy_table::CellAlignment;
use nnunet::model::DeviceChoice;
use nnunet::pipeline::Pipeline;
use nnunet::pipeline::graph::{
    Completeness, Extent, GraphRequest, JobChoice, JobEnd, JobGraph, JobId, JobState, JobStatus,
    Planning, RunReport,
};
use nnunet::schema::DatasetId;

use super::slurm::Submissions;
use super::{plan, slurm, train};
use crate::args::{GraphArgs, PlanningArgs, RunArgs};
use crate::context::{Context, Need};
use crate::{Outcome, output};

pub(crate) fn run(context: &Context, args: &RunArgs) -> anyhow::Result<Outcome> {
    let choice = match &args.job {
        Some(job) => JobChoice::One(JobId::new(job)),
        None if args.only.is_empty() => JobChoice::All,
        None => JobChoice::Kinds(args.only.iter().copied().map(Into::into).collect()),
    };
    if let Some(profile) = &args.slurm {
        return slurm::run(context, args, profile.as_deref(), &choice);
    }
    let pipeline = context.pipeline(Need::All)?;
    let request = request(context, &args.dataset, &args.graph)?;
    if args.dry_run {
        show(&pipeline, &pipeline.graph(&request)?, &choice, None)?;
        return Ok(Outcome::Complete);
    }
    let stop = train::stop_on_signal()?;
    let report = pipeline.run_graph(&request, &choice, &stop)?;
    tell(&report, &choice, &stop)
}

/// What the options ask for.
pub(super) fn request(
    context: &Context,
    dataset: &DatasetId,
    args: &GraphArgs,
) -> anyhow::Result<GraphRequest> {
    let devices = match args.devices.as_slice() {
        [] => vec![context.device(None)],
        given => given.to_vec(),
    };
    request_on(devices, dataset, args)
}

/// What the options ask for, where networks run on these devices.
pub(super) fn request_on(
    devices: Vec<DeviceChoice>,
    dataset: &DatasetId,
    args: &GraphArgs,
) -> anyhow::Result<GraphRequest> {
    let usual = GraphRequest::new(dataset.clone());
    let first = devices.first().copied().unwrap_or_default();
    Ok(GraphRequest {
        planning: match args.planning.is_empty() {
            true => Planning::AsFound {
                plans_name: args.plans.plans.clone(),
            },
            false => {
                let asked = plan::request(&args.planning, Some(&args.plans.plans))?;
                Planning::By(Box::new(asked))
            }
        },
        extent: match args.fast {
            true => Extent::Fast,
            false => Extent::Chosen {
                configurations: args.configurations.clone(),
                folds: args.folds.clone(),
            },
        },
        training: args.variant.applied_to(args.schedule.settings(), first),
        augmentation: args.variant.augmentation.choice(),
        loader_threads: args.loader_threads,
        devices,
        ..usual
    })
}

impl PlanningArgs {
    /// Whether nothing is asked of the planner.
    fn is_empty(&self) -> bool {
        let Self {
            rules,
            gpu_memory,
            base_features,
            batch_size,
            patch_size,
            target_spacing,
            suppress_transpose,
        } = self;
        rules.is_none()
            && gpu_memory.is_none()
            && base_features.is_none()
            && batch_size.is_none()
            && patch_size.is_none()
            && target_spacing.is_none()
            && !suppress_transpose
    }
}

/// The jobs of a graph as a table: how far each is, and how long it may take; and what the queue
/// of a cluster says of them, if they were submitted to one.
pub(super) fn show(
    pipeline: &Pipeline,
    graph: &JobGraph,
    choice: &JobChoice,
    submissions: Option<&Submissions>,
) -> anyhow::Result<()> {
    let statuses = pipeline.assess(graph)?;
    let chosen: Vec<&JobStatus> = (statuses.iter().filter(|s| choice.has(&s.job))).collect();
    let mut heads = vec!["job", "state", "time"];
    if submissions.is_some() {
        heads.push("Slurm");
    }
    let mut table = output::table(&heads);
    for index in [1, 3] {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Left);
        }
    }
    for status in &chosen {
        let time = match (&status.state, status.seconds) {
            (_, None) => String::new(),
            (JobState::Done, Some(seconds)) => output::seconds(seconds),
            (_, Some(seconds)) => format!("about {}", output::duration(seconds)),
        };
        let mut row = vec![status.job.id.to_string(), status.state.to_string(), time];
        row.extend(submissions.map(|submissions| submissions.describe(status)));
        table.add_row(row);
    }
    output::line(table);
    let is_done = |status: &&&JobStatus| status.state == JobState::Done;
    let done = chosen.iter().filter(is_done).count();
    let left: f64 = (chosen.iter())
        .filter(|status| !is_done(status))
        .filter_map(|status| status.seconds)
        .sum();
    output::line(format!("{done} of {} jobs are done", chosen.len()));
    if left > 0.0 {
        let left = output::duration(left);
        output::line(format!("left: about {left}, one job after the other"));
    }
    if graph.completeness == Completeness::UntilPlanned {
        output::line("what follows is known when the dataset is planned");
    }
    Ok(())
}

/// What came of a run, and how the program ends.
pub(super) fn tell(
    report: &RunReport,
    choice: &JobChoice,
    stop: &AtomicBool,
) -> anyhow::Result<Outcome> {
    let chosen = report.jobs.iter().filter(|(id, _)| {
        let job = report.graph.job(id);
        job.is_some_and(|job| choice.has(job))
    });
    let (mut run, mut before, mut untried) = (0, 0, Vec::new());
    let (mut stopped, mut elsewhere, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for (id, end) in chosen {
        match end {
            JobEnd::Done => run += 1,
            JobEnd::DoneBefore => before += 1,
            JobEnd::Stopped => stopped.push(id),
            JobEnd::Elsewhere(owner) => elsewhere.push((id, owner)),
            JobEnd::Failed(error) => failed.push((id, error)),
            _ => untried.push(id),
        }
    }
    output::line(format!("{run} jobs run, {before} were done before"));
    for id in &stopped {
        output::line(format!("{id}: stopped, with a checkpoint"));
    }
    for (id, owner) in &elsewhere {
        let (pid, host) = (owner.pid, &owner.host);
        output::line(format!("{id}: process {pid} on {host} is at it"));
    }
    for (id, error) in &failed {
        output::line(format!("{id}: failed: {error}"));
    }
    if !untried.is_empty() {
        output::line(format!("{} jobs are left", untried.len()));
    }
    if !failed.is_empty() {
        ensure!(run + before > 0, "nothing could be done");
        return Ok(Outcome::Partial);
    }
    if !stopped.is_empty() || !elsewhere.is_empty() {
        output::line("the same command goes on");
        return Ok(Outcome::Interrupted);
    }
    if !untried.is_empty() {
        // Stopped between two jobs, or not everything that the jobs need was asked for.
        let is_stopped = stop.load(Ordering::Relaxed);
        return Ok(match choice {
            JobChoice::All => Outcome::Interrupted,
            _ if is_stopped => Outcome::Interrupted,
            _ => Outcome::Partial,
        });
    }
    Ok(Outcome::Complete)
}
