//! Window positions and importance maps of the Python program.

use std::fs;

use ndarray::Array3;
use nnunet_infer::{axis_positions, importance_map};
use nnunet_schema::Shape;
use serde_json::Value;

use crate::common::fixture;

fn numbers(value: &Value) -> Vec<usize> {
    let list = value.as_array().unwrap().iter();
    list.map(|v| v.as_u64().unwrap() as usize).collect()
}

#[test]
fn windows_lie_where_the_python_program_puts_them() {
    let Some(file) = fixture("window positions", "predict/sliding/steps.json") else {
        return;
    };
    let cases: Vec<Value> = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert!(cases.len() > 20);
    for case in cases {
        let (image, tile) = (numbers(&case["image"]), numbers(&case["tile"]));
        let step = case["step"].as_f64().unwrap();
        for (axis, expected) in case["steps"].as_array().unwrap().iter().enumerate() {
            let found = axis_positions(image[axis], tile[axis], step);
            assert_eq!(
                found,
                numbers(expected),
                "{image:?} {tile:?} {step} axis {axis}"
            );
        }
    }
}

#[test]
fn importance_is_that_of_the_python_program_up_to_its_half_precision() {
    for edges in [[40, 56, 40], [64, 64, 64]] {
        let [z, y, x] = edges;
        let name = format!("predict/sliding/gaussian_{z}x{y}x{x}.npy");
        let Some(file) = fixture("importance maps", &name) else {
            return;
        };
        let expected = read_half(&fs::read(file).unwrap(), edges);
        let found = importance_map(Shape::new(edges)).mapv(|w| w * 10.0);
        let smallest = half(1);
        for (voxel, expected) in expected.indexed_iter() {
            // Half of the distance between neighbouring numbers of half precision, and zeros
            // were replaced by the smallest number.
            let tolerance = (expected / 2048.0).max(smallest / 2.0) * 1.001;
            let found = found[voxel].max(smallest);
            assert!(
                (found - expected).abs() <= tolerance,
                "{voxel:?}: {found} {expected}"
            );
        }
    }
}

/// An array of half precision in `.npy` format, version 1, C order.
fn read_half(bytes: &[u8], edges: [usize; 3]) -> Array3<f32> {
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let text = String::from_utf8_lossy(&bytes[10..10 + header]);
    assert!(
        text.contains("'<f2'") && text.contains("'fortran_order': False"),
        "{text}"
    );
    let values = bytes[10 + header..].chunks_exact(2);
    let values = values
        .map(|b| half(u16::from_le_bytes([b[0], b[1]])))
        .collect();
    Array3::from_shape_vec(edges, values).unwrap()
}

/// A positive finite number of half precision.
fn half(bits: u16) -> f32 {
    let (exponent, fraction) = (i32::from(bits >> 10), f32::from(bits & 0x3ff));
    match exponent {
        0 => fraction * 2_f32.powi(-24),
        _ => (1024.0 + fraction) * 2_f32.powi(exponent - 25),
    }
}
