//! MetaImage: a header of text, with the voxels behind it (`.mha`) or in a file of their own
//! (`.mhd`).

mod header;
mod write;

use std::path::Path;

use super::ImageFormat;
use super::pair::Storage;
use crate::{Image, ImageError, LabelMap};

/// Reader and writer of MetaImage files.
///
/// * Files are 2D, 3D, or 4D with the channels on the last axis; channels may also be side by
///   side in each voxel (`ElementNumberOfChannels`), which is how they are written. All integer
///   types and 32- and 64-bit floats in either byte order are read, plain or compressed by zlib.
/// * `Offset`, `TransformMatrix` and `ElementSpacing` mean what they mean to ITK: LPS, each row of
///   the matrix the direction of one axis. A negative spacing turns its axis
///   around; a matrix that is not
///   quite orthonormal is replaced by the orthonormal one next to it.
/// * Voxels that are spread over several files (`LIST`, patterns), or written as text, are refused.
/// * Files are written compressed. The voxels of `NAME.mhd` go to `NAME.zraw` beside it; the
///   header comes last, so that a header always has its voxels.
/// * A 2D file becomes a volume with one slice and the spacing of
///   [`Geometry::planar_spacing`](crate::Geometry::planar_spacing), and is written as 2D again.
#[derive(Clone, Copy, Debug)]
pub struct MetaImageFormat {
    storage: Storage,
}

impl MetaImageFormat {
    /// The format of `.mha`, which is one file.
    #[must_use]
    pub const fn attached() -> Self {
        Self {
            storage: Storage::Attached,
        }
    }

    /// The format of `.mhd`, whose voxels are in another file.
    #[must_use]
    pub const fn detached() -> Self {
        Self {
            storage: Storage::Detached,
        }
    }
}

impl ImageFormat for MetaImageFormat {
    fn endings(&self) -> &[&'static str] {
        match self.storage {
            Storage::Attached => &[".mha"],
            Storage::Detached => &[".mhd"],
        }
    }

    fn reader_name(&self) -> &'static str {
        "SimpleITKIO"
    }

    fn read_image(&self, path: &Path) -> Result<Image, ImageError> {
        let (block, mut source) = header::open(path)?;
        block.image(&mut source)
    }

    fn read_labels(&self, path: &Path) -> Result<LabelMap, ImageError> {
        let (block, mut source) = header::open(path)?;
        block.labels(&mut source)
    }

    fn write_image(&self, path: &Path, image: &Image) -> Result<(), ImageError> {
        write::image(path, image, self.storage)
    }

    fn write_labels(&self, path: &Path, labels: &LabelMap) -> Result<(), ImageError> {
        write::labels(path, labels, self.storage)
    }
}
