//! TIFF: pages as slices (`.tif`, `.tiff`), with the spacing in a file beside them.

mod description;
mod read;
mod write;

use std::path::Path;

use super::ImageFormat;
use crate::{Image, ImageError, LabelMap};

/// Reader and writer of TIFF files.
///
/// * Pages are slices; the samples of a pixel are channels. Integers of 8 to 64 bits, and 32- and
///   64-bit floats are read, plain or compressed by deflate, LZW or PackBits. Thumbnails and masks
///   are passed over; pages of different sizes, ImageJ's and OME's stacks along several axes, and other
///   encodings are refused.
/// * The spacing comes from `CASE.json` beside the file (key `spacing`, mm, `(z, y, x)`; the same
///   file for all channels `CASE_0000.tif` …). Without one it is 1 mm for several slices, and
///   (999, 1, 1) for a single page, as in nnU-Net v2. It is written there as well, unless it is
///   that of a single page. Nothing else is kept of a geometry.
/// * Files are written compressed by deflate; those that would be larger than 4 GB as BigTIFF.
///   Images have 32-bit floats and 1, 3 or 4 channels.
#[derive(Clone, Copy, Debug, Default)]
pub struct TiffFormat;

impl ImageFormat for TiffFormat {
    fn endings(&self) -> &[&'static str] {
        &[".tif", ".tiff"]
    }

    /// Of stacks; for a `.tif` of one page nnU-Net v2 picks `NaturalImage2DIO`.
    fn reader_name(&self) -> &'static str {
        "Tiff3DIO"
    }

    fn read_image(&self, path: &Path) -> Result<Image, ImageError> {
        read::image(path)
    }

    fn read_labels(&self, path: &Path) -> Result<LabelMap, ImageError> {
        read::labels(path)
    }

    fn write_image(&self, path: &Path, image: &Image) -> Result<(), ImageError> {
        write::image(path, image)
    }

    fn write_labels(&self, path: &Path, labels: &LabelMap) -> Result<(), ImageError> {
        write::labels(path, labels)
    }
}
