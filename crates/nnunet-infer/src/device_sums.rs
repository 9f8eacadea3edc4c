//! The weighted mean of overlapping windows in the memory of the networks' device.
//!
//! The same as the [`Accumulator`], step by step: every window is added with its share of the
//! weights to the slices that windows still reach, and only finished slices are brought to the
//! memory of the processor, once each. Outputs of a window stay where the network left them.

use nnunet_model::{Device, Tensor};

use crate::accumulator::{Accumulator, SliceSink, trim};
use crate::sums::Sum;
use crate::{InferError, Tiling, TilingWeights};

/// Adds windows up on a device and hands out the slices that are complete.
#[derive(Debug)]
pub(crate) struct DeviceSums<'a> {
    case: &'a str,
    tiling: &'a Tiling,
    weights: TilingWeights,
    passes: f32,
    /// `(class, z, y, x)`: as many slices of the padded image as a window has, from `first` on.
    slab: Tensor,
    first: usize,
    /// Slices of the slab that were handed out already, where handing out was interrupted.
    handed: usize,
    /// A buffer that the sink gave back.
    spare: Option<Vec<f32>>,
}

impl<'a> DeviceSums<'a> {
    /// Sums of zero on `device`, in the numbers `T`.
    pub(crate) fn new<T: Sum>(
        case: &'a str,
        tiling: &'a Tiling,
        heads: usize,
        passes: usize,
        device: Device,
    ) -> Result<Self, InferError> {
        let [depth, ..] = tiling.window().voxels();
        let [_, height, width] = tiling.padded().voxels();
        let shape = [heads, depth, height, width].map(|edge| edge as i64);
        Ok(Self {
            case,
            tiling,
            weights: TilingWeights::new(tiling),
            passes: passes as f32,
            slab: Tensor::f_zeros(shape, (T::KIND, device))?,
            first: 0,
            handed: 0,
            spare: None,
        })
    }

    /// Adds the outputs `(class, …)` of the window at `position` of the padded image, which begins
    /// in the first slice that was not released. Either adds all of them or fails before.
    pub(crate) fn add(&mut self, position: [usize; 3], outputs: &Tensor) -> Result<(), InferError> {
        let [depth, height, width] = self.tiling.window().voxels().map(|edge| edge as i64);
        let heads = self.slab.size().first().copied().unwrap_or(0);
        let outputs = outputs.f_reshape([heads, depth, height, width])?;
        let weighted = outputs.f_mul(&self.weight(position, outputs.device())?)?;
        let [_, from_y, from_x] = position.map(|from| from as i64);
        let mut target = (self.slab)
            .f_narrow(2, from_y, height)?
            .f_narrow(3, from_x, width)?;
        // Nothing changes before the last operation, which needs no memory.
        let sum = target.f_to_kind(weighted.kind())?.f_add(&weighted)?;
        Ok(target.f_copy_(&sum)?)
    }

    /// The share `(z, y, x)` that the window at `position` has of its voxels.
    fn weight(&self, position: [usize; 3], device: Device) -> Result<Tensor, InferError> {
        let [mut along_z, along_y, along_x] = self.weights.shares(position);
        along_z.iter_mut().for_each(|weight| *weight /= self.passes);
        let along = |weights: &[f32], shape: [i64; 3]| -> Result<Tensor, InferError> {
            let weights = Tensor::f_from_slice(weights)?.f_view(shape)?;
            Ok(weights.f_to_device(device)?)
        };
        let plane = along(&along_z, [-1, 1, 1])?.f_mul(&along(&along_y, [1, -1, 1])?)?;
        Ok(plane.f_mul(&along(&along_x, [1, 1, -1])?)?)
    }

    /// Hands out all slices of the padded image before `end`: no window that is still to come
    /// touches them.
    pub(crate) fn release(
        &mut self,
        end: usize,
        sink: &mut dyn SliceSink,
    ) -> Result<(), InferError> {
        let depth = self.tiling.window()[0];
        let count = end.saturating_sub(self.first).min(depth);
        for place in self.handed..count {
            let image_z = (self.first + place).checked_sub(self.tiling.padding_before()[0]);
            if let Some(z) = image_z.filter(|z| *z < self.tiling.image()[0]) {
                let mut slice = self.spare.take().unwrap_or_default();
                self.fetch(place, &mut slice)?;
                trim(self.case, self.tiling, &mut slice, z)?;
                self.spare = sink.take(slice)?;
            }
            self.handed = place + 1;
        }
        self.advance(count)
    }

    /// Copies the slice `(class, y, x)` at `place` of the slab into `slice`.
    fn fetch(&self, place: usize, slice: &mut Vec<f32>) -> Result<(), InferError> {
        let values = (self.slab.f_select(1, place as i64)?)
            .f_to_kind(tch::Kind::Float)?
            .f_to_device(Device::Cpu)?
            .f_contiguous()?;
        slice.clear();
        (slice.try_reserve_exact(values.numel())).map_err(|_| InferError::OutOfMemory {
            case: self.case.to_owned(),
            bytes: values.numel().saturating_mul(size_of::<f32>()),
        })?;
        slice.resize(values.numel(), 0.0);
        Ok(values.f_copy_data(slice, values.numel())?)
    }

    /// Lets go of the first `count` slices: the others move up, and zeros follow them.
    fn advance(&mut self, count: usize) -> Result<(), InferError> {
        if count == 0 {
            return Ok(());
        }
        let kept = self.tiling.window()[0] - count;
        // Pieces of at most `count` slices, so that none is written where it is read.
        for start in (0..kept).step_by(count) {
            let length = count.min(kept - start) as i64;
            let source = (self.slab).f_narrow(1, (start + count) as i64, length)?;
            (self.slab.f_narrow(1, start as i64, length)?).f_copy_(&source)?;
        }
        let _ = (self.slab.f_narrow(1, kept as i64, count as i64)?).f_zero_()?;
        self.first += count;
        self.handed = 0;
        Ok(())
    }

    /// The same sums in the memory of the processor.
    pub(crate) fn into_host<T: Sum>(self) -> Result<Accumulator<'a, T>, InferError> {
        let size = self.slab.size();
        let [heads, depth, ..] = size.as_slice() else {
            return Err(InferError::Internal {
                case: self.case.to_owned(),
                problem: format!("sums of the shape {size:?}"),
            });
        };
        let mut slices = Vec::new();
        for place in self.handed as i64..*depth {
            let values = (self.slab.f_select(1, place)?)
                .f_to_device(Device::Cpu)?
                .f_contiguous()?;
            let mut slice = Vec::new();
            (slice.try_reserve_exact(values.numel())).map_err(|_| InferError::OutOfMemory {
                case: self.case.to_owned(),
                bytes: values.numel().saturating_mul(size_of::<T>()),
            })?;
            slice.resize(values.numel(), T::default());
            values.f_copy_data(&mut slice, values.numel())?;
            slices.push(slice);
        }
        let heads = *heads as usize;
        let passes = self.passes as usize;
        let host = Accumulator::new(self.case, self.tiling, self.weights, heads, passes);
        Ok(host.starting_with(self.first + self.handed, slices))
    }
}

#[cfg(test)]
mod tests {
    use nnunet_schema::Shape;
    use nnunet_schema::plans::Dimensionality;
    use tch::Kind;

    use super::*;

    /// Keeps slices, and refuses one of them the first time.
    #[derive(Default)]
    struct Reluctant {
        slices: Vec<Vec<f32>>,
        refuses: Option<usize>,
    }

    impl SliceSink for Reluctant {
        fn take(&mut self, slice: Vec<f32>) -> Result<Option<Vec<f32>>, InferError> {
            if self.refuses.take_if(|z| *z == self.slices.len()).is_some() {
                return Err(InferError::Internal {
                    case: "a".to_owned(),
                    problem: "not now".to_owned(),
                });
            }
            self.slices.push(slice);
            Ok(None)
        }
    }

    /// Adds all windows up; what is refused at a slice goes on in the memory of the processor.
    fn run(tiling: &Tiling, refuses: Option<usize>) -> Vec<Vec<f32>> {
        tch::manual_seed(3);
        let mut sink = Reluctant {
            refuses,
            ..Reluctant::default()
        };
        let mut device = Some(DeviceSums::new::<f32>("a", tiling, 2, 1, Device::Cpu).unwrap());
        let mut host: Option<Accumulator<'_, f32>> = None;
        let [z, y, x] = tiling.window().voxels().map(|edge| edge as i64);
        for position in tiling.windows() {
            let outputs = Tensor::rand([2, z, y, x], (Kind::Float, Device::Cpu));
            if let Some(mut sums) = device.take() {
                match sums.release(position[0], &mut sink) {
                    Ok(()) => {
                        sums.add(position, &outputs).unwrap();
                        device = Some(sums);
                        continue;
                    }
                    Err(_) => host = Some(sums.into_host().unwrap()),
                }
            }
            let sums = host.as_mut().unwrap();
            sums.release(position[0], &mut sink).unwrap();
            nnunet_model::with_values(&outputs, |values| sums.add(position, values))
                .unwrap()
                .unwrap();
        }
        let end = tiling.padded()[0];
        match (device, host) {
            (_, Some(mut host)) => host.release(end, &mut sink).unwrap(),
            (Some(mut device), None) => device.release(end, &mut sink).unwrap(),
            (None, None) => unreachable!(),
        }
        sink.slices
    }

    #[test]
    fn sums_that_were_handed_out_half_way_go_on_elsewhere() {
        let (image, window) = (Shape::new([17, 9, 6]), Shape::new([6, 6, 6]));
        let tiling = Tiling::new(image, window, Dimensionality::Three, 0.5).unwrap();
        let whole = run(&tiling, None);
        assert_eq!(whole.len(), 17);
        // The first, one in the middle of those that are handed out together, and a later one.
        for refused in [0, 1, 4, 7] {
            let found = run(&tiling, Some(refused));
            assert_eq!(found.len(), whole.len(), "{refused}");
            for (z, (found, whole)) in found.iter().zip(&whole).enumerate() {
                let far = found.iter().zip(whole).map(|(a, b)| (a - b).abs());
                assert!(
                    far.fold(0.0, f32::max) < 1e-6,
                    "slice {z}, refused at {refused}"
                );
            }
        }
    }
}
