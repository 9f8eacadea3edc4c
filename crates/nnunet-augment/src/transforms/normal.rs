//! Normal random numbers, many at a time.

use std::f32::consts::{FRAC_PI_4, LN_2};

use rand::{RngExt, SeedableRng};

use super::power::log2;
use crate::random::Generator;

/// Generators that run side by side.
const LANES: usize = 16;

/// Standard normal numbers by the polar form of Box and Muller, from uniform numbers of sixteen
/// xoshiro128++ generators. None is larger than 5.8: uniform numbers have 24 bits.
#[derive(Clone, Debug)]
pub(super) struct Normal {
    state: [[u32; LANES]; 4],
}

impl Normal {
    /// So many numbers are made at a time.
    pub(super) const BLOCK: usize = 2 * LANES;

    /// The numbers that belong to a seed.
    pub(super) fn from_seed(seed: u64) -> Self {
        let mut generator = Generator::seed_from_u64(seed);
        // A generator whose state is all zeros would stay there: the lowest bit of one word is set.
        let mut state = std::array::from_fn(|_| std::array::from_fn(|_| generator.random()));
        state[0] = state[0].map(|word: u32| word | 1);
        Self { state }
    }

    /// The next numbers.
    #[inline(always)]
    pub(super) fn next_block(&mut self) -> [f32; Self::BLOCK] {
        let (distances, angles) = (self.next_uniform(), self.next_uniform());
        let mut numbers = [0.0; Self::BLOCK];
        for lane in 0..LANES {
            // Above 0, at most 1.
            let uniform = ((distances[lane] >> 8) + 1) as f32 * (1.0 / 16_777_216.0);
            let distance = (-2.0 * LN_2 * log2(uniform)).max(0.0).sqrt();
            // An angle in the quarter about the first axis, and two bits for which of the four
            // quarters it stands for.
            let bits = angles[lane];
            let angle = ((bits >> 8) as i32 - 8_388_608) as f32 * (FRAC_PI_4 / 8_388_608.0);
            let (sin, cos) = sin_cos(angle);
            let cos = if bits & 1 == 0 { cos } else { -cos };
            let swapped = bits & 2 == 0;
            numbers[lane] = distance * if swapped { sin } else { cos };
            numbers[LANES + lane] = distance * if swapped { cos } else { sin };
        }
        numbers
    }

    /// One uniform number of each generator.
    #[inline(always)]
    fn next_uniform(&mut self) -> [u32; LANES] {
        let [a, b, c, d] = &mut self.state;
        let mut numbers = [0; LANES];
        for lane in 0..LANES {
            let sum = a[lane].wrapping_add(d[lane]);
            numbers[lane] = sum.rotate_left(7).wrapping_add(a[lane]);
            let shifted = b[lane] << 9;
            c[lane] ^= a[lane];
            d[lane] ^= b[lane];
            b[lane] ^= c[lane];
            a[lane] ^= d[lane];
            c[lane] ^= shifted;
            d[lane] = d[lane].rotate_left(11);
        }
        numbers
    }
}

/// Sine and cosine of an angle up to a quarter of π, to 4 parts in 10⁷.
#[inline(always)]
fn sin_cos(angle: f32) -> (f32, f32) {
    let q = angle * angle;
    let sin = angle * (1.0 - q * (1.0 / 6.0 - q * (1.0 / 120.0 - q * (1.0 / 5040.0))));
    let cos = 1.0 - q * (0.5 - q * (1.0 / 24.0 - q * (1.0 / 720.0 - q * (1.0 / 40_320.0))));
    (sin, cos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(seed: u64, blocks: usize) -> Vec<f64> {
        let mut normal = Normal::from_seed(seed);
        (0..blocks)
            .flat_map(|_| normal.next_block())
            .map(f64::from)
            .collect()
    }

    #[test]
    fn moments_and_quantiles_are_those_of_a_normal_distribution() {
        let found = numbers(5, 62_500);
        let n = found.len() as f64;
        // Four standard errors of each over two million numbers.
        for (power, expected, deviation) in
            [(1, 0.0, 1.0), (2, 1.0, 1.42), (3, 0.0, 3.9), (4, 3.0, 9.8)]
        {
            let moment = found.iter().map(|v| v.powi(power)).sum::<f64>() / n;
            assert!(
                (moment - expected).abs() < 4.0 * deviation / n.sqrt(),
                "{power}: {moment}"
            );
        }
        for (limit, below) in [
            (-3.0, 0.001_349_9),
            (-1.0, 0.158_655_3),
            (0.5, 0.691_462_5),
            (2.0, 0.977_249_9),
        ] {
            let share = found.iter().filter(|v| **v < limit).count() as f64 / n;
            let error = (below * (1.0 - below) / n).sqrt();
            assert!((share - below).abs() < 4.0 * error, "{limit}: {share}");
        }
        assert!(found.iter().all(|v| v.abs() < 5.8));
    }

    #[test]
    fn neighbours_know_nothing_of_each_other() {
        let found = numbers(6, 31_250);
        for distance in [1, 2, 15, 16, 17, 32, 64] {
            let pairs = found.iter().zip(&found[distance..]);
            let n = pairs.len() as f64;
            let products = pairs.clone().map(|(a, b)| a * b).sum::<f64>() / n;
            assert!(products.abs() < 4.5 / n.sqrt(), "{distance}: {products}");
            // The squares of the two numbers of a pair too: they share a distance.
            let squares = pairs
                .map(|(a, b)| (a * a - 1.0) * (b * b - 1.0))
                .sum::<f64>()
                / n;
            assert!(
                squares.abs() < 4.5 * 2.0 / n.sqrt(),
                "{distance}: {squares}"
            );
        }
    }

    #[test]
    fn sine_and_cosine_agree_with_the_library() {
        for i in -1000..=1000 {
            let angle = i as f32 / 1000.0 * FRAC_PI_4;
            let (sin, cos) = sin_cos(angle);
            assert!((sin - angle.sin()).abs() < 4e-7 && (cos - angle.cos()).abs() < 2e-7);
        }
    }
}
