//! The Wilcoxon signed-rank test, and Holm's correction.

use super::ranks;

/// Up to so many differences without ties the distribution is counted out.
const EXACT_UP_TO: usize = 50;

/// The outcome of a signed-rank test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SignedRank {
    /// Differences that are not zero, which are what the test uses.
    pub pairs: usize,
    /// The sum of the ranks of the positive differences.
    pub statistic: f64,
    /// Two-sided: how likely a sum at least as extreme is if neither is better.
    pub p: f64,
}

/// The Wilcoxon signed-rank test of paired differences, two-sided; zeros and NaN are left out.
///
/// Up to 50 differences without ties the distribution is exact, otherwise it is taken as normal
/// with the variance corrected for ties, without a correction for continuity. Without differences
/// the probability is 1.
#[must_use]
pub fn signed_rank_test(differences: &[f64]) -> SignedRank {
    let differences: Vec<f64> = (differences.iter().copied())
        .filter(|d| *d != 0.0 && !d.is_nan())
        .collect();
    let pairs = differences.len();
    // The smallest gets rank 1.
    let sizes: Vec<f64> = differences.iter().map(|d| -d.abs()).collect();
    let ranks = ranks(&sizes);
    let statistic = (differences.iter().zip(&ranks))
        .filter(|(d, _)| **d > 0.0)
        .map(|(_, rank)| rank)
        .sum();
    let mut sorted = ranks;
    sorted.sort_unstable_by(f64::total_cmp);
    let tied = sorted.windows(2).any(|pair| pair[0] == pair[1]);
    let p = match pairs {
        0 => 1.0,
        1..=EXACT_UP_TO if !tied => exact(pairs, statistic),
        _ => normal(&sorted, statistic),
    };
    SignedRank {
        pairs,
        statistic,
        p,
    }
}

/// From the number of ways to reach each sum of the ranks 1 to `n`.
fn exact(n: usize, statistic: f64) -> f64 {
    let highest = n * (n + 1) / 2;
    let mut ways = vec![0.0; highest + 1];
    ways[0] = 1.0;
    for rank in 1..=n {
        for sum in (rank..=highest).rev() {
            ways[sum] += ways[sum - rank];
        }
    }
    // The distribution is symmetric.
    let tail = (statistic as usize).min(highest - (statistic as usize).min(highest));
    let extreme: f64 = ways[..=tail].iter().sum();
    (2.0 * extreme / 2.0_f64.powi(n as i32)).min(1.0)
}

fn normal(sorted_ranks: &[f64], statistic: f64) -> f64 {
    let n = sorted_ranks.len() as f64;
    let mean = n * (n + 1.0) / 4.0;
    let ties: f64 = (sorted_ranks.chunk_by(|a, b| a == b))
        .map(|tied| (tied.len() as f64).powi(3) - tied.len() as f64)
        .sum();
    let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - ties / 48.0;
    let z = (statistic - mean).abs() / variance.sqrt();
    complementary_error(z / std::f64::consts::SQRT_2).min(1.0)
}

/// The complementary error function of a number that is not negative, to about 1e-14.
fn complementary_error(x: f64) -> f64 {
    let bell = (-x * x).exp() * std::f64::consts::FRAC_2_SQRT_PI;
    if x < 2.5 {
        let (mut term, mut sum, mut odd) = (x, x, 1.0);
        while term > 1e-17 * sum {
            odd += 2.0;
            term *= 2.0 * x * x / odd;
            sum += term;
        }
        return 1.0 - bell * sum;
    }
    let fraction = (1..=80)
        .rev()
        .fold(x, |below, k| x + f64::from(k) / 2.0 / below);
    bell / 2.0 / fraction
}

/// Probabilities corrected for their number by Holm's step-down method: claiming what stays below
/// a level is wrong anywhere at most that often, however the tests depend on each other.
#[must_use]
pub fn holm(probabilities: &[f64]) -> Vec<f64> {
    let count = probabilities.len();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b]));
    let mut corrected = vec![1.0; count];
    let mut least: f64 = 0.0;
    for (place, test) in order.into_iter().enumerate() {
        least = least
            .max(probabilities[test] * (count - place) as f64)
            .min(1.0);
        corrected[test] = least;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    // The results of `scipy.stats.wilcoxon`, SciPy 1.17.1; the last three by its normal method.
    const EXACT: [f64; 10] = [
        0.11, -0.32, 0.53, 0.74, -0.05, 0.96, 0.17, 0.28, -0.49, 0.61,
    ];
    const TIED: [f64; 11] = [0.5, 0.5, -0.5, 1.0, 1.0, 2.0, -2.0, 3.0, 0.0, 0.5, 1.5];
    const EXACT_RESULT: (f64, f64) = (43.0, 0.130859375);
    const TIED_RESULT: (f64, f64) = (44.0, 0.0900571843924685);
    const MANY_RESULT: (f64, f64) = (2714.0, 1.5400639560140757e-07);
    const FAR_RESULT: (f64, f64) = (7260.0, 1.9719517121524354e-21);

    #[test]
    fn probabilities_are_those_of_an_independent_implementation() {
        let check = |differences: &[f64], statistic: f64, p: f64| {
            let found = signed_rank_test(differences);
            assert_eq!(found.statistic, statistic);
            assert!((found.p - p).abs() < 1e-10 * p, "{} {p}", found.p);
        };
        check(&EXACT, EXACT_RESULT.0, EXACT_RESULT.1);
        check(&TIED, TIED_RESULT.0, TIED_RESULT.1);
        let many: Vec<f64> = (1..=80)
            .map(|i| f64::from(i * i * 7 % 101) - 30.5)
            .collect();
        check(&many, MANY_RESULT.0, MANY_RESULT.1);
        let far: Vec<f64> = (1..=120).map(|i| f64::from(i) + 0.25).collect();
        check(&far, FAR_RESULT.0, FAR_RESULT.1);
    }

    #[test]
    fn no_difference_is_no_evidence() {
        assert_eq!(signed_rank_test(&[0.0, f64::NAN, 0.0]).p, 1.0);
        assert_eq!(signed_rank_test(&[]).pairs, 0);
        assert_eq!(signed_rank_test(&[1.0, -2.0, 1.5]).p, 1.0);
    }

    #[test]
    fn the_correction_keeps_the_order_and_never_exceeds_one() {
        let found = holm(&[0.01, 0.04, 0.03, 0.5]);
        for (found, wanted) in found.iter().zip([0.04, 0.09, 0.09, 0.5]) {
            assert!((found - wanted).abs() < 1e-15);
        }
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
    }
}
