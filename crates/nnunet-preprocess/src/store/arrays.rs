//! Writes the arrays of a case as a Zarr v3 group.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use half::f16;
use ndarray::{ArrayD, ArrayView, Dimension, Slice, Zip};
use nnunet_schema::Shape;
use zarrs::array::codec::{BloscCodec, BloscCompressor, BloscShuffleMode};
use zarrs::array::{ArrayBuilder, CodecOptions, DataType, Element, FillValue, data_type};
use zarrs::filesystem::FilesystemStore;
use zarrs::group::GroupBuilder;

use super::{Precision, StoreHeader};
use crate::{PreprocessError, PreprocessedCase};

/// Chunks have at most so many voxels: small enough that a patch reads little that it does not
/// need, large enough to compress.
const CHUNK_VOXELS: usize = 1 << 15;
/// Files have at most so many voxels, unless a chunk has: a file is put together in memory, a few
/// times over, and that is to be little beside the case.
const FILE_VOXELS: usize = 1 << 21;
/// Compression level of Blosc's LZ4, 0 to 9.
const LEVEL: u8 = 5;

/// Writes the arrays of a case into a new folder.
pub(super) fn write(
    folder: &Path,
    case: &PreprocessedCase,
    header: &StoreHeader,
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
    let chunk = chunk_shape(header.patch, case.shape());
    let data = case.data.view();
    match header.precision {
        Precision::Single => write_array(&store, "/data", data, |v| v, data_type::float32(), chunk),
        Precision::Half => {
            let half = data_type::float16();
            write_array(&store, "/data", data, f16::from_f32, half, chunk)
        }
    }
    .map_err(failed)?;
    let labels = case.labels.view();
    write_array(&store, "/labels", labels, |v| v, data_type::int16(), chunk).map_err(failed)
}

/// The intensity furthest from zero, if half precision would make it infinite.
pub(super) fn beyond_half(case: &PreprocessedCase) -> Option<f32> {
    let further = |a: f32, b: &f32| if b.abs() > a.abs() { *b } else { a };
    let furthest = case.data.iter().fold(0.0, further);
    f16::from_f32(furthest).is_infinite().then_some(furthest)
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

/// The voxels of a file: whole chunks, evenly shared out so that none has more than
/// [`FILE_VOXELS`], unless a chunk has.
fn file_shape(chunk: [usize; 3], case: Shape) -> [usize; 3] {
    let mut file = chunk;
    for axis in [2, 1, 0] {
        let others = file.iter().product::<usize>();
        let most = (FILE_VOXELS / others.max(1)).max(1);
        let chunks = case[axis].div_ceil(chunk[axis]).max(1);
        let files = chunks.div_ceil(most);
        file[axis] = chunks.div_ceil(files) * chunk[axis];
    }
    file
}

/// Writes one array as files of compressed chunks, none of which has more than one channel.
fn write_array<V, T, D>(
    store: &Arc<FilesystemStore>,
    path: &str,
    values: ArrayView<'_, V, D>,
    stored: impl Fn(V) -> T,
    data_type: DataType,
    chunk: [usize; 3],
) -> Result<(), String>
where
    V: Copy,
    T: Element + Copy + Default,
    FillValue: From<T>,
    D: Dimension,
{
    let values = values.into_dyn();
    let shape = values.shape().to_vec();
    let channel_axes = shape.len().saturating_sub(3);
    let [.., z, y, x] = shape[..] else {
        return Err(format!("an array has three axes or four, not {shape:?}"));
    };
    let with_channel = |spatial: [usize; 3]| {
        let mut all = vec![1; channel_axes];
        all.extend(spatial);
        all
    };
    let inner = with_channel(chunk);
    let file = with_channel(file_shape(chunk, Shape::new([z, y, x])));
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
        FillValue::from(T::default()),
    )
    .subchunk_shape(to_u64(&inner))
    .bytes_to_bytes_codecs(vec![Arc::new(blosc)])
    .dimension_names(Some(names.iter().copied()))
    .build(Arc::clone(store), path)
    .map_err(display)?;
    array.store_metadata().map_err(display)?;
    // Also where everything is zero: a file that is not there is then always a lost one.
    let options = CodecOptions::default().with_store_empty_chunks(true);
    let files: Vec<usize> = (shape.iter().zip(&file))
        .map(|(edge, file)| edge.div_ceil(*file))
        .collect();
    for index in ndarray::indices(files) {
        let index = index.slice();
        let part = values.slice_each_axis(|axis| {
            let axis = axis.axis.index();
            let start = index[axis] * file[axis];
            Slice::from(start..shape[axis].min(start + file[axis]))
        });
        // Filled up to whole chunks.
        let mut whole = ArrayD::from_elem(file.as_slice(), T::default());
        let lengths = part.shape().to_vec();
        let inside = whole.slice_each_axis_mut(|axis| {
            Slice::from(0..lengths.get(axis.axis.index()).copied().unwrap_or(0))
        });
        Zip::from(inside)
            .and(part)
            .for_each(|out, value| *out = stored(*value));
        (array.store_chunk_opt(&to_u64(index), whole, &options)).map_err(display)?;
    }
    Ok(())
}

pub(super) fn display(error: impl Display) -> String {
    error.to_string()
}

pub(super) fn to_u64(lengths: &[usize]) -> Vec<u64> {
    lengths.iter().map(|n| *n as u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_parts_of_the_patch_and_of_the_case() {
        let chunk = |patch, case| chunk_shape(Shape::new(patch), Shape::new(case));
        assert_eq!(chunk([128; 3], [300; 3]), [32, 32, 32]);
        assert_eq!(chunk([1, 512, 512], [30, 700, 400]), [1, 128, 200]);
        assert_eq!(chunk([40, 56, 40], [36, 50, 35]), [36, 25, 35]);
    }

    #[test]
    fn files_are_whole_chunks_and_share_the_case_evenly() {
        let file = |chunk, case| file_shape(chunk, Shape::new(case));
        assert_eq!(file([36, 50, 35], [36, 50, 35]), [36, 50, 35]);
        assert_eq!(file([32, 32, 64], [100, 200, 300]), [32, 128, 320]);
        assert_eq!(file([32, 32, 64], [400, 512, 512]), [32, 128, 512]);
        assert_eq!(file([1, 256, 200], [30, 700, 400]), [6, 768, 400]);
        assert_eq!(file([1, 1, 1], [1, 1, 5_000_000]), [1, 1, 1_666_667]);
    }
}
