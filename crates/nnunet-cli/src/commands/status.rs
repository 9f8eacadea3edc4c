use nnunet::pipeline::graph::{GraphRequest, JobChoice};

use super::{jobs, run};
use crate::args::StatusArgs;
use crate::context::{Context, Need};
use crate::{Outcome, output};

/// Of the graph that was run last; of the whole method if none was.
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
    if !args.json {
        run::show(&pipeline, &graph, &JobChoice::All)?;
        return Ok(Outcome::Complete);
    }
    for status in pipeline.assess(&graph)? {
        output::line(jobs::line(&status, None)?);
    }
    Ok(Outcome::Complete)
}
