//! Fingerprints of generated datasets, in voxels of all channels per second.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot be set up should stop"
)]

use std::hint::black_box;
use std::path::Path;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::{Array3, Array4};
use nnunet_fingerprint::{ExtractOptions, IntensitySampling, extract};
use nnunet_image::{FormatRegistry, Geometry, Image, LabelMap, RawDataset};
use nnunet_schema::{NoProgress, Spacing};

const CASES: usize = 4;
const EDGE: usize = 96;

/// Noise over a ramp in the middle, zeros around, a ball of foreground.
fn write_dataset(folder: &Path, ending: &str) {
    let registry = FormatRegistry::default();
    let geometry = Geometry::axis_aligned(Spacing::ISOTROPIC_1MM);
    let mut state = 1_u32;
    let mut noise = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 20) as f32
    };
    let centre = EDGE as f32 / 2.0;
    let radius = |z: usize, y: usize, x: usize| {
        [z, y, x]
            .map(|v| (v as f32 - centre).powi(2))
            .iter()
            .sum::<f32>()
            .sqrt()
    };
    for case in 0..CASES {
        let data = Array4::from_shape_fn((1, EDGE, EDGE, EDGE), |(_, z, y, x)| {
            let inside = radius(z, y, x) < 0.45 * EDGE as f32;
            if inside {
                noise() + 8.0 * x as f32
            } else {
                0.0
            }
        });
        let labels = Array3::from_shape_fn((EDGE, EDGE, EDGE), |(z, y, x)| {
            i16::from(radius(z, y, x) < 0.3 * EDGE as f32)
        });
        let image = folder.join(format!("imagesTr/c{case}_0000{ending}"));
        let label = folder.join(format!("labelsTr/c{case}{ending}"));
        registry
            .write_image(&image, &Image { data, geometry })
            .expect("writable");
        registry
            .write_labels(&label, &LabelMap { labels, geometry })
            .expect("writable");
    }
    let description = format!(
        "{{\"channel_names\": {{\"0\": \"MRI\"}}, \"labels\": {{\"background\": 0, \"a\": 1}}, \
         \"numTraining\": {CASES}, \"file_ending\": \"{ending}\"}}"
    );
    std::fs::write(folder.join("dataset.json"), description).expect("writable");
}

fn fingerprint(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("extract");
    group.throughput(Throughput::Elements((CASES * EDGE.pow(3)) as u64));
    group.sample_size(10);
    for ending in [".nii", ".nii.gz"] {
        let folder = tempfile::tempdir().expect("a folder for a while");
        write_dataset(folder.path(), ending);
        let dataset = RawDataset::open(folder.path()).expect("a dataset");
        for (name, sampling) in [
            ("paper", IntensitySampling::Paper),
            ("v2", IntensitySampling::V2),
        ] {
            let id = BenchmarkId::new(name, format!("{CASES}x{EDGE}^3{ending}"));
            let options = ExtractOptions::with_sampling(sampling);
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    let registry = FormatRegistry::default();
                    black_box(extract(&dataset, &registry, &options, &NoProgress).expect("facts"))
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, fingerprint);
criterion_main!(benches);
