//! Probabilities of all classes on the grid of the image, slice by slice.
//!
//! They are made only where somebody asks for them: of many classes they are far larger than
//! anything else of a case.

mod npy;
mod npz;
mod numbers;
mod store;
mod stream;

use ndarray::{Array4, ArrayView3, Axis};

use crate::InferError;

pub use npz::{NpzReader, NpzWriter};
pub use store::{ProbabilityStore, ProbabilityWriter};
pub(crate) use stream::ProbabilityStream;

/// Receives the probabilities of a case.
pub trait ProbabilitySink {
    /// Before the first slice: the shape `(class, z, y, x)` of everything, on the grid of the
    /// image as its file has it, and the axis (1, 2 or 3) along which the slices come.
    ///
    /// # Errors
    /// Whatever keeps it from taking them.
    fn begin(&mut self, shape: [usize; 4], axis: usize) -> Result<(), InferError>;

    /// The next slice: `(class, a, b)` with the two other axes in their order. All slices come,
    /// in order. Outside the box that was predicted the background has probability 1, and every
    /// region 0.
    ///
    /// # Errors
    /// Whatever keeps it from taking the slice.
    fn slice(&mut self, values: ArrayView3<'_, f32>) -> Result<(), InferError>;

    /// After the last slice.
    ///
    /// # Errors
    /// Whatever keeps it from keeping what it took.
    fn end(&mut self) -> Result<(), InferError>;
}

/// Keeps all probabilities in memory.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) values: Array4<f32>,
    axis: usize,
    received: usize,
}

impl ProbabilitySink for Collected {
    fn begin(&mut self, shape: [usize; 4], axis: usize) -> Result<(), InferError> {
        *self = Self {
            values: Array4::zeros(shape),
            axis,
            received: 0,
        };
        Ok(())
    }

    fn slice(&mut self, values: ArrayView3<'_, f32>) -> Result<(), InferError> {
        let mut target = self.values.index_axis_mut(Axis(self.axis), self.received);
        target.assign(&values);
        self.received += 1;
        Ok(())
    }

    fn end(&mut self) -> Result<(), InferError> {
        Ok(())
    }
}
