//! Resampling of a whole case, in output voxels per second, on one thread and on two; beside it a
//! plain copy of as many voxels, which is what the memory would allow.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::{Array3, Array4};
use nnunet_preprocess::resample::{
    ResampleMethod, SplineOrder, resample_image, resample_image_into, resample_labels,
    resample_logits_argmax,
};
use nnunet_schema::Shape;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

const FROM: [usize; 3] = [160, 320, 320];
const TO: [usize; 3] = [267, 256, 256];
const APART: [usize; 3] = [200, 256, 256];

/// Smooth waves with noise from a fixed seed.
fn image() -> Array3<f32> {
    let mut state = 1_u32;
    Array3::from_shape_fn(FROM, |(z, y, x)| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (state >> 8) as f32 / 16_777_216.0;
        let wave = (z as f32 * 0.11).sin() + (y as f32 * 0.07).cos() + (x as f32 * 0.05).sin();
        300.0 * wave + 40.0 * noise
    })
}

/// Five nested labels.
fn labels() -> Array3<i16> {
    Array3::from_shape_fn(FROM, |(z, y, x)| {
        let wave = (z as f32 * 0.11).sin() + (y as f32 * 0.07).cos() + (x as f32 * 0.05).sin();
        ((wave + 0.5) * 2.0).clamp(0.0, 4.0) as i16
    })
}

fn pool(threads: usize) -> ThreadPool {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    pool.unwrap_or_else(|error| panic!("{error}"))
}

/// Runs `work` on one thread and on two.
fn measure(
    c: &mut Criterion,
    name: &str,
    [from, to]: [[usize; 3]; 2],
    work: impl Fn(Shape) + Sync,
) {
    let (from, to) = (Shape::new(from), Shape::new(to));
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(to.volume() as u64));
    group.sample_size(10);
    for threads in [1, 2] {
        let pool = pool(threads);
        let id = BenchmarkId::new(format!("{from} to {to}"), format!("{threads} threads"));
        group.bench_function(id, |b| b.iter(|| pool.install(|| work(to))));
    }
    group.finish();
}

/// The ceiling: output voxels that are only copied, each read once and written once.
fn copies(c: &mut Criterion) {
    for to in [TO, APART] {
        let source = Array3::from_elem(to, 1.0_f32);
        let mut target = Array3::<f32>::zeros(to);
        let mut group = c.benchmark_group("copy");
        let voxels = to.iter().product::<usize>();
        group.throughput(Throughput::Elements(voxels as u64));
        group.sample_size(20);
        for threads in [1, 2] {
            let pool = pool(threads);
            let id = BenchmarkId::new(format!("{}", Shape::new(to)), format!("{threads} threads"));
            group.bench_function(id, |b| {
                b.iter(|| {
                    let source = source.as_slice().unwrap_or_default();
                    let target = target.as_slice_mut().unwrap_or_default();
                    let part = voxels.div_ceil(threads);
                    pool.install(|| {
                        let pairs = source.par_chunks(part).zip(target.par_chunks_mut(part));
                        pairs.for_each(|(source, target)| target.copy_from_slice(source));
                    });
                    black_box(target);
                });
            });
        }
        group.finish();
    }
}

fn resampling(c: &mut Criterion) {
    let image = image();
    let labels = labels();
    let method = ResampleMethod::by_slices;
    let run_image = |method: ResampleMethod| {
        let image = image.view();
        move |to| {
            black_box(resample_image(image, to, &method).map_err(|e| e.to_string())).ok();
        }
    };
    let run_labels = |method: ResampleMethod| {
        let labels = labels.view();
        move |to| {
            black_box(resample_labels(labels, to, &method).map_err(|e| e.to_string())).ok();
        }
    };
    copies(c);
    let cubic = SplineOrder::Cubic;
    let linear = SplineOrder::Linear;
    measure(c, "image cubic", [FROM, TO], run_image(method(cubic, None)));
    // The same without asking the system for fresh pages each time.
    let target = std::sync::Mutex::new(Array3::<f32>::zeros(TO));
    measure(c, "image cubic, into a buffer", [FROM, TO], |_| {
        if let Ok(mut target) = target.lock() {
            let done = resample_image_into(image.view(), target.view_mut(), &method(cubic, None));
            black_box(done.map_err(|e| e.to_string())).ok();
        }
    });
    measure(
        c,
        "image cubic, axis 0 apart",
        [FROM, APART],
        run_image(method(cubic, Some(0))),
    );
    measure(
        c,
        "image linear",
        [FROM, TO],
        run_image(method(linear, None)),
    );
    measure(c, "labels", [FROM, TO], run_labels(method(linear, None)));
    measure(
        c,
        "labels, axis 0 apart",
        [FROM, APART],
        run_labels(method(linear, Some(0))),
    );

    let [z, y, x] = [100, 200, 200];
    let logits = Array4::from_shape_fn((3, z, y, x), |(c, z, y, x)| {
        ((c as f32 + 1.0) * (z as f32 * 0.11 + y as f32 * 0.07 - x as f32 * 0.05)).sin()
    });
    let method = method(linear, None);
    measure(
        c,
        "argmax of three outputs",
        [[z, y, x], [150, 286, 286]],
        |to| {
            black_box(
                resample_logits_argmax(logits.view(), to, &method).map_err(|e| e.to_string()),
            )
            .ok();
        },
    );
}

criterion_group!(benches, resampling);
criterion_main!(benches);
