use std::sync::Arc;

use nnunet::evaluate::{EvaluateOptions, MissingPredictions, evaluate_folder};
use nnunet::image::FormatRegistry;
use nnunet::schema::{DatasetDescription, Progress, layout};

use super::report;
use crate::args::{EvaluateArgs, Missing};
use crate::context::Context;
use crate::{Outcome, output};

pub(crate) fn run(context: &Context, args: &EvaluateArgs) -> anyhow::Result<Outcome> {
    let progress: Arc<dyn Progress> = context.progress.clone();
    let description = DatasetDescription::load(&args.dataset_json)?;
    let options = EvaluateOptions {
        missing_predictions: match args.missing {
            Missing::Refuse => MissingPredictions::Refuse,
            Missing::Ignore => MissingPredictions::Ignore,
        },
    };
    let summary = evaluate_folder(
        &args.references,
        &args.predictions,
        &description,
        &FormatRegistry::default(),
        &options,
        progress.as_ref(),
    )?;
    let path = (args.output.clone()).unwrap_or_else(|| layout::summary(&args.predictions));
    summary.save(&path)?;
    output::line(report::dice_table(&description, &summary)?);
    output::line(format!("summary: {}", path.display()));
    Ok(Outcome::Complete)
}
