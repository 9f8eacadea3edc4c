use nnunet::image::convert_msd;

use crate::args::ConvertMsdArgs;
use crate::context::{Context, Need};
use crate::{Outcome, output};

pub(crate) fn run(context: &Context, args: &ConvertMsdArgs) -> anyhow::Result<Outcome> {
    let raw = context.pipeline(Need::Raw)?.layout.raw;
    let made = convert_msd(&args.source, &raw, args.id, context.progress.as_ref())?;
    output::line(format!(
        "{}: {} training cases, {} test cases, {} channels",
        made.name, made.training, made.test, made.channels
    ));
    output::line(format!("dataset: {}", made.folder.display()));
    Ok(Outcome::Complete)
}
