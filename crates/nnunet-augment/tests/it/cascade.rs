//! The previous stage's segmentation as channels of the input.

use std::sync::Arc;

use ndarray::{Array3, Array4};
use nnunet_augment::augmentation::CascadeStep;
use nnunet_augment::{
    AugmentError, Augmentation, AugmentationSetup, Batch, BatchLoader, CascadeCase, CaseSource,
    LoaderConfig, LoaderMode, MemoryCase, PatchGeometry,
};
use nnunet_schema::Shape;

use crate::phantom;

const SHAPE: [usize; 3] = [24, 28, 30];
const PATCH: [usize; 3] = [14, 16, 18];

/// Phantoms whose previous stage found exactly their labels.
fn cases(count: usize) -> Vec<Arc<dyn CaseSource>> {
    (0..count)
        .map(|number| {
            let case: Arc<dyn CaseSource> = Arc::new(phantom::case(number, SHAPE, 1));
            let previous = Arc::clone(&case);
            Arc::new(CascadeCase::new(case, previous).unwrap()) as Arc<dyn CaseSource>
        })
        .collect()
}

fn config(mode: LoaderMode, geometry: PatchGeometry) -> LoaderConfig {
    let patch = match geometry {
        PatchGeometry::Slice => [1, 16, 18],
        _ => PATCH,
    };
    let setup = AugmentationSetup::for_patch(Shape::new(patch), geometry);
    LoaderConfig {
        previous_labels: vec![1, 2],
        ..LoaderConfig::new(mode, setup, 2)
    }
}

fn run(config: LoaderConfig, cases: Vec<Arc<dyn CaseSource>>, threads: usize) -> Vec<Batch> {
    let mut loader = BatchLoader::new(cases, config, threads).unwrap();
    loader.request(0, 0..40);
    loader.map(Result::unwrap).collect()
}

/// Image channels, then one per label, of each sample.
fn samples(batch: &Batch) -> impl Iterator<Item = (&[f32], &[f32], &[i16])> {
    let volume: usize = batch.shape[2..].iter().product();
    let labels = batch.targets[0].labels.chunks_exact(volume);
    let samples = batch.data.chunks_exact(volume * batch.shape[1]);
    samples.zip(labels).map(move |(sample, labels)| {
        let (image, encoded) = sample.split_at(volume * (batch.shape[1] - 2));
        (image, encoded, labels)
    })
}

fn is_one_hot_of(encoded: &[f32], labels: &[i16]) -> bool {
    let (one, two) = encoded.split_at(labels.len());
    (one.iter().zip(two).zip(labels)).all(|((one, two), label)| {
        let expected = [f32::from(*label == 1), f32::from(*label == 2)];
        [*one, *two] == expected
    })
}

#[test]
fn the_previous_stage_moves_with_the_labels() {
    for geometry in [
        PatchGeometry::Volume,
        PatchGeometry::Stack,
        PatchGeometry::Slice,
    ] {
        let mut augmentation = Augmentation::v2();
        augmentation.cascade.clear();
        augmentation.spatial.rotation_probability = 0.8;
        let mode = LoaderMode::Training(augmentation);
        let mut seen = 0;
        for batch in run(config(mode.clone(), geometry), cases(2), 2) {
            assert_eq!(batch.shape[1], 3);
            for (_, encoded, labels) in samples(&batch) {
                assert!(is_one_hot_of(encoded, labels), "{geometry:?}");
                seen += labels.iter().filter(|l| **l > 0).count();
            }
        }
        assert!(seen > 1000, "{seen}");
    }
}

#[test]
fn the_image_is_the_same_as_without_a_cascade() {
    let mode = LoaderMode::Training(Augmentation::paper());
    let with = config(mode, PatchGeometry::Volume);
    let without = LoaderConfig {
        previous_labels: Vec::new(),
        ..with.clone()
    };
    let (with, without) = (run(with, cases(2), 2), run(without, cases(2), 1));
    let mut disturbed = 0;
    for (with, without) in with.iter().zip(&without) {
        assert_eq!(without.shape[1], 1);
        assert_eq!(with.targets, without.targets);
        let images = without.data.chunks_exact(PATCH.iter().product());
        for ((image, encoded, labels), expected) in samples(with).zip(images) {
            assert_eq!(image, expected);
            assert!(encoded.iter().all(|v| *v == 0.0 || *v == 1.0));
            let (one, two) = encoded.split_at(labels.len());
            assert!((one.iter().zip(two)).all(|(a, b)| a * b == 0.0));
            disturbed += usize::from(!is_one_hot_of(encoded, labels));
        }
    }
    // Of the samples with labels, half are disturbed.
    assert!((15..65).contains(&disturbed), "{disturbed}");
}

#[test]
fn validation_leaves_the_previous_stage_as_it_is() {
    let mut seen = 0;
    for batch in run(
        config(LoaderMode::Validation, PatchGeometry::Volume),
        cases(2),
        2,
    ) {
        for (_, encoded, labels) in samples(&batch) {
            assert!(is_one_hot_of(encoded, labels));
            seen += labels.iter().filter(|l| **l > 0).count();
        }
    }
    assert!(seen > 1000, "{seen}");
}

#[test]
fn disturbances_do_not_depend_on_threads() {
    let mode = LoaderMode::Training(Augmentation::v2());
    let config = config(mode, PatchGeometry::Volume);
    let one = run(config.clone(), cases(3), 1);
    for threads in [2, 16] {
        assert_eq!(run(config.clone(), cases(3), threads), one);
    }
}

#[test]
fn a_case_without_a_previous_stage_is_named() {
    let mut mixed = cases(1);
    mixed.push(Arc::new(phantom::case(7, SHAPE, 1)));
    let config = config(LoaderMode::Validation, PatchGeometry::Volume);
    let error = BatchLoader::new(mixed, config, 1).unwrap_err();
    assert!(matches!(error, AugmentError::NoPreviousStage { .. }));
    assert!(error.to_string().contains("case_7"), "{error}");
}

#[test]
fn a_previous_stage_on_another_grid_is_refused() {
    let case: Arc<dyn CaseSource> = Arc::new(phantom::case(0, SHAPE, 1));
    let other: Arc<dyn CaseSource> = Arc::new(phantom::case(0, [24, 28, 31], 1));
    let error = CascadeCase::new(case, other).unwrap_err().to_string();
    assert!(
        error.contains("24×28×31") && error.contains("24×28×30"),
        "{error}"
    );
    let in_memory = phantom::case(0, SHAPE, 1);
    assert!(
        in_memory
            .with_previous_stage(Array3::zeros((24, 28, 31)))
            .is_err()
    );
}

#[test]
fn settings_of_the_cascade_are_checked() {
    let refused = |change: &dyn Fn(&mut LoaderConfig)| {
        let mode = LoaderMode::Training(Augmentation::v2());
        let mut config = config(mode, PatchGeometry::Volume);
        change(&mut config);
        config.check().unwrap_err().to_string()
    };
    let message = refused(&|config| config.previous_labels = vec![1, 0]);
    assert!(message.contains("previous_labels"), "{message}");
    let message = refused(&|config| {
        let mut augmentation = Augmentation::v2();
        augmentation.cascade[1] = CascadeStep::RemoveComponent {
            probability: 0.2,
            label_probability: 0.5,
            largest_share: 15.0,
        };
        config.mode = LoaderMode::Training(augmentation);
    });
    assert!(message.contains("cascade[1].largest_share"), "{message}");
}

/// What the previous stage says may differ from the labels, and lies outside the case too.
#[test]
fn channels_follow_the_order_of_the_labels() {
    let previous = Array3::from_shape_fn((4, 4, 4), |(z, _, _)| if z < 2 { 5 } else { 3 });
    let case = MemoryCase::new(
        "case",
        Array4::zeros((1, 4, 4, 4)),
        Array3::zeros((4, 4, 4)),
    )
    .unwrap()
    .with_previous_stage(previous)
    .unwrap();
    let setup = AugmentationSetup::for_patch(Shape::new([4, 4, 6]), PatchGeometry::Volume);
    let config = LoaderConfig {
        previous_labels: vec![3, 5],
        ..LoaderConfig::new(LoaderMode::Validation, setup, 1)
    };
    let batch = run(config, vec![Arc::new(case)], 1).swap_remove(0);
    assert_eq!(batch.shape, [1, 3, 4, 4, 6]);
    for (channel, label) in [(1, 3), (2, 5)] {
        for z in 0..4 {
            let ones = batch.data[(channel * 4 + z) * 24..][..24]
                .iter()
                .sum::<f32>();
            let expected = if (z < 2) == (label == 5) { 16.0 } else { 0.0 };
            assert_eq!(ones, expected, "{label} {z}");
        }
    }
}
