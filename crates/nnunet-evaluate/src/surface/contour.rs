use ndarray::{Array3, ArrayView3};

/// The surface of a mask, `(z, y, x)`: its voxels that have a face neighbour outside it.
///
/// That is the mask without its erosion by the 6-neighbourhood. What lies beyond the volume is
/// outside. Along an axis that is `flat` nobody has neighbours.
pub(super) fn contour(mask: ArrayView3<'_, bool>, flat: [bool; 3]) -> Array3<bool> {
    let (nz, ny, nx) = mask.dim();
    let mask = mask.as_standard_layout();
    let mut surface = Array3::from_elem(mask.raw_dim(), false);
    let outside = vec![false; nx];
    if let (Some(mask), Some(surface)) = (mask.as_slice(), surface.as_slice_mut()) {
        for z in 0..nz {
            for y in 0..ny {
                let row = |z: usize, y: usize| &mask[(z * ny + y) * nx..][..nx];
                let near = |axis: usize, there: Option<(usize, usize)>| match there {
                    _ if flat[axis] => row(z, y),
                    Some((z, y)) if z < nz && y < ny => row(z, y),
                    _ => &outside,
                };
                let around = [
                    near(0, z.checked_sub(1).map(|z| (z, y))),
                    near(0, Some((z + 1, y))),
                    near(1, y.checked_sub(1).map(|y| (z, y))),
                    near(1, Some((z, y + 1))),
                ];
                let into = &mut surface[(z * ny + y) * nx..][..nx];
                mark(row(z, y), around, flat[2], into);
            }
        }
    }
    surface
}

/// One row: a voxel is inside if it and all of its neighbours are in the mask.
fn mark(row: &[bool], around: [&[bool]; 4], flat: bool, surface: &mut [bool]) {
    let [above, below, before, behind] = around;
    let n = row.len();
    for x in 0..n {
        surface[x] = row[x] & !(above[x] & below[x] & before[x] & behind[x]);
    }
    if flat {
        return;
    }
    for x in 0..n {
        let left = x.checked_sub(1).is_some_and(|x| row[x]);
        let right = row.get(x + 1).is_some_and(|v| *v);
        surface[x] |= row[x] & !(left & right);
    }
}
