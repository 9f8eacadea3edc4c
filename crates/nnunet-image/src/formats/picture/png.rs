use std::fs::File;
use std::io::{self, BufReader, Cursor};
use std::path::Path;

use nnunet_schema::atomic;
use png::{BitDepth, ColorType, Decoder, DecodingError, Encoder, EncodingError};

use super::{Palette, Picture};
use crate::ImageError;
use crate::formats::source::{MOST_COMPRESSION, damaged, io_error, not_writable, unsupported};

pub(super) fn read(path: &Path, palette: Palette) -> Result<Picture, ImageError> {
    let file = File::open(path).map_err(io_error("open", path))?;
    let on_disk = file.metadata().map_err(io_error("read", path))?.len();
    let failed = |error: DecodingError| match error {
        DecodingError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            damaged(path, "it ends early".to_owned())
        }
        DecodingError::IoError(error) => io_error("read", path)(error),
        other => damaged(path, other.to_string()),
    };
    let mut decoder = Decoder::new(BufReader::new(file));
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info().map_err(failed)?;
    let (columns, rows) = header.size();
    let row = header.raw_row_length().saturating_sub(1);
    let bytes = (row as u64).saturating_mul(rows.into());
    if bytes > on_disk.saturating_mul(MOST_COMPRESSION) {
        let problem = format!(
            "its header asks for {bytes} bytes of {columns}×{rows} pixels, more than {on_disk} \
             bytes can hold"
        );
        return Err(damaged(path, problem));
    }
    let mut reader = decoder.read_info().map_err(failed)?;
    if let Some(animation) = reader.info().animation_control.filter(|a| a.num_frames > 1) {
        let problem = format!(
            "it is an animation of {} pictures: keep one of them",
            animation.num_frames
        );
        return Err(unsupported(path, problem));
    }
    let size = reader.output_buffer_size().unwrap_or(usize::MAX);
    let mut pixels = Vec::new();
    pixels
        .try_reserve_exact(size)
        .map_err(|_| ImageError::OutOfMemory {
            path: path.to_path_buf(),
            bytes: size,
        })?;
    pixels.resize(size, 0);
    let frame = reader.next_frame(&mut pixels).map_err(failed)?;
    // What follows says whether the file is whole.
    reader.finish().map_err(failed)?;

    let (width, height) = (frame.width as usize, frame.height as usize);
    let channels = frame.color_type.samples();
    let rows = pixels.chunks(frame.line_size.max(1)).take(height);
    let samples: Vec<u16> = match frame.bit_depth {
        BitDepth::Sixteen => pixels
            .as_chunks::<2>()
            .0
            .iter()
            .map(|v| u16::from_be_bytes(*v))
            .collect(),
        BitDepth::Eight => pixels.iter().map(|v| u16::from(*v)).collect(),
        depth => rows
            .flat_map(|row| unpack(row, depth as u8).take(width * channels))
            .collect(),
    };
    let picture = Picture {
        height,
        width,
        channels,
        samples,
        wide: frame.bit_depth == BitDepth::Sixteen,
    };
    if frame.color_type == ColorType::Indexed && palette == Palette::Colours {
        let colours = reader.info().palette.as_deref().unwrap_or_default();
        return look_up(picture, colours, path);
    }
    Ok(picture)
}

/// The samples of a row that has several in a byte, first one in the highest bits.
fn unpack(row: &[u8], bits: u8) -> impl Iterator<Item = u16> {
    let mask = (1_u16 << bits) - 1;
    row.iter().flat_map(move |byte| {
        let shifts = (0..8).step_by(bits.into()).rev();
        shifts.map(move |shift| (u16::from(*byte) >> shift) & mask)
    })
}

fn look_up(picture: Picture, colours: &[u8], path: &Path) -> Result<Picture, ImageError> {
    let (colours, _) = colours.as_chunks::<3>();
    let mut samples = Vec::with_capacity(picture.samples.len() * 3);
    for index in picture.samples {
        let Some(colour) = colours.get(usize::from(index)) else {
            let problem = format!("it uses colour {index} of a palette of {}", colours.len());
            return Err(damaged(path, problem));
        };
        samples.extend(colour.map(u16::from));
    }
    Ok(Picture {
        channels: 3,
        samples,
        ..picture
    })
}

pub(super) fn write(path: &Path, picture: &Picture) -> Result<(), ImageError> {
    let colour = match picture.channels {
        1 => ColorType::Grayscale,
        2 => ColorType::GrayscaleAlpha,
        3 => ColorType::Rgb,
        4 => ColorType::Rgba,
        other => {
            let problem = format!("it has {other} channels, a PNG has 1 to 4: write one file each");
            return Err(not_writable(path, problem));
        }
    };
    let (depth, bytes): (BitDepth, Vec<u8>) = if picture.wide {
        let bytes = picture.samples.iter().flat_map(|v| v.to_be_bytes());
        (BitDepth::Sixteen, bytes.collect())
    } else {
        let bytes = picture.samples.iter().map(|v| *v as u8);
        (BitDepth::Eight, bytes.collect())
    };
    // Into memory first: the encoder wants a writer of its own.
    let mut encoded = Cursor::new(Vec::new());
    let mut encoder = Encoder::new(&mut encoded, picture.width as u32, picture.height as u32);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    let result = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(&bytes)?;
        writer.finish()
    });
    result.map_err(|error| match error {
        EncodingError::IoError(error) => io_error("write", path)(error),
        other => not_writable(path, other.to_string()),
    })?;
    atomic::write_with(path, |file| io::Write::write_all(file, encoded.get_ref()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_samples_are_unpacked_from_the_top() {
        let unpacked = |byte, bits| unpack(&[byte], bits).collect::<Vec<_>>();
        assert_eq!(unpacked(0b1000_0001, 1), [1, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(unpacked(0b1101_0010, 2), [3, 1, 0, 2]);
        assert_eq!(unpacked(0xa5, 4), [10, 5]);
    }
}
