//! Windows for a network of one's own: cut them out, run them, add the outputs up.

use ndarray::{Array4, ArrayView4, Axis};
use nnunet_schema::Shape;

use crate::accumulator::{Accumulator, SliceSink};
use crate::cut::cut;
use crate::{InferError, Tiling, TilingWeights};

/// A window of an image, and where it lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Its first voxel `(z, y, x)` in the padded image.
    pub position: [usize; 3],
    /// Its intensities `(channel, z, y, x)`, zero outside the image.
    pub data: Array4<f32>,
}

/// The windows of an image, one after the other, cut out as they are asked for.
#[derive(Debug)]
pub struct Windows<'a> {
    tiling: &'a Tiling,
    image: ArrayView4<'a, f32>,
    positions: std::vec::IntoIter<[usize; 3]>,
}

impl Tiling {
    /// Cuts a preprocessed image `(channel, z, y, x)` into its windows, for a network that is
    /// no [`Network`](crate::Network) of libtorch. [`WindowSum`] takes the outputs.
    ///
    /// ```
    /// use ndarray::Array4;
    /// use nnunet_infer::{Tiling, WindowSum};
    /// use nnunet_schema::{Shape, plans::Dimensionality};
    ///
    /// let image = Array4::<f32>::from_elem((1, 20, 30, 40), 0.25);
    /// let (shape, window) = (Shape::new([20, 30, 40]), Shape::new([16, 16, 16]));
    /// let tiling = Tiling::new(shape, window, Dimensionality::Three, 0.5)?;
    /// let mut sum = WindowSum::new(&tiling, 2);
    /// for window in tiling.cut(image.view())? {
    ///     // Any network: here one whose second output is the image.
    ///     let mut logits = Array4::zeros((2, 16, 16, 16));
    ///     logits.index_axis_mut(ndarray::Axis(0), 1).assign(&window.data.index_axis(ndarray::Axis(0), 0));
    ///     sum.add(window.position, logits.view())?;
    /// }
    /// let outputs = sum.finish()?;
    /// assert_eq!(outputs.dim(), (2, 20, 30, 40));
    /// assert!(outputs.index_axis(ndarray::Axis(0), 1).iter().all(|v| (v - 0.25).abs() < 1e-6));
    /// # Ok::<(), nnunet_infer::InferError>(())
    /// ```
    ///
    /// # Errors
    /// [`InferError::Windows`] if the image is not of [`Self::image`]'s shape.
    pub fn cut<'a>(&'a self, image: ArrayView4<'a, f32>) -> Result<Windows<'a>, InferError> {
        let (_, z, y, x) = image.dim();
        let found = Shape::new([z, y, x]);
        if found != self.image() {
            return Err(InferError::Windows {
                problem: format!("the image has {found} voxels, expected {}", self.image()),
            });
        }
        Ok(Windows {
            tiling: self,
            image,
            positions: self.windows().into_iter(),
        })
    }
}

impl Iterator for Windows<'_> {
    type Item = Window;

    fn next(&mut self) -> Option<Window> {
        let position = self.positions.next()?;
        let [z, y, x] = self.tiling.window().voxels();
        let mut data = Array4::zeros((self.image.dim().0, z, y, x));
        if let Some(values) = data.as_slice_mut() {
            cut(&self.image, self.tiling, position, values);
        }
        Some(Window { position, data })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.positions.size_hint()
    }
}

impl ExactSizeIterator for Windows<'_> {}

/// Adds up what a network said of the windows of an image, weighted as
/// [`importance_map`](crate::importance_map) says, and divides by the weights.
///
/// The result holds all classes of the whole image; [`predict_with_networks`] does not, and is
/// the way to go where the network can be a [`Network`].
///
/// [`predict_with_networks`]: crate::predict_with_networks
/// [`Network`]: crate::Network
#[derive(Debug)]
pub struct WindowSum<'a> {
    tiling: &'a Tiling,
    /// Positions of the windows that are to come.
    expected: std::vec::IntoIter<[usize; 3]>,
    sum: Accumulator<'a, f32>,
    outputs: Outputs,
}

impl<'a> WindowSum<'a> {
    /// Nothing yet, of this many classes.
    #[must_use]
    pub fn new(tiling: &'a Tiling, classes: usize) -> Self {
        let [z, y, x] = tiling.image().voxels();
        Self {
            tiling,
            expected: tiling.windows().into_iter(),
            sum: Accumulator::new("image", tiling, TilingWeights::new(tiling), classes, 1),
            outputs: Outputs {
                values: Array4::zeros((classes, z, y, x)),
                received: 0,
            },
        }
    }

    /// Adds the outputs `(class, z, y, x)` of the window at `position`. Windows come in the order
    /// of [`Tiling::windows`].
    ///
    /// # Errors
    /// [`InferError::Windows`] if the outputs have another shape, or the window is not the next
    /// one; [`InferError::NonFinite`] for values that are no numbers.
    pub fn add(
        &mut self,
        position: [usize; 3],
        outputs: ArrayView4<'_, f32>,
    ) -> Result<(), InferError> {
        let [z, y, x] = self.tiling.window().voxels();
        let expected = [self.outputs.values.dim().0, z, y, x];
        let fail = |problem| Err(InferError::Windows { problem });
        if outputs.shape() != expected {
            let found = outputs.shape();
            return fail(format!("the outputs are {found:?}, expected {expected:?}"));
        }
        let next = self.expected.next();
        if next != Some(position) {
            return fail(match next {
                Some(next) => format!(
                    "the window at {position:?} comes where the one at {next:?} is expected: \
                     keep the order of `Tiling::windows`"
                ),
                None => format!("the window at {position:?} comes after the last one"),
            });
        }
        self.sum.release(position[0], &mut self.outputs)?;
        let outputs = outputs.as_standard_layout();
        (self.sum).add(position, outputs.as_slice().unwrap_or_default())
    }

    /// The outputs `(class, z, y, x)` of the whole image.
    ///
    /// # Errors
    /// [`InferError::Windows`] if windows are missing; [`InferError::NonFinite`] as
    /// [`Self::add`].
    pub fn finish(mut self) -> Result<Array4<f32>, InferError> {
        let missing = self.expected.len();
        if missing > 0 {
            return Err(InferError::Windows {
                problem: format!(
                    "{missing} of {} windows are missing",
                    self.tiling.windows().len()
                ),
            });
        }
        let end = self.tiling.padded()[0];
        self.sum.release(end, &mut self.outputs)?;
        Ok(self.outputs.values)
    }
}

/// Receives all slices.
#[derive(Debug)]
struct Outputs {
    values: Array4<f32>,
    received: usize,
}

impl SliceSink for Outputs {
    fn take(&mut self, slice: Vec<f32>) -> Result<Option<Vec<f32>>, InferError> {
        let mut target = self.values.index_axis_mut(Axis(1), self.received);
        for (target, value) in target.iter_mut().zip(&slice) {
            *target = *value;
        }
        self.received += 1;
        Ok(Some(slice))
    }
}

#[cfg(test)]
mod tests {
    use nnunet_schema::plans::Dimensionality;

    use super::*;

    fn tiling() -> Tiling {
        let (image, window) = (Shape::new([9, 5, 12]), Shape::new([4, 8, 6]));
        Tiling::new(image, window, Dimensionality::Three, 0.5).unwrap()
    }

    #[test]
    fn what_is_cut_and_added_up_is_what_was_there() {
        let tiling = tiling();
        let image = Array4::from_shape_fn((2, 9, 5, 12), |(c, z, y, x)| {
            (c * 1000 + z * 100 + y * 10 + x) as f32
        });
        let windows = tiling.cut(image.view()).unwrap();
        assert_eq!(windows.len(), tiling.windows().len());
        let mut sum = WindowSum::new(&tiling, 2);
        for window in windows {
            sum.add(window.position, window.data.view()).unwrap();
        }
        let found = sum.finish().unwrap();
        let differences = found.iter().zip(&image).map(|(a, b)| (a - b).abs());
        assert!(differences.fold(0.0, f32::max) < 1e-2);
    }

    #[test]
    fn windows_that_do_not_fit_are_refused() {
        let tiling = tiling();
        let image = Array4::<f32>::zeros((1, 9, 5, 11));
        let error = tiling.cut(image.view()).unwrap_err().to_string();
        assert!(error.contains("9×5×11"), "{error}");
        let mut sum = WindowSum::new(&tiling, 1);
        let fail = |sum: &mut WindowSum<'_>, position, shape: [usize; 4]| {
            let outputs = Array4::<f32>::zeros(shape);
            sum.add(position, outputs.view()).unwrap_err().to_string()
        };
        let error = fail(&mut sum, [0, 0, 0], [1, 4, 8, 5]);
        assert!(error.contains("[1, 4, 8, 6]"), "{error}");
        let error = fail(&mut sum, [2, 0, 0], [1, 4, 8, 6]);
        assert!(error.contains("the order"), "{error}");
        let error = sum.finish().unwrap_err().to_string();
        assert!(error.contains("missing"), "{error}");
    }
}
