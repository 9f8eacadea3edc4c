//! Minimum, maximum, mean and deviation of a channel in one pass.

use crate::simd::wide;

/// Sums are accumulated in single precision over blocks of this length, in lanes, and in double
/// precision from block to block: quick, and good to about seven digits.
pub(super) const BLOCK: usize = 512;
const LANES: usize = 16;
/// If the mean is so many deviations from the centre that squares are taken about, digits are
/// lost, and they are taken again about the mean.
const FAR: f64 = 30.0;

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
        let first = &channel[..channel.len().min(BLOCK)];
        let centre = first.iter().sum::<f32>() / first.len().max(1) as f32;
        let mut gathered = Gathered::about(centre);
        wide(
            #[inline(always)]
            || {
                for block in channel.chunks(BLOCK) {
                    gathered.add(block);
                }
            },
        );
        gathered.moments(channel)
    }
}

/// Moments in the making.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gathered {
    centre: f32,
    min: [f32; LANES],
    max: [f32; LANES],
    sum: f64,
    squares: f64,
}

impl Gathered {
    /// Nothing yet; `centre` should be near the mean.
    pub(super) fn about(centre: f32) -> Self {
        Self {
            centre,
            min: [f32::INFINITY; LANES],
            max: [f32::NEG_INFINITY; LANES],
            sum: 0.0,
            squares: 0.0,
        }
    }

    /// Adds values, at most a [`BLOCK`] of them.
    #[inline(always)]
    pub(super) fn add(&mut self, block: &[f32]) {
        let (chunks, rest) = block.as_chunks::<LANES>();
        let (mut sums, mut squares) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        let (mut min, mut max) = (self.min, self.max);
        for chunk in chunks {
            // Written out because `f32::min` costs more than one instruction.
            for lane in 0..LANES {
                let value = chunk[lane];
                min[lane] = if value < min[lane] { value } else { min[lane] };
                max[lane] = if value > max[lane] { value } else { max[lane] };
                let distance = value - self.centre;
                sums[lane] += distance;
                squares[lane] += distance * distance;
            }
        }
        for value in rest {
            min[0] = min[0].min(*value);
            max[0] = max[0].max(*value);
            let distance = value - self.centre;
            sums[0] += distance;
            squares[0] += distance * distance;
        }
        (self.min, self.max) = (min, max);
        self.sum += f64::from(sums.iter().sum::<f32>());
        self.squares += f64::from(squares.iter().sum::<f32>());
    }

    /// The moments of `channel`, all of whose values have been added; zeros if it is empty.
    pub(super) fn moments(&self, channel: &[f32]) -> Moments {
        if channel.is_empty() {
            return Moments::default();
        }
        let n = channel.len() as f64;
        let shift = self.sum / n;
        let mean = f64::from(self.centre) + shift;
        let mut variance = self.squares / n - shift * shift;
        if shift * shift > FAR * FAR * variance {
            let squares = channel.iter().map(|v| (f64::from(*v) - mean).powi(2));
            variance = squares.sum::<f64>() / n;
        }
        Moments {
            min: self.min.into_iter().fold(f32::INFINITY, f32::min),
            max: self.max.into_iter().fold(f32::NEG_INFINITY, f32::max),
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

    #[test]
    fn a_channel_that_begins_far_from_its_mean_loses_no_digits() {
        let mut values = vec![-30_000.0_f32; 512];
        values.extend((0..2_000_000).map(|i| (i as f32 * 0.1).sin() * 0.01));
        let n = values.len() as f64;
        let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        let squares = values.iter().map(|v| (f64::from(*v) - mean).powi(2));
        let deviation = (squares.sum::<f64>() / n).sqrt();
        let found = Moments::of(&values);
        assert!((found.mean - mean).abs() < 1e-5 * mean.abs());
        assert!((found.deviation / deviation - 1.0).abs() < 1e-5);
        // Nor does a constant one with an odd voxel in front.
        let mut values = vec![5.0_f32; 100_000];
        values[0] = 5.0e6;
        let found = Moments::of(&values);
        assert!((found.mean - 54.999_95).abs() < 1e-2, "{found:?}");
        assert!(
            (found.deviation / 15_811.29 - 1.0).abs() < 1e-4,
            "{found:?}"
        );
    }
}
