//! Gaussian noise.

use super::normal::Normal;
use crate::simd::wide;

/// Adds independent normal numbers of this standard deviation to all voxels of all channels.
pub(super) fn add(data: &mut [f32], deviation: f64, seed: u64) {
    let mut normal = Normal::from_seed(seed);
    let deviation = deviation as f32;
    wide(
        #[inline(always)]
        || {
            for block in data.chunks_mut(Normal::BLOCK) {
                let noise = normal.next_block();
                for (value, noise) in block.iter_mut().zip(noise) {
                    *value += deviation * noise;
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_noise_has_the_asked_deviation_and_no_offset() {
        let mut data = vec![3.0_f32; 200_000];
        add(&mut data, 0.25, 7);
        let n = data.len() as f64;
        let mean = data.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        let variance = (data.iter())
            .map(|v| (f64::from(*v) - mean).powi(2))
            .sum::<f64>()
            / n;
        assert!((mean - 3.0).abs() < 0.003, "{mean}");
        assert!((variance.sqrt() - 0.25).abs() < 0.002, "{variance}");
        let within = data.iter().filter(|v| (**v - 3.0).abs() < 0.25).count() as f64 / n;
        assert!((within - 0.6827).abs() < 0.005, "{within}");
    }

    #[test]
    fn the_same_seed_gives_the_same_noise_whatever_the_length() {
        let noise = |length: usize, seed| {
            let mut data = vec![0.0_f32; length];
            add(&mut data, 1.0, seed);
            data
        };
        assert_eq!(noise(1000, 3)[..77], noise(77, 3)[..]);
        assert_ne!(noise(77, 3), noise(77, 4));
    }
}
