use nnunet::model::CheckpointKind;
use nnunet::pipeline::{
    ExportReport, ExportRequest, ExportedModels, OwnCheckpoints, PipelineError, SharedModel,
    SharingError,
};

use super::train::stop_on_signal;
use crate::args::{CheckpointChoice, ExportModelArgs};
use crate::context::{Context, Need};
use crate::{Outcome, output};

pub(crate) fn run(context: &Context, args: &ExportModelArgs) -> anyhow::Result<Outcome> {
    let pipeline = context.pipeline(Need::Results)?;
    let request = ExportRequest {
        dataset: args.dataset.dataset.clone(),
        output: args.output.clone(),
        models: match args.selected {
            true => ExportedModels::Selected,
            false => ExportedModels::Chosen {
                trainer: args.trainer.clone(),
                plans: args.plans.clone(),
                configurations: args.configurations.clone(),
                folds: args.folds.clone(),
            },
        },
        checkpoints: args.checkpoints.iter().map(|kind| (*kind).into()).collect(),
        own_checkpoints: match args.own_checkpoints {
            true => OwnCheckpoints::Added,
            false => OwnCheckpoints::Left,
        },
    };
    let stop = stop_on_signal()?;
    match pipeline.export_model(&request, &stop) {
        Ok(report) => tell(&report),
        Err(error) => return stopped(error),
    }
    Ok(Outcome::Complete)
}

fn tell(report: &ExportReport) {
    list(&report.models);
    if let Some(winner) = &report.selected {
        let names: Vec<&str> = winner.iter().map(|m| m.configuration.as_str()).collect();
        output::line(format!("selection: {}", names.join(" + ")));
    }
    for note in &report.notes {
        output::line(format!("note: {note}"));
    }
    output::line(format!(
        "archive: {} ({} files, {})",
        report.archive.display(),
        report.files,
        output::bytes(report.bytes)
    ));
}

/// The models and their folds.
pub(super) fn list(models: &[SharedModel]) {
    for model in models {
        let folds: Vec<String> = model.folds.iter().map(ToString::to_string).collect();
        let word = if folds.len() == 1 { "fold" } else { "folds" };
        output::line(format!("{}: {word} {}", model.name, folds.join(" ")));
    }
}

/// How the program ends after this error: being stopped is none.
pub(super) fn stopped(error: PipelineError) -> anyhow::Result<Outcome> {
    match error {
        PipelineError::Sharing(SharingError::Stopped) => {
            output::line("stopped; nothing is left of it");
            Ok(Outcome::Interrupted)
        }
        other => Err(other.into()),
    }
}

impl From<CheckpointChoice> for CheckpointKind {
    fn from(choice: CheckpointChoice) -> Self {
        match choice {
            CheckpointChoice::Final => Self::Final,
            CheckpointChoice::Best => Self::Best,
            CheckpointChoice::Latest => Self::Latest,
        }
    }
}
