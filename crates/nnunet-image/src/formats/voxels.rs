//! Voxels as they lie in a file: from bytes to an image or a label map, and back.

use std::io::{self, Write};

use ndarray::{Array3, Array4, ArrayView4, Axis};

use super::source::Source;
use crate::{Geometry, Image, ImageError, LabelMap};

/// Values decoded at a time.
const CHUNK: usize = 1 << 15;
/// How far a label that is stored as a float may be from an integer.
const LABEL_TOLERANCE: f64 = 1e-3;

/// The type of a stored value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl Element {
    /// Bytes of a value.
    pub(super) const fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// The type that a label map is written in: that of nnU-Net v2, `u8` or `u16`, unless there
    /// are negative labels.
    pub(super) fn of_labels(map: &LabelMap) -> Self {
        let lowest = map.labels.iter().copied().min().unwrap_or(0);
        let highest = map.labels.iter().copied().max().unwrap_or(0);
        if lowest < 0 {
            Self::I16
        } else if highest < i16::from(u8::MAX) {
            Self::U8
        } else {
            Self::U16
        }
    }
}

/// What a header says of the voxels that follow it, checked against the size of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// Lengths of the file's axes, slowest first.
    pub(super) shape: [usize; 4],
    /// Which of these axes is the channel's, and which are z, y and x.
    pub(super) axes: [usize; 4],
    pub(super) element: Element,
    pub(super) big_endian: bool,
    /// `(slope, intercept)`, if values are to be scaled.
    pub(super) scaling: Option<(f64, f64)>,
    pub(super) geometry: Geometry,
}

impl Block {
    /// Bytes of all voxels; `None` if there are more than can be counted, or none at all.
    pub(super) fn bytes(&self) -> Option<u64> {
        let values = (self.shape.iter()).try_fold(1_usize, |n, axis| n.checked_mul(*axis))?;
        let bytes = values.checked_mul(self.element.size())?;
        (bytes > 0).then_some(bytes as u64)
    }

    pub(super) fn channels(&self) -> usize {
        let [channel, ..] = self.axes;
        self.shape.get(channel).copied().unwrap_or(0)
    }

    /// Reads an image from a source that stands at its first voxel.
    pub(super) fn image(&self, source: &mut Source) -> Result<Image, ImageError> {
        let values = self.read(source, |_, value| Ok(value as f32))?;
        Ok(Image {
            data: self.arrange(values, source)?,
            geometry: self.geometry,
        })
    }

    /// Reads a label map from a source that stands at its first voxel.
    pub(super) fn labels(&self, source: &mut Source) -> Result<LabelMap, ImageError> {
        let path = source.path().to_path_buf();
        if self.channels() != 1 {
            return Err(ImageError::LabelChannels {
                path,
                channels: self.channels(),
            });
        }
        let labels = self.read(source, |index, value| {
            as_label(value).ok_or_else(|| ImageError::LabelValue {
                path: path.clone(),
                voxel: self.voxel(index),
                value,
            })
        })?;
        let labels: Array3<i16> = self.arrange(labels, source)?.index_axis_move(Axis(0), 0);
        Ok(LabelMap {
            labels,
            geometry: self.geometry,
        })
    }

    /// `(z, y, x)` of the value with this number in the file.
    fn voxel(&self, index: usize) -> [usize; 3] {
        let mut position = [0; 4];
        let mut rest = index;
        for (at, length) in position.iter_mut().zip(self.shape).rev() {
            *at = rest % length.max(1);
            rest /= length.max(1);
        }
        let [_, z, y, x] = self.axes.map(|axis| position.get(axis).copied());
        [z, y, x].map(Option::unwrap_or_default)
    }

    /// From the order of the file to `(channel, z, y, x)`, C order.
    fn arrange<T: Clone>(&self, values: Vec<T>, source: &Source) -> Result<Array4<T>, ImageError> {
        let array = Array4::from_shape_vec(self.shape, values)
            .map_err(|error| source.damaged(error.to_string()))?
            .permuted_axes(self.axes);
        Ok(if array.is_standard_layout() {
            array
        } else {
            array.as_standard_layout().into_owned()
        })
    }

    /// Reads all values in the order of the file, scaled, each turned into a `T` by `convert`,
    /// which is given the number of the value.
    fn read<T>(
        &self,
        source: &mut Source,
        convert: impl Fn(usize, f64) -> Result<T, ImageError>,
    ) -> Result<Vec<T>, ImageError> {
        let count = self.shape.iter().product::<usize>();
        let mut values = Vec::new();
        values
            .try_reserve_exact(count)
            .map_err(|_| ImageError::OutOfMemory {
                path: source.path().to_path_buf(),
                bytes: count.saturating_mul(size_of::<T>()),
            })?;
        let size = self.element.size();
        let mut buffer = vec![0; CHUNK.min(count) * size];
        let mut left = count;
        while left > 0 {
            let count = left.min(CHUNK);
            let bytes = buffer.get_mut(..count * size).unwrap_or_default();
            source.fill(bytes, "within its voxels")?;
            self.decode(bytes, &mut values, &convert)?;
            left -= count;
        }
        source.finish()?;
        Ok(values)
    }

    fn decode<T>(
        &self,
        bytes: &[u8],
        out: &mut Vec<T>,
        convert: &impl Fn(usize, f64) -> Result<T, ImageError>,
    ) -> Result<(), ImageError> {
        // One loop per type, byte order and scaling, so that the inner loop has no branches on
        // them.
        macro_rules! decode_as {
            ($type:ty) => {{
                let (values, _) = bytes.as_chunks::<{ size_of::<$type>() }>();
                if self.big_endian {
                    let values = values.iter().map(|v| <$type>::from_be_bytes(*v) as f64);
                    push(values, self.scaling, out, convert)
                } else {
                    let values = values.iter().map(|v| <$type>::from_le_bytes(*v) as f64);
                    push(values, self.scaling, out, convert)
                }
            }};
        }
        match self.element {
            Element::U8 => decode_as!(u8),
            Element::I8 => decode_as!(i8),
            Element::U16 => decode_as!(u16),
            Element::I16 => decode_as!(i16),
            Element::U32 => decode_as!(u32),
            Element::I32 => decode_as!(i32),
            Element::U64 => decode_as!(u64),
            Element::I64 => decode_as!(i64),
            Element::F32 => decode_as!(f32),
            Element::F64 => decode_as!(f64),
        }
    }
}

fn push<T>(
    values: impl Iterator<Item = f64>,
    scaling: Option<(f64, f64)>,
    out: &mut Vec<T>,
    convert: &impl Fn(usize, f64) -> Result<T, ImageError>,
) -> Result<(), ImageError> {
    let first = out.len();
    match scaling {
        None => {
            for (i, value) in values.enumerate() {
                out.push(convert(first + i, value)?);
            }
        }
        Some((slope, intercept)) => {
            for (i, value) in values.enumerate() {
                out.push(convert(first + i, value * slope + intercept)?);
            }
        }
    }
    Ok(())
}

/// The label that a stored value stands for; `None` if it is none.
pub(super) fn as_label(value: f64) -> Option<i16> {
    let nearest = value.round();
    // Written so that NaN is refused.
    let is_label = (value - nearest).abs() <= LABEL_TOLERANCE
        && (f64::from(i16::MIN)..=f64::from(i16::MAX)).contains(&nearest);
    is_label.then_some(nearest as i16)
}

/// Writes labels as `element`, one of those of [`Element::of_labels`], little-endian.
pub(super) fn put_labels(out: &mut dyn Write, map: &LabelMap, element: Element) -> io::Result<()> {
    let labels = map.labels.view().insert_axis(Axis(0));
    match element {
        Element::U8 => put(out, &labels, |v| [v as u8]),
        // From 0 to 32767 the two 16-bit types have the same bytes.
        _ => put(out, &labels, |v| v.to_le_bytes()),
    }
}

/// Writes intensities as 32-bit floats, little-endian, in the C order of the view.
pub(super) fn put_image(out: &mut dyn Write, values: &ArrayView4<'_, f32>) -> io::Result<()> {
    put(out, values, |v| v.to_le_bytes())
}

fn put<T: Copy, const N: usize>(
    out: &mut dyn Write,
    values: &ArrayView4<'_, T>,
    bytes: impl Fn(T) -> [u8; N],
) -> io::Result<()> {
    let mut buffer = Vec::new();
    for slice in values.outer_iter().flat_map(|c| c.into_outer_iter()) {
        buffer.clear();
        buffer.extend(slice.iter().flat_map(|v| bytes(*v)));
        out.write_all(&buffer)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_integers_in_range_are_labels() {
        assert_eq!(as_label(2.0), Some(2));
        assert_eq!(as_label(1.9995), Some(2));
        assert_eq!(as_label(-1.0), Some(-1));
        for bad in [0.5, 1.998, 32768.0, f64::NAN, f64::INFINITY] {
            assert_eq!(as_label(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_voxel_is_found_in_any_order_of_axes() {
        let block = Block {
            shape: [4, 3, 2, 1],
            axes: [3, 0, 1, 2],
            element: Element::U8,
            big_endian: false,
            scaling: None,
            geometry: Geometry::axis_aligned(nnunet_schema::Spacing::ISOTROPIC_1MM),
        };
        assert_eq!(block.voxel(6 + 2 + 1), [1, 1, 1]);
        assert_eq!(block.voxel(4 * 3 * 2 - 1), [3, 2, 1]);
        assert_eq!(block.bytes(), Some(24));
    }
}
