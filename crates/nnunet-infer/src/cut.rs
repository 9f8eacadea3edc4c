//! Copying windows out of an image.

use ndarray::{ArrayView1, ArrayView4, Axis};

use crate::Tiling;

/// Copies the window at `position` of the padded image into `window`, `(channel, z, y, x)`;
/// what lies outside the image is zero.
///
/// This is plain copying by the calling thread: libtorch's threads spin for a while after every
/// operation, and would take the cores from the threads that add the windows up.
pub(crate) fn cut(
    image: &ArrayView4<'_, f32>,
    tiling: &Tiling,
    position: [usize; 3],
    window: &mut [f32],
) {
    let [depth, height, width] = tiling.window().voxels();
    let [before_z, before_y, before_x] = tiling.padding_before();
    let [from_z, from_y, from_x] = position;
    let volumes = window.chunks_exact_mut(depth * height * width);
    for (channel, volume) in image.outer_iter().zip(volumes) {
        for (z, plane) in volume.chunks_exact_mut(height * width).enumerate() {
            let slice = (from_z + z).checked_sub(before_z);
            let slice = slice.filter(|z| *z < channel.len_of(Axis(0)));
            let Some(slice) = slice.map(|z| channel.index_axis(Axis(0), z)) else {
                plane.fill(0.0);
                continue;
            };
            for (y, target) in plane.chunks_exact_mut(width).enumerate() {
                let row = (from_y + y).checked_sub(before_y);
                match row.filter(|y| *y < slice.len_of(Axis(0))) {
                    Some(y) => copy_row(&slice.index_axis(Axis(0), y), from_x, before_x, target),
                    None => target.fill(0.0),
                }
            }
        }
    }
}

/// Copies the part of a row from column `from` of the padded image on.
fn copy_row(row: &ArrayView1<'_, f32>, from: usize, before: usize, target: &mut [f32]) {
    let padding = before.saturating_sub(from).min(target.len());
    let (left, rest) = target.split_at_mut(padding);
    left.fill(0.0);
    let start = (from + padding - before).min(row.len());
    let count = rest.len().min(row.len() - start);
    let (inside, right) = rest.split_at_mut(count);
    right.fill(0.0);
    match row.as_slice().and_then(|row| row.get(start..start + count)) {
        Some(source) => inside.copy_from_slice(source),
        None => {
            for (target, value) in inside.iter_mut().zip(row.iter().skip(start)) {
                *target = *value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;
    use nnunet_schema::plans::Dimensionality;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn windows_hold_the_image_and_zeros_around_it(
            image in proptest::array::uniform3(1_usize..9),
            window in proptest::array::uniform3(1_usize..9),
            transposed: bool,
        ) {
            let [z, y, x] = image;
            let mut data = Array4::from_shape_fn((2, z, y, x), |(c, z, y, x)| {
                (1 + c + 2 * (z + 10 * (y + 10 * x))) as f32
            });
            if transposed {
                // The same values with another order in memory.
                let reversed = data.view().reversed_axes().as_standard_layout().into_owned();
                data = reversed.reversed_axes();
            }
            let tiling =
                Tiling::new(image.into(), window.into(), Dimensionality::Three, 0.5).unwrap();
            let [d, h, w] = window;
            let before = tiling.padding_before();
            for position in tiling.windows() {
                let mut found = vec![-1.0; 2 * d * h * w];
                cut(&data.view(), &tiling, position, &mut found);
                let found = Array4::from_shape_vec((2, d, h, w), found).unwrap();
                for ((c, z, y, x), value) in found.indexed_iter() {
                    let voxel = [z, y, x];
                    let at = |a: usize| (position[a] + voxel[a]).wrapping_sub(before[a]);
                    let expected = data.get([c, at(0), at(1), at(2)]).copied().unwrap_or(0.0);
                    prop_assert_eq!(*value, expected);
                }
            }
        }
    }
}
