use nnunet::pipeline::Existing;
use nnunet::schema::RuleSet;
use serde_json::json;

use crate::args::FingerprintArgs;
use crate::context::{Context, Need};
use crate::{Outcome, output};

pub(crate) fn run(context: &Context, args: &FingerprintArgs) -> anyhow::Result<Outcome> {
    let pipeline = context.pipeline(Need::RawAndPreprocessed)?;
    let existing = if args.clean {
        Existing::Replace
    } else {
        Existing::Keep
    };
    let id = &args.dataset.dataset;
    let sampling = RuleSet::from(args.rules).into();
    let fingerprint = pipeline.fingerprint(id, sampling, existing)?;
    let path = pipeline.layout.fingerprint(&pipeline.layout.resolve(id)?);
    let raw = pipeline.raw_dataset(id)?;

    if args.json.json {
        output::document(&json!({
            "dataset": raw.name,
            "file": path,
            "cases": fingerprint.spacings.len(),
            "median_relative_size_after_cropping": fingerprint.median_relative_size_after_cropping,
            "channels": fingerprint.foreground_intensity_properties_per_channel,
        }))?;
        return Ok(Outcome::Complete);
    }
    output::line(format!("cases: {}", fingerprint.spacings.len()));
    output::line(format!(
        "kept by cropping to nonzero: {:.1} % of the volume (median)",
        100.0 * fingerprint.median_relative_size_after_cropping
    ));
    let mut table = output::table(&["channel", "mean", "sd", "0.5 %", "median", "99.5 %"]);
    let names = raw.description.ordered_channel_names();
    for (channel, p) in &fingerprint.foreground_intensity_properties_per_channel {
        let name = (channel.parse::<usize>().ok()).and_then(|c| names.get(c).copied());
        let values = [
            p.mean,
            p.std,
            p.percentile_00_5,
            p.median,
            p.percentile_99_5,
        ];
        let mut row = vec![format!("{channel} {}", name.unwrap_or_default())];
        row.extend(values.map(|v| format!("{v:.4}")));
        table.add_row(row);
    }
    output::line(table);
    output::line(format!("fingerprint: {}", path.display()));
    Ok(Outcome::Complete)
}
