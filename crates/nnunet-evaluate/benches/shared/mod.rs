//! A made label map with the proportions of an abdominal CT.

use ndarray::Array3;

/// Voxels along (z, y, x) of a large case.
pub(crate) const LARGE: [usize; 3] = [400, 512, 512];
/// Voxels along (z, y, x) of a small case.
pub(crate) const SMALL: [usize; 3] = [64, 256, 256];

/// Centre and half axes of each organ in thousandths of the volume's edges, `(z, y, x)`.
const ORGANS: [[i64; 6]; 14] = [
    [450, 500, 320, 260, 240, 200],
    [520, 560, 760, 120, 110, 70],
    [400, 640, 640, 110, 70, 60],
    [400, 640, 360, 110, 70, 60],
    [500, 430, 620, 120, 120, 110],
    [450, 520, 510, 30, 40, 170],
    [500, 590, 480, 480, 35, 30],
    [480, 560, 430, 460, 25, 28],
    [430, 440, 400, 50, 45, 30],
    [540, 600, 580, 20, 18, 22],
    [540, 600, 420, 20, 18, 22],
    [760, 500, 300, 210, 220, 160],
    [760, 500, 700, 210, 220, 160],
    [140, 480, 500, 90, 90, 110],
];

/// Label 1 to 14 for the organs, later ones over earlier ones, 0 elsewhere; `shift` moves them
/// by that many thousandths. Their surfaces have folds, as organs have.
pub(crate) fn anatomy(shape: [usize; 3], shift: i64) -> Array3<u8> {
    let mut labels = Array3::zeros(shape);
    let place = |index: usize, edge: usize| 1000.0 * (index as f64 + 0.5) / edge as f64;
    for ((z, y, x), label) in labels.indexed_iter_mut() {
        let at = [place(z, shape[0]), place(y, shape[1]), place(x, shape[2])];
        let fold = 1.0 + 0.08 * (at[0] / 17.0).sin() * (at[1] / 13.0).sin() * (at[2] / 11.0).sin();
        for (number, organ) in (1_u8..).zip(ORGANS) {
            let square = |axis: usize| {
                let way = at[axis] - (organ[axis] + shift) as f64;
                (way / organ[axis + 3] as f64).powi(2)
            };
            if square(0) + square(1) + square(2) < fold {
                *label = number;
            }
        }
    }
    labels
}
