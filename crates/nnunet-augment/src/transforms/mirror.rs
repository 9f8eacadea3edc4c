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

/// Every row is moved, or turned in its place, once.
fn flip<T>(volume: &mut [T], [nz, ny, nx]: [usize; 3], [z, y, x]: [bool; 3]) {
    if !z {
        if y || x {
            for slice in volume.chunks_exact_mut(ny * nx) {
                flip_slice(slice, [ny, nx], [y, x]);
            }
        }
        return;
    }
    let length = ny * nx;
    let (front, rest) = volume.split_at_mut(nz / 2 * length);
    let (middle, back) = rest.split_at_mut(nz % 2 * length);
    let back = back.chunks_exact_mut(length).rev();
    for (a, b) in front.chunks_exact_mut(length).zip(back) {
        let rows = a.chunks_exact_mut(nx);
        if y {
            rows.zip(b.chunks_exact_mut(nx).rev())
                .for_each(|(a, b)| swap_rows(a, b, x));
        } else {
            rows.zip(b.chunks_exact_mut(nx))
                .for_each(|(a, b)| swap_rows(a, b, x));
        }
    }
    if !middle.is_empty() {
        flip_slice(middle, [ny, nx], [y, x]);
    }
}

fn flip_slice<T>(slice: &mut [T], [ny, nx]: [usize; 2], [y, x]: [bool; 2]) {
    if !y {
        if x {
            slice.chunks_exact_mut(nx).for_each(<[T]>::reverse);
        }
        return;
    }
    let (front, rest) = slice.split_at_mut(ny / 2 * nx);
    let (middle, back) = rest.split_at_mut(ny % 2 * nx);
    let back = back.chunks_exact_mut(nx).rev();
    (front.chunks_exact_mut(nx).zip(back)).for_each(|(a, b)| swap_rows(a, b, x));
    if x {
        middle.reverse();
    }
}

fn swap_rows<T>(a: &mut [T], b: &mut [T], turned: bool) {
    a.swap_with_slice(b);
    if turned {
        a.reverse();
        b.reverse();
    }
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
