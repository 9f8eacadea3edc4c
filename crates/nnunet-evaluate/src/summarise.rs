use std::collections::BTreeMap;

use indexmap::IndexMap;
use nnunet_schema::Summary;
use nnunet_schema::summary::{CaseMetrics, ClassMetrics, MeanMetrics};

use crate::EvaluateError;

/// Means over the cases, and over the classes, of the metrics of single cases.
///
/// A class' mean leaves out the cases where it is NaN (NaN if that is all of them). The
/// foreground mean is the plain mean over the classes, so that a class that no case has makes it
/// NaN; the class `0`, should it be there, does not enter it. Cases keep their order, keys are
/// sorted as text, as the reference program's `summary.json` has them.
///
/// # Errors
/// [`EvaluateError::DifferentClasses`] if a case lacks a class of the first one, or has another.
pub fn summarise(mut cases: Vec<CaseMetrics>) -> Result<Summary, EvaluateError> {
    for case in &mut cases {
        case.metrics.sort_keys();
    }
    check_classes(&cases)?;
    let mut per_class: BTreeMap<&str, Vec<ClassMetrics>> = BTreeMap::new();
    for (key, metrics) in cases.iter().flat_map(|case| &case.metrics) {
        per_class.entry(key).or_default().push(*metrics);
    }
    let mean: IndexMap<String, MeanMetrics> = (per_class.into_iter())
        .map(|(key, metrics)| (key.to_owned(), mean_over_cases(&metrics)))
        .collect();
    Ok(Summary {
        foreground_mean: mean_over_classes(&mean),
        mean,
        metric_per_case: cases,
    })
}

/// The summary of all folds of a cross-validation together: every case once, in the order of
/// the file names of the predictions, the means taken anew over all of them.
///
/// # Errors
/// [`EvaluateError::CaseInTwoSummaries`] if a case occurs twice,
/// [`EvaluateError::DifferentClasses`] if the summaries are of different datasets.
pub fn merge(folds: &[Summary]) -> Result<Summary, EvaluateError> {
    let mut cases: BTreeMap<&str, (usize, &CaseMetrics)> = BTreeMap::new();
    for (fold, summary) in folds.iter().enumerate() {
        for case in &summary.metric_per_case {
            let name = file_name(&case.prediction_file);
            if let Some((first, _)) = cases.insert(name, (fold, case)) {
                return Err(EvaluateError::CaseInTwoSummaries {
                    case: name.to_owned(),
                    first,
                    second: fold,
                });
            }
        }
    }
    summarise(cases.into_values().map(|(_, case)| case.clone()).collect())
}

/// The last part of a path of either system, which names the case.
pub(crate) fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

fn check_classes(cases: &[CaseMetrics]) -> Result<(), EvaluateError> {
    let keys = |case: &CaseMetrics| case.metrics.keys().cloned().collect::<Vec<_>>();
    let Some(first) = cases.first() else {
        return Ok(());
    };
    match (cases.iter()).find(|case| !case.metrics.keys().eq(first.metrics.keys())) {
        None => Ok(()),
        Some(other) => Err(EvaluateError::DifferentClasses {
            case: file_name(&other.prediction_file).to_owned(),
            found: keys(other),
            expected_by: file_name(&first.prediction_file).to_owned(),
            expected: keys(first),
        }),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "voxel counts are far below 2^53"
)]
fn mean_over_cases(cases: &[ClassMetrics]) -> MeanMetrics {
    let mean = |of: fn(&ClassMetrics) -> f64| nan_mean(&cases.iter().map(of).collect::<Vec<_>>());
    MeanMetrics {
        dice: mean(|m| m.dice),
        false_negative: mean(|m| m.false_negative as f64),
        false_positive: mean(|m| m.false_positive as f64),
        iou: mean(|m| m.iou),
        true_negative: mean(|m| m.true_negative as f64),
        true_positive: mean(|m| m.true_positive as f64),
        n_pred: mean(|m| m.n_pred as f64),
        n_ref: mean(|m| m.n_ref as f64),
    }
}

pub(crate) fn mean_over_classes(means: &IndexMap<String, MeanMetrics>) -> MeanMetrics {
    let foreground: Vec<&MeanMetrics> = (means.iter())
        .filter(|(key, _)| *key != "0")
        .map(|(_, mean)| mean)
        .collect();
    let mean = |of: fn(&MeanMetrics) -> f64| {
        let values: Vec<f64> = foreground.iter().map(|m| of(m)).collect();
        plain_mean(&values)
    };
    MeanMetrics {
        dice: mean(|m| m.dice),
        false_negative: mean(|m| m.false_negative),
        false_positive: mean(|m| m.false_positive),
        iou: mean(|m| m.iou),
        true_negative: mean(|m| m.true_negative),
        true_positive: mean(|m| m.true_positive),
        n_pred: mean(|m| m.n_pred),
        n_ref: mean(|m| m.n_ref),
    }
}

/// The mean; NaN if a value is NaN or there are none.
#[expect(clippy::cast_precision_loss, reason = "a count of cases or classes")]
fn plain_mean(values: &[f64]) -> f64 {
    pairwise_sum(values) / values.len() as f64
}

/// The mean of the values that are not NaN; NaN if there are none.
#[expect(clippy::cast_precision_loss, reason = "a count of cases or classes")]
pub(crate) fn nan_mean(values: &[f64]) -> f64 {
    let zeroed: Vec<f64> = (values.iter())
        .map(|v| if v.is_nan() { 0.0 } else { *v })
        .collect();
    let count = values.iter().filter(|v| !v.is_nan()).count();
    pairwise_sum(&zeroed) / count as f64
}

/// The sum in the order in which numpy adds a contiguous array up, so that our means have the
/// very bits of the reference's: eight running sums over blocks of up to 128, halves above.
fn pairwise_sum(values: &[f64]) -> f64 {
    if values.len() < 8 {
        return values.iter().fold(0.0, |sum, v| sum + v);
    }
    if values.len() > 128 {
        let half = values.len() / 2 / 8 * 8;
        let (low, high) = values.split_at(half);
        return pairwise_sum(low) + pairwise_sum(high);
    }
    let (blocks, rest) = values.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for block in blocks {
        for (sum, value) in sums.iter_mut().zip(block) {
            *sum += value;
        }
    }
    let [a, b, c, d, e, f, g, h] = sums;
    let total = ((a + b) + (c + d)) + ((e + f) + (g + h));
    rest.iter().fold(total, |sum, v| sum + v)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Overlap;

    fn case(name: &str, metrics: &[(&str, u64, u64)]) -> CaseMetrics {
        CaseMetrics {
            metrics: (metrics.iter())
                .map(|(key, tp, fp)| {
                    let overlap = Overlap {
                        true_positive: *tp,
                        false_positive: *fp,
                        ..Overlap::default()
                    };
                    ((*key).to_owned(), overlap.into())
                })
                .collect(),
            prediction_file: format!("p/{name}.nii.gz"),
            reference_file: format!("r/{name}.nii.gz"),
        }
    }

    #[test]
    fn a_nan_case_is_left_out_but_a_nan_class_spoils_the_foreground() {
        let summary = summarise(vec![
            case("a", &[("2", 1, 2), ("10", 0, 0)]),
            case("b", &[("2", 0, 0), ("10", 0, 0)]),
        ])
        .unwrap();
        assert_eq!(summary.mean.keys().collect::<Vec<_>>(), ["10", "2"]);
        assert_eq!(summary.mean["2"].dice, 0.5);
        assert_eq!(summary.mean["2"].n_pred, 1.5);
        assert!(summary.mean["10"].dice.is_nan());
        assert!(summary.foreground_mean.dice.is_nan());
        assert_eq!(summary.foreground_mean.n_pred, 0.75);
    }

    #[test]
    fn the_background_is_no_foreground() {
        let summary = summarise(vec![case("a", &[("0", 9, 0), ("1", 1, 2)])]).unwrap();
        assert_eq!(summary.foreground_mean.dice, 0.5);
    }

    #[test]
    fn folds_are_merged_by_file_name_and_a_case_counts_once() {
        let one = summarise(vec![case("b", &[("1", 1, 0)])]).unwrap();
        let two = summarise(vec![case("a", &[("1", 1, 2)]), case("c", &[("1", 0, 1)])]).unwrap();
        let all = merge(&[one.clone(), two]).unwrap();
        let names: Vec<_> = (all.metric_per_case.iter())
            .map(|case| case.prediction_file.as_str())
            .collect();
        assert_eq!(names, ["p/a.nii.gz", "p/b.nii.gz", "p/c.nii.gz"]);
        assert_eq!(all.foreground_mean.dice, 0.5);
        let error = merge(&[one.clone(), one]).unwrap_err().to_string();
        assert!(error.contains("b.nii.gz"), "{error}");
    }

    #[test]
    fn summaries_of_different_classes_do_not_mix() {
        let result = summarise(vec![case("a", &[("1", 1, 0)]), case("b", &[("2", 1, 0)])]);
        assert!(matches!(
            result,
            Err(EvaluateError::DifferentClasses { .. })
        ));
    }

    proptest! {
        #[test]
        fn the_pairwise_sum_is_the_sum(values in proptest::collection::vec(-1e3..1e3, 0..700)) {
            let plain: f64 = values.iter().sum();
            prop_assert!((pairwise_sum(&values) - plain).abs() < 1e-8);
        }
    }
}
