//! What a case takes, and the way to go that fits, known before it starts.

use std::fmt;

use nnunet_model::Device;
use nnunet_schema::Shape;

use crate::{InferError, PredictOptions, SumPlace, SumPrecision, Tiling, WindowBatch};

/// How a case is predicted and what it then holds at once, in bytes, beside the networks' weights
/// and feature maps and the image as read.
///
/// Sums of overlapping windows are held for the slices that windows still reach and for all
/// classes, never for the whole case, so that there is no way that takes less but smaller batches
/// and numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryPlan {
    /// The preprocessed image.
    pub image: u64,
    /// Outputs of all classes in the memory of the processor: sums, slices on their way to labels,
    /// and of one batch.
    pub outputs: u64,
    /// The labels of the crop box and of the whole image.
    pub labels: u64,
    /// What lies in the memory of a GPU: a batch of windows, its outputs, and the image and the sums
    /// if they are there. Nothing where the networks run on the processor.
    pub device: u64,
    /// Windows that go through a network at once.
    pub batch: usize,
    /// Numbers that windows are added up in.
    pub sums: SumPrecision,
    /// Where they are added up.
    pub place: SumPlace,
}

impl MemoryPlan {
    /// Everything in the memory of the processor, saturating.
    #[must_use]
    pub const fn total(&self) -> u64 {
        (self.image)
            .saturating_add(self.outputs)
            .saturating_add(self.labels)
    }
}

impl fmt::Display for MemoryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} MB: image {} MB, network outputs {} MB, labels {} MB",
            megabytes(self.total()),
            megabytes(self.image),
            megabytes(self.outputs),
            megabytes(self.labels)
        )?;
        if self.device > 0 {
            write!(f, "; on the device {} MB", megabytes(self.device))?;
        }
        let numbers = match self.sums {
            SumPrecision::Single => "single",
            SumPrecision::Half => "half",
        };
        let place = match self.place {
            SumPlace::Host => "host",
            SumPlace::Device => "device",
        };
        write!(
            f,
            "; batches of {}, sums in {numbers} precision on the {place}",
            self.batch
        )
    }
}

const fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}

/// What the user wants of the plan of every case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes {
    pub(crate) batch: WindowBatch,
    sums: Option<SumPrecision>,
    place: Option<SumPlace>,
    limit: Option<u64>,
    device_limit: Option<u64>,
}

impl Wishes {
    pub(crate) const fn new(options: &PredictOptions) -> Self {
        Self {
            batch: options.windows_per_batch,
            sums: options.sums,
            place: options.sum_place,
            limit: options.memory_limit,
            device_limit: options.device_memory_limit,
        }
    }

    /// The same limits with nothing else wanted.
    const fn relaxed(self) -> Self {
        Self {
            batch: WindowBatch::Automatic,
            sums: None,
            place: None,
            ..self
        }
    }

    fn allow(&self, plan: &MemoryPlan) -> bool {
        let within = |bytes, limit: Option<u64>| limit.is_none_or(|limit| bytes <= limit);
        within(plan.total(), self.limit) && within(plan.device, self.device_limit)
    }
}

/// What the memory of a case depends on.
#[derive(Clone, Debug)]
pub(crate) struct Needs {
    pub(crate) tiling: Tiling,
    pub(crate) channels: usize,
    pub(crate) heads: usize,
    /// Windows at once if there is memory enough.
    pub(crate) batch: usize,
    /// Shape of the image.
    pub(crate) whole: Shape,
    /// Where the networks are.
    pub(crate) device: Device,
}

impl Needs {
    /// The first plan that fits the limits, or the most frugal.
    pub(crate) fn plan(&self, wishes: &Wishes) -> MemoryPlan {
        let mut last = None;
        for plan in self.candidates(wishes) {
            if wishes.allow(&plan) {
                return plan;
            }
            last = Some(plan);
        }
        last.unwrap_or_else(|| self.of(self.batch, SumPrecision::Single, SumPlace::Host))
    }

    /// The first plan that fits the limits.
    pub(crate) fn fitting_plan(
        &self,
        case: &str,
        wishes: &Wishes,
    ) -> Result<MemoryPlan, InferError> {
        let plan = self.plan(wishes);
        if wishes.allow(&plan) {
            return Ok(plan);
        }
        let too_much = |bytes, limit: Option<u64>| limit.filter(|limit| bytes > *limit);
        let (place, needed, limit) = match too_much(plan.total(), wishes.limit) {
            Some(limit) => ("memory", plan.total(), limit),
            None => {
                let limit = wishes.device_limit.unwrap_or(0);
                ("the device's memory", plan.device, limit)
            }
        };
        let other = self.plan(&wishes.relaxed());
        let advice = match wishes.allow(&other) {
            true => format!("it fits with {}", differences(&plan, &other)),
            false => "raise the limit or resample the image to a coarser spacing".to_owned(),
        };
        Err(InferError::MemoryLimit {
            case: case.to_owned(),
            place,
            needed,
            limit,
            plan: plan.to_string(),
            advice,
        })
    }

    /// What is tried, in this order: single precision before half, a GPU's memory before the
    /// processor's, many windows at once before one.
    fn candidates(&self, wishes: &Wishes) -> impl Iterator<Item = MemoryPlan> {
        let sums = match wishes.sums {
            Some(sums) => vec![sums],
            None => vec![SumPrecision::Single, SumPrecision::Half],
        };
        let places = match wishes.place {
            Some(place) => vec![place],
            None if self.device.is_cuda() => vec![SumPlace::Device, SumPlace::Host],
            None => vec![SumPlace::Host],
        };
        let batches = match wishes.batch {
            WindowBatch::Automatic if self.batch > 1 => vec![self.batch, 1],
            _ => vec![self.batch],
        };
        sums.into_iter().flat_map(move |sums| {
            let batches = batches.clone();
            places.clone().into_iter().flat_map(move |place| {
                let batches = batches.clone();
                batches
                    .into_iter()
                    .map(move |batch| self.of(batch, sums, place))
            })
        })
    }

    /// What one way to go takes.
    fn of(&self, batch: usize, sums: SumPrecision, place: SumPlace) -> MemoryPlan {
        let bytes = |values: usize, of: usize| (values as u64).saturating_mul(of as u64);
        let (padded, window) = (self.tiling.padded(), self.tiling.window());
        let plane = (self.heads)
            .saturating_mul(padded[1])
            .saturating_mul(padded[2]);
        let width = match sums {
            SumPrecision::Single => 4,
            SumPrecision::Half => 2,
        };
        let sum = bytes(plane.saturating_mul(window[0]), width);
        // Windows and their mirrored copies; outputs, mirrored outputs and their total.
        let voxels = batch.saturating_mul(window.volume());
        let batches = bytes(voxels, 4 * (3 * self.heads + 2 * self.channels));
        // Besides the sums: the slice before, one in between, one handed out.
        let slices = bytes(plane, 4 * 3);
        // Outputs of a window, weighted, and what they are added to.
        let weighted = bytes(window.volume(), 4 * 2 * self.heads);
        // The image goes where the sums are.
        let image = bytes(padded.volume(), 4).saturating_mul(self.channels as u64);
        let (sum_here, sum_there) = match place {
            SumPlace::Host => (sum, 0),
            SumPlace::Device => (0, sum.saturating_add(weighted).saturating_add(image)),
        };
        let (outputs, device) = match self.device {
            // Both places are the same memory.
            Device::Cpu => (sum_here.saturating_add(sum_there), 0),
            // On its way to the device: the image, or a batch of windows, whose outputs come back.
            _ => {
                let staged = match place {
                    SumPlace::Host => bytes(voxels, 4 * (self.heads + self.channels)),
                    SumPlace::Device => image,
                };
                (
                    sum_here.saturating_add(staged),
                    sum_there.saturating_add(batches),
                )
            }
        };
        let here = match self.device {
            Device::Cpu => batches,
            _ => 0,
        };
        MemoryPlan {
            image: bytes(self.tiling.image().volume(), 4).saturating_mul(self.channels as u64),
            outputs: outputs.saturating_add(slices).saturating_add(here),
            labels: bytes(self.whole.volume(), 2).saturating_mul(3),
            device,
            batch,
            sums,
            place,
        }
    }
}

/// What another plan does differently, for a person to ask for.
fn differences(plan: &MemoryPlan, other: &MemoryPlan) -> String {
    let mut parts = Vec::new();
    if other.batch < plan.batch {
        parts.push("one window at a time");
    }
    if other.sums != plan.sums {
        parts.push("windows added up in half precision");
    }
    if other.place != plan.place {
        parts.push("windows added up in the memory of the processor");
    }
    format!("{} ({} MB)", parts.join(", "), megabytes(other.total()))
}

#[cfg(test)]
mod tests {
    use nnunet_schema::plans::Dimensionality;

    use super::*;

    fn needs(depth: usize, device: Device) -> Needs {
        let (image, window) = (Shape::new([depth, 200, 200]), Shape::new([64; 3]));
        Needs {
            tiling: Tiling::new(image, window, Dimensionality::Three, 0.5).unwrap(),
            channels: 1,
            heads: 100,
            batch: 4,
            whole: image,
            device,
        }
    }

    fn wishes(limit: Option<u64>, device_limit: Option<u64>) -> Wishes {
        Wishes::new(&PredictOptions {
            memory_limit: limit,
            device_memory_limit: device_limit,
            ..PredictOptions::default()
        })
    }

    #[test]
    fn a_plan_prints_its_parts_and_the_way() {
        let mut plan = MemoryPlan {
            image: 1,
            outputs: 2_000_001,
            labels: 4_000_000,
            device: 0,
            batch: 2,
            sums: SumPrecision::Single,
            place: SumPlace::Host,
        };
        let parts = "7 MB: image 1 MB, network outputs 3 MB, labels 4 MB";
        let way = "batches of 2, sums in single precision on the host";
        assert_eq!(plan.to_string(), format!("{parts}; {way}"));
        plan.device = 5_000_000;
        assert_eq!(
            plan.to_string(),
            format!("{parts}; on the device 5 MB; {way}")
        );
    }

    #[test]
    fn outputs_grow_with_the_window_and_not_with_the_depth_of_the_case() {
        let plan = |depth| needs(depth, Device::Cpu).plan(&wishes(None, None));
        let (short, long) = (plan(100), plan(1000));
        assert_eq!(short.outputs, long.outputs);
        assert!(long.image > short.image && long.total() > short.total());
        // All classes of the long case would take 16 GB.
        assert!(long.total() < 3_000_000_000, "{long:?}");
    }

    #[test]
    fn a_tighter_limit_gives_smaller_batches_and_then_smaller_numbers() {
        let needs = needs(100, Device::Cpu);
        let mut limit = None;
        let mut ways = Vec::new();
        while let Ok(plan) = needs.fitting_plan("a", &wishes(limit, None)) {
            assert!(limit.is_none_or(|limit| plan.total() <= limit));
            ways.push((plan.batch, plan.sums));
            limit = Some(plan.total() - 1);
        }
        use SumPrecision::{Half, Single};
        assert_eq!(ways, [(4, Single), (1, Single), (1, Half)]);
    }

    #[test]
    fn sums_leave_a_gpu_that_is_too_small_for_them() {
        let needs = needs(100, Device::Cuda(0));
        let of = |limit| needs.plan(&wishes(None, limit));
        let free = of(None);
        assert_eq!((free.place, free.batch), (SumPlace::Device, 4));
        let mut limit = free.device - 1;
        let one = of(Some(limit));
        assert_eq!((one.place, one.batch), (SumPlace::Device, 1));
        assert!(one.total() <= free.total() && one.device <= limit);
        limit = one.device - 1;
        let here = of(Some(limit));
        assert_eq!(
            (here.place, here.sums),
            (SumPlace::Host, SumPrecision::Single)
        );
        assert!(here.total() > one.total() && here.device <= limit);
        let error = needs.fitting_plan("a", &wishes(None, Some(1))).unwrap_err();
        assert!(error.to_string().contains("the device's memory"), "{error}");
        // What is asked for is kept, or refused with what would fit.
        let stubborn = Wishes {
            place: Some(SumPlace::Device),
            sums: Some(SumPrecision::Single),
            ..wishes(None, Some(limit))
        };
        let error = needs.fitting_plan("a", &stubborn).unwrap_err().to_string();
        assert!(error.contains("in the memory of the processor"), "{error}");
    }
}
