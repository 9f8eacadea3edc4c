//! What the plans say of each channel, and how cases are resampled.

use nnunet_schema::plans::{NormalizationScheme, ResamplingFunction};
use nnunet_schema::{Configuration, Plans};

use super::{Report, keys};

const SCHEMES: &[&str] = &[
    "ZScoreNormalization",
    "CTNormalization",
    "NoNormalization",
    "RescaleTo01Normalization",
    "RGBTo01Normalization",
];

pub(super) fn check(report: &mut Report<'_>, plans: &Plans, configuration: &Configuration) {
    check_counts(report, plans, configuration);
    check_schemes(report, configuration);
    check_resampling(report, configuration);
}

/// There is one scheme per channel; how many channels there are is told by the intensities,
/// which not all plans have.
fn check_counts(report: &mut Report<'_>, plans: &Plans, configuration: &Configuration) {
    let found = configuration.normalization_schemes.len();
    let known = plans.foreground_intensity_properties_per_channel.len();
    if found == 0 {
        let message = "is empty, expected one scheme per channel";
        report.error("normalization_schemes", message);
    } else if known > 0 && found != known {
        let message = format!(
            "has {found} entries like use_mask_for_norm, expected {known}: one per channel, as \
             in foreground_intensity_properties_per_channel"
        );
        report.error("normalization_schemes", message);
    }
}

/// A name close to a known one is taken for misspelt. Any other may be known to the program
/// that embeds this one.
fn check_schemes(report: &mut Report<'_>, configuration: &Configuration) {
    for (channel, scheme) in configuration.normalization_schemes.iter().enumerate() {
        let NormalizationScheme::Other(name) = scheme else {
            continue;
        };
        let key = format!("normalization_schemes[{channel}]");
        let message = format!(
            "is `{name}`, expected one of {} or a scheme registered by your own program{}",
            SCHEMES.join(", "),
            keys::did_you_mean(name, SCHEMES)
        );
        match keys::nearest(name, SCHEMES) {
            Some(_) => report.error(key, message),
            None => report.warning(key, message),
        }
    }
}

fn check_resampling(report: &mut Report<'_>, configuration: &Configuration) {
    let functions = [
        ("resampling_fn_data", &configuration.resampling_fn_data),
        ("resampling_fn_seg", &configuration.resampling_fn_seg),
        (
            "resampling_fn_probabilities",
            &configuration.resampling_fn_probabilities,
        ),
    ];
    for (key, function) in functions {
        if let Err(unknown) = ResamplingFunction::from_name(function) {
            report.error(key, unknown.to_string());
        }
    }
}
