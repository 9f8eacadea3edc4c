//! Resampling of one channel of an image.

use std::borrow::Cow;

use ndarray::{Array3, ArrayView2, ArrayView3, ArrayViewMut2, ArrayViewMut3, Axis, s};
use nnunet_schema::Shape;
use rayon::prelude::*;

use super::axis::nearest_indices;
use super::lines::AxisFilter;
use super::plane::{Blocks, PlaneFilter, Range, across_rows, across_rows_in_place, filter};
use super::{ResampleMethod, SeparateAxis, SplineOrder, check_shapes, check_target, shape_of};
use crate::PreprocessError;
use crate::memory::zeros;

/// Resamples one channel `(z, y, x)` to the shape `to`.
///
/// An array that has the shape already is returned as it is. Otherwise values are clipped to
/// the range of the input: of the whole channel, or with a separate axis of each slice.
///
/// Runs on the current rayon pool. Memory as in [`resample_image_into`].
///
/// # Errors
/// [`PreprocessError::Resample`] if a side has no voxels or the separate axis is not 0, 1 or 2;
/// [`PreprocessError::OutOfMemory`] if there is no memory for the result.
pub fn resample_image(
    image: ArrayView3<'_, f32>,
    to: Shape,
    method: &ResampleMethod,
) -> Result<Array3<f32>, PreprocessError> {
    check_shapes(shape_of(&image), to, method)?;
    let mut result = zeros(to.voxels())?;
    resample_image_into(image, result.view_mut(), method)?;
    Ok(result)
}

/// As [`resample_image`], into memory of the caller's: the target shape is that of `target`,
/// which must be contiguous in C order.
///
/// No array of the size of the image is made on the way, except where axis 0 shrinks and others
/// change too, without a separate axis: then one with the planes of the input and as many of
/// them as the output has. [`resample_spent_image`] does without. And except where a separate
/// axis is interpolated: then one with the slices of the input and their size in the output.
///
/// # Errors
/// As [`resample_image`], and [`PreprocessError::Resample`] if `target` is not contiguous.
pub fn resample_image_into(
    image: ArrayView3<'_, f32>,
    mut target: ArrayViewMut3<'_, f32>,
    method: &ResampleMethod,
) -> Result<(), PreprocessError> {
    let job = Job::new(&image, &mut target, method)?;
    let Some(depth) = job.depth_first() else {
        return job.run(image, target.view_mut());
    };
    if job.plane.is_identity() {
        through(depth, image, target, job.range);
        return Ok(());
    }
    let (_, y, x) = image.dim();
    let mut between = zeros([depth.to(), y, x])?;
    through(depth, image, between.view_mut(), Range::UNLIMITED);
    all_slices(&job.plane, between.view(), target, job.range);
    Ok(())
}

/// As [`resample_image_into`] for an image that is not needed any more: its memory is used for
/// what is to be kept on the way, so that hardly any more is needed. What it holds afterwards is
/// of no use. Any order of its axes in memory will do.
///
/// # Errors
/// As [`resample_image_into`].
pub fn resample_spent_image(
    mut image: ArrayViewMut3<'_, f32>,
    mut target: ArrayViewMut3<'_, f32>,
    method: &ResampleMethod,
) -> Result<(), PreprocessError> {
    let job = Job::new(&image.view(), &mut target, method)?;
    let Some(depth) = job.depth_first() else {
        return job.run(image.view(), target.view_mut());
    };
    if job.plane.is_identity() {
        through(depth, image.view(), target, job.range);
        return Ok(());
    }
    through_in_place(depth, image.view_mut(), Range::UNLIMITED);
    let between = image.slice(s![..depth.to(), .., ..]);
    all_slices(&job.plane, between, target, job.range);
    Ok(())
}

/// Resamples an image that the caller gives away: one that has the shape already comes back as
/// it is, without a copy; the memory of another is used as [`resample_spent_image`] does.
///
/// # Errors
/// As [`resample_image`].
pub fn resample_owned_image(
    mut image: Array3<f32>,
    to: Shape,
    method: &ResampleMethod,
) -> Result<Array3<f32>, PreprocessError> {
    let from = shape_of(&image.view());
    check_shapes(from, to, method)?;
    if from == to {
        return Ok(image);
    }
    let mut result = zeros(to.voxels())?;
    resample_spent_image(image.view_mut(), result.view_mut(), method)?;
    Ok(result)
}

/// What is to be done to one image.
struct Job {
    way: Way,
    /// Axis 0, unless it stays as it is.
    depth: Option<AxisFilter>,
    /// Axes 1 and 2.
    plane: PlaneFilter,
    /// What may come out where all axes are interpolated.
    range: Range,
}

/// The ways to resample.
enum Way {
    Copy,
    Nearest,
    BySlices {
        order: SplineOrder,
        apart: SeparateAxis,
    },
    AsVolume,
}

impl Job {
    fn new(
        image: &ArrayView3<'_, f32>,
        target: &mut ArrayViewMut3<'_, f32>,
        method: &ResampleMethod,
    ) -> Result<Self, PreprocessError> {
        let (from, to) = (shape_of(image), shape_of(&target.view()));
        check_shapes(from, to, method)?;
        check_target(from, &target.view())?;
        let way = match (method.order, method.separate) {
            _ if from == to => Way::Copy,
            (order, separate) if all_nearest(order, separate) => Way::Nearest,
            (order, Some(apart)) => Way::BySlices { order, apart },
            (_, None) => Way::AsVolume,
        };
        let as_volume = matches!(way, Way::AsVolume);
        let ([z, y, x], [to_z, to_y, to_x]) = (from.voxels(), to.voxels());
        Ok(Self {
            depth: as_volume.then(|| filter(method.order, z, to_z)).flatten(),
            plane: PlaneFilter::new(method.order, [y, x], [to_y, to_x]),
            range: if as_volume {
                range_of(image)
            } else {
                Range::UNLIMITED
            },
            way,
        })
    }

    /// The filter of axis 0 if that goes first: where it leaves fewer slices to the others.
    fn depth_first(&self) -> Option<&AxisFilter> {
        let depth = self.depth.as_ref();
        depth.filter(|depth| depth.to() <= depth.from() || self.plane.is_identity())
    }

    /// Everything but axis 0 before the others.
    fn run(
        &self,
        image: ArrayView3<'_, f32>,
        mut target: ArrayViewMut3<'_, f32>,
    ) -> Result<(), PreprocessError> {
        match (&self.way, &self.depth) {
            (Way::Copy, _) => target.assign(&image),
            (Way::Nearest, _) => nearest(image, target),
            (Way::BySlices { order, apart }, _) => by_slices(image, target, *apart, *order)?,
            (Way::AsVolume, None) => all_slices(&self.plane, image, target, self.range),
            (Way::AsVolume, Some(depth)) => {
                // The target has room for the slices that are not yet spread out.
                let slices = target.slice_mut(s![..depth.from(), .., ..]);
                all_slices(&self.plane, image, slices, Range::UNLIMITED);
                through_in_place(depth, target, self.range);
            }
        }
        Ok(())
    }
}

/// Whether every voxel is taken from the nearest one.
fn all_nearest(order: SplineOrder, separate: Option<SeparateAxis>) -> bool {
    let nearest = |order| order == SplineOrder::Nearest;
    nearest(order) && separate.is_none_or(|apart| nearest(apart.order))
}

/// The range of the values of an image.
fn range_of(image: &ArrayView3<'_, f32>) -> Range {
    let Some(values) = image.as_slice_memory_order() else {
        return Range::of(image.iter());
    };
    (values.par_chunks(1 << 16))
        .map(|part| Range::of(part.iter()))
        .reduce_with(Range::join)
        .unwrap_or(Range::UNLIMITED)
}

fn nearest(image: ArrayView3<'_, f32>, mut target: ArrayViewMut3<'_, f32>) {
    let (from, to) = (shape_of(&image), shape_of(&target.view()));
    let [depth, rows, columns] = std::array::from_fn(|axis| nearest_indices(from[axis], to[axis]));
    let slices: Vec<_> = target.outer_iter_mut().zip(depth).collect();
    slices.into_par_iter().for_each(|(mut target, z)| {
        let slice = image.index_axis(Axis(0), z);
        for (mut target, y) in target.outer_iter_mut().zip(&rows) {
            let row = slice.index_axis(Axis(0), *y);
            for (out, x) in target.iter_mut().zip(&columns) {
                *out = row.get(*x).copied().unwrap_or_default();
            }
        }
    });
}

/// The values of a slice, contiguous.
fn contiguous(slice: ArrayView2<'_, f32>) -> Cow<'_, [f32]> {
    match slice.to_slice() {
        Some(values) => Cow::Borrowed(values),
        None => Cow::Owned(slice.iter().copied().collect()),
    }
}

/// Slices are resampled in plane, and the axis that is apart after them.
fn by_slices(
    image: ArrayView3<'_, f32>,
    target: ArrayViewMut3<'_, f32>,
    apart: SeparateAxis,
    order: SplineOrder,
) -> Result<(), PreprocessError> {
    let SeparateAxis { axis, order: along } = apart;
    let (from, mut to) = (shape_of(&image), shape_of(&target.view()).voxels());
    let along = match along {
        SplineOrder::Nearest => None,
        order => filter(order, from[axis], to[axis]),
    };
    let Some(along) = along else {
        nearest_slices(image, target, axis, order);
        return Ok(());
    };
    to[axis] = from[axis];
    let mut between = zeros(to)?;
    nearest_slices(image, between.view_mut(), axis, order);
    along_axis(&along, axis, between.view(), target);
    Ok(())
}

/// Resamples one axis, whichever it is; the others stay.
fn along_axis(
    filter: &AxisFilter,
    axis: usize,
    image: ArrayView3<'_, f32>,
    mut target: ArrayViewMut3<'_, f32>,
) {
    if axis == 0 {
        through(filter, image, target, Range::UNLIMITED);
        return;
    }
    let slices: Vec<_> = image.outer_iter().zip(target.outer_iter_mut()).collect();
    slices.into_par_iter().for_each(|(source, target)| {
        let (source, target) = match axis {
            1 => (source, target),
            _ => (source.reversed_axes(), target.reversed_axes()),
        };
        across_rows(filter, source, target, Range::UNLIMITED, Blocks::InTurn);
    });
}

/// Slices along `axis` are resampled in plane and taken by the nearest index along the axis.
fn nearest_slices(
    image: ArrayView3<'_, f32>,
    mut target: ArrayViewMut3<'_, f32>,
    axis: usize,
    order: SplineOrder,
) {
    if order == SplineOrder::Nearest {
        nearest(image, target);
        return;
    }
    let (from, to) = (shape_of(&image), shape_of(&target.view()));
    let in_plane = match axis {
        0 => [1, 2],
        1 => [0, 2],
        _ => [0, 1],
    };
    let plane = PlaneFilter::new(order, in_plane.map(|a| from[a]), in_plane.map(|a| to[a]));
    let sources = nearest_indices(from[axis], to[axis]);

    // Neighbouring output slices that come from the same input slice are made together.
    let mut groups: Vec<(usize, Vec<ArrayViewMut2<'_, f32>>)> = Vec::new();
    for (target, source) in target.axis_iter_mut(Axis(axis)).zip(sources) {
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
}

/// Every slice along axis 0 in plane.
fn all_slices(
    plane: &PlaneFilter,
    image: ArrayView3<'_, f32>,
    target: ArrayViewMut3<'_, f32>,
    range: Range,
) {
    let blocks = Blocks::for_slices(image.dim().0);
    let target = target.into_slice().unwrap_or_default();
    (target.par_chunks_mut(plane.to[0] * plane.to[1]))
        .zip(0..image.dim().0)
        .for_each(|(target, z)| {
            let source = contiguous(image.index_axis(Axis(0), z));
            plane.run(&source, target, range, blocks);
        });
}

/// Axis 0 of a volume into a contiguous one.
fn through(
    depth: &AxisFilter,
    image: ArrayView3<'_, f32>,
    target: ArrayViewMut3<'_, f32>,
    range: Range,
) {
    let (z, y, x) = image.dim();
    let (to_z, ..) = target.dim();
    let mut target = target;
    if let (Some(image), Some(target)) = (image.to_slice(), target.as_slice_mut())
        && let Ok(image) = ArrayView2::from_shape((z, y * x), image)
        && let Ok(target) = ArrayViewMut2::from_shape((to_z, y * x), target)
    {
        across_rows(depth, image, target, range, Blocks::Parallel);
        return;
    }
    let rows: Vec<_> = (image.axis_iter(Axis(1)))
        .zip(target.axis_iter_mut(Axis(1)))
        .collect();
    rows.into_par_iter().for_each(|(image, target)| {
        across_rows(depth, image, target, range, Blocks::InTurn);
    });
}

/// Axis 0 of a volume in its own memory; see [`across_rows_in_place`].
fn through_in_place(depth: &AxisFilter, mut volume: ArrayViewMut3<'_, f32>, range: Range) {
    let (z, y, x) = volume.dim();
    if let Some(values) = volume.as_slice_mut()
        && let Ok(matrix) = ArrayViewMut2::from_shape((z, y * x), values)
    {
        across_rows_in_place(depth, matrix, range, Blocks::Parallel);
        return;
    }
    let rows: Vec<_> = volume.axis_iter_mut(Axis(1)).collect();
    rows.into_par_iter().for_each(|row| {
        across_rows_in_place(depth, row, range, Blocks::InTurn);
    });
}
