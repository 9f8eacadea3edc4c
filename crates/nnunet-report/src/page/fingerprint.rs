use maud::{Markup, html};

use super::missing;
use super::words::{self, cell, number};
use crate::chart::{BoxRow, boxes, profile, profile_class};
use crate::data::{ChannelIntensities, ClassVolumes, Comparison, Fingerprint, Part, Spread};

pub(super) fn section(fingerprint: &Fingerprint) -> Markup {
    html! {
        p {
            "What is known of the " (fingerprint.cases) " training cases; the plan follows from it. \
             Cropping to the nonzero box leaves "
            (format!("{:.1}", 100.0 * fingerprint.kept_by_cropping)) " % of the median case."
        }
        h3 { "Shapes and spacings" }
        (geometry(&fingerprint.geometry))
        h3 { "Intensities of the foreground" }
        (intensities(&fingerprint.intensities))
        h3 { "Volumes of the classes" }
        @match &fingerprint.volumes {
            Part::Present(volumes) => (class_volumes(volumes)),
            Part::Missing(reason) => (missing(reason)),
        }
        h3 { "Beside other datasets" }
        @match &fingerprint.comparison {
            Part::Present(others) => (comparison(others)),
            Part::Missing(reason) => (missing(reason)),
        }
    }
}

fn geometry(spreads: &[Spread]) -> Markup {
    let row = |spread: &Spread| {
        let mut cells = vec![cell(&spread.name), cell(&spread.unit)];
        cells.extend(words::extremes(&spread.values).map(|value| cell(number(value))));
        cells
    };
    let rows: Vec<Vec<Markup>> = spreads.iter().map(row).collect();
    html! {
        (words::table(
            "After cropping, axes as in the files",
            &["", "unit", "smallest", "median", "largest"],
            &rows,
        ))
    }
}

fn intensities(channels: &[ChannelIntensities]) -> Markup {
    let row = |channel: &ChannelIntensities| {
        let values = [
            channel.mean,
            channel.deviation,
            channel.lowest,
            channel.percentile_00_5,
            channel.median,
            channel.percentile_99_5,
            channel.highest,
        ];
        let mut cells = vec![cell(&channel.channel)];
        cells.extend(values.map(|value| cell(number(value))));
        cells
    };
    let rows: Vec<Vec<Markup>> = channels.iter().map(row).collect();
    words::table(
        "Intensities of foreground voxels, all cases together",
        &[
            "channel",
            "mean",
            "deviation",
            "lowest",
            "0.5 %",
            "median",
            "99.5 %",
            "highest",
        ],
        &rows,
    )
}

fn class_volumes(volumes: &[ClassVolumes]) -> Markup {
    let rows: Vec<BoxRow<'_>> = (volumes.iter().enumerate())
        .map(|(colour, volume)| BoxRow {
            name: &volume.class,
            colour,
            values: (volume.millilitres.iter())
                .map(|ml| ("a case", *ml))
                .collect(),
        })
        .collect();
    let numbers = volumes.iter().map(|volume| {
        let mut cells = vec![cell(&volume.class)];
        cells.extend(words::extremes(&volume.millilitres).map(|value| cell(number(value))));
        cells.push(cell(volume.millilitres.len().to_string()));
        cells.push(cell(volume.cases_without.to_string()));
        cells
    });
    html! {
        div.figures {
            figure {
                (boxes(
                    "Volume of each class over the cases, in millilitres; the table has the numbers",
                    "ml",
                    &rows,
                    Some([0.0, 0.0]),
                ))
                figcaption { "Volume of each class in the references, a dot per case." }
            }
            (words::table(
                "Volumes in millilitres",
                &["class", "smallest", "median", "largest", "cases", "without"],
                &numbers.collect::<Vec<_>>(),
            ))
        }
    }
}

fn comparison(comparison: &Comparison) -> Markup {
    // Its own column stands first: the others may be out of sight.
    let mut order: Vec<usize> = (0..comparison.datasets.len()).collect();
    order.sort_by_key(|dataset| *dataset != comparison.own);
    let mut heads = vec!["property"];
    heads.extend((order.iter()).filter_map(|i| Some(comparison.datasets.get(*i)?.as_str())));
    let rows = comparison.properties.iter().map(|property| {
        let known = |values: &[f64], dataset: usize| values.get(dataset).copied();
        let mut cells = vec![cell(&property.name)];
        cells.extend(order.iter().map(|dataset| {
            let value = known(&property.values, *dataset).unwrap_or(f64::NAN);
            match known(&property.z_scores, *dataset).filter(|z| z.is_finite()) {
                Some(z) => html! { (number(value)) " " small { "(" (format!("{z:+.2}")) ")" } },
                None => cell(number(value)),
            }
        }));
        cells
    });
    let names = comparison.datasets.iter().enumerate();
    html! {
        div.figures {
            figure {
                (profile(comparison))
                (words::legend(names.map(|(i, name)| (profile_class(comparison, i), name.as_str()))))
                figcaption {
                    "Each property in standard deviations from its mean over "
                    (comparison.datasets.len()) " datasets; the band is one deviation around it. \
                     The thick line is this dataset."
                }
            }
            (words::table(
                "Values, with the standard deviations from the mean",
                &heads,
                &rows.collect::<Vec<_>>(),
            ))
        }
    }
}
