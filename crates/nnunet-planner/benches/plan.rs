//! Plans for datasets of the size of the largest published ones.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nnunet_planner::{PlanOverrides, Planner, Rules};
use nnunet_schema::{DatasetDescription, DatasetFingerprint};
use serde_json::json;

/// A dataset of cases around a median shape and spacing, the same in every run.
fn generated(cases: usize, shape: [usize; 3], spacing: [f64; 3]) -> DatasetFingerprint {
    let vary = |i: usize, axis: usize| 0.8 + 0.4 * ((i * 7 + axis * 3) % 11) as f64 / 10.0;
    let shapes: Vec<[usize; 3]> = (0..cases)
        .map(|i| std::array::from_fn(|a| (shape[a] as f64 * vary(i, a)) as usize))
        .collect();
    let spacings: Vec<[f64; 3]> = (0..cases)
        .map(|i| std::array::from_fn(|a| spacing[a] * vary(i, 2 - a)))
        .collect();
    serde_json::from_value(json!({
        "shapes_after_crop": shapes, "spacings": spacings,
        "median_relative_size_after_cropping": 1.0,
        "foreground_intensity_properties_per_channel": {}
    }))
    .unwrap_or_else(|error| unreachable!("a generated fingerprint is valid: {error}"))
}

fn description() -> DatasetDescription {
    serde_json::from_value(json!({
        "channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1, "b": 2},
        "numTraining": 1, "file_ending": ".nii.gz"
    }))
    .unwrap_or_else(|error| unreachable!("the description is valid: {error}"))
}

fn plan(c: &mut Criterion) {
    let mut group = c.benchmark_group("plan_all_configurations");
    let datasets = [
        (
            "volumes_400x512x512",
            generated(500, [400, 512, 512], [1.0, 0.77, 0.77]),
        ),
        (
            "slices_125x1250x1250",
            generated(500, [125, 1250, 1250], [40.0, 4.0, 4.0]),
        ),
    ];
    let (description, overrides) = (description(), PlanOverrides::default());
    for rules in [Rules::paper(), Rules::v2(), Rules::resenc_m()] {
        let (set, budget) = (rules.set.to_string(), rules.reference_budget());
        let planner = Planner::new(rules);
        for (name, fingerprint) in &datasets {
            group.bench_function(BenchmarkId::new(&set, name), |b| {
                b.iter(|| {
                    let facts = black_box(fingerprint);
                    planner.plan(facts, &description, "Dataset001_Bench", &budget, &overrides)
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, plan);
criterion_main!(benches);
