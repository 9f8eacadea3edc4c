//! Memory for arrays of the size of an image, which may not be there.

use std::hint::black_box;

use ndarray::{Array, Dimension, IntoDimension};
use nnunet_schema::Shape;

use crate::PreprocessError;

/// An array of zeros.
///
/// A spacing that is wrong by a factor of a thousand asks for a billion times the voxels: that
/// must be an error of this case, not the end of the program.
pub(crate) fn zeros<T, D>(shape: D) -> Result<Array<T, D::Dim>, PreprocessError>
where
    T: Clone + Default,
    D: IntoDimension,
{
    let shape = shape.into_dimension();
    let edges = shape.slice();
    let count = edges
        .iter()
        .fold(1_usize, |n, edge| n.saturating_mul(*edge));
    // Only asked for and given back at once: what a reservation that succeeded is filled with
    // would be written to every page, where fresh zeros cost nothing.
    let mut probe = Vec::<T>::new();
    let reserved = probe.try_reserve_exact(count);
    // What is never used may be optimised away, with its failure.
    black_box(&probe);
    drop(probe);
    reserved.map_err(|_| {
        let mut spatial = edges.iter().rev();
        let mut edge = || spatial.next().copied().unwrap_or(1);
        let (x, y, z) = (edge(), edge(), edge());
        PreprocessError::OutOfMemory {
            shape: Shape::new([z, y, x]),
            bytes: count.saturating_mul(size_of::<T>()),
        }
    })?;
    Ok(Array::from_elem(shape, T::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_zero_and_what_does_not_is_an_error() {
        assert_eq!(zeros::<i16, _>([2, 3, 4]).unwrap().sum(), 0);
        for edge in [1 << 20, usize::MAX / 2] {
            let error = zeros::<f32, _>([1, edge, edge, edge]).unwrap_err();
            assert!(
                error.to_string().contains(&format!("{edge}×{edge}")),
                "{error}"
            );
        }
    }
}
