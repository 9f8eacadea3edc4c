//! Minimum, maximum, mean and deviation of a channel in one pass each.

/// Sums are accumulated in single precision over blocks of this length, in lanes, and in double
/// precision from block to block: quick, and good to about seven digits.
const BLOCK: usize = 512;
const LANES: usize = 8;

/// What is known of a channel's values.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moments {
    pub(super) min: f32,
    pub(super) max: f32,
    pub(super) mean: f64,
    /// Standard deviation, of the population.
    pub(super) deviation: f64,
}

impl Moments {
    /// The moments of a channel; zeros if it is empty.
    pub(super) fn of(channel: &[f32]) -> Self {
        if channel.is_empty() {
            return Self::default();
        }
        let (min, max) = range(channel);
        let n = channel.len() as f64;
        let mean = sum(channel, |v| v) / n;
        let centre = mean as f32;
        // Squares about the rounded mean; the rest of the shift is taken off again.
        let squares = sum(channel, |v| (v - centre) * (v - centre)) / n;
        let variance = squares - (mean - f64::from(centre)).powi(2);
        Self {
            min,
            max,
            mean,
            deviation: variance.max(0.0).sqrt(),
        }
    }
}

/// The smallest and the largest value; zeros if there is none.
pub(super) fn range(channel: &[f32]) -> (f32, f32) {
    let Some(first) = channel.first() else {
        return (0.0, 0.0);
    };
    let (mut min, mut max) = ([*first; LANES], [*first; LANES]);
    let (chunks, rest) = channel.as_chunks::<LANES>();
    for chunk in chunks {
        // Written out because `f32::min` costs more than one instruction.
        for lane in 0..LANES {
            let value = chunk[lane];
            min[lane] = if value < min[lane] { value } else { min[lane] };
            max[lane] = if value > max[lane] { value } else { max[lane] };
        }
    }
    let all = || rest.iter().copied();
    (
        all().chain(min).fold(*first, f32::min),
        all().chain(max).fold(*first, f32::max),
    )
}

fn sum(channel: &[f32], term: impl Fn(f32) -> f32) -> f64 {
    let mut total = 0.0_f64;
    for block in channel.chunks(BLOCK) {
        let (chunks, rest) = block.as_chunks::<LANES>();
        let mut lanes = [0.0_f32; LANES];
        for chunk in chunks {
            for lane in 0..LANES {
                lanes[lane] += term(chunk[lane]);
            }
        }
        let tail: f32 = rest.iter().map(|v| term(*v)).sum();
        total += f64::from(lanes.iter().sum::<f32>() + tail);
    }
    total
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_those_of_the_definition(
            values in proptest::collection::vec(-100.0_f32..100.0, 1..2000)
        ) {
            let found = Moments::of(&values);
            let n = values.len() as f64;
            let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
            let variance =
                values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n;
            prop_assert!((found.mean - mean).abs() < 1e-4);
            prop_assert!((found.deviation - variance.sqrt()).abs() < 1e-4);
            prop_assert_eq!(found.min, values.iter().copied().fold(f32::MAX, f32::min));
            prop_assert_eq!(found.max, values.iter().copied().fold(f32::MIN, f32::max));
        }
    }
}
