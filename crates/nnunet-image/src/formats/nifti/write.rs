//! Writing. The `nifti` crate's own writer is not used: it derives its file name from the one it
//! is given, and drops errors of the last bytes of an uncompressed file.

use std::io::{self, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use nifti::header::MAGIC_CODE_NIP1;
use nifti::{NiftiHeader, NiftiType};
use nnunet_schema::atomic;

use super::affine;
use crate::formats::directions::check_writable;
use crate::formats::source::not_writable;
use crate::formats::voxels::{Element, put_image, put_labels};
use crate::{Geometry, Image, ImageError, LabelMap};

/// Bytes before the voxels: the header, and four that say that there are no extensions.
const OFFSET: usize = 352;

pub(super) fn image(path: &Path, image: &Image, compress: bool) -> Result<(), ImageError> {
    let header = header(
        path,
        image.data.view().dim(),
        &image.geometry,
        NiftiType::Float32,
    )?;
    write(path, &header, compress, |out| {
        put_image(out, &image.data.view())
    })
}

pub(super) fn labels(path: &Path, map: &LabelMap, compress: bool) -> Result<(), ImageError> {
    let element = Element::of_labels(map);
    let datatype = match element {
        Element::U8 => NiftiType::Uint8,
        Element::U16 => NiftiType::Uint16,
        _ => NiftiType::Int16,
    };
    let (z, y, x) = map.labels.dim();
    let header = header(path, (1, z, y, x), &map.geometry, datatype)?;
    write(path, &header, compress, |out| put_labels(out, map, element))
}

/// The header of `(channel, z, y, x)` voxels: one channel is 3D (2D, if the geometry is that of a
/// 2D file), more are 4D.
fn header(
    path: &Path,
    shape: (usize, usize, usize, usize),
    geometry: &Geometry,
    datatype: NiftiType,
) -> Result<NiftiHeader, ImageError> {
    let (channels, z, y, x) = shape;
    let not_writable = |problem| not_writable(path, problem);
    let axis = |n: usize| {
        let n = u16::try_from(n)
            .ok()
            .filter(|n| (1..=i16::MAX as u16).contains(n));
        n.ok_or_else(|| {
            not_writable(format!(
                "NIfTI-1 holds 1 to 32767 voxels along an axis, this is {z}×{y}×{x} with \
                 {channels} channels"
            ))
        })
    };
    check_writable(path, geometry, &[])?;
    let axes = match (channels, z) {
        (1, 1) if geometry.is_planar() => 2,
        (1, _) => 3,
        _ => 4,
    };
    let mut header = NiftiHeader {
        dim: [axes, axis(x)?, axis(y)?, axis(z)?, axis(channels)?, 1, 1, 1],
        datatype: datatype as i16,
        bitpix: (datatype.size_of() * 8) as i16,
        vox_offset: OFFSET as f32,
        scl_slope: 1.0,
        magic: *MAGIC_CODE_NIP1,
        ..NiftiHeader::default()
    };
    affine::describe(geometry, &mut header);
    Ok(header)
}

fn write(
    path: &Path,
    header: &NiftiHeader,
    compress: bool,
    voxels: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), ImageError> {
    atomic::write_with(path, |file| {
        if compress {
            let mut file = GzEncoder::new(file, Compression::fast());
            file.write_all(&encode(header))?;
            voxels(&mut file)?;
            file.finish().map(|_| ())
        } else {
            file.write_all(&encode(header))?;
            voxels(file)
        }
    })?;
    Ok(())
}

/// The header as it lies in the file, little-endian.
fn encode(h: &NiftiHeader) -> Vec<u8> {
    let mut out = Vec::with_capacity(OFFSET);
    macro_rules! put {
        ($($value:expr),+ $(,)?) => {{ $( out.extend_from_slice(&$value.to_le_bytes()); )+ }};
    }
    put!(h.sizeof_hdr);
    out.extend_from_slice(&h.data_type);
    out.extend_from_slice(&h.db_name);
    put!(h.extents, h.session_error, h.regular, h.dim_info);
    h.dim.iter().for_each(|v| put!(v));
    put!(h.intent_p1, h.intent_p2, h.intent_p3, h.intent_code);
    put!(h.datatype, h.bitpix, h.slice_start);
    h.pixdim.iter().for_each(|v| put!(v));
    put!(h.vox_offset, h.scl_slope, h.scl_inter);
    put!(h.slice_end, h.slice_code, h.xyzt_units);
    put!(h.cal_max, h.cal_min, h.slice_duration, h.toffset);
    put!(h.glmax, h.glmin);
    out.extend(h.descrip.iter().copied().chain([0; 80]).take(80));
    out.extend_from_slice(&h.aux_file);
    put!(h.qform_code, h.sform_code);
    put!(h.quatern_b, h.quatern_c, h.quatern_d);
    put!(h.quatern_x, h.quatern_y, h.quatern_z);
    for row in [h.srow_x, h.srow_y, h.srow_z] {
        row.iter().for_each(|v| put!(v));
    }
    out.extend_from_slice(&h.intent_name);
    out.extend_from_slice(&h.magic);
    out.resize(OFFSET, 0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_header_is_parsed_back() {
        let shape = (1, 2, 3, 4);
        let geometry = Geometry::axis_aligned(nnunet_schema::Spacing::ISOTROPIC_1MM);
        let written = header(Path::new("a.nii"), shape, &geometry, NiftiType::Int16).unwrap();
        let bytes = encode(&written);
        assert_eq!(bytes.len(), OFFSET);
        let mut read = NiftiHeader::from_reader(bytes.as_slice()).unwrap();
        read.endianness = written.endianness;
        assert_eq!(read, written);
    }
}
