//! Which cases are drawn and where they are cropped: 10 000 draws each.

use nnunet_augment::{
    AugmentationSetup, ForegroundRule, LoaderConfig, LoaderMode, PatchGeometry, Purpose,
    SampleAddress, draw_crop,
};
use nnunet_image::CropBox;
use nnunet_schema::{Fold, Shape};

use crate::draws::{DRAWS, assert_frequency};
use crate::phantom::cases;

#[test]
fn cases_are_equally_likely_and_free_crops_lie_anywhere() {
    let cases = cases(4, [40, 20, 24]);
    let setup = AugmentationSetup::for_patch(Shape::new([16, 16, 16]), PatchGeometry::Volume);
    let config = LoaderConfig::new(LoaderMode::Validation, setup, 3);
    let mut chosen = [0; 4];
    let mut starts = [0; 25];
    for iteration in 0..DRAWS {
        let address = SampleAddress {
            seed: 3,
            fold: Fold::Number(1),
            epoch: 0,
            iteration,
            sample: 0,
        };
        let mut generator = address.generator(Purpose::ValidationCrop);
        let drawn = draw_crop(&cases, &config, 0, &mut generator).unwrap();
        chosen[drawn.case] += 1;
        starts[usize::try_from(drawn.crop.start[0]).unwrap()] += 1;
    }
    for count in chosen {
        assert_frequency("case", count, 0.25);
    }
    for count in starts {
        assert_frequency("start", count, 1.0 / 25.0);
    }
}

#[test]
fn foreground_can_be_a_matter_of_chance() {
    let cases = cases(1, [40, 44, 48]);
    let setup = AugmentationSetup::for_patch(Shape::new([1, 1, 1]), PatchGeometry::Volume);
    let mut config = LoaderConfig::new(LoaderMode::Validation, setup, 2);
    config.foreground = ForegroundRule::Probability(0.33);
    let forced_of = |sample| {
        let mut on_foreground = 0;
        for iteration in 0..DRAWS {
            let address = SampleAddress {
                seed: 3,
                fold: Fold::Number(1),
                epoch: 0,
                iteration,
                sample,
            };
            let mut generator = address.generator(Purpose::ValidationCrop);
            let drawn = draw_crop(&cases, &config, sample, &mut generator).unwrap();
            let [z, y, x] = drawn.crop.start.map(|v| usize::try_from(v).unwrap());
            let region = CropBox::between([z, y, x], [z + 1, y + 1, x + 1]).unwrap();
            let label = cases[0].read_labels(region).unwrap()[[0, 0, 0]];
            on_foreground += usize::from(label > 0);
        }
        on_foreground
    };
    // Others hit a label by chance.
    let whole = cases[0]
        .read_labels(CropBox::whole(cases[0].shape()))
        .unwrap();
    let share = whole.iter().filter(|l| **l > 0).count() as f64 / whole.len() as f64;
    for sample in [0, 1] {
        assert_frequency("foreground", forced_of(sample), 0.33 + 0.67 * share);
    }
}
