//! How often and how strong: 10 000 draws of each list.

use nnunet_augment::augmentation::{Augmentation, Polarity};
use nnunet_augment::transforms::{BinaryOperator, CascadeDraw, IntensityDraw};
use nnunet_augment::{AugmentationSetup, PatchGeometry, Purpose, SampleAddress, SampleDraw};
use nnunet_schema::{Fold, Shape};

pub(crate) const DRAWS: u64 = 10_000;

fn draw_all(augmentation: &Augmentation, setup: &AugmentationSetup) -> Vec<SampleDraw> {
    (0..DRAWS)
        .map(|iteration| {
            let address = SampleAddress {
                seed: 11,
                fold: Fold::Number(0),
                epoch: iteration / 250,
                iteration: iteration % 250,
                sample: 0,
            };
            let mut generator = address.generator(Purpose::TrainingTransforms);
            augmentation.draw(setup, 2, &mut generator)
        })
        .collect()
}

fn volume() -> AugmentationSetup {
    AugmentationSetup::for_patch(Shape::new([40, 56, 40]), PatchGeometry::Volume)
}

/// Four standard deviations of a frequency of 10 000 draws.
pub(crate) fn assert_frequency(what: &str, count: usize, probability: f64) {
    let found = count as f64 / DRAWS as f64;
    let tolerance = 4.0 * (probability * (1.0 - probability) / DRAWS as f64).sqrt();
    assert!(
        (found - probability).abs() <= tolerance,
        "{what}: {found}, expected {probability}"
    );
}

/// Within the limits, and nearly filling them.
fn assert_fills(what: &str, values: &[f64], low: f64, high: f64) {
    let min = values.iter().copied().fold(f64::MAX, f64::min);
    let max = values.iter().copied().fold(f64::MIN, f64::max);
    let slack = 0.02 * (high - low);
    assert!(
        min >= low - 1e-12 && max <= high + 1e-12 && min < low + slack && max > high - slack,
        "{what}: {min} … {max} of {} values, expected {low} … {high}",
        values.len()
    );
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The draws of one kind of transform: how often it came, and the values of all channels.
struct Seen {
    count: usize,
    values: Vec<f64>,
}

fn seen(draws: &[SampleDraw], values_of: impl Fn(&IntensityDraw) -> Option<Vec<f64>>) -> Seen {
    let found: Vec<_> = (draws.iter())
        .flat_map(|draw| draw.intensity.iter().filter_map(&values_of))
        .collect();
    Seen {
        count: found.len(),
        values: found.concat(),
    }
}

fn noise(step: &IntensityDraw) -> Option<Vec<f64>> {
    match step {
        IntensityDraw::Noise { deviation, .. } => Some(vec![*deviation]),
        _ => None,
    }
}

fn blur(step: &IntensityDraw) -> Option<Vec<f64>> {
    match step {
        IntensityDraw::Blur { widths } => {
            Some(widths.iter().flatten().flatten().copied().collect())
        }
        _ => None,
    }
}

fn brightness(step: &IntensityDraw) -> Option<Vec<f64>> {
    match step {
        IntensityDraw::Brightness { factors } => Some(factors.clone()),
        _ => None,
    }
}

fn contrast(step: &IntensityDraw) -> Option<Vec<f64>> {
    match step {
        IntensityDraw::Contrast { factors } => Some(factors.clone()),
        _ => None,
    }
}

fn low_resolution(step: &IntensityDraw) -> Option<Vec<f64>> {
    match step {
        IntensityDraw::LowResolution { fractions, .. } => {
            Some(fractions.iter().flatten().map(|f| f[2]).collect())
        }
        _ => None,
    }
}

fn gamma(wanted: Polarity) -> impl Fn(&IntensityDraw) -> Option<Vec<f64>> {
    move |step| match step {
        IntensityDraw::Gamma {
            exponents,
            polarity,
        } if *polarity == wanted => Some(exponents.clone()),
        _ => None,
    }
}

#[test]
fn the_papers_list() {
    let setup = volume();
    let draws = draw_all(&Augmentation::paper(), &setup);
    check_geometry(&draws, &setup, 1.0 / 1.4, 1.0 / 0.7);

    let found = seen(&draws, noise);
    assert_frequency("noise", found.count, 0.15);
    assert_fills("noise", &found.values, 0.0, 0.1_f64.sqrt());
    // Of two channels one or both are blurred in three quarters of the cases.
    let found = seen(&draws, blur);
    assert_frequency("blur", found.count, 0.2 * 0.75);
    assert_fills("blur", &found.values, 0.5, 1.5);
    assert!(found.values.chunks(3).all(|w| w[0] == w[1] && w[1] == w[2]));
    let found = seen(&draws, brightness);
    assert_frequency("brightness", found.count, 0.15);
    assert_fills("brightness", &found.values, 0.7, 1.3);
    assert!((mean(&found.values) - 1.0).abs() < 0.02);
    let found = seen(&draws, contrast);
    assert_frequency("contrast", found.count, 0.15);
    assert_fills("contrast", &found.values, 0.65, 1.5);
    let found = seen(&draws, low_resolution);
    assert_frequency("low resolution", found.count, 0.25 * 0.75);
    assert_fills("low resolution", &found.values, 0.5, 1.0);
    for polarity in [Polarity::Plain, Polarity::Inverted] {
        let found = seen(&draws, gamma(polarity));
        assert_frequency("gamma", found.count, 0.15);
        assert_fills("gamma", &found.values, 0.7, 1.5);
        assert!((mean(&found.values) - 1.1).abs() < 0.03);
    }
}

#[test]
fn the_python_programs_list() {
    let setup = volume();
    let draws = draw_all(&Augmentation::v2(), &setup);
    check_geometry(&draws, &setup, 0.7, 1.4);

    let found = seen(&draws, noise);
    assert_frequency("noise", found.count, 0.1);
    assert_fills("noise", &found.values, 0.0, 0.1);
    let found = seen(&draws, blur);
    assert_frequency("blur", found.count, 0.2 * 0.75);
    assert_fills("blur", &found.values, 0.5, 1.0);
    assert!(found.values.chunks(3).any(|w| w[0] != w[1]));
    let found = seen(&draws, brightness);
    assert_frequency("brightness", found.count, 0.15);
    assert_fills("brightness", &found.values, 0.75, 1.25);
    let found = seen(&draws, contrast);
    assert_frequency("contrast", found.count, 0.15);
    assert_fills("contrast", &found.values, 0.75, 1.25);
    let found = seen(&draws, low_resolution);
    assert_frequency("low resolution", found.count, 0.25 * 0.75);
    assert_fills("low resolution", &found.values, 0.5, 1.0);
    for (polarity, probability) in [(Polarity::Inverted, 0.1), (Polarity::Plain, 0.3)] {
        let found = seen(&draws, gamma(polarity));
        assert_frequency("gamma", found.count, probability);
        assert_fills("gamma", &found.values, 0.7, 1.5);
        // As often below 1 as above, although there is less room below.
        let below = found.values.iter().filter(|v| **v < 1.0).count() as f64;
        assert!((below / found.values.len() as f64 - 0.5).abs() < 0.05);
    }
    // Both polarities may come to one sample, the inverted one first.
    let both = (draws.iter())
        .filter(|draw| {
            let polarities: Vec<_> = (draw.intensity.iter())
                .filter_map(|step| match step {
                    IntensityDraw::Gamma { polarity, .. } => Some(*polarity),
                    _ => None,
                })
                .collect();
            polarities == [Polarity::Inverted, Polarity::Plain]
        })
        .count();
    assert_frequency("gamma twice", both, 0.03);
}

fn check_geometry(draws: &[SampleDraw], setup: &AugmentationSetup, low: f64, high: f64) {
    let spatial: Vec<_> = draws.iter().filter_map(|draw| draw.spatial).collect();
    assert_frequency("rotation or scaling", spatial.len(), 1.0 - 0.8 * 0.8);
    let rotated = spatial.iter().filter(|s| s.angles != [0.0; 3]);
    assert_frequency("rotation", rotated.clone().count(), 0.2);
    for axis in 0..3 {
        let angles: Vec<_> = rotated.clone().map(|s| s.angles[axis]).collect();
        assert_fills("angle", &angles, -setup.max_angle, setup.max_angle);
    }
    let scales: Vec<_> = (spatial.iter())
        .filter(|s| s.scale != 1.0)
        .map(|s| s.scale)
        .collect();
    assert_frequency("scaling", scales.len(), 0.2);
    assert_fills("scale", &scales, low, high);
    for axis in 0..3 {
        let flipped = draws.iter().filter(|draw| draw.mirror[axis]).count();
        assert_frequency("mirroring", flipped, 0.5);
    }
}

#[test]
fn slices_and_stacks_turn_in_plane_only() {
    let stack = AugmentationSetup::for_patch(Shape::new([12, 64, 64]), PatchGeometry::Stack);
    for draw in draw_all(&Augmentation::paper(), &stack) {
        if let Some(spatial) = draw.spatial {
            assert_eq!(spatial.angles[1..], [0.0, 0.0]);
        }
        for step in &draw.intensity {
            if let IntensityDraw::LowResolution { fractions, .. } = step {
                assert!(fractions.iter().flatten().all(|f| f[0] == 1.0));
            }
        }
    }
    let slice = AugmentationSetup::for_patch(Shape::new([1, 64, 64]), PatchGeometry::Slice);
    let draws = draw_all(&Augmentation::v2(), &slice);
    assert!(draws.iter().all(|draw| !draw.mirror[0]));
    let angles: Vec<_> = (draws.iter())
        .filter_map(|draw| draw.spatial.map(|s| s.angles[0]))
        .collect();
    assert_fills(
        "angle",
        &angles,
        -std::f64::consts::PI,
        std::f64::consts::PI,
    );
}

#[test]
fn none_draws_nothing() {
    let draws = draw_all(&Augmentation::none(), &volume());
    assert!(draws.iter().all(|draw| *draw == SampleDraw::default()));
}

#[test]
fn a_draw_survives_json() {
    for draw in draw_all(&Augmentation::paper(), &volume()).iter().take(200) {
        let text = serde_json::to_string(draw).unwrap();
        let back: SampleDraw = serde_json::from_str(&text).unwrap();
        assert_eq!(back, *draw);
    }
}

fn cascade_draws(augmentation: &Augmentation, labels: usize) -> Vec<Vec<CascadeDraw>> {
    (0..DRAWS)
        .map(|iteration| {
            let address = SampleAddress {
                seed: 11,
                fold: Fold::All,
                epoch: 2,
                iteration,
                sample: 1,
            };
            let mut generator = address.generator(Purpose::TrainingCascade);
            augmentation.draw_cascade(labels, &mut generator)
        })
        .collect()
}

#[test]
fn disturbances_of_the_previous_stage() {
    for (augmentation, of_labels) in [(Augmentation::paper(), 1.0), (Augmentation::v2(), 0.5)] {
        let samples = cascade_draws(&augmentation, 3);
        let mut radii = Vec::new();
        let mut choices = Vec::new();
        let mut operators = [0; 4];
        for label in 0..3 {
            let (mut operated, mut removed) = (0, 0);
            for draw in samples.iter().flatten() {
                match draw {
                    CascadeDraw::Operator {
                        label: of,
                        operator,
                        radius,
                    } if *of == label => {
                        operated += 1;
                        radii.push(*radius);
                        let number = BinaryOperator::ALL.iter().position(|o| o == operator);
                        operators[number.unwrap()] += 1;
                    }
                    CascadeDraw::RemoveComponent {
                        label: of,
                        largest_share,
                        choice,
                    } if *of == label => {
                        removed += 1;
                        assert_eq!(*largest_share, 0.15);
                        choices.push(*choice);
                    }
                    _ => {}
                }
            }
            assert_frequency("operator", operated, 0.4 * of_labels);
            assert_frequency("removal", removed, 0.2 * of_labels);
        }
        assert_fills("radius", &radii, 1.0, 8.0);
        assert!((mean(&radii) - 4.5).abs() < 0.1);
        assert_fills("choice", &choices, 0.0, 1.0);
        for count in operators {
            let share = f64::from(count) / radii.len() as f64;
            assert!((share - 0.25).abs() < 0.03, "{operators:?}");
        }
    }
}

#[test]
fn labels_are_disturbed_in_random_order_and_operators_come_first() {
    let mut first = [0; 3];
    for sample in cascade_draws(&Augmentation::paper(), 3) {
        let labels: Vec<_> = (sample.iter())
            .filter_map(|draw| match draw {
                CascadeDraw::Operator { label, .. } => Some(*label),
                _ => None,
            })
            .collect();
        if let [label, ..] = labels[..] {
            assert_eq!(labels.len(), 3);
            first[label] += 1;
            let operators = sample.iter().take(3);
            assert!(
                operators
                    .clone()
                    .all(|d| matches!(d, CascadeDraw::Operator { .. }))
            );
        }
    }
    for count in first {
        assert_frequency("first label", count, 0.4 / 3.0);
    }
}

#[test]
fn long_slices_turn_a_little_and_stacks_all_round() {
    use std::f64::consts::PI;
    let angles = |patch: [usize; 3], geometry| {
        let setup = AugmentationSetup::for_patch(Shape::new(patch), geometry);
        let draws = draw_all(&Augmentation::v2(), &setup);
        let turned = draws.iter().filter_map(|draw| draw.spatial);
        let angles: Vec<_> = turned.map(|s| s.angles[0]).filter(|a| *a != 0.0).collect();
        assert_frequency("rotation", angles.len(), 0.2);
        angles
    };
    let long = angles([1, 320, 192], PatchGeometry::Slice);
    assert_fills("angle", &long, -PI / 12.0, PI / 12.0);
    let stack = angles([20, 320, 256], PatchGeometry::Stack);
    assert_fills("angle", &stack, -PI, PI);
}
