use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::bufread::{GzDecoder, ZlibDecoder};

use crate::ImageError;

/// Deflate cannot shrink anything by more than this factor.
pub(super) const MOST_COMPRESSION: u64 = 1032;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BUFFER: usize = 1 << 18;
/// The longest header that is read as text: real ones have a few hundred bytes, those with every
/// tag of a scanner some hundred thousand.
const MOST_HEADER: u64 = 1 << 24;

/// How the bytes of a file, or of a part of it, are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zlib,
}

/// The bytes of a file that may be compressed, with its name for error messages.
pub(super) struct Source {
    path: PathBuf,
    reader: Box<dyn Read>,
    most_bytes: u64,
    packing: Packing,
}

impl Source {
    /// The whole file, which may be compressed by gzip.
    pub(super) fn open(path: &Path) -> Result<Self, ImageError> {
        let mut file = OpenFile::open(path)?;
        let start = file.reader.fill_buf().map_err(io_error("read", path))?;
        let packing = if start.starts_with(&GZIP_MAGIC) {
            Packing::Gzip
        } else {
            Packing::Plain
        };
        Ok(file.rest(packing))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file is not what it should be.
    pub(super) fn damaged(&self, problem: String) -> ImageError {
        damaged(&self.path, problem)
    }

    /// Refuses a file that cannot hold `bytes` bytes in all, however well it is compressed.
    pub(super) fn check_size(&self, bytes: u64) -> Result<(), ImageError> {
        if bytes <= self.most_bytes {
            return Ok(());
        }
        let found = if self.packing == Packing::Plain {
            self.most_bytes.to_string()
        } else {
            format!("at most {} once uncompressed", self.most_bytes)
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

    /// Copies what is left; the inner error is that of reading.
    pub(super) fn copy(&mut self, out: &mut dyn Write) -> io::Result<Result<(), ImageError>> {
        let mut buffer = vec![0; BUFFER];
        loop {
            match self.reader.read(&mut buffer) {
                Ok(0) => return Ok(Ok(())),
                Ok(count) => out.write_all(buffer.get(..count).unwrap_or_default())?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Ok(Err(io_error("read", &self.path)(error))),
            }
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
        if self.packing == Packing::Plain {
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

/// A file that starts with lines of text, or that another file's header points into.
#[derive(Debug)]
pub(super) struct OpenFile {
    path: PathBuf,
    reader: BufReader<File>,
    length: u64,
    position: u64,
}

impl OpenFile {
    pub(super) fn open(path: &Path) -> Result<Self, ImageError> {
        let file = File::open(path).map_err(io_error("open", path))?;
        let length = file.metadata().map_err(io_error("read", path))?.len();
        Ok(Self {
            path: path.to_path_buf(),
            reader: BufReader::with_capacity(BUFFER, file),
            length,
            position: 0,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Fills the buffer with the next bytes of the header.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<(), ImageError> {
        match self.reader.read_exact(buffer) {
            Ok(()) => {
                self.position += buffer.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(damaged(
                &self.path,
                "it ends early, within its header".into(),
            )),
            Err(error) => Err(io_error("read", &self.path)(error)),
        }
    }

    /// The next line of the header without its end; `None` at the end of the file. What is not
    /// UTF-8 is replaced.
    pub(super) fn line(&mut self) -> Result<Option<String>, ImageError> {
        let mut bytes = Vec::new();
        let left = MOST_HEADER.saturating_sub(self.position);
        let read = (&mut self.reader)
            .take(left)
            .read_until(b'\n', &mut bytes)
            .map_err(io_error("read", &self.path))?;
        self.position += read as u64;
        if bytes.is_empty() && left > 0 {
            return Ok(None);
        }
        if bytes.last() != Some(&b'\n') && self.position >= MOST_HEADER {
            let problem = format!("its header has no end within {MOST_HEADER} bytes");
            return Err(damaged(&self.path, problem));
        }
        let text = String::from_utf8_lossy(&bytes);
        Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned()))
    }

    /// Goes to this byte of the file.
    pub(super) fn seek(&mut self, position: u64) -> Result<(), ImageError> {
        self.reader
            .seek(SeekFrom::Start(position))
            .map_err(io_error("read", &self.path))?;
        self.position = position;
        Ok(())
    }

    /// Goes to the last `bytes` bytes of the file.
    pub(super) fn seek_to_last(&mut self, bytes: u64) -> Result<(), ImageError> {
        match self.length.checked_sub(bytes) {
            Some(position) => self.seek(position),
            None => {
                let problem = format!(
                    "its header asks for {bytes} bytes, the file has {}",
                    self.length
                );
                Err(damaged(&self.path, problem))
            }
        }
    }

    /// The bytes from here on.
    pub(super) fn rest(self, packing: Packing) -> Source {
        let left = self.length.saturating_sub(self.position);
        let (reader, most_bytes): (Box<dyn Read>, u64) = match packing {
            Packing::Plain => (Box::new(self.reader), left),
            Packing::Gzip => (
                Box::new(Members(Some(GzDecoder::new(self.reader)))),
                left.saturating_mul(MOST_COMPRESSION),
            ),
            Packing::Zlib => (
                Box::new(ZlibDecoder::new(self.reader)),
                left.saturating_mul(MOST_COMPRESSION),
            ),
        };
        Source {
            path: self.path,
            reader,
            most_bytes,
            packing,
        }
    }
}

pub(super) fn damaged(path: &Path, problem: String) -> ImageError {
    ImageError::Damaged {
        path: path.to_path_buf(),
        problem,
    }
}

pub(crate) fn unsupported(path: &Path, problem: String) -> ImageError {
    ImageError::Unsupported {
        path: path.to_path_buf(),
        problem,
    }
}

pub(super) fn not_writable(path: &Path, problem: String) -> ImageError {
    ImageError::NotWritable {
        path: path.to_path_buf(),
        problem,
    }
}

pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ImageError {
    let path = path.to_path_buf();
    move |source| ImageError::Io {
        action,
        path,
        source,
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
