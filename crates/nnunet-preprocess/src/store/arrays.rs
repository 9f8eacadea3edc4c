//! The arrays of a case as a Zarr v3 group.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use ndarray::{ArrayBase, ArrayD, ArrayViewD, Axis, Data, Dimension, Slice};
use nnunet_image::CropBox;
use nnunet_schema::Shape;
use zarrs::array::codec::{BloscCodec, BloscCompressor, BloscShuffleMode};
use zarrs::array::{
    Array, ArrayBuilder, ArrayShardedReadableExt, ArrayShardedReadableExtCache, ArraySubset,
    CodecOptions, DataType, Element, ElementOwned, FillValue, data_type,
};
use zarrs::filesystem::FilesystemStore;
use zarrs::group::GroupBuilder;
use zarrs::storage::ReadableStorageTraits;

use crate::{PreprocessError, PreprocessedCase};

/// Chunks have at most so many voxels: small enough that a patch reads little that it does not
/// need, large enough to compress.
const CHUNK_VOXELS: usize = 1 << 16;
/// Compression level of Blosc's LZ4, 0 to 9.
const LEVEL: u8 = 5;

/// Writes the arrays of a case into a new folder.
pub(super) fn write(
    folder: &Path,
    case: &PreprocessedCase,
    patch: Shape,
) -> Result<(), PreprocessError> {
    let failed = |problem: String| PreprocessError::Array {
        action: "write",
        path: folder.to_path_buf(),
        problem,
    };
    let store = Arc::new(FilesystemStore::new(folder).map_err(|e| failed(e.to_string()))?);
    let group = GroupBuilder::new().build(Arc::clone(&store), "/");
    (group.map_err(|e| failed(e.to_string())))
        .and_then(|group| group.store_metadata().map_err(|e| failed(e.to_string())))?;
    let chunk = chunk_shape(patch, case.shape());
    write_array(
        &store,
        "/data",
        &case.data,
        0.0_f32,
        data_type::float32(),
        chunk,
    )
    .map_err(failed)?;
    write_array(
        &store,
        "/labels",
        &case.labels,
        0_i16,
        data_type::int16(),
        chunk,
    )
    .map_err(failed)
}

/// The patch, halved along its longest axis until it is small enough; never beyond the case.
fn chunk_shape(patch: Shape, case: Shape) -> [usize; 3] {
    let mut chunk: [usize; 3] = std::array::from_fn(|a| patch[a].clamp(1, case[a].max(1)));
    while chunk.iter().product::<usize>() > CHUNK_VOXELS {
        let longest = chunk.iter().copied().max().unwrap_or(1);
        if let Some(edge) = chunk.iter_mut().find(|edge| **edge == longest) {
            *edge = edge.div_ceil(2);
        }
    }
    chunk
}

/// Writes one array, each channel as one file of compressed chunks.
fn write_array<T, S, D>(
    store: &Arc<FilesystemStore>,
    path: &str,
    values: &ArrayBase<S, D>,
    fill: T,
    data_type: DataType,
    chunk: [usize; 3],
) -> Result<(), String>
where
    T: Element + Copy + Default,
    FillValue: From<T>,
    S: Data<Elem = T>,
    D: Dimension,
{
    let values = values.view().into_dyn();
    let channel_axes = values.ndim().saturating_sub(3);
    let mut inner = vec![1; channel_axes];
    inner.extend(chunk);
    let shape = values.shape().to_vec();
    let file: Vec<usize> = (shape.iter().zip(&inner).enumerate())
        .map(|(axis, (edge, chunk))| {
            if axis < channel_axes {
                1
            } else {
                edge.div_ceil(*chunk) * chunk
            }
        })
        .collect();
    let blosc = BloscCodec::new(
        BloscCompressor::LZ4,
        LEVEL.try_into().map_err(display)?,
        None,
        BloscShuffleMode::Shuffle,
        Some(size_of::<T>()),
    )
    .map_err(display)?;
    let names: &[&str] = if channel_axes == 1 {
        &["c", "z", "y", "x"]
    } else {
        &["z", "y", "x"]
    };
    let array = ArrayBuilder::new(
        to_u64(&shape),
        to_u64(&file),
        data_type,
        FillValue::from(fill),
    )
    .subchunk_shape(to_u64(&inner))
    .bytes_to_bytes_codecs(vec![Arc::new(blosc)])
    .dimension_names(Some(names.iter().copied()))
    .build(Arc::clone(store), path)
    .map_err(display)?;
    array.store_metadata().map_err(display)?;
    if channel_axes == 0 {
        return store_file(&array, &[0; 3], values, &file);
    }
    for (c, channel) in values.axis_chunks_iter(Axis(0), 1).enumerate() {
        store_file(&array, &[c as u64, 0, 0, 0], channel, &file)?;
    }
    Ok(())
}

/// Writes one file of chunks, filled up to whole chunks.
fn store_file<T: Element + Copy + Default>(
    array: &Array<FilesystemStore>,
    index: &[u64],
    values: ArrayViewD<'_, T>,
    file: &[usize],
) -> Result<(), String> {
    let mut whole = ArrayD::from_elem(file, T::default());
    let lengths = values.shape().to_vec();
    whole
        .slice_each_axis_mut(|axis| Slice::from(0..lengths[axis.axis.index()]))
        .assign(&values);
    // Also where everything is zero: a file that is not there is then always a lost one.
    let options = CodecOptions::default().with_store_empty_chunks(true);
    array
        .store_chunk_opt(index, whole, &options)
        .map_err(display)
}

/// A file of the array that should be there and is not: Zarr reads it as zeros.
fn lost_file(array: &Array<FilesystemStore>) -> Result<Option<String>, String> {
    let files: Vec<usize> = (array.chunk_grid_shape().iter())
        .map(|n| *n as usize)
        .collect();
    for index in ndarray::indices(files) {
        let index: Vec<u64> = to_u64(index.slice());
        let key = array.chunk_key(&index);
        if array.storage().size_key(&key).map_err(display)?.is_none() {
            return Ok(Some(key.to_string()));
        }
    }
    Ok(None)
}

fn display(error: impl Display) -> String {
    error.to_string()
}

fn to_u64(lengths: &[usize]) -> Vec<u64> {
    lengths.iter().map(|n| *n as u64).collect()
}

/// One array of a stored case, open for reading.
pub(super) struct StoredArray {
    array: Array<FilesystemStore>,
    /// Keeps the positions of the chunks in the files.
    positions: ArrayShardedReadableExtCache,
}

impl std::fmt::Debug for StoredArray {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredArray")
            .field("shape", &self.array.shape())
            .finish_non_exhaustive()
    }
}

impl StoredArray {
    pub(super) fn open(folder: &Path, name: &str) -> Result<Self, PreprocessError> {
        let failed = |problem: String| PreprocessError::Array {
            action: "read",
            path: folder.join(name),
            problem,
        };
        let store = FilesystemStore::new(folder).map_err(|e| failed(e.to_string()))?;
        let array =
            Array::open(Arc::new(store), &format!("/{name}")).map_err(|e| failed(e.to_string()))?;
        if let Some(lost) = lost_file(&array).map_err(failed)? {
            return Err(failed(format!(
                "the file {lost} is gone; preprocess this case again"
            )));
        }
        Ok(Self {
            positions: ArrayShardedReadableExtCache::new(&array),
            array,
        })
    }

    /// Voxels along each axis, channels first if there are any.
    pub(super) fn shape(&self) -> Vec<usize> {
        self.array.shape().iter().map(|n| *n as usize).collect()
    }

    /// Reads a box, all channels; only the chunks that it touches are read.
    pub(super) fn read<T: ElementOwned>(&self, region: CropBox) -> Result<ArrayD<T>, String> {
        let mut ranges: Vec<std::ops::Range<u64>> =
            self.array.shape().iter().map(|n| 0..*n).collect();
        let bounds = region.low().into_iter().zip(region.high());
        for (range, (low, high)) in ranges.iter_mut().rev().zip(bounds.rev()) {
            *range = low as u64..high as u64;
        }
        // One thread: whoever reads patches does so on many threads already.
        let options = CodecOptions::default().with_concurrent_target(1);
        let subset = ArraySubset::new_with_ranges(&ranges);
        self.array
            .retrieve_array_subset_sharded_opt(&self.positions, &subset, &options)
            .map_err(display)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_parts_of_the_patch_and_of_the_case() {
        let chunk = |patch, case| chunk_shape(Shape::new(patch), Shape::new(case));
        assert_eq!(chunk([128; 3], [300; 3]), [32, 32, 64]);
        assert_eq!(chunk([1, 512, 512], [30, 700, 400]), [1, 256, 200]);
        assert_eq!(chunk([40, 56, 40], [36, 50, 35]), [36, 50, 35]);
    }
}
