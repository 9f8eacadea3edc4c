//! NIfTI-1 in one file, plain (`.nii`) or compressed (`.nii.gz`).
//!
//! The header is parsed and files are written by the `nifti` crate. The voxels are read here: in
//! one pass, straight into the type that is wanted, after comparing what the header claims with
//! the size of the file.

mod affine;
mod header;
mod source;
mod voxels;
mod write;

use std::path::Path;

use ndarray::{Array3, Array4};

use super::ImageFormat;
use crate::{Image, ImageError, LabelMap};

/// How far a label that is stored as a float may be from an integer.
const LABEL_TOLERANCE: f64 = 1e-3;

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
        let (header, mut source) = header::open(path)?;
        let values = voxels::read(&mut source, &header, |_, value| Ok(value as f32))?;
        let data = Array4::from_shape_vec(header.shape(), values)
            .map_err(|error| source.damaged(error.to_string()))?;
        Ok(Image {
            data,
            geometry: header.geometry,
        })
    }

    fn read_labels(&self, path: &Path) -> Result<LabelMap, ImageError> {
        let (header, mut source) = header::open(path)?;
        if header.channels != 1 {
            return Err(ImageError::LabelChannels {
                path: path.to_path_buf(),
                channels: header.channels,
            });
        }
        let [nz, ny, nx] = header.voxels;
        let labels = voxels::read(&mut source, &header, |index, value| {
            as_label(value).ok_or_else(|| ImageError::LabelValue {
                path: path.to_path_buf(),
                voxel: [index / (ny * nx), index / nx % ny, index % nx],
                value,
            })
        })?;
        let labels = Array3::from_shape_vec((nz, ny, nx), labels)
            .map_err(|error| source.damaged(error.to_string()))?;
        Ok(LabelMap {
            labels,
            geometry: header.geometry,
        })
    }

    fn write_image(&self, path: &Path, image: &Image) -> Result<(), ImageError> {
        write::image(path, image, self.compress)
    }

    fn write_labels(&self, path: &Path, labels: &LabelMap) -> Result<(), ImageError> {
        write::labels(path, labels, self.compress)
    }
}

fn as_label(value: f64) -> Option<i16> {
    let nearest = value.round();
    // Written so that NaN is refused.
    let is_label = (value - nearest).abs() <= LABEL_TOLERANCE
        && (f64::from(i16::MIN)..=f64::from(i16::MAX)).contains(&nearest);
    is_label.then_some(nearest as i16)
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
}
