//! Which normalisation each channel gets.

use nnunet_schema::plans::NormalizationScheme;

use crate::{MaskRule, Rules};

/// The scheme of each channel, and whether its statistics come from inside the nonzero mask
/// (paper, online methods: intensity normalisation).
///
/// The name of a channel decides: `CT` is normalised with the statistics of the dataset, other
/// images by their own; the names that nnU-Net v2 reserves for further schemes are honoured.
/// The mask is for images whose zero border made up at least a quarter of them.
pub(crate) fn choose(
    rules: &Rules,
    channel_names: &[&str],
    median_relative_size: f64,
) -> (Vec<NormalizationScheme>, Vec<bool>) {
    let cropped_much = median_relative_size < rules.mask_threshold;
    (channel_names.iter())
        .map(|name| {
            let scheme = scheme(name);
            let allowed = match rules.mask_rule {
                MaskRule::NotNamedCt => !name.contains("CT"),
                MaskRule::ZScore => scheme == NormalizationScheme::ZScore,
            };
            (scheme, cropped_much && allowed)
        })
        .unzip()
}

fn scheme(channel_name: &str) -> NormalizationScheme {
    match channel_name.to_lowercase().as_str() {
        "ct" => NormalizationScheme::Ct,
        "nonorm" => NormalizationScheme::None,
        "rescale_to_0_1" => NormalizationScheme::RescaleTo01,
        "rgb_to_0_1" => NormalizationScheme::RgbTo01,
        _ => NormalizationScheme::ZScore,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_decide() {
        let names = ["CT", "noNorm", "T1", "rgb_to_0_1", "PET_CT"];
        let (schemes, masks) = choose(&Rules::paper(), &names, 0.5);
        assert_eq!(
            schemes,
            [
                NormalizationScheme::Ct,
                NormalizationScheme::None,
                NormalizationScheme::ZScore,
                NormalizationScheme::RgbTo01,
                NormalizationScheme::ZScore,
            ]
        );
        assert_eq!(masks, [false, true, true, true, false]);
    }

    #[test]
    fn the_mask_needs_a_quarter_of_border() {
        assert_eq!(choose(&Rules::paper(), &["MR"], 0.75).1, [false]);
        assert_eq!(choose(&Rules::paper(), &["MR"], f64::NAN).1, [false]);
    }
}
