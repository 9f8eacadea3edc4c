use std::fs;
use std::io::Write;
use std::path::Path;

use nnunet_schema::atomic;

use super::{Palette, Picture};
use crate::ImageError;
use crate::formats::source::{damaged, io_error, not_writable, unsupported};

/// Bytes of the header of the file, before that of the picture.
const FILE_HEADER: usize = 14;
/// How pixels are stored: as they are, or as they are with masks that say where each colour is.
const RGB: u32 = 0;
const BIT_FIELDS: u32 = 3;
const ALPHA_BIT_FIELDS: u32 = 6;

/// The bytes of a file; what is beyond their end reads as an error.
#[derive(Clone, Copy)]
struct Bytes<'a> {
    bytes: &'a [u8],
    path: &'a Path,
}

impl Bytes<'_> {
    fn at<const N: usize>(&self, offset: usize) -> Result<[u8; N], ImageError> {
        let found = self.bytes.get(offset..).and_then(|rest| rest.first_chunk());
        found
            .copied()
            .ok_or_else(|| damaged(self.path, "it ends early, within its header".to_owned()))
    }

    fn u16(&self, offset: usize) -> Result<u16, ImageError> {
        self.at(offset).map(u16::from_le_bytes)
    }

    fn u32(&self, offset: usize) -> Result<u32, ImageError> {
        self.at(offset).map(u32::from_le_bytes)
    }
}

/// What the header says.
#[derive(Debug)]
struct Header {
    width: usize,
    height: usize,
    top_down: bool,
    bits: u16,
    /// Where the pixels start.
    offset: usize,
    /// Red, green, blue.
    palette: Vec<[u8; 3]>,
    /// Which byte of a pixel holds red, green, blue and, if there is one, alpha.
    channels: Vec<usize>,
}

pub(super) fn read(path: &Path, palette: Palette) -> Result<Picture, ImageError> {
    let bytes = fs::read(path).map_err(io_error("open", path))?;
    let header = Header::parse(Bytes {
        bytes: &bytes,
        path,
    })?;
    // Rows are padded to four bytes.
    let stride = (header.width)
        .checked_mul(usize::from(header.bits))
        .map(|bits| bits.div_ceil(32) * 4);
    let needed = stride.and_then(|stride| stride.checked_mul(header.height));
    let pixels = needed.zip(bytes.get(header.offset..));
    let Some((pixels, stride)) = pixels
        .and_then(|(needed, rest)| rest.get(..needed))
        .zip(stride)
    else {
        return Err(damaged(
            path,
            format!(
                "its header asks for {}×{} pixels of {} bits, the file has {} bytes",
                header.height,
                header.width,
                header.bits,
                bytes.len()
            ),
        ));
    };
    let mut rows: Vec<&[u8]> = pixels.chunks_exact(stride).collect();
    if !header.top_down {
        rows.reverse();
    }
    let (channels, samples) = if header.bits <= 8 {
        header.indexed(&rows, palette, path)?
    } else {
        (header.channels.len(), header.coloured(&rows))
    };
    Ok(Picture {
        height: header.height,
        width: header.width,
        channels,
        samples,
        wide: false,
    })
}

impl Header {
    fn parse(file: Bytes<'_>) -> Result<Self, ImageError> {
        if !file.bytes.starts_with(b"BM") {
            return Err(damaged(file.path, "it has no BMP header".to_owned()));
        }
        let offset = file.u32(10)? as usize;
        let size = file.u32(14)? as usize;
        // The oldest kind of header has shorter fields.
        let core = size == 12;
        if !core && size < 40 {
            let problem = format!("its header claims {size} bytes, expected 12 or at least 40");
            return Err(damaged(file.path, problem));
        }
        let (width, height, bits) = if core {
            let (width, height) = (i32::from(file.u16(18)?), i32::from(file.u16(20)?));
            (width, height, file.u16(24)?)
        } else {
            let (width, height) = (file.u32(18)? as i32, file.u32(22)? as i32);
            (width, height, file.u16(28)?)
        };
        let compression = if core { RGB } else { file.u32(30)? };
        if width <= 0 || height == 0 {
            let problem = format!("its size is {height}×{width} pixels");
            return Err(damaged(file.path, problem));
        }
        let masked = matches!(compression, BIT_FIELDS | ALPHA_BIT_FIELDS);
        let plain = compression == RGB && matches!(bits, 1 | 4 | 8 | 24 | 32);
        if !(plain || masked && bits == 32) {
            let problem = format!(
                "it has {bits} bits per pixel in the encoding {compression}, expected 1, 4, 8, 24 \
                 or 32, not compressed: convert it to .png"
            );
            return Err(unsupported(file.path, problem));
        }
        let channels = match bits {
            // Blue comes first.
            _ if !masked => vec![2, 1, 0],
            _ => Self::masks(file, size, compression)?,
        };
        Ok(Self {
            width: width as usize,
            height: height.unsigned_abs() as usize,
            top_down: height < 0,
            bits,
            offset,
            palette: if bits <= 8 {
                Self::palette(file, size, offset, bits)?
            } else {
                Vec::new()
            },
            channels,
        })
    }

    /// The bytes that masks stand for.
    fn masks(file: Bytes<'_>, size: usize, compression: u32) -> Result<Vec<usize>, ImageError> {
        // They follow a header of 40 bytes, and are part of a longer one.
        let has_alpha = size >= 56 || compression == ALPHA_BIT_FIELDS;
        let mut channels = Vec::new();
        for i in 0..if has_alpha { 4 } else { 3 } {
            let mask = file.u32(54 + 4 * i)?;
            match mask {
                0x0000_00ff => channels.push(0),
                0x0000_ff00 => channels.push(1),
                0x00ff_0000 => channels.push(2),
                0xff00_0000 => channels.push(3),
                0 if i == 3 => {}
                other => {
                    let problem = format!(
                        "its colour mask {i} is {other:08x}, expected one byte: convert it to .png"
                    );
                    return Err(unsupported(file.path, problem));
                }
            }
        }
        Ok(channels)
    }

    fn palette(
        file: Bytes<'_>,
        size: usize,
        offset: usize,
        bits: u16,
    ) -> Result<Vec<[u8; 3]>, ImageError> {
        let (entry, used) = if size == 12 {
            (3, 0)
        } else {
            (4, file.u32(46)? as usize)
        };
        let all = 1_usize << bits;
        let wanted = if used == 0 { all } else { used.min(all) };
        let start = FILE_HEADER.saturating_add(size);
        // A palette may be cut short by the pixels.
        let there = offset.saturating_sub(start) / entry;
        let colour = |i: usize| {
            let [blue, green, red] = file.at(start.saturating_add(i * entry))?;
            Ok([red, green, blue])
        };
        (0..wanted.min(there)).map(colour).collect()
    }

    /// Pixels that are indices into the palette: their colours, which are grey if all of the
    /// palette is, or the indices themselves.
    fn indexed(
        &self,
        rows: &[&[u8]],
        palette: Palette,
        path: &Path,
    ) -> Result<(usize, Vec<u16>), ImageError> {
        let per_byte = usize::from(8 / self.bits);
        let mask = 0xff_u8 >> (8 - self.bits);
        let index = |row: &[u8], x: usize| {
            let byte = row.get(x / per_byte).copied().unwrap_or(0);
            let shift = (per_byte - 1 - x % per_byte) * usize::from(self.bits);
            (byte >> shift) & mask
        };
        let grey = self.palette.iter().all(|[r, g, b]| r == g && g == b);
        let channels = match palette {
            Palette::Colours if !grey => 3,
            _ => 1,
        };
        let mut samples = Vec::with_capacity(self.width * self.height * channels);
        for row in rows {
            for i in (0..self.width).map(|x| index(row, x)) {
                let Some(colour) = self.palette.get(usize::from(i)) else {
                    let colours = self.palette.len();
                    let problem = format!("it uses colour {i} of a palette of {colours}");
                    return Err(damaged(path, problem));
                };
                match palette {
                    Palette::Indices => samples.push(i.into()),
                    Palette::Colours => {
                        samples.extend(colour.iter().take(channels).map(|v| u16::from(*v)))
                    }
                }
            }
        }
        Ok((channels, samples))
    }

    fn coloured(&self, rows: &[&[u8]]) -> Vec<u16> {
        let pixel = usize::from(self.bits / 8);
        let mut samples = Vec::with_capacity(self.width * self.height * self.channels.len());
        for row in rows {
            for pixel in row.chunks_exact(pixel).take(self.width) {
                let sample = |byte: &usize| u16::from(pixel.get(*byte).copied().unwrap_or(0));
                samples.extend(self.channels.iter().map(sample));
            }
        }
        samples
    }
}

pub(super) fn write(path: &Path, picture: &Picture) -> Result<(), ImageError> {
    const V4_HEADER: u32 = 108;
    const INFO_HEADER: u32 = 40;
    if picture.wide {
        let problem = "it holds values above 8 bits, a BMP doesn't: write it as .png".to_owned();
        return Err(not_writable(path, problem));
    }
    let (bits, header, compression, colours) = match picture.channels {
        1 => (8_u16, INFO_HEADER, RGB, 256_u32),
        3 => (24, INFO_HEADER, RGB, 0),
        4 => (32, V4_HEADER, BIT_FIELDS, 0),
        other => {
            let problem = format!("it has {other} channels, a BMP has 1, 3 or 4: write it as .png");
            return Err(not_writable(path, problem));
        }
    };
    let row = picture.width * picture.channels;
    let padding = row.next_multiple_of(4) - row;
    let offset = FILE_HEADER + header as usize + 4 * colours as usize;
    let sizes = (row + padding)
        .checked_mul(picture.height)
        .and_then(|pixels| u32::try_from(pixels).ok())
        .and_then(|pixels| Some((pixels, pixels.checked_add(offset as u32)?)));
    let Some((pixels, total)) = sizes else {
        let problem = "it is larger than the 4 GB of a BMP: write it as .png".to_owned();
        return Err(not_writable(path, problem));
    };
    let (width, height) = (picture.width as u32, picture.height as u32);
    let mut head = b"BM".to_vec();
    let mut put = |values: &[u32]| head.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    put(&[total, 0, offset as u32, header, width, height]);
    // Planes and bits are shorter fields.
    put(&[
        1 | u32::from(bits) << 16,
        compression,
        pixels,
        0,
        0,
        colours,
        0,
    ]);
    if header == V4_HEADER {
        let (red, green, blue, alpha) = (0x00ff_0000, 0x0000_ff00, 0x0000_00ff, 0xff00_0000);
        put(&[red, green, blue, alpha]);
        put(&[u32::from_be_bytes(*b"sRGB")]);
        put(&[0; 12]);
    }
    put(&(0..colours).map(|v| v * 0x01_01_01).collect::<Vec<_>>());
    atomic::write_with(path, |file| {
        file.write_all(&head)?;
        let mut line = Vec::new();
        for samples in picture.samples.chunks_exact(row.max(1)).rev() {
            line.clear();
            for pixel in samples.chunks_exact(picture.channels) {
                let mut pixel: Vec<u8> = pixel.iter().map(|v| *v as u8).collect();
                // Blue comes first.
                if let [red, _, blue, ..] = pixel.as_mut_slice() {
                    std::mem::swap(red, blue);
                }
                line.extend(pixel);
            }
            line.resize(row + padding, 0);
            file.write_all(&line)?;
        }
        Ok(())
    })?;
    Ok(())
}
