//! The sliding window: from a preprocessed image to averaged network outputs, slice by slice.

use half::f16;
use ndarray::ArrayView4;
use nnunet_model::{Device, ModelError, Tensor, with_values};
use nnunet_schema::Task;
use nnunet_schema::plans::Dimensionality;

use crate::accumulator::{Accumulator, SliceSink};
use crate::averaging::Classes;
use crate::device_sums::DeviceSums;
use crate::input::Input;
use crate::sums::Sum;
use crate::{
    Averaging, InferError, MemoryPlan, Network, Precision, SumPlace, SumPrecision, Tiling,
    TilingWeights,
};

/// Voxels of small windows that go through the network at once on the processor, and on a GPU.
const BATCH_VOXELS_CPU: usize = 1 << 17;
const BATCH_VOXELS_GPU: usize = 1 << 21;
/// More windows than this at once don't help.
const MAX_BATCH: usize = 32;

/// How many windows of this many voxels go through a network at once if nobody says.
pub(crate) fn automatic_batch(device: Device, window_voxels: usize) -> usize {
    let voxels = if device.is_cuda() {
        BATCH_VOXELS_GPU
    } else {
        BATCH_VOXELS_CPU
    };
    (voxels / window_voxels.max(1)).clamp(1, MAX_BATCH)
}

/// Networks, and how they are applied to the windows of one case.
#[derive(Debug)]
pub(crate) struct SlidingWindow<'a> {
    pub(crate) case: &'a str,
    pub(crate) networks: &'a [&'a dyn Network],
    pub(crate) tiling: &'a Tiling,
    pub(crate) dimensionality: Dimensionality,
    /// Combinations of mirrored dimensions of the network's input.
    pub(crate) mirrorings: &'a [Vec<i64>],
    pub(crate) averaging: Averaging,
    pub(crate) classes: Classes,
    pub(crate) heads: usize,
    pub(crate) precision: Precision,
    pub(crate) plan: MemoryPlan,
    /// Told of every window.
    pub(crate) progress: &'a dyn Task,
}

/// Where the windows of a case are added up.
#[derive(Debug)]
enum Sums<'a, T> {
    Host(Accumulator<'a, T>),
    Device(DeviceSums<'a>),
}

impl SlidingWindow<'_> {
    /// Predicts `image`, `(channel, z, y, x)`, and hands the slices to `sink` in order.
    pub(crate) fn run(
        &self,
        image: ArrayView4<'_, f32>,
        sink: &mut dyn SliceSink,
    ) -> Result<(), InferError> {
        match self.plan.sums {
            SumPrecision::Single => self.run_with::<f32>(image, sink),
            SumPrecision::Half => self.run_with::<f16>(image, sink),
        }
    }

    fn run_with<T: Sum>(
        &self,
        image: ArrayView4<'_, f32>,
        sink: &mut dyn SliceSink,
    ) -> Result<(), InferError> {
        let _guard = tch::no_grad_guard();
        let mut sums = self.sums::<T>()?;
        let mut input = self.input(image)?;
        for positions in self.tiling.windows().chunks(self.plan.batch.max(1)) {
            let windows = self.windows(&mut input, image, positions)?;
            sums = self.add(sums, &windows, positions, sink)?;
            if matches!(sums, Sums::Host(_)) {
                // The device has no room to spare.
                input = Input::Host(image);
            }
        }
        match &mut sums {
            Sums::Host(sums) => sums.release(self.tiling.padded()[0], sink),
            Sums::Device(sums) => sums.release(self.tiling.padded()[0], sink),
        }
    }

    /// Sums of nothing, where the plan wants them; in the memory of the processor if the device
    /// has no room for them.
    fn sums<T: Sum>(&self) -> Result<Sums<'_, T>, InferError> {
        let passes = self.networks.len() * self.mirrorings.len();
        if let (SumPlace::Device, Some(network)) = (self.plan.place, self.networks.first()) {
            let device = network.device();
            match DeviceSums::new::<T>(self.case, self.tiling, self.heads, passes, device) {
                Err(error) if is_out_of_memory(&error) => {}
                other => return Ok(Sums::Device(other?)),
            }
        }
        let weights = TilingWeights::new(self.tiling);
        let sums = Accumulator::new(self.case, self.tiling, weights, self.heads, passes);
        Ok(Sums::Host(sums))
    }

    /// The image, on the device if the sums are there and it has room for both.
    fn input<'i>(&self, image: ArrayView4<'i, f32>) -> Result<Input<'i>, InferError> {
        if let (SumPlace::Device, Some(network)) = (self.plan.place, self.networks.first()) {
            match Input::on_device(image, self.tiling, network.device()) {
                Err(error) if is_out_of_memory(&error) => {}
                other => return other,
            }
        }
        Ok(Input::Host(image))
    }

    /// A batch of windows, out of the memory of the processor from then on if the device has none
    /// left for them.
    fn windows<'i>(
        &self,
        input: &mut Input<'i>,
        image: ArrayView4<'i, f32>,
        positions: &[[usize; 3]],
    ) -> Result<Tensor, InferError> {
        match input.windows(self.tiling, self.dimensionality, positions) {
            Err(error) if is_out_of_memory(&error) && matches!(input, Input::Device(_)) => {
                *input = Input::Host(image);
                input.windows(self.tiling, self.dimensionality, positions)
            }
            other => other,
        }
    }

    /// Predicts a batch of windows and adds it up, in the memory of the processor from then on if
    /// the device has none left for both.
    fn add<'s, T: Sum>(
        &'s self,
        mut sums: Sums<'s, T>,
        windows: &Tensor,
        positions: &[[usize; 3]],
        sink: &mut dyn SliceSink,
    ) -> Result<Sums<'s, T>, InferError> {
        let mut done = 0;
        if let Sums::Device(device) = &mut sums {
            match self.add_on_device(device, windows, positions, &mut done, sink) {
                Err(error) if is_out_of_memory(&error) => {}
                other => return other.map(|()| sums),
            }
        }
        let mut host = match sums {
            Sums::Device(device) => device.into_host()?,
            Sums::Host(host) => host,
        };
        // What was added before the memory ran out stays.
        let positions = positions.get(done..).unwrap_or_default();
        let rest = windows.f_narrow(0, done as i64, positions.len() as i64)?;
        let total = self.total(&rest, Device::Cpu)?;
        let window_values = self.heads * self.tiling.window().volume();
        with_values(&total, |values| {
            for (position, values) in positions.iter().zip(values.chunks_exact(window_values)) {
                host.release(position[0], sink)?;
                host.add(*position, values)?;
                self.progress.step("");
            }
            Ok(Sums::Host(host))
        })?
    }

    /// As [`Self::add`]; `done` counts the windows that were added.
    fn add_on_device(
        &self,
        sums: &mut DeviceSums<'_>,
        windows: &Tensor,
        positions: &[[usize; 3]],
        done: &mut usize,
        sink: &mut dyn SliceSink,
    ) -> Result<(), InferError> {
        let device = (self.networks.first()).map_or(Device::Cpu, |network| network.device());
        let total = self.total(windows, device)?;
        for position in positions {
            sums.release(position[0], sink)?;
            sums.add(*position, &total.f_get(*done as i64)?)?;
            *done += 1;
            self.progress.step("");
        }
        Ok(())
    }

    /// The sum over all networks and mirrorings, `(window, class, …)`, on the device `to`.
    fn total(&self, windows: &Tensor, to: Device) -> Result<Tensor, InferError> {
        let count = windows.size().first().copied().unwrap_or(0);
        match self.total_at_once(windows, to) {
            // Half as many at once need half as much.
            Err(error) if is_out_of_memory(&error) && count > 1 => {
                let (first, second) = (count / 2, count - count / 2);
                let halves = [
                    self.total(&windows.f_narrow(0, 0, first)?, to)?,
                    self.total(&windows.f_narrow(0, first, second)?, to)?,
                ];
                Ok(Tensor::f_cat(&halves, 0)?)
            }
            Err(error) if is_out_of_memory(&error) => Err(InferError::DeviceMemory {
                case: self.case.to_owned(),
                problem: error.to_string(),
            }),
            other => other,
        }
    }

    fn total_at_once(&self, windows: &Tensor, to: Device) -> Result<Tensor, InferError> {
        let mut total: Option<Tensor> = None;
        for network in self.networks {
            let windows = windows.f_to_device(network.device())?;
            let mut own: Option<Tensor> = None;
            for dimensions in self.mirrorings {
                let output = self.pass(*network, &windows, dimensions)?;
                add(&mut own, output)?;
            }
            if let Some(own) = own {
                add(&mut total, own.f_to_device(to)?)?;
            }
        }
        total.ok_or_else(|| InferError::NoNetworks {
            case: self.case.to_owned(),
        })
    }

    /// One pass: mirrored there and back.
    fn pass(
        &self,
        network: &dyn Network,
        windows: &Tensor,
        dimensions: &[i64],
    ) -> Result<Tensor, InferError> {
        if dimensions.is_empty() {
            return self.forward(network, windows);
        }
        let output = self.forward(network, &windows.f_flip(dimensions)?)?;
        Ok(output.f_flip(dimensions)?)
    }

    fn forward(&self, network: &dyn Network, windows: &Tensor) -> Result<Tensor, InferError> {
        let mixed = self.precision == Precision::Mixed && network.device().is_cuda();
        let logits = if mixed {
            tch::autocast(true, || network.forward(windows))?
        } else {
            network.forward(windows)?
        };
        let mut expected = windows.size();
        if let Some(classes) = expected.get_mut(1) {
            *classes = self.heads as i64;
        }
        let found = logits.size();
        if found != expected {
            return Err(InferError::NetworkOutput {
                case: self.case.to_owned(),
                found,
                expected,
            });
        }
        self.averaging.apply(&logits, self.classes)
    }
}

/// Whether libtorch ran out of the memory of a device.
fn is_out_of_memory(error: &InferError) -> bool {
    let torch = match error {
        InferError::DeviceMemory { .. } => return true,
        InferError::Torch(error) | InferError::Model(ModelError::Torch(error)) => error,
        _ => return false,
    };
    let text = torch.to_string().to_lowercase();
    text.contains("out of memory") || text.contains("can't allocate memory")
}

/// Adds `value` to what is there. Not in place: a network may have given out what it keeps.
fn add(sum: &mut Option<Tensor>, value: Tensor) -> Result<(), InferError> {
    *sum = Some(match sum.take() {
        None => value,
        Some(sum) => sum.f_add(&value)?,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_windows_go_together_and_large_ones_alone() {
        assert_eq!(automatic_batch(Device::Cpu, 128 * 128 * 128), 1);
        assert_eq!(automatic_batch(Device::Cpu, 40 * 56), 32);
        assert_eq!(automatic_batch(Device::Cuda(0), 512 * 512), 8);
    }
}
