use crate::args::DatasetArgs;
use crate::context::{Context, Need};
use crate::{Outcome, output};

pub(crate) fn run(context: &Context, args: &DatasetArgs) -> anyhow::Result<Outcome> {
    let pipeline = context.pipeline(Need::Raw)?;
    let report = pipeline.verify(&args.dataset)?;
    for finding in &report.findings {
        output::line(format!("{}: {finding}", finding.severity()));
    }
    let (errors, warnings) = (report.errors().count(), report.warnings().count());
    output::line(format!(
        "{}: {} cases, {errors} errors, {warnings} warnings",
        report.dataset, report.cases
    ));
    anyhow::ensure!(
        report.is_usable(),
        "correct the errors of {} first",
        report.dataset
    );
    Ok(Outcome::Complete)
}
