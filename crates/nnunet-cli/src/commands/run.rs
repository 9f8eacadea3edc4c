use comfy_table::CellAlignment;
use nnunet::pipeline::Pipeline;
use nnunet::pipeline::graph::{Completeness, JobChoice, JobGraph, JobId, JobState, JobStatus};

use super::slurm::Submissions;
use super::{graph_end, graph_request, slurm, train};
use crate::args::RunArgs;
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
    let request = graph_request::request(context, &args.dataset, &args.graph)?;
    if args.dry_run {
        show(&pipeline, &pipeline.graph(&request)?, &choice, None)?;
        return Ok(Outcome::Complete);
    }
    let stop = train::stop_on_signal()?;
    let report = pipeline.run_graph(&request, &choice, &stop)?;
    graph_end::tell(&report, &choice, &stop)
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
