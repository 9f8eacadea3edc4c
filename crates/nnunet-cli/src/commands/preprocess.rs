use std::time::Instant;

use crate::args::PreprocessArgs;
use crate::context::{Context, Need};
use crate::{Outcome, memory, output};

pub(crate) fn run(context: &Context, args: &PreprocessArgs) -> anyhow::Result<Outcome> {
    let pipeline = context.pipeline(Need::RawAndPreprocessed)?;
    let id = &args.dataset.dataset;
    let dataset = pipeline.layout.resolve(id)?;
    let plans = pipeline.plans(&dataset, &args.plans.plans)?;
    let configurations = if args.configurations.is_empty() {
        let all = plans.configuration_names();
        all.into_iter().map(str::to_owned).collect()
    } else {
        args.configurations.clone()
    };
    // An unknown name is found before hours of work on the others.
    for name in &configurations {
        plans.configuration(name)?;
    }

    let mut outcome = Outcome::Complete;
    let mut table = output::table(&["configuration", "done", "already there", "failed", "time"]);
    for name in &configurations {
        let start = Instant::now();
        let report = pipeline.preprocess(id, &args.plans.plans, name)?;
        for (case, error) in &report.failed {
            output::line(format!("error: {name}, case `{case}`: {error}"));
            outcome = Outcome::Partial;
        }
        table.add_row([
            name.clone(),
            report.done.len().to_string(),
            report.skipped.len().to_string(),
            report.failed.len().to_string(),
            output::seconds(start.elapsed().as_secs_f64()),
        ]);
    }
    output::line(table);
    if let Some(bytes) = memory::peak_resident() {
        output::line(format!("peak memory: {} MB", bytes / 1_000_000));
    }
    Ok(outcome)
}
