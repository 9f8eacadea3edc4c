//! How often and how strong: 10 000 draws of each list.

use nnunet_augment::augmentation::Augmentation;
use nnunet_augment::transforms::IntensityDraw;
use nnunet_augment::{AugmentationSetup, PatchGeometry, Purpose, SampleAddress, SampleDraw};
use nnunet_schema::{Fold, Shape};

const DRAWS: u64 = 10_000;

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
fn assert_frequency(what: &str, count: usize, probability: f64) {
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

fn gamma(step: &IntensityDraw) -> Option<Vec<f64>> {
    match step {
        IntensityDraw::Gamma { exponents, .. } => Some(exponents.clone()),
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
    let found = seen(&draws, gamma);
    assert_fills("gamma", &found.values, 0.7, 1.5);
    // Plain and inverted, 0.15 each.
    assert!((found.count as f64 / DRAWS as f64 - 0.3).abs() < 0.02);
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
    let found = seen(&draws, gamma);
    assert_fills("gamma", &found.values, 0.7, 1.5);
    assert!((found.count as f64 / DRAWS as f64 - 0.4).abs() < 0.02);
    // As often below 1 as above, although there is less room below.
    let below = found.values.iter().filter(|v| **v < 1.0).count() as f64;
    assert!((below / found.values.len() as f64 - 0.5).abs() < 0.03);
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
