//! NIfTI-1 in one file, plain (`.nii`) or compressed (`.nii.gz`).
//!
//! The header is parsed by the `nifti` crate. The voxels are read here: in one pass, straight into
//! the type that is wanted, after comparing what the header claims with the size of the file.

mod affine;
mod header;
mod split;
mod write;

use std::path::Path;

use super::ImageFormat;
use crate::{Image, ImageError, LabelMap};

pub(crate) use split::split_channels;

/// Reader and writer of NIfTI-1 files.
///
/// * Files are 2D, 3D or 4D with the channels on the fourth axis. All integer types and 32- and
///   64-bit floats in either byte order are read, with `scl_slope` and `scl_inter` applied. Colour,
///   complex and 128-bit types are refused.
/// * Whether a file is compressed is seen from its first bytes, whatever its name says.
/// * The spacing is `pixdim`, its sign dropped. Origin and direction come from the sform if it is
///   set, else from the qform, else they are axis aligned; a direction that is not quite
///   orthonormal is replaced by the orthonormal one next to it.
/// * A 2D file becomes a volume with one slice and the spacing of
///   [`Geometry::planar_spacing`](crate::Geometry::planar_spacing), and is written as 2D again.
#[derive(Clone, Copy, Debug)]
pub struct NiftiFormat {
    compress: bool,
}

impl NiftiFormat {
    /// The format of `.nii`, which is written uncompressed.
    #[must_use]
    pub const fn plain() -> Self {
        Self { compress: false }
    }

    /// The format of `.nii.gz`, which is written compressed.
    #[must_use]
    pub const fn compressed() -> Self {
        Self { compress: true }
    }
}

impl ImageFormat for NiftiFormat {
    fn endings(&self) -> &[&'static str] {
        if self.compress {
            &[".nii.gz"]
        } else {
            &[".nii"]
        }
    }

    /// What nnU-Net v2 picks by itself for the two endings.
    fn reader_name(&self) -> &'static str {
        if self.compress {
            "SimpleITKIO"
        } else {
            "NibabelIO"
        }
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
        write::image(path, image, self.compress)
    }

    fn write_labels(&self, path: &Path, labels: &LabelMap) -> Result<(), ImageError> {
        write::labels(path, labels, self.compress)
    }
}
