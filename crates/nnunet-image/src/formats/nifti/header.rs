use std::path::Path;

use nifti::{Endianness, NiftiHeader, NiftiType};

use super::affine;
use crate::ImageError;
use crate::formats::source::{Source, unsupported};
use crate::formats::voxels::{Block, Element};

/// Bytes of the header itself; voxels never start before.
pub(super) const HEADER_BYTES: usize = 348;
/// Where the voxels start in a file that doesn't say so.
const USUAL_OFFSET: u64 = 352;

/// Opens a file and leaves the source at its first voxel.
pub(super) fn open(path: &Path) -> Result<(Block, Source), ImageError> {
    let (_, block, source) = open_raw(path)?;
    Ok((block, source))
}

/// As [`open`], with the bytes of the header.
pub(super) fn open_raw(path: &Path) -> Result<([u8; HEADER_BYTES], Block, Source), ImageError> {
    let mut source = Source::open(path)?;
    let mut bytes = [0; HEADER_BYTES];
    source.fill(&mut bytes, "within its header")?;
    let raw = NiftiHeader::from_reader(bytes.as_slice())
        .map_err(|_| source.damaged("it has no NIfTI-1 header".into()))?;
    let (block, offset) = check(&raw, &source)?;
    source.skip(offset - HEADER_BYTES as u64)?;
    Ok((bytes, block, source))
}

fn check(raw: &NiftiHeader, source: &Source) -> Result<(Block, u64), ImageError> {
    check_kind(raw, source)?;
    let datatype = raw.data_type().map_err(|_| {
        source.damaged(format!(
            "its data type has the unknown code {}",
            raw.datatype
        ))
    })?;
    let element = element(datatype).map_err(|what| {
        let problem =
            format!("it holds {what}, expected integers or 32- or 64-bit floats: convert it first");
        unsupported(source.path(), problem)
    })?;
    let (planar, [nx, ny, nz, channels]) = dimensions(raw, source)?;
    let block = Block {
        shape: [channels, nz, ny, nx],
        axes: [0, 1, 2, 3],
        element,
        big_endian: raw.endianness == Endianness::Big,
        scaling: scaling(raw),
        geometry: affine::geometry(raw, planar).map_err(|e| source.damaged(e.to_string()))?,
    };
    let offset = voxel_offset(raw, source)?;
    let bytes = (block.bytes())
        .and_then(|bytes| offset.checked_add(bytes))
        .ok_or_else(|| {
            source.damaged(format!("its dimensions {:?} are too large", &raw.dim[1..]))
        })?;
    source.check_size(bytes)?;
    Ok((block, offset))
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
            source.path(),
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
            source.path(),
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

/// The type of the values, or what they are instead of numbers.
const fn element(datatype: NiftiType) -> Result<Element, &'static str> {
    Ok(match datatype {
        NiftiType::Uint8 => Element::U8,
        NiftiType::Int8 => Element::I8,
        NiftiType::Uint16 => Element::U16,
        NiftiType::Int16 => Element::I16,
        NiftiType::Uint32 => Element::U32,
        NiftiType::Int32 => Element::I32,
        NiftiType::Uint64 => Element::U64,
        NiftiType::Int64 => Element::I64,
        NiftiType::Float32 => Element::F32,
        NiftiType::Float64 => Element::F64,
        NiftiType::Float128 => return Err("128-bit floats"),
        NiftiType::Rgb24 | NiftiType::Rgba32 => return Err("colours (RGB)"),
        NiftiType::Complex64 | NiftiType::Complex128 | NiftiType::Complex256 => {
            return Err("complex numbers");
        }
    })
}
