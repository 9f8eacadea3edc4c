//! From slices of averaged network outputs to slices of probabilities of the whole image.

use std::fmt;

use ndarray::{Array3, ArrayView4, ArrayViewMut3, Axis, s};
use nnunet_preprocess::CaseProperties;
use nnunet_preprocess::resample::{ResampleMethod, resample_image_into};
use rayon::prelude::*;

use super::ProbabilitySink;
use crate::averaging::Classes;
use crate::{Averaging, InferError};

/// Rows of a slice that one task turns into probabilities.
const ROWS: usize = 8;

/// Turns averaged outputs into probabilities and hands out slices of the whole image.
pub(crate) struct ProbabilityStream<'a> {
    sink: &'a mut dyn ProbabilitySink,
    averaging: Averaging,
    classes: Classes,
    /// Transposed, `(class, y, x)`: a slice of the whole image.
    plane: Array3<f32>,
    /// The crop box along the transposed axes: first voxels, and where it ends along the first.
    low: [usize; 3],
    end: usize,
    depth: usize,
    inside: [usize; 2],
    /// Whether the two axes of a slice change places on the way to the file's order.
    swapped: bool,
    /// Slices of the whole image that were handed out.
    done: usize,
}

impl fmt::Debug for ProbabilityStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbabilityStream")
            .field("plane", &self.plane.dim())
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

impl<'a> ProbabilityStream<'a> {
    pub(crate) fn new(
        sink: &'a mut dyn ProbabilitySink,
        properties: &CaseProperties,
        heads: usize,
        averaging: Averaging,
        classes: Classes,
    ) -> Result<Self, InferError> {
        let whole = properties.shape_before_cropping;
        let crop = properties.bbox_used_for_cropping;
        let forward = properties.transpose_forward.forward();
        let mut shape = [heads; 4];
        for (axis, file_axis) in forward.into_iter().enumerate() {
            shape[file_axis + 1] = whole[axis];
        }
        sink.begin(shape, forward[0] + 1)?;
        let [_, rows, columns] = crop.shape().voxels();
        Ok(Self {
            sink,
            averaging,
            classes,
            plane: blank(heads, whole[1], whole[2], classes),
            low: crop.low(),
            end: crop.high()[0],
            depth: whole[0],
            inside: [rows, columns],
            swapped: forward[1] > forward[2],
            done: 0,
        })
    }

    /// The next slice of the crop box: outputs `(class, 1, y, x)` at its place along axis 0, to be
    /// resampled in plane.
    pub(crate) fn slice(
        &mut self,
        outputs: ArrayView4<'_, f32>,
        method: &ResampleMethod,
    ) -> Result<(), InferError> {
        while self.done < self.low[0] {
            self.hand_out()?;
        }
        let [_, y, x] = self.low;
        let [rows, columns] = self.inside;
        let mut resampled = Array3::zeros((1, rows, columns));
        for (channel, mut plane) in outputs.outer_iter().zip(self.plane.outer_iter_mut()) {
            resample_image_into(channel, resampled.view_mut(), method)?;
            let mut inside = plane.slice_mut(s![y..y + rows, x..x + columns]);
            inside.assign(&resampled.index_axis(Axis(0), 0));
        }
        if self.averaging == Averaging::Logits {
            let mut inside = (self.plane).slice_mut(s![.., y..y + rows, x..x + columns]);
            let classes = self.classes;
            let parts: Vec<_> = inside.axis_chunks_iter_mut(Axis(1), ROWS).collect();
            (parts.into_par_iter()).for_each(|part| probabilities(part, classes));
        }
        self.hand_out()?;
        if self.done == self.end {
            let (heads, rows, columns) = self.plane.dim();
            self.plane = blank(heads, rows, columns, self.classes);
            while self.done < self.depth {
                self.hand_out()?;
            }
            self.sink.end()?;
        }
        Ok(())
    }

    fn hand_out(&mut self) -> Result<(), InferError> {
        let mut view = self.plane.view();
        if self.swapped {
            view.swap_axes(1, 2);
        }
        self.done += 1;
        self.sink.slice(view)
    }
}

/// A slice outside the crop box.
fn blank(heads: usize, rows: usize, columns: usize, classes: Classes) -> Array3<f32> {
    let mut plane = Array3::zeros((heads, rows, columns));
    if classes == Classes::Exclusive
        && let Some(mut background) = plane.outer_iter_mut().next()
    {
        background.fill(1.0);
    }
    plane
}

/// Logits `(class, y, x)` become probabilities.
fn probabilities(mut logits: ArrayViewMut3<'_, f32>, classes: Classes) {
    if classes == Classes::Regions {
        logits.mapv_inplace(|v| 1.0 / (1.0 + (-v).exp()));
        return;
    }
    let columns = logits.dim().2;
    let (mut largest, mut sum) = (vec![0.0; columns], vec![0.0; columns]);
    for mut row in logits.axis_iter_mut(Axis(1)) {
        largest.fill(f32::NEG_INFINITY);
        sum.fill(0.0);
        for class in row.outer_iter() {
            for (largest, value) in largest.iter_mut().zip(class) {
                *largest = value.max(*largest);
            }
        }
        for mut class in row.outer_iter_mut() {
            for ((value, largest), sum) in class.iter_mut().zip(&largest).zip(&mut sum) {
                *value = (*value - largest).exp();
                *sum += *value;
            }
        }
        for mut class in row.outer_iter_mut() {
            for (value, sum) in class.iter_mut().zip(&sum) {
                *value /= sum;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn probabilities_of_exclusive_classes_sum_up_to_one() {
        let mut logits = array![[[0.0_f32, 500.0]], [[0.0, 0.0]], [[0.0, -500.0]]];
        probabilities(logits.view_mut(), Classes::Exclusive);
        let third = 1.0 / 3.0;
        let expected = array![[[third, 1.0]], [[third, 0.0]], [[third, 0.0]]];
        assert!((logits - expected).iter().all(|v: &f32| v.abs() < 1e-6));
    }

    #[test]
    fn those_of_regions_stand_alone() {
        let mut logits = array![[[0.0_f32, 500.0]], [[-500.0, 3.0]]];
        probabilities(logits.view_mut(), Classes::Regions);
        assert_eq!(logits[[0, 0, 0]], 0.5);
        assert_eq!((logits[[0, 0, 1]], logits[[1, 0, 0]]), (1.0, 0.0));
        assert!((logits[[1, 0, 1]] - 0.952_574).abs() < 1e-6);
    }
}
