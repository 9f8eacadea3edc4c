//! What the loader delivers.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use nnunet_augment::{
    Augmentation, AugmentationSetup, Batch, BatchLoader, CaseSource, LoaderConfig, LoaderMode,
    PatchGeometry, SampleAddress, VoxelGroup, draw_crop,
};
use nnunet_schema::{Fold, Shape};

use crate::phantom::{self, cases};

fn config(mode: LoaderMode, patch: [usize; 3]) -> LoaderConfig {
    let setup = AugmentationSetup::for_patch(Shape::new(patch), PatchGeometry::Volume);
    LoaderConfig {
        output_divisors: vec![[1; 3], [2; 3], [2, 4, 4]],
        seed: 5,
        ..LoaderConfig::new(mode, setup, 2)
    }
}

fn training(patch: [usize; 3]) -> LoaderConfig {
    config(LoaderMode::Training(Augmentation::paper()), patch)
}

fn checksum(batches: impl Iterator<Item = Batch>) -> Vec<u64> {
    batches
        .map(|batch| {
            let mut hasher = DefaultHasher::new();
            for value in &batch.data {
                value.to_bits().hash(&mut hasher);
            }
            for target in &batch.targets {
                target.labels.hash(&mut hasher);
            }
            batch.cases.hash(&mut hasher);
            hasher.finish()
        })
        .collect()
}

fn run(threads: usize, requests: &[(u64, std::ops::Range<u64>)]) -> Vec<u64> {
    let config = training([12, 14, 16]);
    let mut loader = BatchLoader::new(cases(3, [20, 24, 28]), config, threads).unwrap();
    for (epoch, iterations) in requests {
        loader.request(*epoch, iterations.clone());
    }
    checksum(loader.map(Result::unwrap))
}

#[test]
fn batches_depend_on_their_address_alone() {
    let one = run(1, &[(0, 0..30), (1, 0..20)]);
    assert_eq!(one.len(), 50);
    for threads in [2, 16] {
        assert_eq!(run(threads, &[(0, 0..30), (1, 0..20)]), one);
        // Resumed at iteration 25.
        assert_eq!(run(threads, &[(0, 25..30), (1, 0..20)]), one[25..]);
    }
    // No two batches are alike.
    let distinct: std::collections::BTreeSet<_> = one.iter().collect();
    assert_eq!(distinct.len(), 50);
}

#[test]
fn training_batches_have_the_promised_form() {
    let mut loader = BatchLoader::new(cases(3, [20, 24, 28]), training([12, 14, 18]), 2).unwrap();
    loader.request(3, 0..20);
    for (iteration, batch) in loader.by_ref().enumerate() {
        let batch = batch.unwrap();
        assert_eq!(batch.address.epoch, 3);
        assert_eq!(batch.address.iteration, iteration as u64);
        assert_eq!(batch.shape, [2, 1, 12, 14, 18]);
        assert_eq!(batch.data.len(), 2 * 12 * 14 * 18);
        assert!(batch.data.iter().all(|v| v.is_finite()));
        let shapes: Vec<_> = batch.targets.iter().map(|t| t.shape).collect();
        // 14 / 4 and 18 / 4 are rounded half to even.
        assert_eq!(shapes, [[2, 12, 14, 18], [2, 6, 7, 9], [2, 6, 4, 4]]);
        for target in &batch.targets {
            assert_eq!(target.labels.len(), target.shape.iter().product::<usize>());
            assert!(target.labels.iter().all(|l| [0, 1, 2].contains(l)));
        }
        assert_eq!(batch.cases.len(), 2);
    }
    let statistics = loader.take_statistics(3);
    assert_eq!((statistics.batches, statistics.samples), (20, 40));
    assert!(statistics.milliseconds_per_sample(statistics.work()) > 0.0);
    assert_eq!(loader.take_statistics(3).batches, 0);
}

#[test]
fn validation_patches_are_parts_of_the_case() {
    let shape = [20, 24, 28];
    let case = phantom::case(0, shape, 1);
    let whole = {
        let mut loader =
            BatchLoader::new(cases(1, shape), config(LoaderMode::Validation, shape), 1).unwrap();
        loader.request(0, 0..1);
        let batch = loader.next_batch().unwrap().unwrap();
        assert_eq!(case.shape(), Shape::new(shape));
        batch
    };
    // Sample 0 is free, and a crop as large as the case has one place to go.
    let labels = &whole.targets[0].labels[..20 * 24 * 28];
    assert!(labels[..24 * 28].iter().all(|l| *l == 0), "-1 becomes 0");
    assert!(labels.contains(&1) && labels.contains(&2));
    let first = whole.data[0];
    assert!(
        (first - (0.0_f32.sin() - 1.0)).abs() < 1e-6,
        "the image is not masked"
    );
}

#[test]
fn masked_channels_are_zero_outside_the_nonzero_region() {
    let shape = [20, 24, 28];
    let mut config = config(LoaderMode::Training(Augmentation::none()), shape);
    config.masked_channels = vec![true];
    let mut loader = BatchLoader::new(cases(1, shape), config, 1).unwrap();
    loader.request(0, 0..1);
    let batch = loader.next_batch().unwrap().unwrap();
    assert!(batch.data[..24 * 28].iter().all(|v| *v == 0.0));
    assert!(batch.data[24 * 28..20 * 24 * 28].iter().any(|v| *v != 0.0));
}

#[test]
fn the_last_third_of_a_batch_holds_foreground_of_all_classes() {
    let cases = cases(2, [40, 44, 48]);
    let mut config = config(LoaderMode::Validation, [8, 8, 8]);
    config.batch_size = 3;
    let mut classes = BTreeMap::new();
    for iteration in 0..500 {
        let address = SampleAddress {
            seed: 1,
            fold: Fold::All,
            epoch: 0,
            iteration,
            sample: 2,
        };
        let mut generator = address.generator(nnunet_augment::Purpose::ValidationCrop);
        let crop = draw_crop(&cases, &config, 2, &mut generator).unwrap();
        let middle = [0, 1, 2].map(|a| (crop.crop.start[a] + 4) as usize);
        let label = cases[crop.case].read_labels_at(middle);
        *classes.entry(label).or_insert(0) += 1;
    }
    assert_eq!(classes.keys().copied().collect::<Vec<_>>(), [1, 2]);
    assert!(
        classes.values().all(|n| (200..300).contains(n)),
        "{classes:?}"
    );
}

trait ReadVoxel {
    fn read_labels_at(&self, voxel: [usize; 3]) -> i16;
}

impl ReadVoxel for std::sync::Arc<dyn CaseSource> {
    fn read_labels_at(&self, voxel: [usize; 3]) -> i16 {
        let whole = nnunet_image::CropBox::whole(self.shape());
        self.read_labels(whole).unwrap()[voxel]
    }
}

#[test]
fn slices_of_a_volume_are_drawn_by_their_foreground() {
    let setup = AugmentationSetup::for_patch(Shape::new([1, 16, 16]), PatchGeometry::Slice);
    let mode = LoaderMode::Training(Augmentation::paper());
    let config = LoaderConfig {
        output_divisors: vec![[1; 3], [1, 2, 2]],
        ..LoaderConfig::new(mode, setup, 4)
    };
    let mut loader = BatchLoader::new(cases(2, [24, 30, 30]), config, 2).unwrap();
    loader.request(0, 0..40);
    let mut with_foreground = 0;
    for batch in loader {
        let batch = batch.unwrap();
        assert_eq!(batch.shape, [4, 1, 1, 16, 16]);
        assert_eq!(batch.targets[1].shape, [4, 1, 8, 8]);
        let last = &batch.targets[0].labels[3 * 256..];
        with_foreground += usize::from(last.iter().any(|l| *l > 0));
    }
    // Rotation and scaling are about the middle of the crop, where the voxel is.
    assert!(with_foreground >= 39, "{with_foreground}");
}

#[test]
fn free_crops_can_keep_to_annotated_voxels() {
    use nnunet_augment::FreeCrops;
    let voxel = [30, 31, 5];
    let case = phantom::case(0, [40, 44, 48], 1).with_group(VoxelGroup::Annotated, vec![voxel]);
    let cases: Vec<std::sync::Arc<dyn CaseSource>> = vec![std::sync::Arc::new(case)];
    let mut config = config(LoaderMode::Validation, [8, 8, 8]);
    config.free_crops = FreeCrops::Annotated;
    let address = SampleAddress {
        seed: 1,
        fold: Fold::All,
        epoch: 0,
        iteration: 0,
        sample: 0,
    };
    let mut generator = address.generator(nnunet_augment::Purpose::ValidationCrop);
    let drawn = draw_crop(&cases, &config, 0, &mut generator).unwrap();
    assert_eq!(drawn.crop.start, [26, 27, 1]);
}
