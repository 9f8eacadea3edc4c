//! Resampling of network outputs without ever holding a class at full resolution.

use ndarray::{Array3, ArrayView2, ArrayView3, ArrayView4, ArrayViewMut2, Axis};
use nnunet_schema::Shape;
use rayon::prelude::*;

use super::axis::{Neighbours, neighbours};
use super::{ResampleMethod, SplineOrder, check_shapes, resample_image_into};
use crate::PreprocessError;
use crate::memory::zeros;

/// Numbers of all channels together that one task holds at output resolution.
const VALUES_PER_TASK: usize = 1 << 18;

/// Resamples network outputs `(channel, z, y, x)` and folds the channels of every voxel into one
/// value, a band of rows at a time.
///
/// `fold` receives the resampled channels of a band, `(channel, row, x)`, and the part of
/// `result` where the band lies, `(row, x)`. Bands are whole rows of one slice; they come in any
/// order and on several threads of the current rayon pool. Memory beyond `outputs` and `result`
/// is about a megabyte per thread, however many channels there are (unless the order is
/// cubic: the spline needs whole channels, and all of them are held).
///
/// The target shape is that of `result`.
///
/// # Errors
/// [`PreprocessError::Resample`] if a side has no voxels or the separate axis is not 0, 1 or 2.
pub fn fold_outputs<T: Send>(
    outputs: ArrayView4<'_, f32>,
    method: &ResampleMethod,
    result: &mut Array3<T>,
    fold: impl Fn(ArrayView3<'_, f32>, ArrayViewMut2<'_, T>) + Sync,
) -> Result<(), PreprocessError> {
    let (_, z, y, x) = outputs.dim();
    let from = Shape::new([z, y, x]);
    let (z, y, x) = result.dim();
    let to = Shape::new([z, y, x]);
    check_shapes(from, to, method)?;
    let is_cubic = |axis| method.order_along(axis) == SplineOrder::Cubic;
    if (0..3).any(is_cubic) && from != to {
        let mut all = zeros([outputs.dim().0, to[0], to[1], to[2]])?;
        for (channel, target) in outputs.outer_iter().zip(all.outer_iter_mut()) {
            resample_image_into(channel, target, method)?;
        }
        // On its own grid already: nothing is left to interpolate.
        let done = ResampleMethod::all_axes(SplineOrder::Nearest);
        fold_linear(all.view(), &done, result, &fold);
        return Ok(());
    }
    fold_linear(outputs, method, result, &fold);
    Ok(())
}

/// The channel with the largest resampled output at each voxel, the first of equals.
///
/// Memory as in [`fold_outputs`]. Channels beyond 65535 cannot win.
///
/// # Errors
/// As [`fold_outputs`]; [`PreprocessError::OutOfMemory`] if there is no memory for the result.
pub fn resample_logits_argmax(
    logits: ArrayView4<'_, f32>,
    to: Shape,
    method: &ResampleMethod,
) -> Result<Array3<u16>, PreprocessError> {
    let mut result = zeros(to.voxels())?;
    fold_outputs(logits, method, &mut result, |channels, mut band| {
        let mut best = vec![f32::NEG_INFINITY; channels.dim().2];
        for (row, mut winners) in band.outer_iter_mut().enumerate() {
            best.fill(f32::NEG_INFINITY);
            for (channel, index) in channels.outer_iter().zip(0..=u16::MAX) {
                let values = channel.index_axis(Axis(0), row);
                for ((value, best), winner) in values.iter().zip(&mut best).zip(winners.iter_mut())
                {
                    if *value > *best {
                        *best = *value;
                        *winner = index;
                    }
                }
            }
        }
    })?;
    Ok(result)
}

/// For region-based models: each region in turn writes its label where its resampled logit is
/// above 0 (a probability above one half); later ones overwrite earlier ones, elsewhere is 0.
///
/// `labels` has one entry per channel (`regions_class_order`).
///
/// # Errors
/// As [`resample_logits_argmax`], and if `labels` is not as long as there are channels.
pub fn resample_logits_regions(
    logits: ArrayView4<'_, f32>,
    to: Shape,
    method: &ResampleMethod,
    labels: &[u16],
) -> Result<Array3<u16>, PreprocessError> {
    let (channels, z, y, x) = logits.dim();
    if labels.len() != channels {
        return Err(PreprocessError::Resample {
            from: Shape::new([z, y, x]),
            to,
            problem: format!(
                "there are {} labels for {channels} channels, expected one each",
                labels.len()
            ),
        });
    }
    let mut result = zeros(to.voxels())?;
    fold_outputs(logits, method, &mut result, |channels, mut band| {
        for (channel, label) in channels.outer_iter().zip(labels) {
            let voxels = channel.iter().zip(band.iter_mut());
            for (_, out) in voxels.filter(|(value, _)| **value > 0.0) {
                *out = *label;
            }
        }
    })?;
    Ok(result)
}

/// One axis in single precision.
struct LinearAxis {
    low: Vec<usize>,
    high: Vec<usize>,
    weight: Vec<[f32; 2]>,
}

impl LinearAxis {
    fn new(neighbours: &[Neighbours]) -> Self {
        Self {
            low: neighbours.iter().map(|n| n.index[0]).collect(),
            high: neighbours.iter().map(|n| n.index[1]).collect(),
            weight: (neighbours.iter())
                .map(|n| n.weight.map(|w| w as f32))
                .collect(),
        }
    }
}

/// Scratch space of one task.
#[derive(Default)]
struct Scratch {
    /// A band of rows at input resolution, interpolated along axis 0.
    rows: Vec<f32>,
    /// One of the rows above, interpolated along axis 1.
    row: Vec<f32>,
    /// The band of all channels at output resolution.
    band: Vec<f32>,
}

fn fold_linear<T: Send>(
    outputs: ArrayView4<'_, f32>,
    method: &ResampleMethod,
    result: &mut Array3<T>,
    fold: &(impl Fn(ArrayView3<'_, f32>, ArrayViewMut2<'_, T>) + Sync),
) {
    let (channels, from_z, from_y, from_x) = outputs.dim();
    let (to_z, to_y, to_x) = result.dim();
    let lengths = [(from_z, to_z), (from_y, to_y), (from_x, to_x)];
    let axes: Vec<LinearAxis> = (lengths.iter().enumerate())
        .map(|(axis, (from, to))| {
            LinearAxis::new(&neighbours(*from, *to, method.order_along(axis)))
        })
        .collect();
    let [depth, rows, columns] = axes.as_slice() else {
        return;
    };
    let outputs = outputs.as_standard_layout();
    let band_rows = (VALUES_PER_TASK / (channels.max(1) * to_x)).clamp(1, to_y);
    let mut bands = Vec::new();
    for (z, slice) in result.outer_iter_mut().enumerate() {
        let starts = (0..to_y).step_by(band_rows);
        let mut rest = slice;
        for start in starts {
            let here = band_rows.min(to_y - start);
            let (band, after) = rest.split_at(Axis(0), here);
            bands.push((z, start, band));
            rest = after;
        }
    }
    (bands.into_par_iter()).for_each_init(Scratch::default, |scratch, (z, y, target)| {
        let height = target.dim().0;
        scratch.band.resize(channels * height * to_x, 0.0);
        let parts = scratch.band.chunks_mut(height * to_x);
        for (channel, part) in outputs.outer_iter().zip(parts) {
            let slices = Slices::new(channel, depth, z);
            let band = rows.band(y, height);
            slices.resample(&band, columns, &mut scratch.rows, &mut scratch.row, part);
        }
        if let Ok(band) = ArrayView3::from_shape((channels, height, to_x), &scratch.band) {
            fold(band, target);
        }
    });
}

/// The part of axis 1 that a band of output rows needs.
struct Band<'a> {
    /// First input row.
    first: usize,
    /// One beyond the last input row.
    end: usize,
    low: &'a [usize],
    high: &'a [usize],
    weight: &'a [[f32; 2]],
}

impl LinearAxis {
    fn band(&self, start: usize, length: usize) -> Band<'_> {
        fn part<T>(values: &[T], start: usize, length: usize) -> &[T] {
            values.get(start..start + length).unwrap_or_default()
        }
        let low = part(&self.low, start, length);
        let high = part(&self.high, start, length);
        Band {
            first: low.first().copied().unwrap_or(0),
            end: high.last().map_or(0, |last| last + 1),
            low,
            high,
            weight: part(&self.weight, start, length),
        }
    }
}

/// The two slices of a channel around one output slice.
struct Slices<'a> {
    low: ArrayView2<'a, f32>,
    high: ArrayView2<'a, f32>,
    weight: [f32; 2],
}

impl<'a> Slices<'a> {
    fn new(channel: ArrayView3<'a, f32>, depth: &LinearAxis, z: usize) -> Self {
        let index = |list: &[usize]| list.get(z).copied().unwrap_or(0);
        Self {
            low: channel.index_axis_move(Axis(0), index(&depth.low)),
            high: channel.index_axis_move(Axis(0), index(&depth.high)),
            weight: depth.weight.get(z).copied().unwrap_or([1.0, 0.0]),
        }
    }

    fn resample(
        &self,
        band: &Band<'_>,
        columns: &LinearAxis,
        rows: &mut Vec<f32>,
        row: &mut Vec<f32>,
        target: &mut [f32],
    ) {
        let width = self.low.dim().1;
        rows.clear();
        for y in band.first..band.end {
            let low = self.low.index_axis(Axis(0), y);
            let high = self.high.index_axis(Axis(0), y);
            rows.extend(mix(low.as_slice(), high.as_slice(), self.weight));
        }
        let at = |y: usize| {
            let start = (y - band.first) * width;
            rows.get(start..start + width)
        };
        let lines = target.chunks_mut(columns.low.len());
        for (((low, high), weight), line) in
            band.low.iter().zip(band.high).zip(band.weight).zip(lines)
        {
            row.clear();
            row.extend(mix(at(*low), at(*high), *weight));
            let taps = columns.low.iter().zip(&columns.high).zip(&columns.weight);
            for (out, ((low, high), weight)) in line.iter_mut().zip(taps) {
                let value = |i: usize| row.get(i).copied().unwrap_or(0.0);
                *out = weight[0] * value(*low) + weight[1] * value(*high);
            }
        }
    }
}

/// The weighted sum of two rows.
fn mix<'a>(
    low: Option<&'a [f32]>,
    high: Option<&'a [f32]>,
    weight: [f32; 2],
) -> impl Iterator<Item = f32> + 'a {
    let pairs = low.unwrap_or_default().iter().zip(high.unwrap_or_default());
    pairs.map(move |(low, high)| weight[0] * low + weight[1] * high)
}
