//! Voxels per second of the one-pass confusion count.
//!
//! `cargo bench -p nnunet-evaluate`
#![allow(missing_docs, clippy::expect_used)]

mod shared;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nnunet_evaluate::{Classes, Confusion, Label};
use nnunet_schema::python_json;
use shared::SMALL as SHAPE;

/// Blocks of labels `0..=highest`, as a segmentation has them, shifted by `shift` voxels.
fn blocks(highest: usize, shift: usize) -> Vec<i16> {
    let [nz, ny, nx] = SHAPE;
    let mut labels = Vec::with_capacity(nz * ny * nx);
    for z in 0..nz {
        for y in 0..ny {
            for x in 0..nx {
                let (z, y, x) = ((z + shift) / 16, (y + shift) / 64, (x + shift) / 48);
                let block = (z * 7 + y * 3 + x) % (2 * highest);
                labels.push(i16::try_from(block.saturating_sub(highest - 1)).unwrap_or(0));
            }
        }
    }
    labels
}

fn classes(highest: usize) -> Classes {
    let labels: Vec<String> = (1..=highest).map(|i| format!("\"l{i}\": {i}")).collect();
    let text = format!(
        "{{\"channel_names\": {{\"0\": \"CT\"}}, \"labels\": {{\"background\": 0, {}}}, \
         \"numTraining\": 1, \"file_ending\": \".nii.gz\"}}",
        labels.join(", ")
    );
    let description = python_json::parse(&text).expect("a valid description");
    Classes::of(&description).expect("consistent labels")
}

fn overlap(c: &mut Criterion) {
    let mut group = c.benchmark_group("confusion");
    group.throughput(Throughput::Elements(SHAPE.iter().product::<usize>() as u64));
    for highest in [2, 104] {
        let classes = classes(highest);
        let (reference, prediction) = (blocks(highest, 0), blocks(highest, 3));
        group.bench_function(BenchmarkId::new("i16", format!("{highest}-labels")), |b| {
            b.iter(|| count(&classes, &reference, &prediction));
        });
        let bytes = |labels: &[i16]| -> Vec<u8> { labels.iter().map(|v| *v as u8).collect() };
        let (reference, prediction) = (bytes(&reference), bytes(&prediction));
        group.bench_function(BenchmarkId::new("u8", format!("{highest}-labels")), |b| {
            b.iter(|| count(&classes, &reference, &prediction));
        });
    }
    // The worst case: no two neighbours alike.
    let classes = classes(4);
    let noise = |step: usize| -> Vec<i16> {
        let voxels = SHAPE.iter().product();
        (0..voxels)
            .map(|i: usize| (i.wrapping_mul(step) >> 5) as i16 % 5)
            .map(i16::abs)
            .collect()
    };
    let (reference, prediction) = (noise(2_654_435_761), noise(40_503));
    group.bench_function(BenchmarkId::new("i16", "noise"), |b| {
        b.iter(|| count(&classes, &reference, &prediction));
    });
    group.finish();

    let (reference, prediction) = (
        shared::anatomy(shared::LARGE, 0),
        shared::anatomy(shared::LARGE, 4),
    );
    let [reference, prediction] =
        [reference, prediction].map(|map| map.mapv(i16::from).into_raw_vec_and_offset().0);
    let classes = self::classes(14);
    let mut group = c.benchmark_group("case/400x512x512");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(reference.len() as u64));
    group.bench_function("i16/14-labels", |b| {
        b.iter(|| count(&classes, &reference, &prediction).overlaps(&classes));
    });
    group.finish();
}

fn count<T: Label>(classes: &Classes, reference: &[T], prediction: &[T]) -> Confusion {
    let mut confusion = Confusion::new(classes);
    confusion
        .count(black_box(reference), black_box(prediction))
        .expect("known labels");
    confusion
}

criterion_group!(benches, overlap);
criterion_main!(benches);
