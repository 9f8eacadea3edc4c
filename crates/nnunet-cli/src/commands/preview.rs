use anyhow::Context as _;
use nnunet::pipeline::PreviewRequest;
use nnunet::schema::atomic;

use crate::args::PreviewArgs;
use crate::context::{Context, Need};
use crate::{Outcome, output};

pub(crate) fn run(context: &Context, args: &PreviewArgs) -> anyhow::Result<Outcome> {
    let pipeline = context.pipeline(Need::RawAndPreprocessed)?;
    let preview = pipeline.preview_augmentation(&PreviewRequest {
        dataset: args.dataset.dataset.clone(),
        plans_name: args.plans.plans.clone(),
        configuration: args.configuration.clone(),
        case: args.case.clone(),
        channel: args.channel,
        patches: args.patches,
        versions: args.versions,
        augmentation: args.augmentation.choice(),
        seed: args.seed,
    })?;
    preview.picture.save(&args.output)?;
    let path = args.output.display();
    output::line(format!("case {}: {path}", preview.case));
    if let Some(path) = &args.draws {
        let text = serde_json::to_string_pretty(&preview.draws).context("the draws")?;
        atomic::write_with(path, |file| {
            std::io::Write::write_all(file, text.as_bytes())
        })?;
        output::line(format!("what was drawn: {}", path.display()));
    }
    Ok(Outcome::Complete)
}
