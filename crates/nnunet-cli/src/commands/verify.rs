use nnunet::fingerprint::VerifyReport;
use serde_json::{Value, json};

use crate::args::VerifyArgs;
use crate::context::{Context, Need};
use crate::{Outcome, output};

pub(crate) fn run(context: &Context, args: &VerifyArgs) -> anyhow::Result<Outcome> {
    let pipeline = context.pipeline(Need::Raw)?;
    let report = pipeline.verify(&args.dataset.dataset)?;
    if args.json.json {
        output::document(&document(&report))?;
    } else {
        tell(&report);
    }
    anyhow::ensure!(
        report.is_usable(),
        "correct the errors of {} first",
        report.dataset
    );
    Ok(Outcome::Complete)
}

fn tell(report: &VerifyReport) {
    for finding in &report.findings {
        output::line(format!("{}: {finding}", finding.severity()));
    }
    let (errors, warnings) = (report.errors().count(), report.warnings().count());
    output::line(format!(
        "{}: {} cases, {errors} errors, {warnings} warnings",
        report.dataset, report.cases
    ));
}

fn document(report: &VerifyReport) -> Value {
    let findings = report.findings.iter().map(|finding| {
        json!({
            "severity": finding.severity(),
            "case": finding.case,
            "file": finding.file,
            "message": finding.kind.to_string(),
        })
    });
    json!({
        "dataset": report.dataset,
        "cases": report.cases,
        "usable": report.is_usable(),
        "errors": report.errors().count(),
        "warnings": report.warnings().count(),
        "findings": findings.collect::<Vec<_>>(),
    })
}
