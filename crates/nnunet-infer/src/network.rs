use std::fmt;

use nnunet_model::{Device, Tensor, UNet};

use crate::InferError;

/// What a window goes through: a [`UNet`], or anything else that gives one value per class and
/// voxel.
pub trait Network: fmt::Debug {
    /// Where inputs must be.
    fn device(&self) -> Device;

    /// The logits of a batch of windows, full resolution: `(batch, channel, y, x)` becomes
    /// `(batch, class, y, x)`, and with a third spatial axis likewise. Gradients are off.
    ///
    /// # Errors
    /// Whatever keeps the network from answering.
    fn forward(&self, windows: &Tensor) -> Result<Tensor, InferError>;
}

impl Network for UNet {
    fn device(&self) -> Device {
        Self::device(self)
    }

    fn forward(&self, windows: &Tensor) -> Result<Tensor, InferError> {
        Ok(self.infer(windows)?)
    }
}
