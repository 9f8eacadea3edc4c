//! Batches as tensors.

use nnunet_model::NetworkSpec;
use nnunet_schema::LabelScheme;
use tch::{Device, Tensor};

use crate::{Batch, TrainError};

/// Checks batches against a network and the labels of a dataset, and makes tensors of them.
#[derive(Debug)]
pub(crate) struct BatchReader {
    channels: usize,
    axes: usize,
    /// Entry `v`: whether label `v` may occur.
    allowed: Vec<bool>,
    targets: usize,
    device: Device,
}

impl BatchReader {
    /// For batches of which the first `targets` targets are used.
    pub(crate) fn new(
        spec: &NetworkSpec,
        labels: &LabelScheme,
        targets: usize,
        device: Device,
    ) -> Self {
        let highest = labels.all_labels().last().copied().unwrap_or(0);
        let allowed = (0..=i64::from(highest) + 1)
            .map(|v| labels.allows(v))
            .collect();
        Self {
            channels: spec.channels(),
            axes: spec.axes(),
            allowed,
            targets,
            device,
        }
    }

    /// The input `(batch, channel, …)` and the labels `(batch, …)` of each output.
    pub(crate) fn read(&self, batch: &Batch) -> Result<(Tensor, Vec<Tensor>), TrainError> {
        let fail = |problem: String| TrainError::Batch {
            cases: batch.cases.clone(),
            problem,
        };
        let [samples, channels, slices, ..] = batch.shape;
        if channels != self.channels {
            return Err(fail(format!(
                "has {channels} channels, the network takes {}",
                self.channels
            )));
        }
        if self.axes == 2 && slices != 1 {
            return Err(fail(format!("has {slices} slices for a 2D network")));
        }
        if batch.data.len() != batch.shape.iter().product::<usize>() {
            return Err(fail(format!(
                "holds {} values for the shape {:?}",
                batch.data.len(),
                batch.shape
            )));
        }
        if batch.targets.len() < self.targets {
            return Err(fail(format!(
                "has {} targets, the loss takes {}",
                batch.targets.len(),
                self.targets
            )));
        }
        let input = self.tensor(&batch.data, &batch.shape)?;
        let mut labels = Vec::with_capacity(self.targets);
        for target in batch.targets.iter().take(self.targets) {
            if target.shape[0] != samples
                || target.labels.len() != target.shape.iter().product::<usize>()
            {
                return Err(fail(format!(
                    "has a target of {} labels and shape {:?} for {samples} samples",
                    target.labels.len(),
                    target.shape
                )));
            }
            if let Some(label) = target.labels.iter().find(|label| !self.allows(**label)) {
                return Err(fail(format!(
                    "has label {label}, which the dataset does not declare"
                )));
            }
            labels.push(self.tensor(&target.labels, &target.shape)?);
        }
        Ok((input, labels))
    }

    fn allows(&self, label: i16) -> bool {
        usize::try_from(label).is_ok_and(|v| self.allowed.get(v) == Some(&true))
    }

    /// A tensor of this shape, without the axis of slices in 2D.
    fn tensor<T: tch::kind::Element>(
        &self,
        values: &[T],
        shape: &[usize],
    ) -> Result<Tensor, TrainError> {
        let slices = shape.len() - 3;
        let sizes: Vec<i64> = (shape.iter().enumerate())
            .filter(|(axis, _)| self.axes == 3 || *axis != slices)
            .map(|(_, size)| *size as i64)
            .collect();
        let tensor = Tensor::f_from_slice(values)?.f_view(sizes.as_slice())?;
        Ok(tensor.f_to_device(self.device)?)
    }
}
