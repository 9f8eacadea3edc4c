use nnunet::pipeline::Existing;
use nnunet::schema::Grouping;

use crate::args::SplitArgs;
use crate::context::{Context, Need};
use crate::{Outcome, output};

pub(crate) fn run(context: &Context, args: &SplitArgs) -> anyhow::Result<Outcome> {
    let pipeline = context.pipeline(Need::RawAndPreprocessed)?;
    let grouping = match (&args.group_pattern, &args.group_file) {
        (Some(pattern), _) => Some(Grouping::Pattern(pattern.clone())),
        (None, Some(file)) => Some(Grouping::File(file.clone())),
        (None, None) => None,
    };
    let existing = if args.clean {
        Existing::Replace
    } else {
        Existing::Keep
    };
    let id = &args.dataset.dataset;
    let splits = pipeline.split(id, grouping.as_ref(), existing)?;
    let mut table = output::table(&["fold", "training", "validation"]);
    for (fold, split) in splits.0.iter().enumerate() {
        table.add_row([fold, split.train.len(), split.val.len()].map(|n| n.to_string()));
    }
    output::line(table);
    let path = pipeline.layout.splits(&pipeline.layout.resolve(id)?);
    output::line(format!("splits: {}", path.display()));
    Ok(Outcome::Complete)
}
