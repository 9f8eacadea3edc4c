use nnunet::pipeline::graph::{Completeness, GraphRequest, JobChoice};
use serde_json::json;

use super::slurm::Submissions;
use super::{jobs, run};
use crate::args::StatusArgs;
use crate::context::{Context, Need};
use crate::{Outcome, output};

/// Of the graph that was run or submitted last; of the whole method if none was.
pub(crate) fn run(context: &Context, args: &StatusArgs) -> anyhow::Result<Outcome> {
    let pipeline = context.pipeline(Need::All)?;
    let dataset = pipeline.layout.resolve(&args.dataset)?;
    let graph = match pipeline.kept_graph(&dataset)? {
        Some(graph) => graph,
        None => pipeline.graph(&GraphRequest {
            devices: vec![context.device(None)],
            ..GraphRequest::new(args.dataset.clone())
        })?,
    };
    let submissions = Submissions::of(&pipeline, &graph.dataset)?;
    if args.json.json {
        let mut states = Vec::new();
        for status in pipeline.assess(&graph)? {
            let mut state = jobs::object(&status, None)?;
            if let Some(submissions) = &submissions {
                submissions.add_to(&mut state, &status.job.id);
            }
            states.push(state);
        }
        output::document(&json!({
            "dataset": graph.dataset,
            "planned": graph.completeness != Completeness::UntilPlanned,
            "jobs": states,
        }))?;
        return Ok(Outcome::Complete);
    }
    run::show(&pipeline, &graph, &JobChoice::All, submissions.as_ref())?;
    if let Some(submissions) = submissions {
        submissions.tell_troubles(context);
    }
    Ok(Outcome::Complete)
}
