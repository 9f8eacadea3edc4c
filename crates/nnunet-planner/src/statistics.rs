//! Order statistics, as numpy computes them.

/// The percentile `q` (0 to 100) with linear interpolation; NaN for no values.
pub(crate) fn percentile(values: &[f64], q: f64) -> f64 {
    let sorted = sorted(values);
    let position = sorted.len().saturating_sub(1) as f64 * (q / 100.0);
    let t = position.fract();
    let low = position.floor() as usize;
    match (sorted.get(low), sorted.get(low + 1)) {
        (Some(a), Some(b)) if t < 0.5 => a + (b - a) * t,
        // From the upper end, so that the last bit is numpy's.
        (Some(a), Some(b)) => b - (b - a) * (1.0 - t),
        (Some(a), None) => *a,
        (None, _) => f64::NAN,
    }
}

/// The middle value, or the mean of the two middle values; NaN for no values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    match (sorted.get(middle.wrapping_sub(1)), sorted.get(middle)) {
        (Some(a), Some(b)) if sorted.len().is_multiple_of(2) => f64::midpoint(*a, *b),
        (_, Some(b)) => *b,
        _ => f64::NAN,
    }
}

/// A statistic of each of the three axes.
pub(crate) fn per_axis(rows: &[[f64; 3]], statistic: impl Fn(&[f64]) -> f64) -> [f64; 3] {
    std::array::from_fn(|axis| {
        let column: Vec<f64> = rows.iter().map(|row| row[axis]).collect();
        statistic(&column)
    })
}

/// The index of the first largest value.
pub(crate) fn first_maximum(values: &[f64]) -> usize {
    (values.iter().enumerate()).fold(0, |best, (i, v)| if *v > values[best] { i } else { best })
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_interpolate() {
        assert_eq!(percentile(&[4.0, 1.0, 3.0, 2.0], 10.0), 1.3);
        assert_eq!(percentile(&[1.0, 2.0], 50.0), 1.5);
        assert_eq!(percentile(&[7.0], 10.0), 7.0);
        assert_eq!(percentile(&[1.0, 5.0], 100.0), 5.0);
        assert!(percentile(&[], 10.0).is_nan());
    }

    #[test]
    fn medians_of_even_counts_are_halfway() {
        assert_eq!(median(&[3.0, 1.0]), 2.0);
        assert_eq!(median(&[3.0, 1.0, 9.0]), 3.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn ties_go_to_the_first() {
        assert_eq!(first_maximum(&[1.0, 2.0, 2.0]), 1);
    }
}
