//! Buffers that are filled again.

use nnunet_augment::{
    Augmentation, AugmentationSetup, Batch, BatchLoader, LoaderConfig, LoaderMode, PatchGeometry,
};
use nnunet_schema::Shape;

use crate::phantom::cases;

fn loader(threads: usize) -> BatchLoader {
    let setup = AugmentationSetup::for_patch(Shape::new([10, 12, 14]), PatchGeometry::Volume);
    let mode = LoaderMode::Training(Augmentation::v2());
    let config = LoaderConfig {
        output_divisors: vec![[1; 3], [2; 3]],
        // One batch at a time, so that the next one finds the buffers of the one before.
        prefetch_bytes: 1,
        ..LoaderConfig::new(mode, setup, 2)
    };
    // Smaller than the patch along one axis, so that padding has to be made anew.
    let mut loader = BatchLoader::new(cases(2, [20, 24, 11]), config, threads).unwrap();
    loader.request(0, 0..30);
    loader
}

#[test]
fn batches_in_used_buffers_are_those_in_new_ones() {
    let fresh: Vec<_> = loader(1).map(Result::unwrap).collect();
    let mut lending = loader(2);
    let mut recycling = loader(2);
    for expected in &fresh {
        let mut lent = lending.next_lent().unwrap().unwrap();
        assert_eq!(*lent, *expected);
        // What the consumer leaves behind does not show.
        lent.data.fill(f32::NAN);
        let mut taken = recycling.next_batch().unwrap().unwrap();
        assert_eq!(taken, *expected);
        taken.data.fill(f32::NAN);
        taken.targets[1].labels.clear();
        recycling.recycle(taken);
    }
    assert!(lending.next_lent().is_none());
}

/// Room that a batch never needs by itself, so that it is known again.
const MARK: usize = 12_345;

#[test]
fn buffers_come_back_whether_returned_or_dropped() {
    let mut loader = loader(1);
    let mut lent = loader.next_lent().unwrap().unwrap();
    lent.cases.reserve(MARK);
    drop(lent);
    let came_back = |batch: &Batch| batch.cases.capacity() >= MARK;
    let mut batches = std::iter::from_fn(|| loader.next_batch()).map(Result::unwrap);
    let marked = batches.find(came_back).unwrap();
    // It is with the consumer now, and not given out a second time before it is returned.
    assert!(!batches.by_ref().take(5).any(|batch| came_back(&batch)));
    drop(batches);
    loader.recycle(marked);
    assert!(loader.map(Result::unwrap).any(|batch| came_back(&batch)));
}

#[test]
fn a_kept_batch_is_not_touched() {
    let mut loader = loader(1);
    let kept = loader.next_lent().unwrap().unwrap().into_batch();
    let copy = kept.clone();
    while loader.next_lent().is_some() {}
    assert_eq!(kept, copy);
}

#[test]
fn buffers_of_another_loader_are_made_to_fit() {
    let expected = loader(1).next_batch().unwrap().unwrap();
    let other = loader(1);
    let mut odd = expected.clone();
    odd.data.truncate(7);
    odd.targets.pop();
    odd.cases.push("nobody".to_owned());
    // Whichever batch is made in it.
    other.recycle(odd.clone());
    other.recycle(odd);
    let found: Vec<_> = other.map(Result::unwrap).collect();
    assert_eq!(found[0], expected);
    assert!(found.iter().all(|batch| batch.shape == expected.shape));
    assert!(
        found
            .iter()
            .all(|batch| batch.data.len() == expected.data.len())
    );
}

#[test]
fn the_consumers_time_is_counted() {
    let mut loader = loader(1);
    while let Some(batch) = loader.next_batch() {
        batch.unwrap();
    }
    let statistics = loader.take_statistics(0);
    assert!(statistics.waited <= statistics.elapsed);
    assert!(statistics.wait_share() > 0.0 && statistics.wait_share() <= 1.0);
    assert!(!statistics.read.is_zero() && !statistics.spatial.is_zero());
    assert!(!statistics.intensity.is_zero() && !statistics.targets.is_zero());
    assert!(statistics.cascade.is_zero());
    assert_eq!(loader.take_statistics(0).wait_share(), 0.0);
}
