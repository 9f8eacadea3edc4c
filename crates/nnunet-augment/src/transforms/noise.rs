//! Gaussian noise.

use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

use crate::random::Generator;

/// Adds independent normal numbers of this standard deviation to all voxels of all channels.
pub(super) fn add(data: &mut [f32], deviation: f64, seed: u64) {
    let mut generator = Generator::seed_from_u64(seed);
    let deviation = deviation as f32;
    for value in data {
        *value += deviation * generator.sample::<f32, _>(StandardNormal);
    }
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
}
