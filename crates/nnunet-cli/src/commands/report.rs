use nnunet::pipeline::ReportRequest;

use crate::args::ReportArgs;
use crate::context::{Context, Need};
use crate::{Outcome, output};

pub(crate) fn run(context: &Context, args: &ReportArgs) -> anyhow::Result<Outcome> {
    let pipeline = context.pipeline(Need::All)?;
    let request = ReportRequest {
        dataset: args.dataset.dataset.clone(),
        plans_name: args.plans.plans.clone(),
        cases: args.cases,
    };
    let path = pipeline.save_report(&request, args.output.clone())?;
    output::line(format!("report: {}", path.display()));
    Ok(Outcome::Complete)
}
