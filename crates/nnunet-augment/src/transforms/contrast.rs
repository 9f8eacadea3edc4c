//! Contrast: the distance to the mean.

use super::moments::Moments;
use crate::simd::wide;

/// Multiplies the distance to the channel's mean and clips to the channel's range.
pub(super) fn stretch(channel: &mut [f32], factor: f64) {
    let Moments { min, max, mean, .. } = Moments::of(channel);
    let (mean, factor) = (mean as f32, factor as f32);
    wide(
        #[inline(always)]
        || {
            for value in channel {
                *value = ((*value - mean) * factor + mean).max(min).min(max);
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_within_the_range_and_a_constant_stays() {
        let mut channel: Vec<f32> = (0..100).map(|i| i as f32).collect();
        stretch(&mut channel, 1.5);
        assert_eq!(channel[0], 0.0);
        assert_eq!(channel[99], 99.0);
        assert!((channel[49] - 48.75 - 0.0).abs() < 1e-4, "{}", channel[49]);
        let mut flat = vec![2.0_f32; 64];
        stretch(&mut flat, 0.65);
        assert!(flat.iter().all(|v| *v == 2.0));
    }
}
