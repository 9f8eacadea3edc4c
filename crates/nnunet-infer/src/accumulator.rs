//! The weighted mean of overlapping windows, a few slices at a time.

use std::collections::VecDeque;

use rayon::prelude::*;

use crate::sums::Sum;
use crate::{InferError, Tiling, TilingWeights};

/// Receives the averaged network outputs of a case, one slice of axis 0 after the other.
pub(crate) trait SliceSink {
    /// Takes the values `(class, y, x)` of the next slice; may give a buffer back for reuse.
    fn take(&mut self, slice: Vec<f32>) -> Result<Option<Vec<f32>>, InferError>;
}

/// Adds windows up and hands out the slices that are complete.
#[derive(Debug)]
pub(crate) struct Accumulator<'a, T> {
    case: &'a str,
    tiling: &'a Tiling,
    weights: TilingWeights,
    heads: usize,
    /// What a sum of weights of 1 stands for: the number of passes through networks.
    passes: f32,
    /// Slices `(class, y, x)` of the padded image from `first` on.
    slices: VecDeque<Vec<T>>,
    first: usize,
    /// Buffers of slices that are done, to be used again.
    spare: Vec<Vec<T>>,
    spare_finished: Vec<Vec<f32>>,
}

impl<'a, T: Sum> Accumulator<'a, T> {
    pub(crate) fn new(
        case: &'a str,
        tiling: &'a Tiling,
        weights: TilingWeights,
        heads: usize,
        passes: usize,
    ) -> Self {
        Self {
            case,
            tiling,
            weights,
            heads,
            passes: passes as f32,
            slices: VecDeque::new(),
            first: 0,
            spare: Vec::new(),
            spare_finished: Vec::new(),
        }
    }

    /// Goes on from sums that were begun elsewhere: slices `(class, y, x)` of the padded image from
    /// `first` on.
    pub(crate) fn starting_with(mut self, first: usize, slices: Vec<Vec<T>>) -> Self {
        self.first = first;
        self.slices = slices.into();
        self
    }

    /// Adds the outputs `(class, z, y, x)` of the window at `position` of the padded image, which
    /// must not begin in a slice that was released.
    pub(crate) fn add(&mut self, position: [usize; 3], values: &[f32]) -> Result<(), InferError> {
        let [from_z, from_y, from_x] = position;
        let [wz, wy, wx] = self.tiling.window().voxels();
        while self.first + self.slices.len() < from_z + wz {
            let slice = self.blank_slice()?;
            self.slices.push_back(slice);
        }
        let [_, height, width] = self.tiling.padded().voxels();
        let [along_z, along_y, along_x] = self.weights.shares(position);
        let along_z = along_z.into_iter().map(|weight| weight / self.passes);
        let touched = self.slices.make_contiguous().iter_mut();
        let touched: Vec<_> = touched
            .skip(from_z - self.first)
            .take(wz)
            .zip(along_z)
            .collect();
        touched
            .into_par_iter()
            .enumerate()
            .for_each(|(z, (slice, weight_z))| {
                let heads = values.chunks_exact(wz * wy * wx);
                for (plane, head) in slice.chunks_exact_mut(height * width).zip(heads) {
                    let rows = head.chunks_exact(wx).skip(z * wy).zip(&along_y);
                    let targets = plane.chunks_exact_mut(width).skip(from_y);
                    for ((row, weight_y), target) in rows.zip(targets) {
                        let weight = weight_z * weight_y;
                        let target = target.get_mut(from_x..).unwrap_or_default();
                        T::add(target, row, weight, &along_x);
                    }
                }
            });
        Ok(())
    }

    /// Hands out all slices of the padded image before `end`: no window that is still to come
    /// touches them.
    pub(crate) fn release(
        &mut self,
        end: usize,
        sink: &mut dyn SliceSink,
    ) -> Result<(), InferError> {
        while self.first < end {
            let Some(sums) = self.slices.pop_front() else {
                return Ok(());
            };
            let padded_z = self.first;
            self.first += 1;
            let image_z = padded_z.checked_sub(self.tiling.padding_before()[0]);
            let Some(z) = image_z.filter(|z| *z < self.tiling.image()[0]) else {
                self.spare.push(sums);
                continue;
            };
            let buffer = self.spare_finished.pop();
            let (mut slice, left) = T::finish(sums, buffer);
            self.spare.extend(left);
            trim(self.case, self.tiling, &mut slice, z)?;
            if let Some(done) = sink.take(slice)? {
                T::recycle(done, &mut self.spare, &mut self.spare_finished);
            }
        }
        Ok(())
    }

    fn blank_slice(&mut self) -> Result<Vec<T>, InferError> {
        let [_, height, width] = self.tiling.padded().voxels();
        let length = self.heads.saturating_mul(height).saturating_mul(width);
        let mut slice = self.spare.pop().unwrap_or_default();
        slice.clear();
        slice
            .try_reserve_exact(length)
            .map_err(|_| InferError::OutOfMemory {
                case: self.case.to_owned(),
                bytes: length.saturating_mul(size_of::<T>()),
            })?;
        slice.resize(length, T::default());
        Ok(slice)
    }
}

/// Cuts the padding off a slice `(class, y, x)`, and refuses what is no number.
pub(crate) fn trim(
    case: &str,
    tiling: &Tiling,
    slice: &mut Vec<f32>,
    image_z: usize,
) -> Result<(), InferError> {
    let [_, height, width] = tiling.padded().voxels();
    let [_, rows, columns] = tiling.image().voxels();
    let [_, skip_y, skip_x] = tiling.padding_before();
    let heads = slice.len() / (height * width).max(1);
    // Rows move towards the front, so the cut can happen in place.
    for head in 0..heads {
        for y in 0..rows {
            let from = (head * height + skip_y + y) * width + skip_x;
            let to = (head * rows + y) * columns;
            if from != to {
                slice.copy_within(from..from + columns, to);
            }
        }
    }
    slice.truncate(heads * rows * columns);
    let finite = (slice.chunks(4096)).all(|part| {
        part.iter()
            .fold(true, |finite, value| finite & value.is_finite())
    });
    if finite {
        return Ok(());
    }
    Err(InferError::NonFinite {
        case: case.to_owned(),
        slice: image_z,
    })
}

#[cfg(test)]
mod tests {
    use half::f16;
    use nnunet_schema::Shape;
    use nnunet_schema::plans::Dimensionality;

    use super::*;

    #[derive(Default)]
    struct Collected(Vec<Vec<f32>>);

    impl SliceSink for Collected {
        fn take(&mut self, slice: Vec<f32>) -> Result<Option<Vec<f32>>, InferError> {
            self.0.push(slice.clone());
            Ok(Some(slice))
        }
    }

    fn run<T: Sum>(image: Shape, value: f32) -> Result<Vec<Vec<f32>>, InferError> {
        let window = Shape::new([4, 4, 4]);
        let tiling = Tiling::new(image, window, Dimensionality::Three, 0.5).unwrap();
        let weights = TilingWeights::new(&tiling);
        let mut sum = Accumulator::<T>::new("a", &tiling, weights, 2, 1);
        let values: Vec<f32> = (0..128)
            .map(|i| if i < 64 { value } else { -1.0 })
            .collect();
        let mut sink = Collected::default();
        for position in tiling.windows() {
            sum.release(position[0], &mut sink)?;
            sum.add(position, &values)?;
        }
        sum.release(tiling.padded()[0], &mut sink)?;
        assert!(sum.slices.is_empty());
        Ok(sink.0)
    }

    #[test]
    fn a_constant_comes_out_as_it_went_in_also_from_padded_images() {
        constant::<f32>(1e-5);
        constant::<f16>(5e-3);
    }

    fn constant<T: Sum>(tolerance: f32) {
        for shape in [[9, 7, 5], [2, 9, 3], [4, 4, 4], [1, 1, 1]] {
            let slices = run::<T>(Shape::new(shape), 3.0).unwrap();
            assert_eq!(slices.len(), shape[0]);
            for slice in slices {
                let (first, second) = slice.split_at(shape[1] * shape[2]);
                assert!(
                    first.iter().all(|v| (v - 3.0).abs() < tolerance),
                    "{first:?}"
                );
                assert!(
                    second.iter().all(|v| (v + 1.0).abs() < tolerance),
                    "{second:?}"
                );
                assert_eq!(first.len(), second.len());
            }
        }
    }

    #[test]
    fn an_overflow_is_an_error_that_names_the_slice() {
        let error = run::<f32>(Shape::new([2, 4, 4]), f32::NAN)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("slice 0") && error.contains("`a`"),
            "{error}"
        );
    }
}
