use nnunet::image::FormatRegistry;
use nnunet::infer::{EnsembleOptions, ExistingOutputs, ensemble_folders};

use super::predict;
use crate::Outcome;
use crate::args::EnsembleArgs;
use crate::context::Context;

pub(crate) fn run(context: &Context, args: &EnsembleArgs) -> anyhow::Result<Outcome> {
    let mut options = EnsembleOptions::default();
    options.npz = args.npz;
    if args.resume {
        options.existing = ExistingOutputs::Keep;
    }
    let formats = FormatRegistry::default();
    let progress = context.progress.as_ref();
    let report = ensemble_folders(&args.inputs, &args.output, options, &formats, progress)?;
    Ok(predict::tell(&report.into(), &args.output))
}
