//! The schemes of nnU-Net v2.

use ndarray::{ArrayView3, ArrayViewMut3, Zip};

use super::{Convention, NormalizationContext, NormalizationProblem, Normalizer, Region};

/// Deviations below this count as this, so that a constant channel becomes zero.
const SMALLEST_DEVIATION: f32 = 1e-8;

/// Subtracts the mean of the case and divides by its standard deviation (`ZScoreNormalization`).
#[derive(Clone, Copy, Debug)]
pub struct ZScore;

impl Normalizer for ZScore {
    fn normalize(
        &self,
        mut channel: ArrayViewMut3<'_, f32>,
        context: &NormalizationContext<'_>,
    ) -> Result<(), NormalizationProblem> {
        let inside = |label: &i16| context.region == Region::WholeImage || *label >= 0;
        let (mean, deviation) = mean_and_deviation(&channel, context.labels, inside);
        let deviation = match context.convention {
            Convention::Paper => deviation + SMALLEST_DEVIATION,
            Convention::V2 => deviation.max(SMALLEST_DEVIATION),
        };
        Zip::from(&mut channel)
            .and(context.labels)
            .for_each(|value, label| {
                if inside(label) {
                    *value = (*value - mean) / deviation;
                } else if context.convention == Convention::Paper {
                    *value = 0.0;
                }
            });
        Ok(())
    }
}

/// Mean and standard deviation (divisor n) of the voxels inside; both 0 if there are none.
fn mean_and_deviation(
    channel: &ArrayViewMut3<'_, f32>,
    labels: ArrayView3<'_, i16>,
    inside: impl Fn(&i16) -> bool,
) -> (f32, f32) {
    let mut count = 0.0_f64;
    let mut sum = 0.0_f64;
    Zip::from(channel).and(labels).for_each(|value, label| {
        if inside(label) {
            count += 1.0;
            sum += f64::from(*value);
        }
    });
    let mean = sum / count.max(1.0);
    let mut squares = 0.0_f64;
    Zip::from(channel).and(labels).for_each(|value, label| {
        if inside(label) {
            squares += (f64::from(*value) - mean).powi(2);
        }
    });
    (mean as f32, (squares / count.max(1.0)).sqrt() as f32)
}

/// Clips to the dataset's 0.5th and 99.5th percentile, subtracts its mean and divides by its
/// standard deviation (`CTNormalization`): intensities mean the same in all cases.
#[derive(Clone, Copy, Debug)]
pub struct Ct;

impl Normalizer for Ct {
    fn normalize(
        &self,
        mut channel: ArrayViewMut3<'_, f32>,
        context: &NormalizationContext<'_>,
    ) -> Result<(), NormalizationProblem> {
        let missing = "needs the foreground intensities of this channel, but the plans have none";
        let found = (context.intensities).ok_or_else(|| NormalizationProblem(missing.into()))?;
        let known = [
            found.percentile_00_5,
            found.percentile_99_5,
            found.mean,
            found.std,
        ];
        if known.iter().any(|v| !v.is_finite()) {
            return Err(NormalizationProblem(format!(
                "needs the foreground intensities of this channel, but the plans have \
                 0.5 %: {}, 99.5 %: {}, mean: {}, deviation: {}",
                known[0], known[1], known[2], known[3]
            )));
        }
        let [low, high, mean, deviation] = known.map(|v| v as f32);
        let deviation = deviation.max(SMALLEST_DEVIATION);
        channel.mapv_inplace(|v| (v.max(low).min(high) - mean) / deviation);
        if context.region == Region::Nonzero && context.convention == Convention::Paper {
            Zip::from(&mut channel)
                .and(context.labels)
                .for_each(|value, label| {
                    if *label < 0 {
                        *value = 0.0;
                    }
                });
        }
        Ok(())
    }
}

/// Leaves the intensities as they are (`NoNormalization`).
#[derive(Clone, Copy, Debug)]
pub struct Unchanged;

impl Normalizer for Unchanged {
    fn normalize(
        &self,
        _: ArrayViewMut3<'_, f32>,
        _: &NormalizationContext<'_>,
    ) -> Result<(), NormalizationProblem> {
        Ok(())
    }
}

/// Maps the smallest value to 0 and the largest to 1 (`RescaleTo01Normalization`).
#[derive(Clone, Copy, Debug)]
pub struct RescaleTo01;

impl Normalizer for RescaleTo01 {
    fn normalize(
        &self,
        mut channel: ArrayViewMut3<'_, f32>,
        _: &NormalizationContext<'_>,
    ) -> Result<(), NormalizationProblem> {
        let low = channel.iter().copied().fold(f32::INFINITY, f32::min);
        let high = channel.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let range = (high - low).max(SMALLEST_DEVIATION);
        channel.mapv_inplace(|v| (v - low) / range);
        Ok(())
    }
}

/// Divides 8-bit intensities by 255 (`RGBTo01Normalization`).
#[derive(Clone, Copy, Debug)]
pub struct RgbTo01;

impl Normalizer for RgbTo01 {
    fn normalize(
        &self,
        mut channel: ArrayViewMut3<'_, f32>,
        _: &NormalizationContext<'_>,
    ) -> Result<(), NormalizationProblem> {
        if let Some(value) = channel.iter().find(|v| !(0.0..=255.0).contains(*v)) {
            return Err(NormalizationProblem(format!(
                "found the intensity {value}, expected 0 to 255"
            )));
        }
        channel.mapv_inplace(|v| v / 255.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use approx::assert_abs_diff_eq;
    use ndarray::{Array3, arr3};
    use nnunet_schema::IntensityProperties;

    use super::*;

    fn run(
        normalizer: &dyn Normalizer,
        values: [f32; 4],
        region: Region,
        convention: Convention,
        intensities: Option<&IntensityProperties>,
    ) -> Result<Vec<f32>, NormalizationProblem> {
        let mut channel = Array3::from_shape_vec((1, 1, 4), values.to_vec()).unwrap();
        let labels = arr3(&[[[-1, 0, 0, 1]]]);
        let context = NormalizationContext {
            labels: labels.view(),
            region,
            intensities,
            convention,
        };
        normalizer.normalize(channel.view_mut(), &context)?;
        Ok(channel.into_raw_vec_and_offset().0)
    }

    const ANY: IntensityProperties = IntensityProperties {
        max: 100.0,
        mean: 10.0,
        median: 9.0,
        min: -50.0,
        percentile_00_5: 0.0,
        percentile_99_5: 20.0,
        std: 5.0,
    };

    #[test]
    fn a_z_score_over_the_mask_leaves_the_outside_in_v2_and_zeroes_it_in_the_paper() {
        let values = [7.0, 1.0, 2.0, 3.0];
        let v2 = run(&ZScore, values, Region::Nonzero, Convention::V2, None).unwrap();
        let paper = run(&ZScore, values, Region::Nonzero, Convention::Paper, None).unwrap();
        let one = 1.5_f32.sqrt();
        for (found, outside) in [(v2, 7.0), (paper, 0.0)] {
            for (f, expected) in found.iter().zip([outside, -one, 0.0, one]) {
                assert_abs_diff_eq!(*f, expected, epsilon = 1e-6);
            }
        }
    }

    #[test]
    fn a_constant_channel_becomes_zero() {
        for convention in [Convention::Paper, Convention::V2] {
            let found = run(&ZScore, [5.0; 4], Region::WholeImage, convention, None).unwrap();
            assert_eq!(found, [0.0; 4]);
        }
    }

    #[test]
    fn ct_clips_and_uses_the_statistics_of_the_dataset() {
        let values = [-1000.0, 10.0, 15.0, 1000.0];
        let whole = Region::WholeImage;
        let found = run(&Ct, values, whole, Convention::V2, Some(&ANY)).unwrap();
        assert_eq!(found, [-2.0, 0.0, 1.0, 2.0]);
        let problem = run(&Ct, values, whole, Convention::V2, None).unwrap_err();
        assert!(problem.to_string().contains("plans have none"), "{problem}");
        let unknown = IntensityProperties {
            mean: f64::NAN,
            ..ANY
        };
        assert!(run(&Ct, values, whole, Convention::V2, Some(&unknown)).is_err());
    }

    #[test]
    fn rescaling_ends_at_zero_and_one() {
        let found = run(
            &RescaleTo01,
            [2.0, 3.0, 4.0, 6.0],
            Region::WholeImage,
            Convention::V2,
            None,
        );
        assert_eq!(found.unwrap(), [0.0, 0.25, 0.5, 1.0]);
    }

    #[test]
    fn rgb_must_be_8_bit() {
        let go = |values| run(&RgbTo01, values, Region::WholeImage, Convention::V2, None);
        assert_eq!(go([0.0, 51.0, 255.0, 0.0]).unwrap()[..3], [0.0, 0.2, 1.0]);
        let problem = go([0.0, 256.0, 0.0, 0.0]).unwrap_err();
        assert!(problem.to_string().contains("256"), "{problem}");
    }
}
