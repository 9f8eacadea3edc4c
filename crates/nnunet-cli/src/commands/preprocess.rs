use std::time::Instant;

use comfy_table::CellAlignment;
use nnunet::infer::peak_resident;
use nnunet::preprocess::{Precision, PreprocessError};

use crate::args::PreprocessArgs;
use crate::context::{Context, Need};
use crate::{Outcome, output};

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
    let precision = if args.half {
        Precision::Half
    } else {
        Precision::Single
    };

    let heads = [
        "configuration",
        "done",
        "already there",
        "failed",
        "on disk",
        "time",
    ];
    let mut table = output::table(&heads);
    let mut failures = Vec::new();
    let mut refused = None;
    for name in &configurations {
        let start = Instant::now();
        let report = match pipeline.preprocess_as(id, &args.plans.plans, name, precision) {
            Ok(report) => report,
            Err(error) => {
                // What was done and what failed before is told all the same.
                refused = Some(error);
                break;
            }
        };
        table.add_row([
            name.clone(),
            report.done.len().to_string(),
            report.skipped.len().to_string(),
            report.failed.len().to_string(),
            megabytes(report.bytes_on_disk),
            output::seconds(start.elapsed().as_secs_f64()),
        ]);
        let failed = report.failed.into_iter();
        failures.extend(failed.map(|(case, error)| (name.clone(), case, error)));
    }
    if !table.is_empty() {
        output::line(table);
        if let Some(bytes) = peak_resident() {
            output::line(format!("peak memory: {}", megabytes(bytes)));
        }
    }
    if !failures.is_empty() {
        list(&failures);
    }
    if let Some(error) = refused {
        return Err(error.into());
    }
    if failures.is_empty() {
        return Ok(Outcome::Complete);
    }
    output::line("all other cases are done; run the command again to do only those that failed");
    Ok(Outcome::Partial)
}

/// The cases that failed, as a table.
fn list(failures: &[(String, String, PreprocessError)]) {
    let mut table = output::table(&["failed case", "configuration", "error"]);
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Left);
    }
    for (configuration, case, error) in failures {
        table.add_row([case.clone(), configuration.clone(), error.to_string()]);
    }
    output::line(table);
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
