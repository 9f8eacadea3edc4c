//! The numbers that windows are added up in.

use std::fmt::Debug;

use half::f16;
use half::slice::HalfFloatSliceExt;
use pulp::Arch;
use tch::kind::Element;

/// Columns that are converted at once.
const COLUMNS: usize = 256;

/// A number that window outputs are added up in.
pub(crate) trait Sum: Copy + Default + Debug + Send + Sync + Element {
    /// Adds a row of values, each times `weight` and its own entry of `weights`.
    fn add(sums: &mut [Self], values: &[f32], weight: f32, weights: &[f32]);

    /// The sums in single precision, in `buffer` if that is needed, and what is then free.
    fn finish(sums: Vec<Self>, buffer: Option<Vec<f32>>) -> (Vec<f32>, Option<Vec<Self>>);

    /// Keeps the buffer of a finished slice for the next one.
    fn recycle(done: Vec<f32>, sums: &mut Vec<Vec<Self>>, finished: &mut Vec<Vec<f32>>);
}

impl Sum for f32 {
    fn add(sums: &mut [Self], values: &[f32], weight: f32, weights: &[f32]) {
        // The program is compiled for any processor of a family, this loop for its wider vectors
        // too. The sums are the same.
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for ((sum, value), own) in sums.iter_mut().zip(values).zip(weights) {
                    *sum += value * (weight * own);
                }
            },
        );
    }

    fn finish(sums: Vec<Self>, _: Option<Vec<f32>>) -> (Vec<f32>, Option<Vec<Self>>) {
        (sums, None)
    }

    fn recycle(done: Vec<f32>, sums: &mut Vec<Vec<Self>>, _: &mut Vec<Vec<f32>>) {
        sums.push(done);
    }
}

impl Sum for f16 {
    fn add(sums: &mut [Self], values: &[f32], weight: f32, weights: &[f32]) {
        let mut wide = [0.0; COLUMNS];
        let parts = values.chunks(COLUMNS).zip(weights.chunks(COLUMNS));
        for (sums, (values, weights)) in sums.chunks_mut(COLUMNS).zip(parts) {
            // The row of sums goes on where the window ends.
            let length = sums.len().min(values.len()).min(weights.len());
            let (Some(sums), Some(wide)) = (sums.get_mut(..length), wide.get_mut(..length)) else {
                return;
            };
            sums.convert_to_f32_slice(wide);
            f32::add(wide, values, weight, weights);
            sums.convert_from_f32_slice(wide);
        }
    }

    fn finish(sums: Vec<Self>, buffer: Option<Vec<f32>>) -> (Vec<f32>, Option<Vec<Self>>) {
        let mut wide = buffer.unwrap_or_default();
        wide.resize(sums.len(), 0.0);
        sums.convert_to_f32_slice(&mut wide);
        (wide, Some(sums))
    }

    fn recycle(done: Vec<f32>, _: &mut Vec<Vec<Self>>, finished: &mut Vec<Vec<f32>>) {
        finished.push(done);
    }
}
