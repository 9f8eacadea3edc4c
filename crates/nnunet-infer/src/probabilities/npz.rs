//! Probabilities as the Python program saves them: `CASE.npz` with the one array
//! `probabilities`, `(class, z, y, x)`, single precision, compressed.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::read::DeflateDecoder;
use half::f16;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::npy::{self, Number};
use crate::InferError;

const ENTRY: &str = "probabilities.npy";
/// Entries from here on need the long form of sizes.
const LARGE: u64 = 4_000_000_000;
/// Numbers that are converted at once.
const BLOCK: usize = 1 << 14;

/// Writes an `.npz` file value by value, in the order of memory.
pub struct NpzWriter<'a> {
    zip: ZipWriter<&'a mut BufWriter<File>>,
    bytes: Vec<u8>,
    left: usize,
}

impl fmt::Debug for NpzWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NpzWriter")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl<'a> NpzWriter<'a> {
    /// Begins the file of an array `(class, z, y, x)`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn new(file: &'a mut BufWriter<File>, shape: [usize; 4]) -> io::Result<Self> {
        let left = shape.iter().product::<usize>();
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .large_file(left as u64 * 4 >= LARGE);
        let mut zip = ZipWriter::new(file);
        zip.start_file(ENTRY, options).map_err(io::Error::other)?;
        zip.write_all(&npy::header(shape))?;
        let bytes = Vec::new();
        Ok(Self { zip, bytes, left })
    }

    /// The next values.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&mut self, values: &[f32]) -> io::Result<()> {
        for values in values.chunks(BLOCK) {
            self.bytes.clear();
            self.bytes
                .extend(values.iter().flat_map(|v| v.to_le_bytes()));
            self.zip.write_all(&self.bytes)?;
            self.left = self.left.saturating_sub(values.len());
        }
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// If it cannot be written, or values are missing.
    pub fn finish(self) -> io::Result<()> {
        if self.left > 0 {
            return Err(io::Error::other(format!(
                "{} values are missing",
                self.left
            )));
        }
        self.zip.finish().map_err(io::Error::other)?;
        Ok(())
    }
}

/// Reads an `.npz` file value by value, in the order of memory.
pub struct NpzReader {
    path: PathBuf,
    shape: [usize; 4],
    number: Number,
    values: Box<dyn Read + Send>,
    bytes: Vec<u8>,
}

impl fmt::Debug for NpzReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NpzReader")
            .field("path", &self.path)
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

impl NpzReader {
    /// Opens a file of this program or the Python program's.
    ///
    /// # Errors
    /// [`InferError::Probabilities`] if it cannot be read or holds something else.
    pub fn open(path: &Path) -> Result<Self, InferError> {
        let open = || -> io::Result<Self> {
            let mut archive = ZipArchive::new(BufReader::new(File::open(path)?))?;
            let names = || format!("it has no `{ENTRY}`, expected what nnU-Net v2 saves");
            let entry = archive.by_name(ENTRY);
            let entry = entry.map_err(|_| io::Error::other(names()))?;
            let (start, size) = (entry.data_start(), entry.compressed_size());
            let (start, method) = (start.unwrap_or(0), entry.compression());
            drop(entry);
            let mut file = archive.into_inner();
            file.seek(SeekFrom::Start(start))?;
            let packed = file.take(size);
            let mut values: Box<dyn Read + Send> = match method {
                CompressionMethod::Stored => Box::new(packed),
                CompressionMethod::Deflated => Box::new(DeflateDecoder::new(packed)),
                other => return Err(io::Error::other(format!("it is packed by {other}"))),
            };
            let (number, shape) = npy::read_header(&mut values)?;
            let (path, bytes) = (path.to_path_buf(), Vec::new());
            Ok(Self {
                path,
                shape,
                number,
                values,
                bytes,
            })
        };
        open().map_err(|error| InferError::probabilities("read", path, error))
    }

    /// `(class, z, y, x)`.
    #[must_use]
    pub const fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// Fills `values` with the next ones.
    ///
    /// # Errors
    /// [`InferError::Probabilities`] if the file is damaged or ends.
    pub fn read(&mut self, values: &mut [f32]) -> Result<(), InferError> {
        let width = match self.number {
            Number::Single => 4,
            Number::Half => 2,
        };
        for values in values.chunks_mut(BLOCK) {
            self.bytes.resize(values.len() * width, 0);
            (self.values.read_exact(&mut self.bytes))
                .map_err(|error| InferError::probabilities("read", &self.path, error))?;
            match self.number {
                Number::Single => {
                    for (value, bytes) in values.iter_mut().zip(self.bytes.as_chunks().0) {
                        *value = f32::from_le_bytes(*bytes);
                    }
                }
                Number::Half => {
                    for (value, bytes) in values.iter_mut().zip(self.bytes.as_chunks().0) {
                        *value = f16::from_le_bytes(*bytes).to_f32();
                    }
                }
            }
        }
        Ok(())
    }
}
