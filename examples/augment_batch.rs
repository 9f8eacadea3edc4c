//! Batches for a training from cases in memory, with a pipeline put together by hand: the
//! augmentation crate alone, no network and no torch.
#![allow(clippy::print_stdout)] // an example shows what it found

use std::sync::Arc;
use std::thread::available_parallelism;

use ndarray::{Array3, Array4};
use nnunet_augment::augmentation::{Factor, IntensityStep, Interval};
use nnunet_augment::{
    Augmentation, AugmentationSetup, BatchLoader, CaseSource, LoaderConfig, LoaderMode, MemoryCase,
    PatchGeometry,
};

/// Edges of the cases and of the patches, (z, y, x).
const CASE: [usize; 3] = [56, 64, 60];
const PATCH: [usize; 3] = [32, 40, 36];

fn main() -> anyhow::Result<()> {
    let cases = (0..3)
        .map(|number| Ok(Arc::new(case(number)?) as Arc<dyn CaseSource>))
        .collect::<anyhow::Result<Vec<_>>>()?;

    // The paper's list without gamma, and with stronger brightness at the end.
    let mut augmentation = Augmentation::paper();
    augmentation
        .intensity
        .retain(|step| !matches!(step, IntensityStep::Gamma { .. }));
    augmentation.intensity.push(IntensityStep::Brightness {
        probability: 0.5,
        factor: Factor::Uniform(Interval::new(0.5, 2.0)),
    });

    let setup = AugmentationSetup::for_patch(PATCH.into(), PatchGeometry::Volume);
    println!(
        "patches of {} voxels from crops of {}",
        setup.patch, setup.initial_patch
    );
    let config = LoaderConfig {
        // A network with three outputs, each half the one before.
        output_divisors: vec![[1; 3], [2; 3], [4; 3]],
        seed: 42,
        ..LoaderConfig::new(LoaderMode::Training(augmentation), setup, 2)
    };
    let threads = available_parallelism().map_or(1, usize::from);
    let mut loader = BatchLoader::new(cases, config, threads)?;

    loader.request(0, 0..50);
    let mut foreground = 0;
    while let Some(batch) = loader.next_lent() {
        let batch = batch?;
        if batch.address.iteration == 0 {
            println!("data {:?} from {:?}", batch.shape, batch.cases);
            for target in &batch.targets {
                println!("labels {:?}", target.shape);
            }
        }
        foreground += batch.targets[0].labels.iter().filter(|l| **l > 0).count();
    }
    let statistics = loader.take_statistics(0);
    let per_sample = |time| statistics.milliseconds_per_sample(time);
    println!(
        "{} samples on {threads} threads, {:.1} % foreground",
        statistics.samples,
        100.0 * foreground as f64 / (statistics.samples as usize * setup.patch.volume()) as f64
    );
    println!(
        "per sample: read {:.2} ms, spatial {:.2} ms, intensity {:.2} ms; waited {:.0} % of the time",
        per_sample(statistics.read),
        per_sample(statistics.spatial),
        per_sample(statistics.intensity),
        100.0 * statistics.wait_share(),
    );
    Ok(())
}

/// A bright ball in waves; the number moves it.
fn case(number: usize) -> anyhow::Result<MemoryCase> {
    let [z, y, x] = CASE;
    let labels = Array3::from_shape_fn((z, y, x), |(i, j, k)| {
        let centre = [24 + 4 * number, 32, 30];
        let squares = [i, j, k].into_iter().zip(centre);
        let distance: usize = squares
            .map(|(a, b): (usize, usize)| a.abs_diff(b).pow(2))
            .sum();
        i16::from(distance < 144)
    });
    let data = Array4::from_shape_fn((1, z, y, x), |(_, i, j, k)| {
        ((i + 2 * j + 3 * k) as f32 * 0.1).sin() + 2.0 * f32::from(labels[[i, j, k]])
    });
    Ok(MemoryCase::new(format!("case_{number}"), data, labels)?)
}
