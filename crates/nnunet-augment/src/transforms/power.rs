//! A power function that the compiler can vectorise.

use std::f32::consts::{LN_2, LOG2_E};

/// `base` to the `exponent` for `base` in 0 … 1 and an exponent above 0; 0 stays 0. The relative
/// error is a few parts in 10⁶ for results above 10⁻⁶, far below the noise of any image.
#[inline(always)]
pub(super) fn power(base: f32, exponent: f32) -> f32 {
    let result = exp2((exponent * log2(base)).max(-126.0));
    if base > 0.0 { result } else { 0.0 }
}

/// Splits off the exponent so that the mantissa lies around 1, where
/// `ln m = 2 artanh((m − 1) / (m + 1))` converges quickly.
#[inline(always)]
pub(super) fn log2(x: f32) -> f32 {
    const SQRT_HALF: i32 = 0x3f35_04f3;
    let bits = x.to_bits() as i32;
    let exponent = (bits - SQRT_HALF) >> 23;
    let mantissa = f32::from_bits((bits - (exponent << 23)) as u32);
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let q = s * s;
    let series = 1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * (1.0 / 9.0))));
    exponent as f32 + 2.0 * LOG2_E * s * series
}

/// Splits off the nearest integer by adding a number so large that no fraction fits beside it.
#[inline(always)]
fn exp2(x: f32) -> f32 {
    const ROUNDER: f32 = 12_582_912.0; // 1.5 · 2²³
    let shifted = x + ROUNDER;
    let integer = (shifted.to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32);
    let r = (x - (shifted - ROUNDER)) * LN_2;
    let series = 1.0
        + r * (1.0
            + r * (1.0 / 2.0
                + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0))))));
    f32::from_bits((series.to_bits() as i32).wrapping_add(integer << 23) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_the_library_function() {
        for exponent in [0.3_f32, 0.7, 1.0, 1.4, 3.0] {
            for i in 0..=10_000 {
                let base = i as f32 / 10_000.0;
                let expected = base.powf(exponent);
                let found = power(base, exponent);
                assert!(
                    (found - expected).abs() <= 4e-6 * expected + 1e-12,
                    "{base}^{exponent}: {found}, expected {expected}"
                );
            }
        }
    }

    #[test]
    fn tiny_numbers_stay_tiny() {
        assert_eq!(power(0.0, 0.7), 0.0);
        assert!(power(f32::MIN_POSITIVE, 1.5) < 1e-37);
        assert!((power(1.0, 1.5) - 1.0).abs() < 1e-6);
    }
}
