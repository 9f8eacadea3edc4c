use nnunet::pipeline::export_checkpoints;

use crate::args::ExportCheckpointArgs;
use crate::{Outcome, output};

pub(crate) fn run(args: &ExportCheckpointArgs) -> anyhow::Result<Outcome> {
    for path in export_checkpoints(&args.model, &args.folds, args.checkpoint.into())? {
        output::line(path.display());
    }
    Ok(Outcome::Complete)
}
