use anyhow::Context as _;
use nnunet::evaluate::postprocessing::Postprocessing;

use crate::args::PostprocessArgs;
use crate::context::Context;
use crate::{Outcome, output};

pub(crate) fn run(context: &Context, args: &PostprocessArgs) -> anyhow::Result<Outcome> {
    let postprocessing = Postprocessing::load(&args.postprocessing)?;
    let pipeline = context.pipeline_without_roots();
    let cleaned = pipeline
        .postprocess(&postprocessing, &args.input, &args.output)
        .with_context(|| format!("cannot postprocess {}", args.input.display()))?;
    let changed = cleaned.iter().filter(|case| case.removed > 0).count();
    let removed: u64 = cleaned.iter().map(|case| case.removed).sum();
    output::line(format!(
        "{} steps on {} label maps, {changed} changed, {removed} voxels became background: {}",
        postprocessing.steps().len(),
        cleaned.len(),
        args.output.display()
    ));
    Ok(Outcome::Complete)
}
