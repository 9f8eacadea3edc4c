//! Samples per second of one thread and of two: `cargo bench -p nnunet-augment`.
//!
//! Every measurement makes the same number of samples with the same addresses, so that the mix
//! of drawn transforms is the same each time.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use ndarray::{Array3, Array4};
use nnunet_augment::{
    Augmentation, AugmentationSetup, BatchLoader, CaseSource, LoaderConfig, LoaderMode, MemoryCase,
    PatchGeometry,
};
use nnunet_schema::Shape;

/// Waves of a few voxels, a third larger than the patch, with two labels where they are high and
/// a border outside the nonzero region.
fn case(patch: [usize; 3], channels: usize) -> Arc<dyn CaseSource> {
    let [z, y, x] = patch.map(|n| n * 4 / 3);
    let wave = |at: [usize; 3], shift: f32| {
        let along = |axis: usize, length: f32| (at[axis] as f32 / length + shift).sin();
        along(0, 6.0) + along(1, 5.0) * along(2, 7.0) + along(2, 4.0)
    };
    let labels = Array3::from_shape_fn((z, y, x), |(i, j, k)| match wave([i, j, k], 0.5) {
        _ if i < 2 => -1,
        high if high > 1.6 => 2,
        high if high > 0.8 => 1,
        _ => 0,
    });
    let data = Array4::from_shape_fn((channels, z, y, x), |(c, i, j, k)| {
        wave([i, j, k], c as f32) + ((i * 7 + j * 3 + k) as f32 * 1.3).sin()
    });
    match MemoryCase::new("waves", data, labels) {
        Ok(case) => Arc::new(case),
        Err(error) => unreachable!("{error}"),
    }
}

fn time_of(
    case: &Arc<dyn CaseSource>,
    patch: [usize; 3],
    mode: &LoaderMode,
    threads: usize,
    n: u64,
) -> Duration {
    let setup = AugmentationSetup::for_patch(Shape::new(patch), PatchGeometry::Volume);
    let config = LoaderConfig {
        output_divisors: vec![[1; 3], [2; 3], [4; 3]],
        ..LoaderConfig::new(mode.clone(), setup, 1)
    };
    let begin = Instant::now();
    let Ok(mut loader) = BatchLoader::new(vec![Arc::clone(case)], config, threads) else {
        return Duration::ZERO;
    };
    loader.request(0, 0..n);
    while let Some(batch) = loader.next_lent() {
        let _ = black_box(batch);
    }
    begin.elapsed()
}

fn samples(criterion: &mut Criterion) {
    for (patch, per_round) in [([40, 56, 40], 400), ([128; 3], 60)] {
        for (channels, threads) in [(1, 1), (4, 1), (1, 2)] {
            let case = case(patch, channels);
            let mut group = criterion.benchmark_group("samples");
            group.throughput(Throughput::Elements(per_round));
            group.sample_size(10);
            group.sampling_mode(SamplingMode::Flat);
            group.warm_up_time(Duration::from_millis(500));
            for (name, mode) in [
                ("paper", LoaderMode::Training(Augmentation::paper())),
                ("v2", LoaderMode::Training(Augmentation::v2())),
                ("none", LoaderMode::Training(Augmentation::none())),
            ] {
                let [z, y, x] = patch;
                let of = format!("{z}x{y}x{x}/{channels}-channels/{threads}-threads");
                group.bench_function(BenchmarkId::new(name, of), |bencher| {
                    bencher.iter_custom(|rounds| {
                        (0..rounds)
                            .map(|_| time_of(&case, patch, &mode, threads, per_round))
                            .sum()
                    });
                });
            }
            group.finish();
        }
    }
}

criterion_group!(benches, samples);
criterion_main!(benches);
