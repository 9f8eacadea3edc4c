//! Samples per second of one thread: `cargo bench -p nnunet-augment`.
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

/// A ball in texture, a third larger than the patch.
fn case(patch: [usize; 3]) -> Arc<dyn CaseSource> {
    let [z, y, x] = patch.map(|n| n * 4 / 3);
    let radius = (z.min(y).min(x) / 3) as f32;
    let labels = Array3::from_shape_fn((z, y, x), |(i, j, k)| {
        let squares = [(i, z), (j, y), (k, x)].map(|(a, n)| (a as f32 - n as f32 / 2.0).powi(2));
        i16::from(squares.iter().sum::<f32>().sqrt() < radius)
    });
    let data = Array4::from_shape_fn((1, z, y, x), |(_, i, j, k)| {
        ((i * 7 + j * 3 + k) as f32 * 0.1).sin() + f32::from(labels[[i, j, k]])
    });
    match MemoryCase::new("ball", data, labels) {
        Ok(case) => Arc::new(case),
        Err(error) => unreachable!("{error}"),
    }
}

fn time_of(case: &Arc<dyn CaseSource>, patch: [usize; 3], mode: &LoaderMode, n: u64) -> Duration {
    let setup = AugmentationSetup::for_patch(Shape::new(patch), PatchGeometry::Volume);
    let config = LoaderConfig {
        output_divisors: vec![[1; 3], [2; 3], [4; 3]],
        ..LoaderConfig::new(mode.clone(), setup, 1)
    };
    let begin = Instant::now();
    let Ok(mut loader) = BatchLoader::new(vec![Arc::clone(case)], config, 1) else {
        return Duration::ZERO;
    };
    loader.request(0, 0..n);
    for batch in &mut loader {
        let _ = black_box(batch);
    }
    begin.elapsed()
}

fn samples(criterion: &mut Criterion) {
    for (patch, per_round) in [([40, 56, 40], 200), ([128; 3], 20)] {
        let case = case(patch);
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
            let id = BenchmarkId::new(name, format!("{z}x{y}x{x}"));
            group.bench_function(id, |bencher| {
                bencher.iter_custom(|rounds| {
                    (0..rounds)
                        .map(|_| time_of(&case, patch, &mode, per_round))
                        .sum()
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, samples);
criterion_main!(benches);
