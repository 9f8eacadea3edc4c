use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use nnunet_schema::atomic;

use super::header::{self, HEADER_BYTES};
use crate::ImageError;
use crate::formats::source::{OpenFile, Packing, unsupported};

/// Voxels start behind the header and four bytes that say that there are no extensions.
const OFFSET: usize = 352;
const BUFFER: usize = 1 << 18;

/// Writes each channel of a file to one of its own, compressed, in the type that the file has and
/// with its header. A file that is 3D already is copied as it is.
pub(crate) fn split_channels(
    path: &Path,
    channels: usize,
    target: impl Fn(usize) -> PathBuf,
) -> Result<(), ImageError> {
    let (mut raw, block, mut source) = header::open_raw(path)?;
    if block.channels() != channels {
        let problem = format!(
            "it has {} channels, but `dataset.json` of its dataset says {channels}",
            block.channels()
        );
        return Err(unsupported(path, problem));
    }
    let put = |raw: &mut [u8; HEADER_BYTES], offset: usize, little: &[u8]| {
        for (i, byte) in little.iter().enumerate() {
            let i = if block.big_endian {
                little.len() - 1 - i
            } else {
                i
            };
            if let Some(to) = raw.get_mut(offset + i) {
                *to = *byte;
            }
        }
    };
    let (low, high) = (raw[40], raw[41]);
    let axes = if block.big_endian { high } else { low };
    if axes <= 3 {
        let mut whole = OpenFile::open(path)?.rest(Packing::Plain);
        return copy(&target(0), |file| whole.copy(file));
    }
    put(&mut raw, 40, &3_i16.to_le_bytes());
    put(&mut raw, 48, &1_i16.to_le_bytes());
    put(&mut raw, 108, &(OFFSET as f32).to_le_bytes());
    let bytes = block.bytes().unwrap_or(0) / channels.max(1) as u64;
    let mut buffer = vec![0; BUFFER];
    for channel in 0..channels {
        copy(&target(channel), |file| {
            let mut file = GzEncoder::new(file, Compression::fast());
            file.write_all(&raw)?;
            file.write_all(&[0; OFFSET - HEADER_BYTES])?;
            let mut left = bytes;
            while left > 0 {
                let count = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
                let part = buffer.get_mut(..count).unwrap_or_default();
                if let Err(error) = source.fill(part, "within its voxels") {
                    return Ok(Err(error));
                }
                file.write_all(part)?;
                left -= count as u64;
            }
            file.finish().map(|_| Ok(()))
        })?;
    }
    source.finish()
}

/// Writes a file atomically; the inner error is that of reading.
fn copy(
    target: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<Result<(), ImageError>>,
) -> Result<(), ImageError> {
    let mut unreadable = None;
    let written = atomic::write_with(target, |file| match write(file)? {
        Ok(()) => Ok(()),
        Err(error) => {
            let text = error.to_string();
            unreadable = Some(error);
            Err(io::Error::other(text))
        }
    });
    match unreadable {
        Some(error) => Err(error),
        None => Ok(written?),
    }
}
