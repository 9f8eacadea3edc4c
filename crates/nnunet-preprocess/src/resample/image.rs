//! Resampling of one channel of an image.

use std::borrow::Cow;

use ndarray::{Array3, ArrayView2, ArrayView3, ArrayViewMut2, Axis};
use nnunet_schema::Shape;
use rayon::prelude::*;

use super::axis::nearest_indices;
use super::lines::AxisFilter;
use super::plane::{Blocks, PlaneFilter, Range, across_rows, filter};
use super::{ResampleMethod, SplineOrder, check_shapes};
use crate::PreprocessError;

/// Resamples one channel `(z, y, x)` to the shape `to`.
///
/// An array that has the shape already is returned as it is. Otherwise values are clipped to
/// the range of the input: of the whole channel, or with a separate axis of each slice.
///
/// Runs on the current rayon pool.
///
/// # Errors
/// [`PreprocessError::Resample`] if a side has no voxels or the separate axis is not 0, 1 or 2.
pub fn resample_image(
    image: ArrayView3<'_, f32>,
    to: Shape,
    method: &ResampleMethod,
) -> Result<Array3<f32>, PreprocessError> {
    let from = shape_of(&image);
    check_shapes(from, to, method)?;
    if from == to {
        return Ok(image.as_standard_layout().into_owned());
    }
    Ok(match (method.order, method.separate) {
        (SplineOrder::Nearest, _) => nearest(image, to),
        (order, Some(axis)) => by_slices(image, to, axis, order),
        (order, None) => as_volume(image, to, order),
    })
}

fn shape_of<T>(array: &ArrayView3<'_, T>) -> Shape {
    let (z, y, x) = array.dim();
    Shape::new([z, y, x])
}

fn nearest(image: ArrayView3<'_, f32>, to: Shape) -> Array3<f32> {
    let from = shape_of(&image);
    let mut result = image.to_owned();
    for axis in (0..3).filter(|a| from[*a] != to[*a]) {
        result = result.select(Axis(axis), &nearest_indices(from[axis], to[axis]));
    }
    result
}

/// The values of a slice, contiguous.
fn contiguous(slice: ArrayView2<'_, f32>) -> Cow<'_, [f32]> {
    match slice.to_slice() {
        Some(values) => Cow::Borrowed(values),
        None => Cow::Owned(slice.iter().copied().collect()),
    }
}

/// Slices along `axis` are resampled in plane and taken by the nearest index along the axis.
fn by_slices(
    image: ArrayView3<'_, f32>,
    to: Shape,
    axis: usize,
    order: SplineOrder,
) -> Array3<f32> {
    let from = shape_of(&image);
    let in_plane = match axis {
        0 => [1, 2],
        1 => [0, 2],
        _ => [0, 1],
    };
    let plane = PlaneFilter::new(order, in_plane.map(|a| from[a]), in_plane.map(|a| to[a]));
    let sources = nearest_indices(from[axis], to[axis]);
    let mut result = Array3::zeros(to.voxels());

    // Neighbouring output slices that come from the same input slice are made together.
    let mut groups: Vec<(usize, Vec<ArrayViewMut2<'_, f32>>)> = Vec::new();
    for (target, source) in result.axis_iter_mut(Axis(axis)).zip(sources) {
        match groups.last_mut() {
            Some((same, targets)) if *same == source => targets.push(target),
            _ => groups.push((source, vec![target])),
        }
    }
    let blocks = Blocks::for_slices(groups.len());
    groups.into_par_iter().for_each(|(source, targets)| {
        let source = contiguous(image.index_axis(Axis(axis), source));
        let range = Range::of(source.iter());
        let mut resampled = vec![0.0; plane.to[0] * plane.to[1]];
        plane.run(&source, &mut resampled, range, blocks);
        if let Ok(resampled) = ArrayView2::from_shape(plane.to, &resampled) {
            for mut target in targets {
                target.assign(&resampled);
            }
        }
    });
    result
}

/// All axes are interpolated: axis 0 before the slices if it shrinks, else after them.
fn as_volume(image: ArrayView3<'_, f32>, to: Shape, order: SplineOrder) -> Array3<f32> {
    let [z, y, x] = shape_of(&image).voxels();
    let [to_z, to_y, to_x] = to.voxels();
    let image = image.as_standard_layout();
    let range = (image.as_slice().unwrap_or_default())
        .par_chunks(1 << 16)
        .map(|part| Range::of(part.iter()))
        .reduce_with(Range::join)
        .unwrap_or(Range::UNLIMITED);
    let plane = PlaneFilter::new(order, [y, x], [to_y, to_x]);
    match filter(order, z, to_z) {
        None => all_slices(&plane, image.view(), range),
        Some(depth) if plane.is_identity() => through_slices(&depth, image.view(), range),
        Some(depth) if to_z <= z => {
            let between = through_slices(&depth, image.view(), Range::UNLIMITED);
            all_slices(&plane, between.view(), range)
        }
        Some(depth) => {
            let between = all_slices(&plane, image.view(), Range::UNLIMITED);
            through_slices(&depth, between.view(), range)
        }
    }
}

/// Every slice along axis 0 in plane.
fn all_slices(plane: &PlaneFilter, image: ArrayView3<'_, f32>, range: Range) -> Array3<f32> {
    let slices = image.dim().0;
    let mut result = Array3::zeros((slices, plane.to[0], plane.to[1]));
    let blocks = Blocks::for_slices(slices);
    let source = image.as_slice().unwrap_or_default();
    let target = result.as_slice_mut().unwrap_or_default();
    (source.par_chunks(plane.from[0] * plane.from[1]))
        .zip(target.par_chunks_mut(plane.to[0] * plane.to[1]))
        .for_each(|(source, target)| plane.run(source, target, range, blocks));
    result
}

/// Axis 0 of a contiguous volume.
fn through_slices(depth: &AxisFilter, image: ArrayView3<'_, f32>, range: Range) -> Array3<f32> {
    let (_, y, x) = image.dim();
    let mut result = Array3::zeros((depth.to(), y, x));
    let source = image.as_slice().unwrap_or_default();
    let target = result.as_slice_mut().unwrap_or_default();
    across_rows(depth, source, y * x, target, range, Blocks::Parallel);
    result
}
