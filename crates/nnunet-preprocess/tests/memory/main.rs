//! How much memory a case takes: a binary of its own, because it counts every allocation.
// Helpers outside of test functions may fail and print as tests do.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../it/support.rs"]
#[allow(dead_code)]
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use nnunet_image::{Image, LabelMap};
use nnunet_preprocess::{CasePipeline, CaseStore, Precision, PreprocessedCase, StoreHeader};
use nnunet_schema::AxisPermutation;
use serde_json::json;

use crate::support::{description, image, labels, plans};

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counting.
struct Counting;

fn grown(by: usize) {
    let now = NOW.fetch_add(by, Ordering::Relaxed) + by;
    PEAK.fetch_max(now, Ordering::Relaxed);
}

// SAFETY: everything is passed on to the system's allocator as it came.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Large blocks are moved by their page table, not copied.
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        grown(size);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs `work` and says how many bytes were allocated at most, beyond those there before.
fn peak<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let result = work();
    (PEAK.load(Ordering::Relaxed).saturating_sub(before), result)
}

fn input_bytes(image: &Image, labels: &LabelMap) -> usize {
    size_of_val(image.data.as_slice().unwrap()) + size_of_val(labels.labels.as_slice().unwrap())
}

fn output_bytes(case: &PreprocessedCase) -> usize {
    size_of_val(case.data.as_slice().unwrap()) + size_of_val(case.labels.as_slice().unwrap())
}

/// What a case does to its grid.
struct Grid {
    what: &'static str,
    channels: usize,
    shape: [usize; 3],
    spacing: [f64; 3],
    transpose: [usize; 3],
}

const GRIDS: [Grid; 7] = [
    Grid {
        what: "finer",
        channels: 1,
        shape: [100, 200, 200],
        spacing: [1.6, 1.2, 1.2],
        transpose: [0, 1, 2],
    },
    Grid {
        what: "finer in depth, coarser in plane",
        channels: 1,
        shape: [160, 240, 240],
        spacing: [1.7, 0.8, 0.8],
        transpose: [0, 1, 2],
    },
    Grid {
        what: "coarser",
        channels: 1,
        shape: [160, 240, 240],
        spacing: [0.7, 0.7, 0.7],
        transpose: [0, 1, 2],
    },
    Grid {
        what: "much coarser, transposed",
        channels: 1,
        shape: [240, 240, 160],
        spacing: [0.5, 0.5, 0.6],
        transpose: [2, 0, 1],
    },
    Grid {
        what: "axis 0 apart",
        channels: 1,
        shape: [100, 240, 240],
        spacing: [4.0, 0.8, 0.8],
        transpose: [0, 1, 2],
    },
    Grid {
        what: "as it is",
        channels: 1,
        shape: [160, 240, 240],
        spacing: [1.0, 1.0, 1.0],
        transpose: [0, 1, 2],
    },
    Grid {
        what: "three channels, coarser, transposed",
        channels: 3,
        shape: [160, 160, 160],
        spacing: [0.8, 0.7, 0.9],
        transpose: [1, 0, 2],
    },
];

#[test]
fn a_case_takes_its_image_and_its_result_and_little_more() {
    // Threads and their buffers are there before anything is counted.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build();
    let pool = pool.unwrap();
    for rules in ["v2", "paper"] {
        for grid in &GRIDS {
            let channels = grid.channels;
            let description = description(json!({"background": 0, "a": 1, "b": 2}), channels);
            let mut plans = plans(channels, rules);
            plans.transpose_forward = AxisPermutation::new(grid.transpose).unwrap();
            let pipeline = CasePipeline::new(&plans, "3d_fullres", &description).unwrap();

            let raw = image(channels, grid.shape, grid.spacing);
            let map = labels(&raw);
            let input = input_bytes(&raw, &map);
            let (beyond, case) =
                peak(|| pool.install(|| pipeline.run("case", raw, Some(map)).unwrap()));
            let output = output_bytes(&case);
            let (what, all) = (grid.what, input + output);
            let part = (input + beyond) as f64 / all as f64;
            println!(
                "{rules}, {what}: input {} MB, output {} MB, peak {:.3} of both",
                input / 1_000_000,
                output / 1_000_000,
                part
            );
            assert!(part <= 1.25, "{rules}, {what}: {part}");

            if rules == "paper" {
                continue;
            }
            for precision in [Precision::Single, Precision::Half] {
                let folder = tempfile::tempdir().unwrap();
                let header = StoreHeader::new(&plans, "3d_fullres", &description).unwrap();
                let header = header.with_precision(precision);
                let store = CaseStore::create(folder.path(), header).unwrap();
                let (beyond, ()) = peak(|| pool.install(|| store.write("case", &case).unwrap()));
                println!("  written as {precision}: {} MB beyond", beyond / 1_000_000);
                assert!(beyond <= 48 << 20, "{what}: {beyond} bytes to write");
            }
        }
    }
}
