//! Voxels per second of connected components, distances and surfaces.
//!
//! `cargo bench -p nnunet-evaluate --bench objects`
#![allow(missing_docs, clippy::expect_used)]

mod shared;

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array3;
use nnunet_evaluate::components::{Connectivity, connected_components, connected_components_of};
use nnunet_evaluate::distance::{distance_to, distance_within};
use nnunet_evaluate::surface::surface_metrics;
use nnunet_schema::Spacing;
use shared::{LARGE, SMALL, anatomy};

fn group<'a>(c: &'a mut Criterion, name: &str, shape: [usize; 3]) -> BenchmarkGroup<'a, WallTime> {
    let [z, y, x] = shape;
    let mut group = c.benchmark_group(format!("{name}/{z}x{y}x{x}"));
    group.throughput(Throughput::Elements(shape.iter().product::<usize>() as u64));
    if shape == LARGE {
        group.sample_size(10).warm_up_time(Duration::from_secs(1));
    }
    group
}

fn components(c: &mut Criterion) {
    for shape in [SMALL, LARGE] {
        let mut group = group(c, "components", shape);
        let labels = anatomy(shape, 0);
        let found = |connectivity| {
            connected_components(black_box(labels.view()), connectivity).expect("few runs")
        };
        group.bench_function("14-labels-26", |b| b.iter(|| found(Connectivity::Full)));
        group.bench_function("14-labels-6", |b| b.iter(|| found(Connectivity::Face)));
        group.bench_function("14-labels-26-array", |b| {
            b.iter(|| found(Connectivity::Full).to_array());
        });
        let all: Vec<u16> = (1..=14).collect();
        group.bench_function("foreground-26-array", |b| {
            b.iter(|| {
                connected_components_of(black_box(labels.view()), &all, Connectivity::Full)
                    .expect("few runs")
                    .to_array()
            });
        });
    }
    // The worst case: a run per voxel.
    let mut group = group(c, "components", SMALL);
    let mut count = 0_u32;
    let noise = Array3::from_shape_simple_fn(SMALL, || {
        count = count.wrapping_add(2_654_435_761);
        (count >> 16).count_ones() as u8 % 4
    });
    group.bench_function("noise-26-array", |b| {
        b.iter(|| {
            connected_components(black_box(noise.view()), Connectivity::Full)
                .expect("few runs")
                .to_array()
        });
    });
}

fn distances(c: &mut Criterion) {
    let spacing = Spacing::new([2.5, 0.8, 0.8]).expect("positive");
    for shape in [SMALL, LARGE] {
        let mut group = group(c, "distance", shape);
        let mask = anatomy(shape, 0).mapv(|label| label > 0);
        group.bench_function("within-f32", |b| {
            b.iter(|| distance_within::<f32>(black_box(mask.view()), spacing));
        });
        group.bench_function("to-f32", |b| {
            b.iter(|| distance_to::<f32>(black_box(mask.view()), spacing));
        });
    }
}

fn surfaces(c: &mut Criterion) {
    let spacing = Spacing::new([2.5, 0.8, 0.8]).expect("positive");
    let mut group = group(c, "surface", SMALL);
    let [reference, prediction] = [0, 6].map(|shift| anatomy(SMALL, shift).mapv(|l| l == 1));
    group.bench_function("metrics-of-a-liver", |b| {
        b.iter(|| {
            surface_metrics(
                black_box(reference.view()),
                black_box(prediction.view()),
                spacing,
                2.0,
            )
            .expect("equal shapes")
        });
    });
}

criterion_group!(benches, components, distances, surfaces);
criterion_main!(benches);
