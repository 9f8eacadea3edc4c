//! Gamma: a power curve over the range of a channel.

use super::moments::{BLOCK, Gathered, Moments};
use super::power::power;
use crate::augmentation::Polarity;
use crate::simd::wide;

/// Ranges and deviations below this count as this, as in the reference.
const SMALLEST: f64 = 1e-7;

/// Maps a channel to 0 … 1, takes the power, maps back, and restores mean and deviation.
pub(super) fn bend(channel: &mut [f32], exponent: f64, polarity: Polarity) {
    let sign = match polarity {
        Polarity::Plain => 1.0,
        Polarity::Inverted => -1.0,
    };
    let before = Moments::of(channel);
    // The minimum of the negative is the negative of the maximum.
    let min = match polarity {
        Polarity::Plain => before.min,
        Polarity::Inverted => -before.max,
    };
    let range = before.max - before.min;
    let to_unit = 1.0 / range.max(SMALLEST as f32);
    let exponent = exponent as f32;
    let mut gathered = Gathered::about((sign * before.mean as f32).clamp(min, min + range));
    wide(
        #[inline(always)]
        || {
            for block in channel.chunks_mut(BLOCK) {
                for value in block.iter_mut() {
                    let unit = ((sign * *value - min) * to_unit).clamp(0.0, 1.0);
                    *value = power(unit, exponent) * range + min;
                }
                gathered.add(block);
            }
        },
    );
    let after = gathered.moments(channel);
    let gain = sign * (before.deviation / after.deviation.max(SMALLEST)) as f32;
    let (centre, mean) = (after.mean as f32, before.mean as f32);
    for value in channel {
        *value = (*value - centre) * gain + mean;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_are_kept_and_order_too() {
        for polarity in [Polarity::Plain, Polarity::Inverted] {
            let mut channel: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.01).sin()).collect();
            let original = channel.clone();
            let before = Moments::of(&channel);
            bend(&mut channel, 1.4, polarity);
            let after = Moments::of(&channel);
            assert!((before.mean - after.mean).abs() < 1e-5);
            assert!((before.deviation - after.deviation).abs() < 1e-5);
            for (a, b) in original.windows(2).zip(channel.windows(2)) {
                assert!(
                    (a[1] - a[0]) * (b[1] - b[0]) >= -1e-9,
                    "order must not change"
                );
            }
        }
    }

    #[test]
    fn a_constant_channel_stays() {
        let mut channel = vec![1.5_f32; 100];
        bend(&mut channel, 0.7, Polarity::Plain);
        assert!(channel.iter().all(|v| (*v - 1.5).abs() < 1e-6));
    }
}
