//! Reading a random patch of 128³ voxels out of a case of 400×512×512 on disk, which is written
//! first: 420 MB of single precision before compression, a few seconds.
//!
//! The patches are read with the files in the page cache. For a cold one, name a folder in
//! `NNUNET_BENCH_STORE`, where the case is kept: run once, drop the cache (`sync; echo 3 >
//! /proc/sys/vm/drop_caches`) and run again; the time of the first patch, which is printed, is then
//! that of the disk.

#![allow(clippy::print_stdout)] // a benchmark shows what it found

#[path = "../tests/it/support.rs"]
#[allow(dead_code, clippy::unwrap_used, clippy::print_stdout)]
mod support;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::{Array3, Array4};
use nnunet_image::{CropBox, Geometry};
use nnunet_preprocess::{
    CaseProperties, CaseStore, ClassLocations, Precision, PreprocessedCase, StoreHeader,
};
use nnunet_schema::{AxisPermutation, Shape, Spacing};
use serde_json::json;

const CASE: [usize; 3] = [400, 512, 512];
const PATCH: usize = 128;

/// Random numbers from a fixed seed.
struct Numbers(u32);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 8
    }

    fn corner(&mut self) -> [usize; 3] {
        CASE.map(|edge| self.next() as usize % (edge - PATCH + 1))
    }
}

/// Waves with noise, as compressible as an image of a scanner.
fn case() -> PreprocessedCase {
    let [z, y, x] = CASE;
    let mut numbers = Numbers(1);
    let data = Array4::from_shape_fn((1, z, y, x), |(_, k, j, i)| {
        let noise = numbers.next() as f32 / 16_777_216.0;
        let wave = (k as f32 * 0.11).sin() + (j as f32 * 0.07).cos() + (i as f32 * 0.05).sin();
        wave + 0.1 * noise
    });
    let labels = Array3::from_shape_fn((z, y, x), |(k, j, i)| {
        i16::from(k / 100 + j / 100 + i / 100 > 7)
    });
    let shape = Shape::new(CASE);
    PreprocessedCase {
        data,
        labels,
        properties: CaseProperties {
            spacing: Spacing::ISOTROPIC_1MM,
            geometry: Geometry::axis_aligned(Spacing::ISOTROPIC_1MM),
            transpose_forward: AxisPermutation::IDENTITY,
            shape_before_cropping: shape,
            bbox_used_for_cropping: CropBox::whole(shape),
            shape_after_cropping_and_before_resampling: shape,
            shape_after_resampling: shape,
            class_locations: ClassLocations::default(),
        },
    }
}

/// The header of a store for patches of this size.
fn header(precision: Precision) -> Result<StoreHeader, Box<dyn std::error::Error>> {
    let mut plans = support::plans(1, "v2");
    plans.configurations["3d_fullres"].insert("patch_size".into(), json!([PATCH, PATCH, PATCH]));
    let description = support::description(json!({"background": 0, "a": 1}), 1);
    Ok(StoreHeader::new(&plans, "3d_fullres", &description)?.with_precision(precision))
}

/// The store in a folder, with the case, which is written unless it is there.
fn written(folder: &Path, precision: Precision) -> Result<CaseStore, Box<dyn std::error::Error>> {
    let store = CaseStore::create(folder, header(precision)?)?;
    if !store.contains("case") {
        let case = case();
        let start = Instant::now();
        store.write("case", &case)?;
        println!(
            "{precision}: written in {:.2} s",
            start.elapsed().as_secs_f64()
        );
    }
    Ok(store)
}

fn patches(c: &mut Criterion) {
    if let Err(error) = measure(c) {
        panic!("{error}");
    }
}

fn measure(c: &mut Criterion) -> Result<(), Box<dyn std::error::Error>> {
    let mut group = c.benchmark_group("random patch 128×128×128 of 400×512×512");
    group.throughput(Throughput::Elements((PATCH * PATCH * PATCH) as u64));
    group.sample_size(20);
    let temporary = tempfile::tempdir()?;
    let kept = std::env::var_os("NNUNET_BENCH_STORE").map(PathBuf::from);
    let folder = kept.unwrap_or_else(|| temporary.path().to_path_buf());
    for precision in [Precision::Single, Precision::Half] {
        let store = written(&folder.join(precision.to_string()), precision)?;
        let start = Instant::now();
        let stored = store.open_case("case")?;
        let mut numbers = Numbers(7);
        let read = |low: [usize; 3]| {
            let region = CropBox::between(low, low.map(|edge| edge + PATCH));
            region.map(|region| (stored.read_data(region), stored.read_labels(region)))
        };
        black_box(read(numbers.corner()));
        println!(
            "{precision}: opened and first patch in {:.4} s, {} MB on disk",
            start.elapsed().as_secs_f64(),
            store.bytes_on_disk()? / 1_000_000
        );
        group.bench_function(BenchmarkId::new("data and labels", precision), |b| {
            b.iter(|| black_box(read(numbers.corner())));
        });
    }
    group.finish();
    Ok(())
}

criterion_group!(benches, patches);
criterion_main!(benches);
