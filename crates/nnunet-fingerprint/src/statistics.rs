//! Percentiles as numpy computes them by default.

/// The `q`-th percentile of ascending values, `q` from 0 to 100, with linear interpolation
/// between order statistics; `None` without values.
///
/// With `h = (n − 1) · q / 100` the result lies between the values of rank `⌊h⌋` and `⌊h⌋ + 1`.
#[must_use]
pub fn percentile(ascending: &[f64], q: f64) -> Option<f64> {
    let (rank, fraction) = rank(ascending.len() as u64, q)?;
    let low = *ascending.get(rank as usize)?;
    let high = ascending.get(rank as usize + 1).copied().unwrap_or(low);
    Some(interpolate(low, high, high - low, fraction))
}

/// The median of values in any order: the middle one, or the mean of the two in the middle;
/// `None` without values.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut ascending = values.to_vec();
    ascending.sort_unstable_by(f64::total_cmp);
    let high = *ascending.get(ascending.len() / 2)?;
    if ascending.len() % 2 == 1 {
        return Some(high);
    }
    let low = *ascending.get(ascending.len() / 2 - 1)?;
    Some((low + high) / 2.0)
}

/// The rank below the `q`-th percentile of `n` values, from 0, and how far towards the next.
pub(crate) fn rank(n: u64, q: f64) -> Option<(u64, f64)> {
    let last = n.checked_sub(1)?;
    let h = last as f64 * (q / 100.0).clamp(0.0, 1.0);
    let below = (h.floor() as u64).min(last);
    Some((below, h - below as f64))
}

/// Between two values; from the nearer one, as numpy does. `difference` is `high − low` in the
/// precision of the values.
pub(crate) fn interpolate(low: f64, high: f64, difference: f64, fraction: f64) -> f64 {
    if fraction < 0.5 {
        low + difference * fraction
    } else {
        high - difference * (1.0 - fraction)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // numpy 2: np.percentile([1, 2, 4, 8, 16], [0, 10, 25, 37.5, 50, 99.5, 100])
    #[test]
    fn percentiles_are_those_of_numpy() {
        let values = [1.0, 2.0, 4.0, 8.0, 16.0];
        let wanted = [1.0, 1.4, 2.0, 3.0, 4.0, 15.84, 16.0];
        let q = [0.0, 10.0, 25.0, 37.5, 50.0, 99.5, 100.0];
        for (q, wanted) in q.into_iter().zip(wanted) {
            let found = percentile(&values, q).unwrap();
            assert!((found - wanted).abs() < 1e-12, "{q}: {found} for {wanted}");
        }
        assert_eq!(percentile(&[], 50.0), None);
        assert_eq!(percentile(&[3.0], 99.5), Some(3.0));
    }

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_two() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[4.0, 1.0, 3.0]), Some(3.0));
        assert_eq!(median(&[]), None);
    }

    proptest! {
        #[test]
        fn percentiles_ascend_and_stay_inside(
            mut values in proptest::collection::vec(-1e6_f64..1e6, 1..50),
            q in 0.0_f64..100.0,
        ) {
            values.sort_unstable_by(f64::total_cmp);
            let at = percentile(&values, q).unwrap();
            let above = percentile(&values, (q + 1.0).min(100.0)).unwrap();
            prop_assert!(values[0] <= at && at <= above && above <= values[values.len() - 1]);
        }
    }
}
