//! The zip archive that `torch.save` writes: a pickle and a file of raw bytes per storage, none
//! of them compressed.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use nnunet_schema::SchemaError;
use zip::{CompressionMethod, ZipArchive};

use crate::ModelError;

/// Pickles above this are no checkpoint's: plans, labels and a log are some megabytes at most.
const MAX_PICKLE: u64 = 1 << 26;
const PICKLE: &str = "data.pkl";
/// How files start that `torch.save` wrote before version 1.6, or was asked to write so: the
/// pickle of a certain whole number.
const LEGACY: [u8; 4] = [0x80, 0x02, 0x8a, 0x0a];
const ZIP: [u8; 2] = *b"PK";

/// An open archive.
pub(super) struct Archive {
    path: PathBuf,
    zip: ZipArchive<BufReader<File>>,
    /// The folder that everything lies in, with a slash at the end.
    folder: String,
}

impl Archive {
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        let io = |source| {
            ModelError::Schema(SchemaError::Io {
                action: "read",
                path: path.to_path_buf(),
                source,
            })
        };
        let mut start = Vec::new();
        let file = File::open(path).map_err(io)?;
        (file.take(4).read_to_end(&mut start)).map_err(io)?;
        if start == LEGACY {
            let problem = "it is in the format of PyTorch before 1.6, expected a zip archive: \
                           save it anew in Python, `torch.save(torch.load(path, \
                           weights_only=False), path)`";
            return Err(ModelError::file(path, problem));
        }
        if !start.starts_with(&ZIP) {
            let problem = format!(
                "it starts with the bytes {start:02x?}, expected the zip archive that \
                 `torch.save` writes"
            );
            return Err(ModelError::file(path, problem));
        }
        let file = BufReader::new(File::open(path).map_err(io)?);
        let zip = ZipArchive::new(file).map_err(|error| broken(path, "its zip archive", &error))?;
        let is_pickle = |name: &&str| {
            let folder = name.strip_suffix(PICKLE);
            folder.is_some_and(|folder| {
                folder.matches('/').count() == usize::from(folder.ends_with('/'))
            })
        };
        let name = zip.file_names().find(is_pickle).ok_or_else(|| {
            let problem =
                format!("it is a zip archive without `{PICKLE}`: not written by `torch.save`");
            ModelError::file(path, problem)
        })?;
        let folder = name.strip_suffix(PICKLE).unwrap_or_default().to_owned();
        let mut archive = Self {
            path: path.to_path_buf(),
            zip,
            folder,
        };
        archive.check_byte_order()?;
        Ok(archive)
    }

    fn check_byte_order(&mut self) -> Result<(), ModelError> {
        let name = format!("{}byteorder", self.folder);
        if self.zip.index_for_name(&name).is_none() {
            // Older writers did not say, and ran on little-endian machines.
            return Ok(());
        }
        match self.bytes("byteorder", 16)?.as_slice() {
            b"little" => Ok(()),
            other => {
                let found = String::from_utf8_lossy(other).into_owned();
                let problem = format!("its byte order is `{found}`, expected `little`");
                Err(ModelError::file(&self.path, problem))
            }
        }
    }

    /// The pickle.
    pub(super) fn pickle(&mut self) -> Result<Vec<u8>, ModelError> {
        self.bytes(PICKLE, MAX_PICKLE)
    }

    /// The bytes of a storage.
    pub(super) fn storage(&mut self, key: &str) -> Result<Vec<u8>, ModelError> {
        self.bytes(&format!("data/{key}"), u64::MAX)
    }

    fn bytes(&mut self, name: &str, limit: u64) -> Result<Vec<u8>, ModelError> {
        let path = self.path.clone();
        let what = format!("its entry `{name}`");
        let mut entry = (self.zip.by_name(&format!("{}{name}", self.folder)))
            .map_err(|error| broken(&path, &what, &error))?;
        if entry.compression() != CompressionMethod::Stored {
            let problem =
                format!("{what} is compressed, expected plain bytes as torch stores them");
            return Err(ModelError::file(&path, problem));
        }
        let size = entry.size();
        if size > limit {
            let problem = format!("{what} has {size} bytes, expected at most {limit}");
            return Err(ModelError::file(&path, problem));
        }
        // Grows with what is really there, whatever size the archive claims.
        let mut bytes = Vec::new();
        // The checksum is compared when the end is reached.
        let read = (&mut entry)
            .take(size.saturating_add(1))
            .read_to_end(&mut bytes);
        read.map_err(|error| broken(&path, &what, &error))?;
        if bytes.len() as u64 != size {
            let problem = format!("{what} has {} bytes, expected {size}", bytes.len());
            return Err(ModelError::file(&path, problem));
        }
        Ok(bytes)
    }
}

fn broken(path: &Path, what: &str, error: &dyn std::fmt::Display) -> ModelError {
    let problem = format!("{what} cannot be read: {error}. Copy the file anew, it may be cut off");
    ModelError::file(path, problem)
}
