//! Probabilities as a Zarr v3 array in compressed chunks: `CASE.zarr/probabilities`, axes
//! `(c, z, y, x)`, floating or in equal steps.

use std::fmt::Display;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{Array4, ArrayView3, Axis, Slice};
use nnunet_schema::atomic;
use zarrs::array::codec::{BloscCodec, BloscCompressor, BloscShuffleMode};
use zarrs::array::{Array, ArraySubset, CodecOptions};
use zarrs::filesystem::FilesystemStore;
use zarrs::group::GroupBuilder;

use super::{NpzWriter, ProbabilitySink};
use crate::InferError;
use crate::options::ProbabilityPrecision;

const ARRAY: &str = "/probabilities";
/// Edges of a chunk in the plane of the slices that come.
const CHUNK_EDGE: usize = 128;
/// Slices in a file, at most, and how many bytes they have at most unless one slice has more.
const SLAB: usize = 16;
const SLAB_BYTES: usize = 1 << 25;
/// Compression level of Blosc's LZ4, 0 to 9.
const LEVEL: u8 = 5;
/// Values of a channel that are read at once.
const BLOCK: usize = 1 << 21;

/// Writes probabilities as they come; a slab of slices is one file and is held until it is full.
///
/// The folder is there in full or not at all: it has a temporary name until it is finished.
#[derive(Debug)]
pub struct ProbabilityWriter {
    target: PathBuf,
    precision: ProbabilityPrecision,
    unfinished: Option<Slabs>,
}

/// What is being written.
#[derive(Debug)]
struct Slabs {
    folder: PathBuf,
    array: Array<FilesystemStore>,
    axis: usize,
    /// `(class, z, y, x)`, filled up to whole chunks.
    slab: Array4<f32>,
    shape: [usize; 4],
    received: usize,
    written: usize,
}

impl Drop for Slabs {
    fn drop(&mut self) {
        // Nothing is there any more if it was finished; otherwise it is only untidy.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl ProbabilityWriter {
    /// Will write the folder `target`, whose name should end in `.zarr`, replacing one that is
    /// there.
    #[must_use]
    pub fn new(target: &Path, precision: ProbabilityPrecision) -> Self {
        Self {
            target: target.to_path_buf(),
            precision,
            unfinished: None,
        }
    }

    fn failed(&self, error: impl Display) -> InferError {
        InferError::probabilities("write", &self.target, error)
    }

    fn flush(&mut self) -> Result<(), InferError> {
        let Some(slabs) = &mut self.unfinished else {
            return Ok(());
        };
        let mut index = [0; 4];
        index[slabs.axis] = slabs.written as u64;
        // Also where everything is zero: a file that is not there is then always a lost one.
        let options = CodecOptions::default().with_store_empty_chunks(true);
        let stored = (self.precision).store(&slabs.array, &index, slabs.slab.view(), &options);
        slabs.written += 1;
        stored.map_err(|error| self.failed(error))
    }
}

impl ProbabilitySink for ProbabilityWriter {
    fn begin(&mut self, shape: [usize; 4], axis: usize) -> Result<(), InferError> {
        let folder = atomic::temporary_beside(&self.target);
        let values = shape.iter().product::<usize>() / shape[axis].max(1);
        let depth = (SLAB_BYTES / (4 * values).max(1))
            .clamp(1, SLAB)
            .min(shape[axis]);
        let mut chunk = [1; 4];
        let mut slab = shape;
        for edge in 1..4 {
            if edge == axis {
                (chunk[edge], slab[edge]) = (depth, depth);
                continue;
            }
            let chunks = shape[edge].div_ceil(CHUNK_EDGE).max(1);
            chunk[edge] = shape[edge].div_ceil(chunks);
            slab[edge] = chunk[edge] * chunks;
        }
        let array = create(&folder, shape, slab, chunk, self.precision);
        let array = array.map_err(|error| {
            let _ = fs::remove_dir_all(&folder);
            self.failed(error)
        })?;
        self.unfinished = Some(Slabs {
            folder,
            array,
            axis,
            slab: Array4::zeros(slab),
            shape,
            received: 0,
            written: 0,
        });
        Ok(())
    }

    fn slice(&mut self, values: ArrayView3<'_, f32>) -> Result<(), InferError> {
        let Some(slabs) = &mut self.unfinished else {
            return Ok(());
        };
        let depth = slabs.slab.len_of(Axis(slabs.axis));
        let place = slabs.received % depth;
        let lengths = values.dim();
        let mut target = slabs.slab.index_axis_mut(Axis(slabs.axis), place);
        target.slice_axis_inplace(Axis(1), Slice::from(..lengths.1));
        target.slice_axis_inplace(Axis(2), Slice::from(..lengths.2));
        target.assign(&values);
        slabs.received += 1;
        if place + 1 == depth || slabs.received == slabs.shape[slabs.axis] {
            self.flush()?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), InferError> {
        let Some(slabs) = self.unfinished.take() else {
            return Ok(());
        };
        let replace = || -> io::Result<()> {
            sync(&slabs.folder)?;
            if self.target.exists() {
                fs::remove_dir_all(&self.target)?;
            }
            fs::rename(&slabs.folder, &self.target)
        };
        replace().map_err(|error| self.failed(error))
    }
}

fn create(
    folder: &Path,
    shape: [usize; 4],
    slab: [usize; 4],
    chunk: [usize; 4],
    precision: ProbabilityPrecision,
) -> Result<Array<FilesystemStore>, String> {
    let to_u64 = |edges: [usize; 4]| edges.map(|edge| edge as u64).to_vec();
    let display = |error: &dyn Display| error.to_string();
    let store = FilesystemStore::new(folder).map_err(|e| display(&e))?;
    let store = Arc::new(store);
    let group = GroupBuilder::new().build(Arc::clone(&store), "/");
    (group.map_err(|e| display(&e))?.store_metadata()).map_err(|e| display(&e))?;
    let level = LEVEL.try_into().map_err(|e: u8| e.to_string())?;
    let shuffle = BloscShuffleMode::Shuffle;
    let blosc = BloscCodec::new(
        BloscCompressor::LZ4,
        level,
        None,
        shuffle,
        Some(precision.bytes()),
    );
    let blosc = blosc.map_err(|e| display(&e))?;
    let mut builder = precision.array(to_u64(shape), to_u64(slab));
    let array = (builder.subchunk_shape(to_u64(chunk)))
        .bytes_to_bytes_codecs(vec![Arc::new(blosc)])
        .dimension_names(Some(["c", "z", "y", "x"]))
        .build(store, ARRAY);
    let array = array.map_err(|e| display(&e))?;
    array.store_metadata().map_err(|e| display(&e))?;
    Ok(array)
}

/// Makes sure that all files of a folder are on the disk.
fn sync(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sync(&path)?;
        } else {
            fs::File::open(&path)?.sync_all()?;
        }
    }
    Ok(())
}

/// Probabilities of a case on disk, open for reading.
#[derive(Debug)]
pub struct ProbabilityStore {
    folder: PathBuf,
    array: Array<FilesystemStore>,
    shape: [usize; 4],
    precision: ProbabilityPrecision,
}

impl ProbabilityStore {
    /// Opens what a [`ProbabilityWriter`] wrote.
    ///
    /// # Errors
    /// [`InferError::Probabilities`] if there is nothing of the kind.
    pub fn open(folder: &Path) -> Result<Self, InferError> {
        let failed = |error: &dyn Display| InferError::probabilities("read", folder, error);
        let store = FilesystemStore::new(folder).map_err(|e| failed(&e))?;
        let array = Array::open(Arc::new(store), ARRAY).map_err(|e| failed(&e))?;
        let shape: Vec<usize> = array.shape().iter().map(|edge| *edge as usize).collect();
        let shape = <[usize; 4]>::try_from(shape).map_err(|found| {
            failed(&format!(
                "it has the shape {found:?}, expected (class, z, y, x)"
            ))
        })?;
        let precision = ProbabilityPrecision::of(array.data_type()).ok_or_else(|| {
            let found = array.data_type();
            failed(&format!(
                "it holds {found:?}, expected float32, float16, uint16 or uint8"
            ))
        })?;
        Ok(Self {
            folder: folder.to_path_buf(),
            array,
            shape,
            precision,
        })
    }

    /// `(class, z, y, x)`.
    #[must_use]
    pub const fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// The numbers that the probabilities are stored in.
    #[must_use]
    pub const fn precision(&self) -> ProbabilityPrecision {
        self.precision
    }

    /// Reads the slices from `start` up to, not including, `end` of one class, `(z, y, x)`.
    ///
    /// # Errors
    /// [`InferError::Probabilities`] if the files are damaged or there are no such slices.
    pub fn read(&self, class: usize, start: usize, end: usize) -> Result<Vec<f32>, InferError> {
        let [_, _, y, x] = self.shape.map(|edge| edge as u64);
        let (class, start, end) = (class as u64, start as u64, end as u64);
        let part = ArraySubset::new_with_ranges(&[class..class + 1, start..end, 0..y, 0..x]);
        let failed = |e: &dyn Display| InferError::probabilities("read", &self.folder, e);
        (self.precision.read(&self.array, &part)).map_err(|e| failed(&e))
    }

    /// The classes one after the other, in blocks of slices of at most some megabytes:
    /// (class, first slice, end).
    pub(crate) fn blocks(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let [classes, depth, y, x] = self.shape;
        let slices = (BLOCK / (y * x).max(1)).clamp(1, depth.max(1));
        (0..classes).flat_map(move |class| {
            let starts = (0..depth).step_by(slices);
            starts.map(move |start| (class, start, depth.min(start + slices)))
        })
    }

    /// Writes the same as the Python program would: an `.npz` file with the one array
    /// `probabilities`. Holds a block of slices of one class at a time.
    ///
    /// # Errors
    /// [`InferError::Probabilities`] if one cannot be read or the other not be written.
    pub fn write_npz(&self, path: &Path) -> Result<(), InferError> {
        let written = atomic::write_with(path, |file| {
            let mut npz = NpzWriter::new(file, self.shape)?;
            for (class, start, end) in self.blocks() {
                let values = self.read(class, start, end).map_err(io::Error::other)?;
                npz.write(&values)?;
            }
            npz.finish()
        });
        Ok(written?)
    }
}
