use super::{DatasetScores, PairedTest, SignedRank, holm, signed_rank_test};

/// For each dataset the test of every pair of methods on its cases; corrected for the number of
/// tests on all datasets.
pub(super) fn within(datasets: &[DatasetScores], methods: &[String]) -> Vec<Vec<PairedTest>> {
    let tests: Vec<Vec<PairedTest>> = (datasets.iter())
        .map(|dataset| test_pairs(&dataset.case_scores(), methods))
        .collect();
    let sizes: Vec<usize> = tests.iter().map(Vec::len).collect();
    let mut tests = corrected(tests.into_iter().flatten().collect()).into_iter();
    (sizes.into_iter())
        .map(|size| tests.by_ref().take(size).collect())
        .collect()
}

/// The test of every pair of methods on their scores on the datasets.
pub(super) fn over(datasets: &[DatasetScores], methods: &[String]) -> Vec<PairedTest> {
    if datasets.len() < 2 {
        return Vec::new();
    }
    let rows: Vec<Vec<f64>> = datasets.iter().map(DatasetScores::scores).collect();
    let columns: Vec<Vec<f64>> = (0..methods.len())
        .map(|method| rows.iter().map(|row| row[method]).collect())
        .collect();
    corrected(test_pairs(&columns, methods))
}

/// Tests of the scores of each method, not yet corrected.
fn test_pairs(scores: &[Vec<f64>], methods: &[String]) -> Vec<PairedTest> {
    let mut tests = Vec::new();
    for (i, (first, first_scores)) in methods.iter().zip(scores).enumerate() {
        for (second, second_scores) in methods.iter().zip(scores).skip(i + 1) {
            let mut differences: Vec<f64> = (first_scores.iter().zip(second_scores))
                .map(|(a, b)| a - b)
                .filter(|difference| !difference.is_nan())
                .collect();
            let SignedRank {
                pairs,
                statistic,
                p,
            } = signed_rank_test(&differences);
            differences.sort_unstable_by(f64::total_cmp);
            tests.push(PairedTest {
                first: first.clone(),
                second: second.clone(),
                median_difference: crate::surface::percentile(&differences, 50.0),
                differing: pairs,
                statistic,
                p,
                p_corrected: p,
            });
        }
    }
    tests
}

fn corrected(mut tests: Vec<PairedTest>) -> Vec<PairedTest> {
    let probabilities: Vec<f64> = tests.iter().map(|test| test.p).collect();
    for (test, p) in tests.iter_mut().zip(holm(&probabilities)) {
        test.p_corrected = p;
    }
    tests
}
