use std::path::Path;

use nifti::{Endianness, NiftiHeader, NiftiType};

use super::affine;
use super::source::Source;
use crate::{Geometry, ImageError};

/// Bytes of the header itself; voxels never start before.
const HEADER_BYTES: usize = 348;
/// Where the voxels start in a file that doesn't say so.
const USUAL_OFFSET: u64 = 352;

/// What a reader of voxels needs to know, checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) channels: usize,
    /// `(z, y, x)`.
    pub(super) voxels: [usize; 3],
    pub(super) datatype: NiftiType,
    pub(super) big_endian: bool,
    /// `(slope, intercept)`, if values are to be scaled.
    pub(super) scaling: Option<(f64, f64)>,
    pub(super) geometry: Geometry,
    /// Number of values in all channels.
    pub(super) values: usize,
}

impl Header {
    /// Shape of the array: `(channel, z, y, x)`.
    pub(super) const fn shape(&self) -> (usize, usize, usize, usize) {
        let [z, y, x] = self.voxels;
        (self.channels, z, y, x)
    }
}

/// Opens a file and leaves the source at its first voxel.
pub(super) fn open(path: &Path) -> Result<(Header, Source), ImageError> {
    let mut source = Source::open(path)?;
    let mut bytes = [0; HEADER_BYTES];
    source.fill(&mut bytes, "within its header")?;
    let raw = NiftiHeader::from_reader(bytes.as_slice())
        .map_err(|_| source.damaged("it has no NIfTI-1 header".into()))?;
    let (header, offset) = check(&raw, &source)?;
    source.skip(offset - HEADER_BYTES as u64)?;
    Ok((header, source))
}

fn check(raw: &NiftiHeader, source: &Source) -> Result<(Header, u64), ImageError> {
    check_kind(raw, source)?;
    let datatype = raw.data_type().map_err(|_| {
        source.damaged(format!(
            "its data type has the unknown code {}",
            raw.datatype
        ))
    })?;
    if let Some(what) = unsupported_type(datatype) {
        return Err(unsupported(
            source,
            format!("it holds {what}, expected integers or 32- or 64-bit floats: convert it first"),
        ));
    }
    let (planar, [nx, ny, nz, channels]) = dimensions(raw, source)?;
    let too_large = || source.damaged(format!("its dimensions {:?} are too large", &raw.dim[1..]));
    let values = [nx, ny, nz, channels]
        .into_iter()
        .try_fold(1_usize, usize::checked_mul)
        .ok_or_else(too_large)?;
    let offset = voxel_offset(raw, source)?;
    let bytes = values
        .checked_mul(datatype.size_of())
        .and_then(|bytes| offset.checked_add(bytes as u64))
        .ok_or_else(too_large)?;
    source.check_size(bytes)?;
    let header = Header {
        channels,
        voxels: [nz, ny, nx],
        datatype,
        big_endian: raw.endianness == Endianness::Big,
        scaling: scaling(raw),
        geometry: affine::geometry(raw, planar).map_err(|e| source.damaged(e.to_string()))?,
        values,
    };
    Ok((header, offset))
}

fn check_kind(raw: &NiftiHeader, source: &Source) -> Result<(), ImageError> {
    if raw.sizeof_hdr != HEADER_BYTES as i32 {
        return Err(source.damaged(format!(
            "its header claims {} bytes, a NIfTI-1 header has {HEADER_BYTES}",
            raw.sizeof_hdr
        )));
    }
    if &raw.magic == nifti::header::MAGIC_CODE_NI1 {
        return Err(unsupported(
            source,
            "its voxels are in another file (.hdr and .img): convert the pair to one .nii".into(),
        ));
    }
    Ok(())
}

/// Whether the file is 2D, and its dimensions `(x, y, z, channel)`.
fn dimensions(raw: &NiftiHeader, source: &Source) -> Result<(bool, [usize; 4]), ImageError> {
    let given = raw
        .dim()
        .map_err(|error| source.damaged(error.to_string()))?;
    if let Some(large) = given.iter().find(|n| **n > i16::MAX as u16) {
        // The field is a signed short.
        return Err(source.damaged(format!("its dimensions {given:?} hold {large}")));
    }
    let (used, rest) = given.split_at(given.len().min(4));
    if used.len() < 2 || rest.iter().any(|n| *n != 1) {
        return Err(unsupported(
            source,
            format!("its dimensions are {given:?}, expected 2, 3, or 4 with the channels last"),
        ));
    }
    let mut dimensions = [1; 4];
    for (dimension, n) in dimensions.iter_mut().zip(used) {
        *dimension = usize::from(*n);
    }
    Ok((used.len() == 2, dimensions))
}

/// Where the voxels start; the field is a float.
fn voxel_offset(raw: &NiftiHeader, source: &Source) -> Result<u64, ImageError> {
    let offset = raw.vox_offset;
    if offset == 0.0 {
        return Ok(USUAL_OFFSET);
    }
    if !(offset >= HEADER_BYTES as f32 && offset <= u32::MAX as f32) {
        return Err(source.damaged(format!("its voxels are said to start at byte {offset}")));
    }
    Ok(offset as u64)
}

/// A slope of zero means that there is no scaling.
fn scaling(raw: &NiftiHeader) -> Option<(f64, f64)> {
    let (slope, intercept) = (f64::from(raw.scl_slope), f64::from(raw.scl_inter));
    let scales = slope.is_finite()
        && intercept.is_finite()
        && slope != 0.0
        && (slope, intercept) != (1.0, 0.0);
    scales.then_some((slope, intercept))
}

fn unsupported_type(datatype: NiftiType) -> Option<&'static str> {
    match datatype {
        NiftiType::Rgb24 | NiftiType::Rgba32 => Some("colours (RGB)"),
        NiftiType::Complex64 | NiftiType::Complex128 | NiftiType::Complex256 => {
            Some("complex numbers")
        }
        NiftiType::Float128 => Some("128-bit floats"),
        _ => None,
    }
}

fn unsupported(source: &Source, problem: String) -> ImageError {
    ImageError::Unsupported {
        path: source.path().to_path_buf(),
        problem,
    }
}
