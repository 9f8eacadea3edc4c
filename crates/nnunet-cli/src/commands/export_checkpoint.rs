use nnunet::model::CheckpointKind;
use nnunet::pipeline::export_checkpoints;

use crate::args::{CheckpointChoice, ExportCheckpointArgs};
use crate::{Outcome, output};

pub(crate) fn run(args: &ExportCheckpointArgs) -> anyhow::Result<Outcome> {
    let kind = match args.checkpoint {
        CheckpointChoice::Final => CheckpointKind::Final,
        CheckpointChoice::Best => CheckpointKind::Best,
        CheckpointChoice::Latest => CheckpointKind::Latest,
    };
    for path in export_checkpoints(&args.model, &args.folds, kind)? {
        output::line(path.display());
    }
    Ok(Outcome::Complete)
}
