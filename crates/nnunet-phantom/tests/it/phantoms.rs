use std::collections::BTreeSet;

use nnunet_image::{CropBox, nonzero_mask};
use nnunet_phantom::{LESION, Noise, ORGAN, Phantom, PhantomConfig, VESSEL};

const LABELS: [i16; 3] = [ORGAN, VESSEL, LESION];

fn phantoms(config: &PhantomConfig, cases: u64) -> Vec<Phantom> {
    (0..cases)
        .map(|i| Phantom::generate(config, i).unwrap())
        .collect()
}

/// FNV-1a over the bits of image and labels.
fn checksum(phantom: &Phantom) -> u64 {
    let image = phantom.image.data.iter().map(|v| u64::from(v.to_bits()));
    let labels = phantom
        .labels
        .labels
        .iter()
        .map(|v| u64::from(v.cast_unsigned()));
    image
        .chain(labels)
        .fold(0xcbf2_9ce4_8422_2325, |hash, word| {
            (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

/// Of phantom 0: default, two channels, tiny.
const CHECKSUMS: [u64; 3] = [
    0xb312_545e_dab6_9bad,
    0xa5f3_29f7_ce07_97ad,
    0x9a9e_2860_00df_0055,
];

#[test]
fn the_same_number_gives_the_same_phantom_for_ever() {
    let configs = [
        PhantomConfig::default(),
        PhantomConfig::two_channels(),
        PhantomConfig::tiny(),
    ];
    let found = configs.map(|config| checksum(&Phantom::generate(&config, 0).unwrap()));
    assert_eq!(found, CHECKSUMS, "{found:#018x?}");
}

#[test]
fn another_seed_or_number_gives_another_phantom() {
    let base = PhantomConfig::tiny();
    let other = PhantomConfig {
        seed: 7,
        ..base.clone()
    };
    let sums: BTreeSet<u64> = (phantoms(&base, 5).iter())
        .chain(&phantoms(&other, 5))
        .map(checksum)
        .collect();
    assert_eq!(sums.len(), 10);
}

#[test]
fn every_case_has_every_label_and_enough_of_it() {
    for (config, fewest) in [(PhantomConfig::default(), 150), (PhantomConfig::tiny(), 25)] {
        for (i, phantom) in phantoms(&config, 40).iter().enumerate() {
            for label in LABELS {
                let voxels = phantom
                    .labels
                    .labels
                    .iter()
                    .filter(|v| **v == label)
                    .count();
                assert!(
                    voxels >= fewest,
                    "case {i}: label {label} has {voxels} voxels"
                );
            }
        }
    }
}

#[test]
fn outside_the_body_there_is_nothing_and_inside_always_something() {
    for config in [PhantomConfig::default(), PhantomConfig::two_channels()] {
        for phantom in phantoms(&config, 4) {
            let data = &phantom.image.data;
            let mask = nonzero_mask(data.view());
            let body = CropBox::around(mask.view()).unwrap();
            let (inside, whole) = (body.shape().volume(), phantom.image.shape().volume());
            assert!(inside * 100 < whole * 97, "{inside} of {whole} voxels");
            for ((z, y, x), label) in phantom.labels.labels.indexed_iter() {
                for channel in data.outer_iter() {
                    let value = channel[[z, y, x]];
                    assert_eq!(value > 0.0, mask[[z, y, x]]);
                    assert!(*label == 0 || value > 0.0);
                    assert_eq!(value, value.round());
                }
            }
        }
    }
}

#[test]
fn geometry_varies_within_its_limits() {
    let config = PhantomConfig::default();
    let phantoms = phantoms(&config, 24);
    let mut shapes = BTreeSet::new();
    let mut spacings = BTreeSet::new();
    for phantom in &phantoms {
        let [z, y, x] = phantom.image.shape().voxels();
        assert!((24..=40).contains(&z) && (48..=64).contains(&y) && (48..=64).contains(&x));
        let spacing = phantom.image.geometry.spacing;
        assert!((2.0..=3.0).contains(&spacing[0]) && (1.0..=1.3).contains(&spacing[1]));
        assert!(spacing.anisotropy() > 1.4);
        shapes.insert([z, y, x]);
        spacings.insert(spacing.mm().map(f64::to_bits));
        assert_eq!(phantom.image.geometry, phantom.labels.geometry);
    }
    assert!(shapes.len() > 20 && spacings.len() > 20);
}

/// The best Dice that any two thresholds can reach for a label of a case, in any channel: the
/// thresholds are fitted to the case itself, which no honest method could do.
fn best_threshold_dice(phantom: &Phantom, label: i16) -> f64 {
    const BINS: usize = 96;
    let total = phantom
        .labels
        .labels
        .iter()
        .filter(|v| **v == label)
        .count();
    let mut best: f64 = 0.0;
    for channel in phantom.image.data.outer_iter() {
        let highest = channel.iter().copied().fold(1.0, f32::max);
        let mut bins = [[0_usize; 2]; BINS];
        for (value, voxel) in channel.iter().zip(&phantom.labels.labels) {
            if *value > 0.0 {
                let bin = (value / highest * BINS as f32) as usize;
                bins[bin.min(BINS - 1)][usize::from(*voxel == label)] += 1;
            }
        }
        for low in 0..BINS {
            let (mut hits, mut chosen) = (0, 0);
            for [others, own] in &bins[low..] {
                hits += own;
                chosen += own + others;
                best = best.max(2.0 * hits as f64 / (chosen + total) as f64);
            }
        }
    }
    best
}

#[test]
fn intensity_alone_does_not_find_the_structures() {
    for config in [PhantomConfig::default(), PhantomConfig::two_channels()] {
        let phantoms = phantoms(&config, 8);
        let dice = LABELS.map(|label| {
            let sum: f64 = phantoms.iter().map(|p| best_threshold_dice(p, label)).sum();
            sum / phantoms.len() as f64
        });
        println!("thresholds reach a Dice of {dice:.3?}");
        assert!(dice.iter().all(|dice| *dice < 0.97), "{dice:?}");
        assert!(dice.iter().any(|dice| *dice < 0.8), "{dice:?}");
    }
}

#[test]
fn gaussian_noise_is_another_image_of_the_same_anatomy() {
    let rician = PhantomConfig::tiny();
    let gaussian = PhantomConfig {
        noise: Noise::Gaussian,
        ..rician.clone()
    };
    let [a, b] = [rician, gaussian].map(|config| Phantom::generate(&config, 3).unwrap());
    assert_eq!(a.labels, b.labels);
    assert_ne!(a.image, b.image);
}

#[test]
fn a_configuration_that_cannot_be_is_refused() {
    let config = PhantomConfig {
        noise_level: -1.0,
        ..PhantomConfig::default()
    };
    let error = Phantom::generate(&config, 0).unwrap_err().to_string();
    assert!(error.contains("noise_level"), "{error}");
}
