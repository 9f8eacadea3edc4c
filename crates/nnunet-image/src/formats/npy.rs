//! NumPy's own format (`.npy`).

use std::io::Write;
use std::path::Path;

use nnunet_schema::{Spacing, atomic};

use super::directions::check_writable;
use super::source::{OpenFile, Packing, Source, damaged, unsupported};
use super::text_header::shown;
use super::voxels::{Block, Element, put_image, put_labels};
use super::{ImageFormat, sidecar};
use crate::{Geometry, Image, ImageError, LabelMap};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// The header's length is a multiple of this.
const ALIGNMENT: usize = 64;
/// The longest header that makes sense: real ones have some hundred bytes.
const MOST_HEADER: usize = 1 << 16;

/// Reader and writer of NumPy arrays.
///
/// * Arrays are `(y, x)`, `(z, y, x)` or `(channel, z, y, x)`, in C or Fortran order, of any
///   integer type, booleans, or 32- and 64-bit floats in either byte order.
/// * The spacing comes from `CASE.json` beside the array (key `spacing`, mm, `(z, y, x)`; the
///   same file for all channels `CASE_0000.npy` …), else it is 1 mm, or that of a picture,
///   (999, 1, 1), for a 2D array. It is written there as well. Nothing else is kept of a geometry.
/// * The Python program has no reader for them.
#[derive(Clone, Copy, Debug, Default)]
pub struct NpyFormat;

impl ImageFormat for NpyFormat {
    fn endings(&self) -> &[&'static str] {
        &[".npy"]
    }

    /// No class of the Python program: there is none for this format.
    fn reader_name(&self) -> &'static str {
        "NumpyIO"
    }

    fn read_image(&self, path: &Path) -> Result<Image, ImageError> {
        let (block, mut source) = open(path)?;
        block.image(&mut source)
    }

    fn read_labels(&self, path: &Path) -> Result<LabelMap, ImageError> {
        let (block, mut source) = open(path)?;
        block.labels(&mut source)
    }

    fn write_image(&self, path: &Path, image: &Image) -> Result<(), ImageError> {
        let (channels, z, y, x) = image.data.dim();
        let shape = [channels, z, y, x];
        let first = if channels == 1 { 1 } else { 0 };
        write(
            path,
            &shape[first..],
            &image.geometry,
            Element::F32,
            |out| put_image(out, &image.data.view()),
        )
    }

    fn write_labels(&self, path: &Path, labels: &LabelMap) -> Result<(), ImageError> {
        let (z, y, x) = labels.labels.dim();
        let element = Element::of_labels(labels);
        write(path, &[z, y, x], &labels.geometry, element, |out| {
            put_labels(out, labels, element)
        })
    }
}

/// Opens a file and leaves the source at its first voxel.
fn open(path: &Path) -> Result<(Block, Source), ImageError> {
    let mut file = OpenFile::open(path)?;
    let header = header(&mut file)?;
    let bad = |problem: &str| damaged(path, format!("{problem}, its header is {}", shown(&header)));
    let descr = field(&header, "descr").and_then(|v| v.strip_prefix(['\'', '"']));
    let Some((descr, _)) = descr.and_then(|v| v.split_once(['\'', '"'])) else {
        let problem = format!(
            "its values are no plain numbers (`{}`), expected integers or 32- or 64-bit floats",
            shown(field(&header, "descr").unwrap_or_default())
        );
        return Err(unsupported(path, problem));
    };
    let Some((element, big_endian)) = element(descr) else {
        let problem = format!(
            "its values are `{}`, expected integers or 32- or 64-bit floats: convert it first",
            shown(descr)
        );
        return Err(unsupported(path, problem));
    };
    let fortran = match field(&header, "fortran_order") {
        Some(value) if value.starts_with("True") => true,
        Some(value) if value.starts_with("False") => false,
        _ => return Err(bad("it does not say the order of its axes")),
    };
    let given = shape(&header).ok_or_else(|| bad("it does not say its shape"))?;
    if !(2..=4).contains(&given.len()) {
        let problem =
            format!("its shape is {given:?}, expected (y, x), (z, y, x) or (channel, z, y, x)");
        return Err(unsupported(path, problem));
    }
    let mut shape = [1; 4];
    for (to, from) in shape.iter_mut().rev().zip(given.iter().rev()) {
        *to = *from;
    }
    let mut axes = [0, 1, 2, 3];
    if fortran {
        shape.reverse();
        axes.reverse();
    }
    let usual = if given.len() == 2 {
        Geometry::planar_spacing(1.0, 1.0)?
    } else {
        Spacing::ISOTROPIC_1MM
    };
    let block = Block {
        shape,
        axes,
        element,
        big_endian,
        scaling: None,
        geometry: Geometry::axis_aligned(sidecar::spacing(path)?.unwrap_or(usual)),
    };
    let bytes = block
        .bytes()
        .ok_or_else(|| bad("it has no size of an image"))?;
    let source = file.rest(Packing::Plain);
    source.check_size(bytes)?;
    Ok((block, source))
}

/// The text between the magic number and the values: a Python dictionary.
fn header(file: &mut OpenFile) -> Result<String, ImageError> {
    let mut start = [0; 8];
    file.fill(&mut start)?;
    let (magic, version) = start.split_at(MAGIC.len());
    if magic != MAGIC {
        let problem = "it has no NumPy header: expected an array saved by numpy.save".to_owned();
        return Err(damaged(file.path(), problem));
    }
    let length = if version.first() == Some(&1) {
        let mut length = [0; 2];
        file.fill(&mut length)?;
        u16::from_le_bytes(length).into()
    } else {
        let mut length = [0; 4];
        file.fill(&mut length)?;
        u32::from_le_bytes(length) as usize
    };
    if length > MOST_HEADER {
        let problem = format!("its header claims {length} bytes, more than {MOST_HEADER}");
        return Err(damaged(file.path(), problem));
    }
    let mut text = vec![0; length];
    file.fill(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// What follows a key of the dictionary.
fn field<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let quoted = [format!("'{key}'"), format!("\"{key}\"")];
    let (_, rest) = quoted
        .iter()
        .find_map(|key| header.split_once(key.as_str()))?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

fn shape(header: &str) -> Option<Vec<usize>> {
    let (inside, _) = field(header, "shape")?.strip_prefix('(')?.split_once(')')?;
    let axes = inside.split(',').map(str::trim).filter(|n| !n.is_empty());
    axes.map(|n| n.parse().ok()).collect()
}

/// `<f4`: the byte order, the kind of number, and its bytes.
fn element(descr: &str) -> Option<(Element, bool)> {
    let (order, kind) = descr.split_at_checked(1)?;
    let element = match kind {
        "u1" | "b1" => Element::U8,
        "i1" => Element::I8,
        "u2" => Element::U16,
        "i2" => Element::I16,
        "u4" => Element::U32,
        "i4" => Element::I32,
        "u8" => Element::U64,
        "i8" => Element::I64,
        "f4" => Element::F32,
        "f8" => Element::F64,
        _ => return None,
    };
    match order {
        "<" | "|" | "=" => Some((element, false)),
        ">" => Some((element, true)),
        _ => None,
    }
}

fn write(
    path: &Path,
    shape: &[usize],
    geometry: &Geometry,
    element: Element,
    voxels: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), ImageError> {
    check_writable(path, geometry, shape)?;
    let descr = match element {
        Element::U8 => "|u1",
        Element::U16 => "<u2",
        Element::I16 => "<i2",
        _ => "<f4",
    };
    let axes: Vec<String> = shape.iter().map(usize::to_string).collect();
    let mut header = format!(
        "{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}",
        axes.join(", ")
    );
    let start = MAGIC.len() + 4;
    let padding = ALIGNMENT - (start + header.len() + 1) % ALIGNMENT;
    header.extend(std::iter::repeat_n(' ', padding % ALIGNMENT));
    header.push('\n');
    // The shape of such a header is that of an image, so its length fits.
    let length = (header.len() as u16).to_le_bytes();
    sidecar::write(path, geometry.spacing)?;
    atomic::write_with(path, |file| {
        file.write_all(MAGIC)?;
        file.write_all(&[1, 0])?;
        file.write_all(&length)?;
        file.write_all(header.as_bytes())?;
        voxels(file)
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_however_they_are_spelt() {
        let text = "{'descr': '>i2', 'fortran_order': True, 'shape': (3, 4, 5), }   \n";
        assert_eq!(shape(text), Some(vec![3, 4, 5]));
        assert!(field(text, "fortran_order").unwrap().starts_with("True"));
        assert_eq!(shape("{\"shape\":(7,)}"), Some(vec![7]));
        assert_eq!(shape("{'shape': (7, -1)}"), None);
        assert_eq!(element(">i2"), Some((Element::I16, true)));
        assert_eq!(element("|b1"), Some((Element::U8, false)));
        assert_eq!(element("<f2"), None);
        assert_eq!(element("<c8"), None);
    }
}
