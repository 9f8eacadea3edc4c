//! From a case to a patch: reads what is needed and no more, and moves it if that was drawn.

use std::time::{Duration, Instant};

use ndarray::{ArrayView1, ArrayView3, ArrayView4, Axis, CowArray, Ix3};
use nnunet_image::CropBox;
use nnunet_schema::Shape;
use serde::{Deserialize, Serialize};

use crate::setup::PatchGeometry;
use crate::simd::wide;
use crate::source::check_shape;
use crate::transforms::{GROUP, Motion, OUTSIDE, PatchMut, Scratch, SpatialDraw, Window};
use crate::{AugmentError, CaseSource, SourceError, Stage};

/// A box of a case that a patch is made from; it may reach beyond the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crop {
    /// First voxel of the box `(z, y, x)`, in voxels of the case.
    pub start: [i64; 3],
    /// Voxels along `(z, y, x)`.
    pub shape: Shape,
}

/// How long making a patch took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FillTimes {
    /// Reading from the case.
    pub read: Duration,
    /// Rotating and scaling.
    pub spatial: Duration,
}

/// Fills a patch from a crop of a case: rotated and scaled about its centre as drawn, or else
/// the centre of the crop. Outside the crop and the case intensities are 0 and labels `-1`; those
/// of the previous stage too, if the patch has room for them.
///
/// # Errors
/// [`AugmentError::Source`] if the case cannot be read, [`AugmentError::Shape`] if it gives
/// something else than was asked for.
pub fn fill_patch(
    case: &dyn CaseSource,
    crop: &Crop,
    spatial: Option<&SpatialDraw>,
    geometry: PatchGeometry,
    patch: &mut PatchMut<'_>,
    scratch: &mut Scratch,
) -> Result<FillTimes, AugmentError> {
    let channels = patch.channels();
    if case.channels() != channels {
        return Err(AugmentError::setting(
            "patch.channels",
            channels,
            "the number of channels of the case",
        ));
    }
    let reader = Reader { case, crop };
    let begin = Instant::now();
    let Some(draw) = spatial else {
        let window = central_window(crop, patch.shape);
        reader.read_data(&window, 1, patch.data)?;
        reader.read_labels(&window, patch.labels)?;
        if let Some(previous) = patch.previous.as_deref_mut() {
            reader.read_previous_stage(&window, previous)?;
        }
        return Ok(FillTimes {
            read: begin.elapsed(),
            spatial: Duration::ZERO,
        });
    };
    let motion = Motion::new(
        draw.matrix(geometry),
        patch.shape,
        crop.shape.voxels(),
        geometry,
    );
    let image_window = draw.image_window(&motion);
    let label_window = SpatialDraw::label_window(&motion);
    let Scratch { image, labels, .. } = scratch;
    image.resize(channels * image_window.volume(), 0.0);
    labels.resize(label_window.volume(), OUTSIDE);
    reader.read_data(&image_window, GROUP, image)?;
    reader.read_labels(&label_window, labels)?;
    let mut read = begin.elapsed();

    let sources = image.chunks_mut(GROUP * image_window.volume());
    let targets = patch.data.chunks_mut(GROUP * patch.labels.len());
    for (source, target) in sources.zip(targets) {
        draw.resample_image(&motion, &image_window, source, target);
    }
    draw.resample_labels(&motion, &label_window, labels, patch.labels);
    if let Some(previous) = patch.previous.as_deref_mut() {
        let begin = Instant::now();
        reader.read_previous_stage(&label_window, labels)?;
        read += begin.elapsed();
        draw.resample_labels(&motion, &label_window, labels, previous);
    }
    Ok(FillTimes {
        read,
        spatial: begin.elapsed() - read,
    })
}

/// The centre of a crop.
fn central_window(crop: &Crop, patch: [usize; 3]) -> Window {
    Window {
        low: std::array::from_fn(|a| (crop.shape[a] / 2).saturating_sub(patch[a] / 2) as i64),
        shape: patch,
    }
}

/// Reads windows of a crop of a case.
struct Reader<'a> {
    case: &'a dyn CaseSource,
    crop: &'a Crop,
}

/// The part of a window that lies inside the crop and the case.
struct Overlap {
    /// In voxels of the case.
    region: CropBox,
    /// Where it begins in the window.
    at: [usize; 3],
}

impl<'a> Reader<'a> {
    /// Reads all channels, `group` at a time side by side in each voxel.
    fn read_data(
        &self,
        window: &Window,
        group: usize,
        out: &mut [f32],
    ) -> Result<(), AugmentError> {
        let Some(overlap) = self.overlap(window) else {
            out.fill(0.0);
            return Ok(());
        };
        let region = overlap.region;
        let found: CowArray<'_, _, _> = match self.case.view_data(region) {
            Some(view) => view.into(),
            None => (self.case.read_data(region))
                .map_err(|e| self.failed(e))?
                .into(),
        };
        let (channels, z, y, x) = found.dim();
        self.check("region of the image", [z, y, x], region.shape())?;
        if channels != self.case.channels() {
            return Err(AugmentError::Channels {
                case: self.case.id().to_owned(),
                found: channels,
                first: self.case.id().to_owned(),
                expected: self.case.channels(),
            });
        }
        let sources = found.axis_chunks_iter(Axis(0), group);
        for (source, target) in sources.zip(out.chunks_mut(group * window.volume())) {
            let (shape, at) = (window.shape, overlap.at);
            let channels = source.len_of(Axis(0));
            fill_around(target, channels, shape, (at, [z, y, x]), 0.0);
            match channels {
                1 => copy_box(source.index_axis_move(Axis(0), 0), target, shape, at),
                2 => interleave_box::<2>(&source, target, shape, at),
                3 => interleave_box::<3>(&source, target, shape, at),
                _ => interleave_box::<GROUP>(&source, target, shape, at),
            }
        }
        Ok(())
    }

    fn read_labels(&self, window: &Window, out: &mut [i16]) -> Result<(), AugmentError> {
        let what = "region of the label map";
        self.copy_labels(window, out, what, |region| {
            Ok(match self.case.view_labels(region) {
                Some(view) => view.into(),
                None => self.case.read_labels(region)?.into(),
            })
        })
    }

    fn read_previous_stage(&self, window: &Window, out: &mut [i16]) -> Result<(), AugmentError> {
        let what = "region of the previous stage";
        self.copy_labels(window, out, what, |region| {
            Ok(self.case.read_previous_stage(region)?.into())
        })
    }

    fn copy_labels(
        &self,
        window: &Window,
        out: &mut [i16],
        what: &'static str,
        read: impl Fn(CropBox) -> Result<CowArray<'a, i16, Ix3>, SourceError>,
    ) -> Result<(), AugmentError> {
        let Some(overlap) = self.overlap(window) else {
            out.fill(OUTSIDE);
            return Ok(());
        };
        let region = overlap.region;
        let found = read(region).map_err(|e| self.failed(e))?;
        self.check(what, found.dim().into(), region.shape())?;
        let inside = (overlap.at, region.shape().voxels());
        fill_around(out, 1, window.shape, inside, OUTSIDE);
        copy_box(found.view(), out, window.shape, overlap.at);
        Ok(())
    }

    fn overlap(&self, window: &Window) -> Option<Overlap> {
        let case = self.case.shape();
        let mut low = [0; 3];
        let mut high = [0; 3];
        let mut at = [0; 3];
        for axis in 0..3 {
            let start = self.crop.start[axis];
            let first = window.low[axis].max(0) + start;
            let end = window.low[axis] + window.shape[axis] as i64;
            let end = end.min(self.crop.shape[axis] as i64) + start;
            let (first, end) = (first.max(0), end.min(case[axis] as i64));
            if first >= end {
                return None;
            }
            low[axis] = first as usize;
            high[axis] = end as usize;
            at[axis] = (first - start - window.low[axis]) as usize;
        }
        CropBox::between(low, high).map(|region| Overlap { region, at })
    }

    fn check(
        &self,
        what: &'static str,
        found: [usize; 3],
        expected: Shape,
    ) -> Result<(), AugmentError> {
        check_shape(self.case.id(), what, found.into(), expected)
    }

    fn failed(&self, source: SourceError) -> AugmentError {
        AugmentError::Source {
            case: self.case.id().to_owned(),
            stage: Stage::Read,
            source,
        }
    }
}

/// Fills what lies outside a box of a volume whose voxels have so many values side by side. The
/// box is given by its first voxel and its shape.
fn fill_around<T: Copy>(
    volume: &mut [T],
    values: usize,
    shape: [usize; 3],
    (low, size): ([usize; 3], [usize; 3]),
    value: T,
) {
    if size == shape {
        return;
    }
    let inside = |axis: usize, at: usize| (low[axis]..low[axis] + size[axis]).contains(&at);
    let (left, right) = (low[2] * values, (low[2] + size[2]) * values);
    for (number, row) in volume.chunks_exact_mut(shape[2] * values).enumerate() {
        if inside(0, number / shape[1]) && inside(1, number % shape[1]) {
            row[..left].fill(value);
            row[right..].fill(value);
        } else {
            row.fill(value);
        }
    }
}

/// Copies a volume into a larger one, its first voxel going to `at`.
fn copy_box<T: Copy>(
    source: ArrayView3<'_, T>,
    target: &mut [T],
    target_shape: [usize; 3],
    at: [usize; 3],
) {
    let (_, ny, nx) = source.dim();
    for (number, row) in source.rows().into_iter().enumerate() {
        let (z, y) = (number / ny + at[0], number % ny + at[1]);
        let start = (z * target_shape[1] + y) * target_shape[2] + at[2];
        let target = &mut target[start..start + nx];
        match row.as_slice() {
            Some(row) => target.copy_from_slice(row),
            None => target.iter_mut().zip(row).for_each(|(t, v)| *t = *v),
        }
    }
}

/// Copies a box of `C` channels into a larger one, where a voxel has all of them side by side.
fn interleave_box<const C: usize>(
    source: &ArrayView4<'_, f32>,
    target: &mut [f32],
    target_shape: [usize; 3],
    at: [usize; 3],
) {
    let (_, nz, ny, nx) = source.dim();
    let (target, _) = target.as_chunks_mut::<C>();
    for z in 0..nz {
        for y in 0..ny {
            let rows: [_; C] = std::array::from_fn(|c| row_of(source, c, z, y));
            let slices = rows
                .each_ref()
                .map(|row| row.as_slice().unwrap_or_default());
            let start = ((z + at[0]) * target_shape[1] + y + at[1]) * target_shape[2] + at[2];
            let target = &mut target[start..start + nx];
            if slices.iter().all(|row| row.len() == nx) {
                wide(
                    #[inline(always)]
                    || interleave_rows(slices.map(|row| &row[..nx]), target),
                );
                continue;
            }
            for (x, voxel) in target.iter_mut().enumerate() {
                *voxel = rows.each_ref().map(|row| row[x]);
            }
        }
    }
}

#[inline(always)]
fn interleave_rows<const C: usize>(rows: [&[f32]; C], out: &mut [[f32; C]]) {
    let rows = rows.map(|row| &row[..out.len()]);
    for (at, voxel) in out.iter_mut().enumerate() {
        for (value, row) in voxel.iter_mut().zip(rows) {
            *value = row[at];
        }
    }
}

fn row_of<'a>(
    source: &'a ArrayView4<'_, f32>,
    channel: usize,
    z: usize,
    y: usize,
) -> ArrayView1<'a, f32> {
    let volume = source.index_axis(Axis(0), channel);
    volume
        .index_axis_move(Axis(0), z)
        .index_axis_move(Axis(0), y)
}
