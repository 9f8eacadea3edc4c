//! Mirroring along axes.

use super::PatchMut;

/// Mirrors the image and all labels along the chosen axes `(z, y, x)`.
pub fn mirror(patch: &mut PatchMut<'_>, axes: [bool; 3]) {
    let shape = patch.shape;
    for channel in patch.channels_mut() {
        flip(channel, shape, axes);
    }
    flip(patch.labels, shape, axes);
    if let Some(previous) = patch.previous.as_deref_mut() {
        flip(previous, shape, axes);
    }
}

fn flip<T>(volume: &mut [T], [nz, ny, nx]: [usize; 3], [z, y, x]: [bool; 3]) {
    if x {
        volume.chunks_exact_mut(nx).for_each(<[T]>::reverse);
    }
    if y {
        for slice in volume.chunks_exact_mut(ny * nx) {
            reverse_blocks(slice, ny, nx);
        }
    }
    if z {
        reverse_blocks(volume, nz, ny * nx);
    }
}

/// Reverses the order of `count` blocks of `length` each.
fn reverse_blocks<T>(values: &mut [T], count: usize, length: usize) {
    let (front, back) = values.split_at_mut(count / 2 * length);
    let front = front.chunks_exact_mut(length);
    let back = back.chunks_exact_mut(length).rev();
    front.zip(back).for_each(|(a, b)| a.swap_with_slice(b));
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn voxels_move_to_the_mirrored_place(
            shape in [1_usize..5, 1_usize..6, 1_usize..7],
            axes: [bool; 3],
        ) {
            let volume: usize = shape.iter().product();
            let mut labels: Vec<i16> = (0..volume as i16).collect();
            let mut data: Vec<f32> = labels.iter().map(|v| f32::from(*v)).collect();
            let before = Array3::from_shape_vec(shape, labels.clone()).unwrap();
            mirror(&mut PatchMut::new(shape, &mut data, &mut labels).unwrap(), axes);
            let after = Array3::from_shape_vec(shape, labels).unwrap();
            for ((z, y, x), value) in before.indexed_iter() {
                let mut at = [z, y, x];
                for axis in 0..3 {
                    if axes[axis] {
                        at[axis] = shape[axis] - 1 - at[axis];
                    }
                }
                prop_assert_eq!(after[at], *value);
            }
            prop_assert!(data.iter().zip(after.iter()).all(|(a, b)| *a == f32::from(*b)));
        }
    }
}
