//! Cases for tests.

use std::sync::Arc;

use ndarray::{Array3, Array4};
use nnunet_augment::{CaseSource, MemoryCase};

/// A case of this shape with two balls, label 1 and 2, in smooth texture; `number` varies it.
/// Everything in front of slice `outside` is outside the nonzero region.
pub(crate) fn case(number: usize, shape: [usize; 3], channels: usize) -> MemoryCase {
    let [z, y, x] = shape;
    let centre = shape.map(|n| n as f32 / 2.0);
    let distance = |at: [usize; 3], shift: f32| {
        let squares = (0..3).map(|a| (at[a] as f32 - centre[a] - shift).powi(2));
        squares.sum::<f32>().sqrt()
    };
    let radius = *shape.iter().min().unwrap() as f32 / 4.0;
    let labels = Array3::from_shape_fn((z, y, x), |(z, y, x)| {
        if z == 0 {
            -1
        } else if distance([z, y, x], 0.0) < radius {
            1
        } else if distance([z, y, x], radius) < radius {
            2
        } else {
            0
        }
    });
    let data = Array4::from_shape_fn((channels, z, y, x), |(c, z, y, x)| {
        let texture = ((z + 2 * y + 3 * x + number + c) as f32 * 0.1).sin();
        texture + f32::from(labels[[z, y, x]])
    });
    MemoryCase::new(format!("case_{number}"), data, labels).unwrap()
}

pub(crate) fn cases(count: usize, shape: [usize; 3]) -> Vec<Arc<dyn CaseSource>> {
    (0..count)
        .map(|number| Arc::new(case(number, shape, 1)) as Arc<dyn CaseSource>)
        .collect()
}
