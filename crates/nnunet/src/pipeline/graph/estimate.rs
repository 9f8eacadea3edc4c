//! How much memory and time a training may take, before anything of the kind has run.

use nnunet_model::{Arithmetic, DeviceChoice};
use nnunet_planner::{Precision, footprint};
use nnunet_schema::{Configuration, DatasetDescription};

use super::request::GraphRequest;

/// Bytes of feature maps that a training works off per second on a GPU. An order of magnitude, for
/// people who want to know whether it is hours or days.
const GPU_BYTES_PER_SECOND: f64 = 2e10;
/// The same on a processor, whatever the number of its threads.
const CPU_BYTES_PER_SECOND: f64 = 3e8;

/// A guess.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    /// Bytes of a training step, at least.
    pub(super) memory_bytes: u64,
    /// Seconds of all epochs.
    pub(super) seconds: f64,
}

impl Estimate {
    /// Of a training: the work of a step is taken to be in proportion to the memory that it needs.
    pub(super) fn of_training(
        configuration: &Configuration,
        description: &DatasetDescription,
        request: &GraphRequest,
    ) -> Self {
        let labels = description.label_scheme().ok();
        let heads = (labels.as_ref()).map_or(2, |labels| labels.segmentation_heads());
        let previous = match configuration.previous_stage {
            Some(_) => labels.map_or(0, |labels| labels.foreground_labels().len()),
            None => 0,
        };
        let training = &request.training;
        let precision = match training.arithmetic {
            Arithmetic::Single => Precision::Single,
            _ => Precision::Mixed,
        };
        let channels = description.channels() + previous;
        let memory_bytes = footprint(configuration, channels, heads, precision).training_bytes;
        let bytes_per_second = match request.devices.first() {
            Some(DeviceChoice::Cuda(_)) => GPU_BYTES_PER_SECOND,
            _ => CPU_BYTES_PER_SECOND,
        };
        // A step without gradients is a third of the work.
        let steps =
            training.iterations_per_epoch as f64 + training.validation_iterations as f64 / 3.0;
        Self {
            memory_bytes,
            seconds: training.epochs as f64 * steps * memory_bytes as f64 / bytes_per_second,
        }
    }
}
