//! The numbers of a tensor as a slice, where libtorch keeps them.

use tch::{Device, Kind, Tensor};

use crate::ModelError;

/// Lends the numbers of a tensor to `read`, in the order of its axes. Copied only if they do not
/// lie in the processor's memory one after the other, in single precision.
///
/// Other handles of the same storage ([`Tensor::shallow_clone`]) must not write to it meanwhile,
/// as for every operation of libtorch that reads the tensor.
///
/// # Errors
/// If libtorch cannot copy.
pub fn with_values<R>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> R) -> Result<R, ModelError> {
    let dense = (tensor.f_detach()?)
        .f_to_device(Device::Cpu)?
        .f_to_kind(Kind::Float)?
        .f_contiguous()?;
    Ok(read(values(&dense)))
}

/// A tensor of this shape, in the processor's memory and in single precision, whose numbers `fill`
/// writes. They are zero before.
///
/// # Errors
/// If libtorch has no memory for it.
pub fn filled(shape: &[i64], fill: impl FnOnce(&mut [f32])) -> Result<Tensor, ModelError> {
    let mut tensor = Tensor::f_zeros(shape, (Kind::Float, Device::Cpu))?;
    fill(values_mut(&mut tensor));
    Ok(tensor)
}

// Measured: of the time that a prediction spends outside its network, a fifth went into copies of
// windows between libtorch's memory and ours (216 windows of 64³ voxels, 3 classes).

#[allow(unsafe_code, reason = "see above: the copies that this saves")]
fn values(dense: &Tensor) -> &[f32] {
    let length = dense.numel();
    let first = dense.data_ptr().cast::<f32>().cast_const();
    if length == 0 || first.is_null() {
        return &[];
    }
    // SAFETY: the callers made the tensor a contiguous one of `f32` in the processor's memory, so
    // `length` initialised numbers lie there, aligned as libtorch allocates them (64 bytes) or at a
    // multiple of their size from there. The handle keeps the storage alive as long as the slice.
    unsafe { std::slice::from_raw_parts(first, length) }
}

#[allow(unsafe_code, reason = "see above: the copies that this saves")]
fn values_mut(dense: &mut Tensor) -> &mut [f32] {
    let length = dense.numel();
    let first = dense.data_ptr().cast::<f32>();
    if length == 0 || first.is_null() {
        return &mut [];
    }
    // SAFETY: as above, and the caller has just made the tensor: there is no other handle.
    unsafe { std::slice::from_raw_parts_mut(first, length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_in_the_order_of_the_axes_whatever_the_tensor_is() {
        let dense = Tensor::arange(6, (Kind::Float, Device::Cpu)).view([2, 3]);
        let read = |tensor: &Tensor| with_values(tensor, <[f32]>::to_vec).unwrap();
        assert_eq!(read(&dense), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(read(&dense.tr()), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(read(&dense.narrow(1, 1, 2)), [1.0, 2.0, 4.0, 5.0]);
        assert_eq!(read(&dense.get(1)), [3.0, 4.0, 5.0]);
        assert_eq!(
            read(&dense.to_kind(Kind::Half).neg()),
            [-0.0, -1.0, -2.0, -3.0, -4.0, -5.0]
        );
        assert!(read(&dense.narrow(0, 0, 0)).is_empty());
        // Views that are worked out lazily.
        assert_eq!(read(&dense.flip([1])), [2.0, 1.0, 0.0, 5.0, 4.0, 3.0]);
        let trained = dense.shallow_clone().set_requires_grad(true);
        assert_eq!(read(&trained).len(), 6);
    }

    #[test]
    fn what_is_written_is_what_libtorch_sees() {
        let tensor = filled(&[2, 2], |values| {
            assert_eq!(values, [0.0; 4]);
            values.copy_from_slice(&[1.0, 2.0, 3.0, 4.0]);
        })
        .unwrap();
        assert_eq!(
            Vec::<f32>::try_from(tensor.sum_dim_intlist(1, false, Kind::Float)).unwrap(),
            [3.0, 7.0]
        );
        assert_eq!(
            filled(&[0, 3], |values| assert!(values.is_empty()))
                .unwrap()
                .size(),
            [0, 3]
        );
    }
}
