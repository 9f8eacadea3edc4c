//! File formats: one trait, and a registry that finds the format by the ending of a file name.

mod directions;
mod metaimage;
mod nifti;
mod npy;
mod nrrd;
mod pair;
mod picture;
mod registry;
mod sidecar;
mod source;
mod text_header;
mod tiff;
mod voxels;

use std::fmt::Debug;
use std::path::Path;

use crate::{Image, ImageError, LabelMap};

pub use metaimage::MetaImageFormat;
pub use nifti::NiftiFormat;
pub(crate) use nifti::split_channels;
pub use npy::NpyFormat;
pub use nrrd::NrrdFormat;
pub use picture::{BmpFormat, PngFormat};
pub use registry::FormatRegistry;
pub(crate) use source::unsupported;
pub use tiff::TiffFormat;

/// A file format that images and label maps can be read from and written to.
///
/// Implementations reorder axes and convert world coordinates, so that callers see one
/// convention: `(channel, z, y, x)`, spacing in millimetres `(z, y, x)`, LPS world coordinates.
/// They check what a file says of itself before they allocate for it, and never panic on what
/// is in a file.
pub trait ImageFormat: Debug + Send + Sync {
    /// The file endings of the format, lower case, each with its leading dot.
    fn endings(&self) -> &[&'static str];

    /// The name of the class that reads such files in the Python program; goes into the plans as
    /// `image_reader_writer`.
    fn reader_name(&self) -> &'static str;

    /// Reads an image with all its channels.
    ///
    /// # Errors
    /// [`ImageError`] naming the file: not there, damaged, or of a kind that is not supported.
    fn read_image(&self, path: &Path) -> Result<Image, ImageError>;

    /// Reads a label map. Labels stored as floats are accepted if they are integers.
    ///
    /// # Errors
    /// As [`read_image`](Self::read_image); [`ImageError::LabelValue`] if a value is not an
    /// integer or not in the range of `i16`, [`ImageError::LabelChannels`] if there is more than
    /// one channel.
    fn read_labels(&self, path: &Path) -> Result<LabelMap, ImageError>;

    /// Writes an image with all its channels as 32-bit floats, atomically; formats of pictures,
    /// which have no floats, write the smallest integers that hold it.
    ///
    /// # Errors
    /// [`ImageError::NotWritable`] if the format cannot hold it, [`ImageError::Schema`] naming the
    /// file if writing fails.
    fn write_image(&self, path: &Path, image: &Image) -> Result<(), ImageError>;

    /// Writes a label map in the smallest integer type that nnU-Net v2 would choose, atomically.
    ///
    /// # Errors
    /// As [`write_image`](Self::write_image).
    fn write_labels(&self, path: &Path, labels: &LabelMap) -> Result<(), ImageError>;
}
