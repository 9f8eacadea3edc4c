//! Tables that more than one command shows.

use comfy_table::Table;
use nnunet::evaluate::surface::SurfaceSummary;
use nnunet::schema::{DatasetDescription, Summary};

use crate::output::{score, table};

/// Dice per class over the cases of a summary.
pub(crate) fn dice_table(
    description: &DatasetDescription,
    summary: &Summary,
) -> anyhow::Result<Table> {
    metrics_table(description, summary, None)
}

/// As [`dice_table`], with the means of the distances between surfaces if there are any.
pub(crate) fn metrics_table(
    description: &DatasetDescription,
    summary: &Summary,
    surfaces: Option<&SurfaceSummary>,
) -> anyhow::Result<Table> {
    let scheme = description.label_scheme()?;
    let mut heads = vec!["class", "mean Dice", "lowest", "highest", "cases"];
    if surfaces.is_some() {
        heads.extend(["HD95 mm", "mean distance mm", "surface Dice", "one-sided"]);
    }
    let mut out = table(&heads);
    for (name, (key, mean)) in scheme.names().iter().zip(&summary.mean) {
        let values: Vec<f64> = (summary.metric_per_case.iter())
            .filter_map(|case| case.metrics.get(key))
            .map(|metrics| metrics.dice)
            .filter(|dice| !dice.is_nan())
            .collect();
        let lowest = values.iter().copied().fold(f64::NAN, f64::min);
        let highest = values.iter().copied().fold(f64::NAN, f64::max);
        let mut row = vec![
            name.clone(),
            score(mean.dice),
            score(lowest),
            score(highest),
            values.len().to_string(),
        ];
        if let Some(means) = surfaces.and_then(|surfaces| surfaces.mean.get(key)) {
            row.extend([
                score(means.hausdorff_95),
                score(means.average_distance),
                score(means.surface_dice),
                means.one_sided.to_string(),
            ]);
        }
        out.add_row(row);
    }
    let mut row = vec![
        "mean of the classes".to_owned(),
        score(summary.foreground_mean.dice),
        String::new(),
        String::new(),
        summary.metric_per_case.len().to_string(),
    ];
    row.resize(heads.len(), String::new());
    out.add_row(row);
    Ok(out)
}
