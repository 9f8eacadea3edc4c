//! The learning rate over the epochs.

/// The learning rate of `epoch`: `initial · (1 − epoch / epochs)^exponent`, constant within the
/// epoch (Online Methods, "Training": the "poly" schedule).
#[must_use]
pub fn polynomial(initial: f64, epoch: usize, epochs: usize, exponent: f64) -> f64 {
    let done = epoch as f64 / epochs.max(1) as f64;
    initial * (1.0 - done).max(0.0).powf(exponent)
}

/// The weight of each deep-supervision output, full resolution first: halved from each to the
/// next, none for the lowest, sum 1. "All but the two lowest resolutions" of the paper are the
/// same outputs, as it counts the bottleneck. A single output weighs 1.
#[must_use]
pub fn deep_supervision_weights(outputs: usize) -> Vec<f64> {
    let weighted = outputs.saturating_sub(1).max(1).min(outputs);
    let halved = |i: usize| 0.5_f64.powi(i32::try_from(i).unwrap_or(i32::MAX));
    let sum: f64 = (0..weighted).map(halved).sum();
    (0..outputs)
        .map(|i| if i < weighted { halved(i) / sum } else { 0.0 })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_is_that_of_the_reference() {
        for (epoch, expected) in [
            (0, 0.01),
            (1, 0.009_990_999_549_834_914),
            (500, 0.005_358_867_312_681_466),
            (999, 1.995_262_314_968_881e-5),
        ] {
            let found = polynomial(0.01, epoch, 1000, 0.9);
            assert!((found / expected - 1.0).abs() < 1e-12, "{epoch}: {found}");
        }
        assert_eq!(polynomial(0.01, 1000, 1000, 0.9), 0.0);
    }

    #[test]
    fn the_lowest_output_has_no_weight_unless_it_is_the_only_one() {
        assert_eq!(deep_supervision_weights(0), Vec::<f64>::new());
        assert_eq!(deep_supervision_weights(1), [1.0]);
        assert_eq!(deep_supervision_weights(2), [1.0, 0.0]);
        let five = [8.0, 4.0, 2.0, 1.0, 0.0].map(|w| w / 15.0);
        assert_eq!(deep_supervision_weights(5), five);
    }
}
