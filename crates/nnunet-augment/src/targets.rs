//! Labels at the resolutions of the network's outputs.

use nnunet_schema::{Configuration, Shape};

/// The source position of position `at` when an edge of `edge` voxels is resized to `size` by
/// the nearest voxel, centres aligned.
pub(crate) fn nearest_exact(at: usize, edge: usize, size: usize) -> usize {
    let source = (at as f64 + 0.5) * edge as f64 / size as f64;
    (source as usize).min(edge.saturating_sub(1))
}

/// The shape of a patch at an output whose edges are divided by `divisor`: rounded half to even.
#[must_use]
pub fn target_shape(patch: Shape, divisor: [usize; 3]) -> Shape {
    Shape::new(std::array::from_fn(|a| {
        let edge = (patch[a] as f64 / divisor[a].max(1) as f64).round_ties_even();
        (edge as usize).max(1)
    }))
}

/// By what the edges `(z, y, x)` of each output of the network are divided, highest resolution
/// first: the running product of the strides of all stages but the deepest, which has no output.
///
/// A slice's first axis is never divided.
#[must_use]
pub fn output_divisors(configuration: &Configuration) -> Vec<[usize; 3]> {
    let mut divisor = [1; 3];
    let mut divisors = Vec::new();
    for stride in configuration.strides() {
        divisor = std::array::from_fn(|axis| divisor[axis] * stride[axis]);
        divisors.push(divisor);
    }
    if divisors.len() > 1 {
        divisors.pop();
    }
    divisors
}

/// Appends the labels `(z, y, x)`, resized to `to` by the nearest voxel, to `out`.
pub fn downsample_labels(labels: &[i16], from: Shape, to: Shape, out: &mut Vec<i16>) {
    if from == to {
        out.extend_from_slice(labels);
        return;
    }
    let sources: [Vec<usize>; 3] = std::array::from_fn(|a| {
        (0..to[a])
            .map(|at| nearest_exact(at, from[a], to[a]))
            .collect()
    });
    for z in &sources[0] {
        for y in &sources[1] {
            let row = &labels[(z * from[1] + y) * from[2]..][..from[2]];
            out.extend(sources[2].iter().map(|x| row[*x]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_takes_the_second_of_each_pair() {
        let labels: Vec<i16> = (0..16).collect();
        let mut out = Vec::new();
        downsample_labels(
            &labels,
            Shape::new([1, 4, 4]),
            Shape::new([1, 2, 2]),
            &mut out,
        );
        assert_eq!(out, [5, 7, 13, 15]);
    }

    #[test]
    fn shapes_are_rounded_half_to_even() {
        let shape = target_shape(Shape::new([5, 7, 10]), [2, 2, 4]);
        assert_eq!(shape.voxels(), [2, 4, 2]);
    }
}
