//! Tables that more than one command shows.

use comfy_table::Table;
use nnunet::schema::{DatasetDescription, Summary};

use crate::output::{score, table};

/// Dice per class over the cases of a summary.
pub(crate) fn dice_table(
    description: &DatasetDescription,
    summary: &Summary,
) -> anyhow::Result<Table> {
    let scheme = description.label_scheme()?;
    let mut out = table(&["class", "mean Dice", "lowest", "highest", "cases"]);
    for (name, (key, mean)) in scheme.names().iter().zip(&summary.mean) {
        let values: Vec<f64> = (summary.metric_per_case.iter())
            .filter_map(|case| case.metrics.get(key))
            .map(|metrics| metrics.dice)
            .filter(|dice| !dice.is_nan())
            .collect();
        let lowest = values.iter().copied().fold(f64::NAN, f64::min);
        let highest = values.iter().copied().fold(f64::NAN, f64::max);
        out.add_row([
            name.clone(),
            score(mean.dice),
            score(lowest),
            score(highest),
            values.len().to_string(),
        ]);
    }
    out.add_row([
        "mean of the classes".to_owned(),
        score(summary.foreground_mean.dice),
        String::new(),
        String::new(),
        summary.metric_per_case.len().to_string(),
    ]);
    Ok(out)
}
