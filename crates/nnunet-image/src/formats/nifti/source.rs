use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;

use crate::ImageError;

/// Deflate cannot shrink anything by more than this factor.
const MOST_COMPRESSION: u64 = 1032;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BUFFER: usize = 1 << 18;

/// The bytes of a file that may be compressed, with its name for error messages.
pub(super) struct Source {
    path: PathBuf,
    reader: Box<dyn Read>,
    most_bytes: u64,
    compressed: bool,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self, ImageError> {
        let io_error = |action| {
            move |source| ImageError::Io {
                action,
                path: path.to_path_buf(),
                source,
            }
        };
        let file = File::open(path).map_err(io_error("open"))?;
        let on_disk = file.metadata().map_err(io_error("read"))?.len();
        let mut file = BufReader::with_capacity(BUFFER, file);
        let start = file.fill_buf().map_err(io_error("read"))?;
        let compressed = start.starts_with(&GZIP_MAGIC);
        let (reader, most_bytes): (Box<dyn Read>, u64) = if compressed {
            let most = on_disk.saturating_mul(MOST_COMPRESSION);
            (Box::new(Members(Some(GzDecoder::new(file)))), most)
        } else {
            (Box::new(file), on_disk)
        };
        Ok(Self {
            path: path.to_path_buf(),
            reader,
            most_bytes,
            compressed,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file is not what it should be.
    pub(super) fn damaged(&self, problem: String) -> ImageError {
        ImageError::Damaged {
            path: self.path.clone(),
            problem,
        }
    }

    /// Refuses a file that cannot hold `bytes` bytes in all, however well it is compressed.
    pub(super) fn check_size(&self, bytes: u64) -> Result<(), ImageError> {
        if bytes <= self.most_bytes {
            return Ok(());
        }
        let found = if self.compressed {
            format!("at most {} once uncompressed", self.most_bytes)
        } else {
            self.most_bytes.to_string()
        };
        Err(self.damaged(format!(
            "its header asks for {bytes} bytes, the file has {found}"
        )))
    }

    /// Fills the buffer; `what` says what the bytes are.
    pub(super) fn fill(&mut self, buffer: &mut [u8], what: &str) -> Result<(), ImageError> {
        match self.reader.read_exact(buffer) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.read_error(&error, what)),
        }
    }

    /// Skips `bytes` bytes.
    pub(super) fn skip(&mut self, bytes: u64) -> Result<(), ImageError> {
        let mut skipped = (&mut self.reader).take(bytes);
        match io::copy(&mut skipped, &mut io::sink()) {
            Ok(n) if n == bytes => Ok(()),
            Ok(_) => Err(self.damaged("it ends before the voxels".into())),
            Err(error) => Err(self.read_error(&error, "between header and voxels")),
        }
    }

    /// Reads what is left of a compressed file, which is what makes the decoder compare the
    /// checksum. There is nothing to compare in a plain one.
    pub(super) fn finish(&mut self) -> Result<(), ImageError> {
        /// More than any writer pads with; not so much that a hostile file could keep us busy.
        const MOST_PADDING: u64 = 1 << 20;
        if !self.compressed {
            return Ok(());
        }
        let mut rest = (&mut self.reader).take(MOST_PADDING);
        match io::copy(&mut rest, &mut io::sink()) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.read_error(&error, "after the voxels")),
        }
    }

    fn read_error(&self, error: &io::Error, what: &str) -> ImageError {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            self.damaged(format!("it ends early, {what}"))
        } else {
            self.damaged(format!("{error}, {what}"))
        }
    }
}

/// The members of a gzip file one after the other. What follows the last one, such as padding,
/// is passed over, as zlib does.
struct Members(Option<GzDecoder<BufReader<File>>>);

impl Read for Members {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(mut member) = self.0.take() {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                self.0 = Some(member);
                return Ok(read);
            }
            let mut rest = member.into_inner();
            // The buffer may end between the two bytes of the magic number.
            if rest.fill_buf()?.first() == GZIP_MAGIC.first() {
                self.0 = Some(GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
}
