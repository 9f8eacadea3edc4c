//! Directions of image axes: unit length, right angles, and the change between the two
//! conventions for world axes; from there to a [`Geometry`] and back.

use std::path::Path;

use nnunet_schema::{SchemaError, Spacing};

use super::source::not_writable;
use crate::{Geometry, ImageError};

/// Columns are image axes in file order, fastest first; rows are world axes `(x, y, z)`.
pub(super) type Matrix = [[f64; 3]; 3];

pub(super) const IDENTITY: Matrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// Below this determinant of unit columns the axes of a transform lie (almost) in a plane.
const FLAT: f64 = 1e-3;
/// Largest cosine between two axes that counts as rounding of a right angle.
const SKEW: f64 = 1e-4;

/// The geometry of an image whose axes are the columns of a matrix, of any length, with their
/// spacings `(x, y, z)` and the origin, all LPS and in millimetres. A negative spacing turns its
/// axis around, as ITK has it. `planar` says that the file has two axes only. Axes that lie in a
/// plane are replaced by the world's.
pub(super) fn geometry(
    axes: &Matrix,
    given: [f64; 3],
    origin: [f64; 3],
    planar: bool,
) -> Result<Geometry, SchemaError> {
    let [x, y, z] = given.map(f64::abs);
    let spacing = if planar {
        Geometry::planar_spacing(y, x)?
    } else {
        Spacing::new([z, y, x])?
    };
    let turned = axes.map(|row| [0, 1, 2].map(|c| row[c] * given[c].signum()));
    let axes = direction(&turned, planar).unwrap_or(Axes::WORLD);
    Ok(Geometry {
        spacing,
        origin,
        direction: axes.direction,
        skew: axes.skew,
    })
}

/// Whether an image is written as a 2D file by formats whose 2D files have 2D transforms: one
/// slice, in the plane of the world's first two axes.
pub(super) fn is_flat(geometry: &Geometry, slices: usize) -> bool {
    let [[_, _, a], [_, _, b], [c, d, _]] = geometry.direction;
    slices == 1
        && geometry.is_planar()
        && [a, b, c, d, geometry.origin[2]].iter().all(|v| *v == 0.0)
}

/// Refuses an image without voxels, or with a geometry that no text can hold.
pub(super) fn check_writable(
    path: &Path,
    geometry: &Geometry,
    shape: &[usize],
) -> Result<(), ImageError> {
    if shape.contains(&0) {
        let problem = format!("it has no voxels, its shape is {shape:?}");
        return Err(not_writable(path, problem));
    }
    let mut numbers = (geometry.origin.iter()).chain(geometry.direction.iter().flatten());
    if numbers.all(|v| v.is_finite()) {
        Ok(())
    } else {
        let problem = format!("its geometry {geometry:?} is not finite");
        Err(not_writable(path, problem))
    }
}

/// The axes of an image, of unit length and at right angles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axes {
    pub(super) direction: Matrix,
    /// The largest deviation from a right angle that there was, degrees; 0 if rounding explains it.
    pub(super) skew: f64,
}

impl Axes {
    /// Along the world's.
    pub(super) const WORLD: Self = Self {
        direction: IDENTITY,
        skew: 0.0,
    };
}

/// These axes with unit length, or the orthonormal ones nearest to them if they are further from
/// orthonormal than rounding explains; `None` if they lie in a plane or have no length. `planar`
/// says that the file has two axes only.
pub(super) fn direction(axes: &Matrix, planar: bool) -> Option<Axes> {
    let unit = |v: [f64; 3]| {
        let length = norm(v);
        (length > 0.0).then(|| v.map(|x| x / length))
    };
    let x = unit(column(axes, 0))?;
    let y = unit(column(axes, 1))?;
    let z = match unit(column(axes, 2)) {
        Some(z) if !planar => z,
        // The third axis of a 2D file has no meaning, whatever it holds.
        _ if planar => unit(cross(x, y))?,
        _ => return None,
    };
    let m: Matrix = [0, 1, 2].map(|r| [x[r], y[r], z[r]]);
    if determinant(&m).abs() < FLAT {
        return None;
    }
    let cosines = [dot(x, y), dot(y, z), dot(z, x)];
    let largest = cosines.map(f64::abs).into_iter().fold(0.0, f64::max);
    Some(if largest <= SKEW {
        Axes {
            direction: m,
            skew: 0.0,
        }
    } else {
        Axes {
            direction: nearest_orthonormal(m),
            skew: largest.min(1.0).asin().to_degrees(),
        }
    })
}

/// Newton's iteration for the polar decomposition: the mean of a matrix and its inverse
/// transposed tends to the orthonormal matrix nearest to it. The matrix must not be flat.
fn nearest_orthonormal(mut m: Matrix) -> Matrix {
    const MOST_STEPS: usize = 30;
    const DONE: f64 = 1e-15;
    for _ in 0..MOST_STEPS {
        let (cofactors, det) = (cofactors(&m), determinant(&m));
        let next = [0, 1, 2].map(|r| [0, 1, 2].map(|c| 0.5 * (m[r][c] + cofactors[r][c] / det)));
        let entries = m.iter().flatten().zip(next.iter().flatten());
        let change = entries
            .map(|(a, b): (&f64, &f64)| (a - b).abs())
            .fold(0.0, f64::max);
        m = next;
        if change < DONE {
            break;
        }
    }
    m
}

/// From RAS to LPS and back: turns the first two world axes around.
pub(super) fn ras_to_lps(axes: &mut Matrix, origin: &mut [f64; 3]) {
    for row in 0..2 {
        // The addition turns a negative zero into a positive one.
        axes[row] = axes[row].map(|v| -v + 0.0);
        origin[row] = -origin[row] + 0.0;
    }
}

pub(super) fn column(m: &Matrix, c: usize) -> [f64; 3] {
    [m[0][c], m[1][c], m[2][c]]
}

pub(super) fn norm(v: [f64; 3]) -> f64 {
    dot(v, v).sqrt()
}

pub(super) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

fn cofactors(m: &Matrix) -> Matrix {
    [cross(m[1], m[2]), cross(m[2], m[0]), cross(m[0], m[1])]
}

pub(super) fn determinant(m: &Matrix) -> f64 {
    let [a, b, c] = cross(m[1], m[2]);
    m[0][0] * a + m[0][1] * b + m[0][2] * c
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skewed_axes_are_straightened_and_flat_ones_refused() {
        let skewed = [[2.0, 0.1, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, -1.0]];
        let Axes { direction: d, skew } = direction(&skewed, false).unwrap();
        assert!(
            (skew - (0.1_f64 / 3.0).atan().to_degrees()).abs() < 1e-9,
            "{skew}"
        );
        for (a, b) in [(0, 1), (1, 2), (0, 2)] {
            assert!(dot(column(&d, a), column(&d, b)).abs() < 1e-4, "{d:?}");
        }
        assert!(
            (determinant(&d) + 1.0).abs() < 1e-3,
            "handedness stays: {d:?}"
        );
        let flat = [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
        assert_eq!(direction(&flat, false), None);
    }
}
