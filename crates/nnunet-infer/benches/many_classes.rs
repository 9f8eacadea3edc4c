//! Export of many classes: 104 of 200×200×267 voxels to labels of 300×300×400, with the peak of
//! memory beyond the outputs themselves. Not criterion's: one run is long, and memory is a result.
//! Without `--bench` (as a test) everything is small.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use ndarray::Array4;
use nnunet_infer::{PredictOptions, Recipe};
use nnunet_schema::{DatasetDescription, Shape};
use serde_json::{Map, json};

mod support;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let full = std::env::args().any(|argument| argument == "--bench");
    let (classes, from, to) = match full {
        true => (104, [200, 200, 267], [300, 300, 400]),
        false => (5, [20, 20, 27], [30, 30, 40]),
    };
    let labels: Map<_, _> = (0..classes)
        .map(|label| {
            let name = if label == 0 {
                "background".to_owned()
            } else {
                format!("l{label}")
            };
            (name, json!(label))
        })
        .collect();
    let dataset: DatasetDescription = serde_json::from_value(json!({
        "channel_names": {"0": "CT"}, "numTraining": 1, "labels": labels,
        "file_ending": ".nii.gz"}))?;
    let plans = support::plans([128; 3], 1.5)?;
    let recipe = Recipe::new(&plans, "test", &dataset, &[], &PredictOptions::default())?;
    let properties = support::case(Shape::new(from), Shape::new(to));
    let mut state = 1_u32;
    let outputs = Array4::from_shape_simple_fn((classes, from[0], from[1], from[2]), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as f32
    });
    let before = support::memory("VmRSS");
    let runs = if full { 3 } else { 1 };
    for _ in 0..runs {
        let start = Instant::now();
        let map = recipe.label("bench", outputs.view(), &properties, None)?;
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{classes} classes to {}: {seconds:.2} s; peak {} MB above {before} MB",
            map.shape(),
            support::memory("VmHWM").saturating_sub(before)
        );
    }
    Ok(())
}
