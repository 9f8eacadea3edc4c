//! Which foreground voxels the intensity statistics are made of.

use ndarray::{ArrayView3, Zip};
use nnunet_schema::mt19937::Mt19937;
use nnunet_schema::{IntensityProperties, RuleSet};

use crate::tally::{MOST_VALUES, Tally, TallyStack};

/// Every how many-th foreground voxel counts, in the order of memory (published program of the
/// paper; the paper itself speaks of all foreground voxels).
const PAPER_STRIDE: usize = 10;
/// nnU-Net v2: samples per channel of the whole dataset.
const V2_SAMPLES: usize = 100_000_000;
/// nnU-Net v2: seed of the generator of each case.
const V2_SEED: u32 = 1234;

/// Which foreground voxels the intensity statistics are made of. Foreground is every label above
/// zero inside the nonzero box, the ignore label included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IntensitySampling {
    /// Every tenth voxel, no randomness, cases weighted by their foreground.
    #[default]
    Paper,
    /// The same number of voxels of every case, 10⁸ of all together, drawn with replacement by the
    /// very random numbers of nnU-Net v2.
    V2,
}

impl From<RuleSet> for IntensitySampling {
    fn from(rules: RuleSet) -> Self {
        match rules {
            RuleSet::Paper => Self::Paper,
            _ => Self::V2,
        }
    }
}

/// Draws the voxels of one case, channel after channel.
#[derive(Debug)]
pub(crate) struct Sampler<'a> {
    labels: ArrayView3<'a, i16>,
    draw: Draw,
}

#[derive(Debug)]
enum Draw {
    Stride(usize),
    WithReplacement {
        generator: Box<Mt19937>,
        samples: usize,
    },
}

impl<'a> Sampler<'a> {
    /// For a case, of `cases` in all, with these labels inside its nonzero box.
    pub(crate) fn new(
        sampling: IntensitySampling,
        cases: usize,
        labels: ArrayView3<'a, i16>,
    ) -> Self {
        let draw = match sampling {
            IntensitySampling::Paper => Draw::Stride(PAPER_STRIDE),
            IntensitySampling::V2 => Draw::WithReplacement {
                generator: Box::new(Mt19937::new(V2_SEED)),
                samples: V2_SAMPLES / cases.max(1),
            },
        };
        Self { labels, draw }
    }

    /// The sampled intensities of the next channel.
    pub(crate) fn next(&mut self, channel: ArrayView3<'_, f32>) -> ChannelSample {
        let mut foreground = Vec::new();
        Zip::from(self.labels)
            .and(channel)
            .for_each(|label, value| {
                if *label > 0 {
                    foreground.push(*value);
                }
            });
        match &mut self.draw {
            Draw::Stride(stride) => {
                let values: Vec<f32> = foreground.into_iter().step_by(*stride).collect();
                ChannelSample {
                    moments: Moments::of(values.iter().map(|v| (*v, 1))),
                    tally: Tally::of(&values, MOST_VALUES),
                }
            }
            Draw::WithReplacement { generator, samples } => {
                let times = draw(generator, foreground.len(), *samples);
                let pairs = || foreground.iter().copied().zip(times.iter().copied());
                ChannelSample {
                    moments: Moments::of(pairs()),
                    tally: Tally::weighted(pairs(), MOST_VALUES),
                }
            }
        }
    }
}

/// How often each of `n` voxels is drawn. Nothing is drawn from none.
fn draw(generator: &mut Mt19937, n: usize, samples: usize) -> Vec<u32> {
    let mut times = vec![0_u32; n];
    let Some(last) = n.checked_sub(1) else {
        return times;
    };
    let last = u32::try_from(last).unwrap_or(u32::MAX);
    for _ in 0..samples {
        if let Some(count) = times.get_mut(generator.bounded(last) as usize) {
            *count += 1;
        }
    }
    times
}

/// What one channel of one case contributes.
#[derive(Debug)]
pub(crate) struct ChannelSample {
    pub(crate) moments: Moments,
    pub(crate) tally: Tally,
}

/// Number, mean, spread and range of values, so that those of parts can be put together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    count: f64,
    mean: f64,
    /// Sum of squared distances from the mean.
    spread: f64,
    min: f64,
    max: f64,
}

impl Moments {
    const NONE: Self = Self {
        count: 0.0,
        mean: 0.0,
        spread: 0.0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
    };

    fn of(values: impl Iterator<Item = (f32, u32)> + Clone) -> Self {
        let values = values
            .filter(|(_, times)| *times > 0)
            .map(|(value, times)| (f64::from(value), f64::from(times)));
        let (mut sum, mut found) = (0.0, Self::NONE);
        for (value, times) in values.clone() {
            found.count += times;
            sum += value * times;
            found.min = found.min.min(value);
            found.max = found.max.max(value);
        }
        if found.count > 0.0 {
            found.mean = sum / found.count;
            found.spread = values
                .map(|(value, times)| times * (value - found.mean).powi(2))
                .sum();
        }
        found
    }

    fn with(self, other: Self) -> Self {
        let count = self.count + other.count;
        if count == 0.0 {
            return self;
        }
        let apart = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + apart * other.count / count,
            spread: self.spread + other.spread + apart * apart * self.count * other.count / count,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }
}

/// The statistics of a channel over the whole dataset; NaN if there is no foreground at all.
///
/// `cases` are in the order of the dataset, so that rounding does not depend on the threads.
pub(crate) fn properties(
    cases: impl Iterator<Item = Moments>,
    tally: TallyStack,
) -> IntensityProperties {
    let all = cases.fold(Moments::NONE, Moments::with);
    let tally = tally.total();
    let percentile = |q| {
        let found = tally.as_ref().and_then(|tally| tally.percentile(q));
        // Where bits were dropped, a percentile may have left the range by a rounding error.
        found.map_or(f64::NAN, |value: f64| value.max(all.min).min(all.max))
    };
    let or_nan = |value| if all.count > 0.0 { value } else { f64::NAN };
    IntensityProperties {
        max: or_nan(all.max),
        mean: or_nan(all.mean),
        median: percentile(50.0),
        min: or_nan(all.min),
        percentile_00_5: percentile(0.5),
        percentile_99_5: percentile(99.5),
        std: or_nan((all.spread / all.count).sqrt()),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    fn sample(sampling: IntensitySampling, labels: &[i16], values: &[f32]) -> IntensityProperties {
        let shape = (1, 1, labels.len());
        let labels = Array3::from_shape_vec(shape, labels.to_vec()).unwrap();
        let values = Array3::from_shape_vec(shape, values.to_vec()).unwrap();
        let mut sampler = Sampler::new(sampling, 10_000, labels.view());
        let sample = sampler.next(values.view());
        let mut stack = TallyStack::default();
        stack.push(sample.tally);
        properties([sample.moments].into_iter(), stack)
    }

    #[test]
    fn every_tenth_foreground_voxel_counts_in_the_paper_way() {
        let labels: Vec<i16> = (0..60).map(|i| i16::from(i % 2 == 0)).collect();
        let values: Vec<f32> = (0..60_u8).map(f32::from).collect();
        // Foreground is 0, 2, 4, …, 58; every tenth of them 0, 20, 40.
        let found = sample(IntensitySampling::Paper, &labels, &values);
        assert_eq!((found.min, found.median, found.max), (0.0, 20.0, 40.0));
        assert!((found.mean - 20.0).abs() < 1e-12);
        assert!((found.std - (800.0_f64 / 3.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn draws_with_replacement_are_even() {
        let found = sample(
            IntensitySampling::V2,
            &[1, 1, 2, 1, 1, 0],
            &[1., 2., 4., 8., 16., 99.],
        );
        assert_eq!((found.min, found.median, found.max), (1.0, 4.0, 16.0));
        assert!((found.mean - 6.2).abs() < 0.2, "{}", found.mean);
    }

    #[test]
    fn no_foreground_is_not_a_number() {
        for sampling in [IntensitySampling::Paper, IntensitySampling::V2] {
            let found = sample(sampling, &[0, -1], &[1.0, 2.0]);
            assert!(found.mean.is_nan() && found.percentile_99_5.is_nan() && found.max.is_nan());
        }
    }
}
