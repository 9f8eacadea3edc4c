//! NRRD: a header of text, with the voxels behind it (`.nrrd`) or in a file of their own
//! (`.nhdr`).

mod axes;
mod header;
mod write;

use std::path::Path;

use super::ImageFormat;
use super::pair::Storage;
use crate::{Image, ImageError, LabelMap};

/// Reader and writer of NRRD files.
///
/// * Two or three axes in space, and at most one of channels, wherever it stands: the axis whose
///   kind is not one of space or time, or without a direction; the last of four if the header says
///   nothing of kinds. All integer types and 32- and 64-bit floats in either byte order are read,
///   raw or compressed by gzip.
/// * Spacings come from `space directions` or `spacings`, a negative one turns its axis around.
///   World axes are those of `space` where it names them (RAS and LAS are turned to LPS), and taken for LPS where not.
///   Directions that are not quite at right angles are replaced by those next to them.
/// * Other encodings (text, hex, bzip2) and voxels that are spread over several files are refused.
/// * Files are written compressed. The voxels of `NAME.nhdr` go to `NAME.raw.gz` beside it; the
///   header comes last, so that a header always has its voxels.
/// * A 2D file becomes a volume with one slice and the spacing of
///   [`Geometry::planar_spacing`](crate::Geometry::planar_spacing), and is written as 2D again.
#[derive(Clone, Copy, Debug)]
pub struct NrrdFormat {
    storage: Storage,
}

impl NrrdFormat {
    /// The format of `.nrrd`, which is one file.
    #[must_use]
    pub const fn attached() -> Self {
        Self {
            storage: Storage::Attached,
        }
    }

    /// The format of `.nhdr`, whose voxels are in another file.
    #[must_use]
    pub const fn detached() -> Self {
        Self {
            storage: Storage::Detached,
        }
    }
}

impl ImageFormat for NrrdFormat {
    fn endings(&self) -> &[&'static str] {
        match self.storage {
            Storage::Attached => &[".nrrd"],
            Storage::Detached => &[".nhdr"],
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
