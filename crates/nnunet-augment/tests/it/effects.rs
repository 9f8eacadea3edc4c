//! What single intensity transforms do, against their definitions.

use ndarray::Array3;
use nnunet_augment::augmentation::{Interpolation, Polarity};
use nnunet_augment::transforms::{IntensityDraw, PatchMut, Scratch};

const SHAPE: [usize; 3] = [9, 11, 13];

/// Something between noise and structure, the same each time.
fn image(seed: usize) -> Vec<f32> {
    (0..SHAPE.iter().product())
        .map(|i| ((i * 37 + seed * 101) as f32 * 0.618).sin() + (i as f32 * 0.01).cos())
        .collect()
}

/// Two channels, and what a transform makes of them.
fn apply(draw: &IntensityDraw) -> (Vec<f32>, Vec<f32>) {
    let before = [image(1), image(2)].concat();
    let mut after = before.clone();
    let mut labels = vec![0; SHAPE.iter().product()];
    let mut patch = PatchMut::new(SHAPE, &mut after, &mut labels).unwrap();
    draw.apply(&mut patch, &mut Scratch::default());
    assert!(labels.iter().all(|l| *l == 0));
    (before, after)
}

fn channel(values: &[f32], number: usize) -> &[f32] {
    let volume: usize = SHAPE.iter().product();
    &values[number * volume..(number + 1) * volume]
}

fn mean_and_deviation(values: &[f32]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let variance = values
        .iter()
        .map(|v| (f64::from(*v) - mean).powi(2))
        .sum::<f64>()
        / n;
    (mean, variance.sqrt())
}

fn range(values: &[f32]) -> (f32, f32) {
    let least = values.iter().copied().fold(f32::MAX, f32::min);
    let most = values.iter().copied().fold(f32::MIN, f32::max);
    (least, most)
}

/// The whole kernel at once, in double precision, every neighbour found by reflection.
fn convolved(values: &[f32], widths: [f64; 3]) -> Vec<f64> {
    let image = Array3::from_shape_vec(SHAPE, values.to_vec()).unwrap();
    let kernel = widths.map(|width| {
        // The odd number nearest to 6 · width + 0.5.
        let wanted = 6.0 * width + 0.5;
        let radius = ((wanted - 1.0) / 2.0).round() as i64;
        let weights: Vec<f64> = (-radius..=radius)
            .map(|d| (-0.5 * (d as f64 / width).powi(2)).exp())
            .collect();
        let total: f64 = weights.iter().sum();
        (
            radius,
            weights.into_iter().map(|w| w / total).collect::<Vec<_>>(),
        )
    });
    let reflected = |at: i64, edge: usize| {
        let last = edge as i64 - 1;
        let folded = at.rem_euclid(2 * last);
        folded.min(2 * last - folded) as usize
    };
    let mut out = Vec::new();
    for ((z, y, x), _) in image.indexed_iter() {
        let mut sum = 0.0;
        for (i, wz) in kernel[0].1.iter().enumerate() {
            for (j, wy) in kernel[1].1.iter().enumerate() {
                for (k, wx) in kernel[2].1.iter().enumerate() {
                    let at = [
                        reflected(z as i64 + i as i64 - kernel[0].0, SHAPE[0]),
                        reflected(y as i64 + j as i64 - kernel[1].0, SHAPE[1]),
                        reflected(x as i64 + k as i64 - kernel[2].0, SHAPE[2]),
                    ];
                    sum += wz * wy * wx * f64::from(image[at]);
                }
            }
        }
        out.push(sum);
    }
    out
}

#[test]
fn blur_is_a_convolution_with_a_gaussian() {
    for widths in [[0.5, 0.7, 1.0], [1.5, 1.1, 0.6]] {
        let draw = IntensityDraw::Blur {
            widths: vec![None, Some(widths)],
        };
        let (before, after) = apply(&draw);
        assert_eq!(channel(&before, 0), channel(&after, 0));
        let expected = convolved(channel(&before, 1), widths);
        for (found, expected) in channel(&after, 1).iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 2e-6);
        }
    }
}

#[test]
fn noise_has_the_drawn_variance_in_every_channel_and_repeats() {
    let volume = 64 * 64 * 64;
    let noise = |seed| {
        let mut data = vec![1.0; 2 * volume];
        let mut labels = vec![0; volume];
        let mut patch = PatchMut::new([64; 3], &mut data, &mut labels).unwrap();
        let draw = IntensityDraw::Noise {
            deviation: 0.3,
            seed,
        };
        draw.apply(&mut patch, &mut Scratch::default());
        data
    };
    let data = noise(5);
    for channel in data.chunks_exact(volume) {
        let (mean, deviation) = mean_and_deviation(channel);
        // Four standard errors.
        let root = (volume as f64).sqrt();
        assert!((mean - 1.0).abs() < 4.0 * 0.3 / root, "{mean}");
        assert!(
            (deviation - 0.3).abs() < 4.0 * 0.3 / (2.0_f64.sqrt() * root),
            "{deviation}"
        );
    }
    let (one, two) = data.split_at(volume);
    let product: f64 = (one.iter().zip(two))
        .map(|(a, b)| f64::from((a - 1.0) * (b - 1.0)))
        .sum();
    let correlation = product / (volume as f64 * 0.09);
    assert!(
        correlation.abs() < 4.0 / (volume as f64).sqrt(),
        "{correlation}"
    );
    assert_eq!(noise(5), data);
    assert_ne!(noise(6), data);
}

#[test]
fn brightness_multiplies_each_channel_by_its_own_factor() {
    let (before, after) = apply(&IntensityDraw::Brightness {
        factors: vec![0.7, 1.3],
    });
    for (number, factor) in [(0, 0.7), (1, 1.3)] {
        let pairs = channel(&before, number).iter().zip(channel(&after, number));
        assert!(pairs.into_iter().all(|(a, b)| *b == a * factor));
    }
}

#[test]
fn contrast_keeps_the_range_and_stretches_about_the_mean() {
    let (before, after) = apply(&IntensityDraw::Contrast {
        factors: vec![0.65, 1.5],
    });
    for (number, factor) in [(0, 0.65), (1, 1.5)] {
        let (before, after) = (channel(&before, number), channel(&after, number));
        let (least, most) = range(before);
        let (mean, _) = mean_and_deviation(before);
        for (a, b) in before.iter().zip(after) {
            assert!((least..=most).contains(b));
            let stretched = (f64::from(*a) - mean) * factor + mean;
            let expected = stretched.clamp(f64::from(least), f64::from(most));
            assert!((f64::from(*b) - expected).abs() < 1e-5);
        }
    }
    // A larger contrast reaches the ends, a smaller one does not.
    assert_eq!(range(channel(&after, 1)), range(channel(&before, 1)));
    assert!(range(channel(&after, 0)).1 < range(channel(&before, 0)).1);
}

#[test]
fn gamma_holds_both_ends_the_mean_and_the_deviation() {
    for polarity in [Polarity::Plain, Polarity::Inverted] {
        let (before, after) = apply(&IntensityDraw::Gamma {
            exponents: vec![1.0, 1.4],
            polarity,
        });
        // The exponent 1 is the identity.
        let pairs = channel(&before, 0).iter().zip(channel(&after, 0));
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 2e-5));

        let (before, after) = (channel(&before, 1), channel(&after, 1));
        let (a, b) = (mean_and_deviation(before), mean_and_deviation(after));
        assert!((a.0 - b.0).abs() < 1e-5 && (a.1 - b.1).abs() < 1e-5);
        // Apart from an affine map the curve is the power between the fixed ends 0 and 1.
        let unit = |value: f32, (least, most): (f32, f32)| {
            let unit = f64::from((value - least) / (most - least));
            if polarity == Polarity::Plain {
                unit
            } else {
                1.0 - unit
            }
        };
        let (from, to) = (range(before), range(after));
        for (a, b) in before.iter().zip(after) {
            assert!((unit(*a, from).powf(1.4) - unit(*b, to)).abs() < 1e-5);
        }
    }
}

#[test]
fn low_resolution_is_idempotent_where_nothing_can_be_lost() {
    for upsampling in [Interpolation::Linear, Interpolation::Cubic] {
        let draw = IntensityDraw::LowResolution {
            fractions: vec![Some([0.5, 0.63, 0.8]), None],
            upsampling,
        };
        let volume: usize = SHAPE.iter().product();
        let mut data = vec![-3.25; 2 * volume];
        let mut labels = vec![0; volume];
        let mut patch = PatchMut::new(SHAPE, &mut data, &mut labels).unwrap();
        draw.apply(&mut patch, &mut Scratch::default());
        assert!(data.iter().all(|v| (v + 3.25).abs() < 1e-5));
        // And something is lost where something can be, within the range.
        let (before, after) = apply(&draw);
        assert_eq!(channel(&before, 1), channel(&after, 1));
        let (a, b) = (
            mean_and_deviation(channel(&before, 0)),
            mean_and_deviation(channel(&after, 0)),
        );
        assert!(b.1 < a.1, "{upsampling:?}: {a:?} {b:?}");
        let (least, most) = range(channel(&before, 0));
        assert!(
            channel(&after, 0)
                .iter()
                .all(|v| (least..=most).contains(v))
        );
    }
}
