//! A file of packed chunks: a shard, as Zarr's codec `sharding_indexed` writes it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Position and length of a chunk that is not stored because all of it is zero.
const EMPTY: u64 = u64::MAX;
/// Bytes of the checksum at the end.
const CHECKSUM: usize = 4;

/// Where a chunk lies in its file.
#[derive(Clone, Copy, Debug)]
struct Place {
    offset: u64,
    length: u64,
}

/// A file of packed chunks.
#[derive(Debug)]
pub(super) struct PackedFile {
    path: PathBuf,
    chunks: usize,
    /// Read when it is needed first.
    places: OnceLock<Vec<Place>>,
}

impl PackedFile {
    /// The file at `path` with so many chunks.
    pub(super) fn new(path: PathBuf, chunks: usize) -> Self {
        Self {
            path,
            chunks,
            places: OnceLock::new(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn open(&self) -> Result<File, String> {
        File::open(&self.path).map_err(|error| self.damaged(&error.to_string()))
    }

    /// Reads what is stored of a chunk into `packed`; false if all of it is zero and nothing is
    /// stored.
    pub(super) fn read_chunk(
        &self,
        mut file: &File,
        number: usize,
        packed: &mut Vec<u8>,
    ) -> Result<bool, String> {
        let places = match self.places.get() {
            Some(places) => places,
            None => {
                let places = self.read_places(file)?;
                self.places.get_or_init(|| places)
            }
        };
        let place = places
            .get(number)
            .ok_or_else(|| self.damaged("a chunk is missing"))?;
        if place.offset == EMPTY && place.length == EMPTY {
            return Ok(false);
        }
        packed.resize(place.length as usize, 0);
        (file.seek(SeekFrom::Start(place.offset)))
            .and_then(|_| file.read_exact(packed))
            .map_err(|error| self.damaged(&error.to_string()))?;
        Ok(true)
    }

    /// Reads the index at the end of the file: eight bytes each for position and length of every
    /// chunk, and a checksum.
    fn read_places(&self, mut file: &File) -> Result<Vec<Place>, String> {
        let failed = |error: std::io::Error| self.damaged(&error.to_string());
        let mut index = vec![0; 16 * self.chunks + CHECKSUM];
        let size = file.metadata().map_err(failed)?.len();
        let Some(start) = size.checked_sub(index.len() as u64) else {
            return Err(self.damaged(&format!("it ends after {size} bytes")));
        };
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
        file.read_exact(&mut index).map_err(failed)?;
        let (index, checksum) = index.split_at(16 * self.chunks);
        if checksum != crc32c::crc32c(index).to_le_bytes() {
            return Err(self.damaged("the checksum of its index is wrong"));
        }
        let (numbers, _) = index.as_chunks::<8>();
        let (pairs, _) = numbers.as_chunks::<2>();
        let places = pairs.iter().map(|[offset, length]| Place {
            offset: u64::from_le_bytes(*offset),
            length: u64::from_le_bytes(*length),
        });
        let places: Vec<Place> = places.collect();
        // Before anything is allocated for a chunk.
        let inside = |place: &Place| {
            let end = place.offset.checked_add(place.length);
            place.offset == EMPTY || end.is_some_and(|end| end <= start)
        };
        if places.iter().all(inside) {
            Ok(places)
        } else {
            Err(self.damaged("a chunk lies beyond its end"))
        }
    }

    pub(super) fn damaged(&self, problem: &str) -> String {
        let path = self.path.display();
        format!("{path}: {problem}; preprocess this case again")
    }
}
