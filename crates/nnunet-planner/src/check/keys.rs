//! Keys that nothing reads, probably because they are misspelt.

use nnunet_schema::plans::LEGACY_NETWORK_KEYS;
use serde_json::{Map, Value};

use super::Report;

/// Keys of a configuration.
const CONFIGURATION: &[&str] = &[
    "inherits_from",
    "data_identifier",
    "preprocessor_name",
    "batch_size",
    "patch_size",
    "median_image_size_in_voxels",
    "spacing",
    "normalization_schemes",
    "use_mask_for_norm",
    "resampling_fn_data",
    "resampling_fn_seg",
    "resampling_fn_data_kwargs",
    "resampling_fn_seg_kwargs",
    "resampling_fn_probabilities",
    "resampling_fn_probabilities_kwargs",
    "architecture",
    "batch_dice",
    "next_stage",
    "previous_stage",
    "dummy_2d_augmentation",
];

const ARCHITECTURE: &[&str] = &["network_class_name", "arch_kwargs", "_kw_requires_import"];

/// Keys of `architecture.arch_kwargs`.
const ARGUMENTS: &[&str] = &[
    "n_stages",
    "features_per_stage",
    "conv_op",
    "kernel_sizes",
    "strides",
    "n_conv_per_stage",
    "n_blocks_per_stage",
    "n_conv_per_stage_decoder",
    "conv_bias",
    "norm_op",
    "norm_op_kwargs",
    "dropout_op",
    "dropout_op_kwargs",
    "nonlin",
    "nonlin_kwargs",
];

/// Names that are longer are not compared: nobody means one of ours.
const LONGEST_NAME: usize = 64;

/// Checks the keys that stand in the file under one configuration, inherited ones excepted.
///
/// The arguments of the resampling functions are open: each function has its own.
pub(super) fn check(report: &mut Report<'_>, own: &Map<String, Value>) {
    check_level(report, "", own, CONFIGURATION, &LEGACY_NETWORK_KEYS);
    if let Some(Value::Object(architecture)) = own.get("architecture") {
        check_level(report, "architecture.", architecture, ARCHITECTURE, &[]);
        if let Some(Value::Object(arguments)) = architecture.get("arch_kwargs") {
            let prefix = "architecture.arch_kwargs.";
            check_level(report, prefix, arguments, ARGUMENTS, &[]);
        }
    }
}

fn check_level(
    report: &mut Report<'_>,
    prefix: &str,
    found: &Map<String, Value>,
    known: &[&str],
    accepted: &[&str],
) {
    let is_known = |key: &str| known.contains(&key) || accepted.contains(&key);
    for key in found.keys().filter(|key| !is_known(key)) {
        let message = format!(
            "is no known key and has no effect{}",
            did_you_mean(key, known)
        );
        report.warning(format!("{prefix}{key}"), message);
    }
}

/// `: did you mean …?` if one of the known names is close, else nothing.
pub(super) fn did_you_mean(found: &str, known: &[&str]) -> String {
    nearest(found, known).map_or_else(String::new, |name| format!(": did you mean `{name}`?"))
}

/// The known name that takes the fewest edits to get from `found`, if they are so few that it
/// may be meant: one in three of its letters.
pub(super) fn nearest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    if found.len() > LONGEST_NAME {
        return None;
    }
    (known.iter())
        .map(|name| (edits(&found.to_lowercase(), &name.to_lowercase()), *name))
        .filter(|(edits, name)| edits * 3 <= name.len())
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

/// The Levenshtein distance: letters to insert, remove or replace.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (above, to) in row.iter_mut().skip(1).zip(&b) {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = *above;
            left = replaced.min(diagonal + 1).min(left + 1);
            *above = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (a, b, expected) in [
            ("", "", 0),
            ("abc", "", 3),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("patchsize", "patch_size", 1),
            ("größe", "grösse", 2),
        ] {
            assert_eq!(edits(a, b), expected, "{a} {b}");
            assert_eq!(edits(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn only_close_names_are_suggested() {
        assert_eq!(nearest("patchsize", CONFIGURATION), Some("patch_size"));
        assert_eq!(nearest("Batch_Sise", CONFIGURATION), Some("batch_size"));
        assert_eq!(nearest("author", CONFIGURATION), None);
        assert_eq!(nearest(&"x".repeat(100_000), CONFIGURATION), None);
        assert_eq!(did_you_mean("author", CONFIGURATION), "");
    }
}
