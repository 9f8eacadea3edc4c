//! The preprocessed image as the windows are cut out of it: in the memory of the processor, or
//! brought to a device once.

use ndarray::ArrayView4;
use nnunet_model::{Device, Tensor, filled};
use nnunet_schema::plans::Dimensionality;

use crate::cut::cut;
use crate::{InferError, Tiling};

/// An image that windows are cut out of.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// `(channel, z, y, x)`; each batch of windows is cut out here.
    Host(ArrayView4<'a, f32>),
    /// `(channel, z, y, x)` with its padding; windows are parts of it.
    Device(Tensor),
}

impl<'a> Input<'a> {
    /// Brings the image, padded as the tiling says, to `device`.
    pub(crate) fn on_device(
        image: ArrayView4<'a, f32>,
        tiling: &Tiling,
        device: Device,
    ) -> Result<Self, InferError> {
        let (channels, z, y, x) = image.dim();
        let dense = image.as_standard_layout();
        let values = dense.as_slice().unwrap_or_default();
        let shape = [channels, z, y, x].map(|edge| edge as i64);
        let tensor = Tensor::f_from_slice(values)?
            .f_view(shape)?
            .f_to_device(device)?;
        let (inside, padded) = (tiling.image().voxels(), tiling.padded().voxels());
        if inside == padded {
            return Ok(Self::Device(tensor));
        }
        // Before and behind each axis, the last one first.
        let padding: Vec<i64> = (0..3)
            .rev()
            .flat_map(|axis| {
                let before = tiling.padding_before()[axis];
                let behind = padded[axis] - inside[axis] - before;
                [before as i64, behind as i64]
            })
            .collect();
        Ok(Self::Device(tensor.f_constant_pad_nd(padding)?))
    }

    /// The windows at these positions of the padded image, `(window, channel, z, y, x)`, or without
    /// `z` in 2D.
    pub(crate) fn windows(
        &self,
        tiling: &Tiling,
        dimensionality: Dimensionality,
        positions: &[[usize; 3]],
    ) -> Result<Tensor, InferError> {
        let window = tiling.window().voxels().map(|edge| edge as i64);
        let channels = match self {
            Self::Host(image) => image.dim().0 as i64,
            Self::Device(image) => image.size().first().copied().unwrap_or(0),
        };
        let [z, y, x] = window;
        let mut shape = vec![positions.len() as i64, channels];
        match dimensionality {
            Dimensionality::Two => shape.extend([y, x]),
            Dimensionality::Three => shape.extend([z, y, x]),
        }
        match self {
            Self::Host(image) => {
                let length = image.dim().0 * tiling.window().volume();
                Ok(filled(&shape, |values| {
                    for (position, target) in positions.iter().zip(values.chunks_exact_mut(length))
                    {
                        cut(image, tiling, *position, target);
                    }
                })?)
            }
            Self::Device(image) => {
                let windows = (positions.iter())
                    .map(|position| part(image, *position, window))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok(Tensor::f_stack(&windows, 0)?.f_view(shape.as_slice())?)
            }
        }
    }
}

/// The part `(channel, z, y, x)` of an image that begins at a voxel.
fn part(image: &Tensor, position: [usize; 3], shape: [i64; 3]) -> Result<Tensor, InferError> {
    let mut part = image.shallow_clone();
    for (axis, (from, length)) in (1..).zip(position.into_iter().zip(shape)) {
        part = part.f_narrow(axis, from as i64, length)?;
    }
    Ok(part)
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;
    use nnunet_schema::Shape;

    use super::*;

    #[test]
    fn windows_are_the_same_wherever_the_image_is() {
        let cases = [
            (Dimensionality::Three, [9, 7, 12], [4, 8, 5]),
            (Dimensionality::Three, [3, 7, 4], [4, 8, 5]),
            (Dimensionality::Two, [3, 7, 12], [1, 8, 5]),
        ];
        for (dimensionality, [z, y, x], window) in cases {
            let data = Array4::from_shape_fn((2, x, y, z), |(c, x, y, z)| {
                (1 + c + 2 * (z + 20 * (y + 20 * x))) as f32
            });
            // Also where the axes are in another order in memory.
            let image = data.view().permuted_axes([0, 3, 2, 1]);
            let tiling = Tiling::new(
                Shape::new([z, y, x]),
                Shape::new(window),
                dimensionality,
                0.5,
            )
            .unwrap();
            let here = Input::Host(image);
            let there = Input::on_device(image, &tiling, Device::Cpu).unwrap();
            for positions in tiling.windows().chunks(5) {
                let windows =
                    |input: &Input<'_>| input.windows(&tiling, dimensionality, positions).unwrap();
                let (here, there) = (windows(&here), windows(&there));
                assert_eq!(here.size(), there.size());
                assert!(here.equal(&there));
            }
        }
    }
}
