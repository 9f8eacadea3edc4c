use std::io::{self, Seek, Write};
use std::path::Path;

use nnunet_schema::{Spacing, atomic};
use tiff::TiffError;
use tiff::encoder::colortype::{
    ColorType, Gray8, Gray16, Gray32Float, GrayI16, RGB32Float, RGBA32Float,
};
use tiff::encoder::{Compression, DeflateLevel, TiffEncoder, TiffKind, TiffValue};

use crate::formats::directions::check_writable;
use crate::formats::sidecar;
use crate::formats::source::not_writable;
use crate::formats::voxels::Element;
use crate::{Geometry, Image, ImageError, LabelMap};

/// Offsets of a plain TIFF have 32 bits; what is more is written as BigTIFF. Leaves room for the
/// directories of the pages.
const MOST_PLAIN: u64 = 0xf000_0000;

pub(super) fn image(path: &Path, image: &Image) -> Result<(), ImageError> {
    let (channels, slices, height, width) = image.data.dim();
    if !matches!(channels, 1 | 3 | 4) {
        let problem =
            format!("it has {channels} channels, a TIFF has 1, 3 or 4: write one file each");
        return Err(not_writable(path, problem));
    }
    let stack = Stack {
        size: size(path, &image.geometry, [channels, slices, height, width])?,
        bytes: 4 * image.data.len() as u64,
        pages: || {
            let slices = image.data.view().permuted_axes([1, 2, 3, 0]);
            slices
                .into_outer_iter()
                .map(|slice| slice.iter().copied().collect::<Vec<f32>>())
        },
    };
    write_sidecar(path, slices, image.geometry.spacing)?;
    match channels {
        1 => stack.write::<Gray32Float>(path),
        3 => stack.write::<RGB32Float>(path),
        _ => stack.write::<RGBA32Float>(path),
    }
}

pub(super) fn labels(path: &Path, map: &LabelMap) -> Result<(), ImageError> {
    let (slices, height, width) = map.labels.dim();
    let size = size(path, &map.geometry, [1, slices, height, width])?;
    write_sidecar(path, slices, map.geometry.spacing)?;
    macro_rules! write_as {
        ($type:ty, $colour:ty) => {
            Stack {
                size,
                bytes: map.labels.len() as u64 * size_of::<$type>() as u64,
                pages: || {
                    let slices = map.labels.outer_iter();
                    slices.map(|slice| slice.iter().map(|v| *v as $type).collect::<Vec<$type>>())
                },
            }
            .write::<$colour>(path)
        };
    }
    match Element::of_labels(map) {
        Element::U8 => write_as!(u8, Gray8),
        Element::U16 => write_as!(u16, Gray16),
        _ => write_as!(i16, GrayI16),
    }
}

/// Width and height of the pages.
fn size(path: &Path, geometry: &Geometry, shape: [usize; 4]) -> Result<(u32, u32), ImageError> {
    check_writable(path, geometry, &shape)?;
    let [.., height, width] = shape;
    match (u32::try_from(width), u32::try_from(height)) {
        (Ok(width), Ok(height)) => Ok((width, height)),
        _ => {
            let problem = format!("its pages of {height}×{width} pixels are too large for a TIFF");
            Err(not_writable(path, problem))
        }
    }
}

/// A single page has its spacing by itself if that is what a reader takes it for.
fn write_sidecar(path: &Path, slices: usize, spacing: Spacing) -> Result<(), ImageError> {
    let read_back = sidecar::spacing(path)?;
    let usual = Geometry::planar_spacing(1.0, 1.0)?;
    if slices == 1 && read_back.is_none() && spacing == usual {
        return Ok(());
    }
    Ok(sidecar::write(path, spacing)?)
}

/// The pages of a file that is to be written; `pages` can be called again.
struct Stack<F> {
    size: (u32, u32),
    bytes: u64,
    pages: F,
}

impl<F, P, T> Stack<F>
where
    F: Fn() -> P,
    P: Iterator<Item = Vec<T>>,
    [T]: TiffValue,
{
    fn write<C: ColorType<Inner = T>>(&self, path: &Path) -> Result<(), ImageError> {
        atomic::write_with(path, |file| {
            let written = if self.bytes > MOST_PLAIN {
                TiffEncoder::new_big(file).and_then(|encoder| self.put::<C, _, _>(encoder))
            } else {
                TiffEncoder::new(file).and_then(|encoder| self.put::<C, _, _>(encoder))
            };
            written.map_err(|error| match error {
                TiffError::IoError(error) => error,
                other => io::Error::other(other.to_string()),
            })
        })?;
        Ok(())
    }

    fn put<C: ColorType<Inner = T>, W: Write + Seek, K: TiffKind>(
        &self,
        encoder: TiffEncoder<W, K>,
    ) -> Result<(), TiffError> {
        let mut encoder = encoder.with_compression(Compression::Deflate(DeflateLevel::Fast));
        let (width, height) = self.size;
        for page in (self.pages)() {
            encoder.write_image::<C>(width, height, &page)?;
        }
        Ok(())
    }
}
