//! Reads boxes of a stored array.
//!
//! The arrays are plain Zarr, but a patch is read by code of our own: it reads what is packed
//! straight from the files, unpacks one chunk after the other and copies what is wanted of it, once.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use half::f16;
use half::slice::HalfFloatSliceExt;
use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, Dimension, Slice, Zip};
use nnunet_image::CropBox;
use serde_json::Value;
use zarrs::array::codec::{BloscCodec, BloscCodecConfiguration};
use zarrs::array::{
    Array, ArrayShardedExt, BytesRepresentation, BytesToBytesCodecTraits, CodecOptions, data_type,
};
use zarrs::filesystem::FilesystemStore;

use super::arrays::{display, to_u64};
use super::packed::PackedFile;
use crate::PreprocessError;

/// A number as it lies in a chunk, the byte of least value first.
pub(super) trait Stored: Copy + Default {
    /// Its bytes.
    type Bytes: Copy;

    fn from_bytes(bytes: Self::Bytes) -> Self;
    /// The numbers of a chunk; what is left of the last one is dropped.
    fn split(chunk: &[u8]) -> &[Self::Bytes];
}

macro_rules! stored {
    ($($number:ty),*) => {$(
        impl Stored for $number {
            type Bytes = [u8; size_of::<$number>()];

            fn from_bytes(bytes: Self::Bytes) -> Self {
                <$number>::from_le_bytes(bytes)
            }

            fn split(chunk: &[u8]) -> &[Self::Bytes] {
                chunk.as_chunks().0
            }
        }
    )*};
}

stored!(f32, f16, i16);

/// One array of a stored case, open for reading.
pub(super) struct StoredArray {
    /// Voxels along each axis, channels first if there are any.
    shape: Vec<usize>,
    is_half: bool,
    /// Edges of a chunk.
    chunk: Vec<usize>,
    /// Chunks of a file along each axis.
    chunks_per_file: Vec<usize>,
    /// The files in C order, as many along each axis as it takes.
    files: ArrayD<PackedFile>,
    /// What unpacks a chunk.
    codec: BloscCodec,
}

impl std::fmt::Debug for StoredArray {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredArray")
            .field("shape", &self.shape)
            .field("chunk", &self.chunk)
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
        let (Some(chunk), Some(codec)) = (array.subchunk_shape(), chunk_codec(&array)) else {
            let problem =
                "its chunks are not packed as by this program; preprocess this case again";
            return Err(failed(problem.to_owned()));
        };
        let chunk: Vec<usize> = chunk.iter().map(|edge| edge.get() as usize).collect();
        let shape: Vec<usize> = array.shape().iter().map(|n| *n as usize).collect();
        let origin = vec![0; shape.len()];
        let file = array
            .chunk_shape(&origin)
            .map_err(|e| failed(e.to_string()))?;
        let chunks_per_file: Vec<usize> = (file.iter().zip(&chunk))
            .map(|(file, chunk)| file.get() as usize / chunk)
            .collect();
        let counts: Vec<usize> = array
            .chunk_grid_shape()
            .iter()
            .map(|n| *n as usize)
            .collect();
        let chunks = chunks_per_file.iter().product();
        let path = |index: ndarray::IxDyn| -> PathBuf {
            folder.join(array.chunk_key(&to_u64(index.slice())).as_str())
        };
        let files = ArrayD::from_shape_fn(counts, |index| PackedFile::new(path(index), chunks));
        // Zarr reads a file that is not there as zeros; ours are all written.
        if let Some(lost) = files.iter().find(|file| !file.path().is_file()) {
            let lost = lost.path().display();
            return Err(failed(format!(
                "the file {lost} is gone; preprocess this case again"
            )));
        }
        Ok(Self {
            is_half: *array.data_type() == data_type::float16(),
            shape,
            chunk,
            chunks_per_file,
            files,
            codec,
        })
    }

    /// Voxels along each axis, channels first if there are any.
    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Reads intensities in whichever precision they are stored; see [`read`](Self::read).
    pub(super) fn read_intensities(&self, region: CropBox) -> Result<ArrayD<f32>, String> {
        if !self.is_half {
            return self.read::<f32>(region);
        }
        let half = self.read::<f16>(region)?;
        let mut values = vec![0.0; half.len()];
        let half_values = half.as_slice().ok_or("the values are not in order")?;
        half_values.convert_to_f32_slice(&mut values);
        ArrayD::from_shape_vec(half.shape(), values).map_err(display)
    }

    /// Reads a box, all channels; only the chunks that it touches are read, one after the other:
    /// whoever reads patches does so on many threads already.
    pub(super) fn read<T: Stored>(&self, region: CropBox) -> Result<ArrayD<T>, String> {
        let channels = self.shape.iter().take(self.shape.len().saturating_sub(3));
        let mut wanted: Vec<Range<usize>> = channels.map(|count| 0..*count).collect();
        let bounds = region.low().into_iter().zip(region.high());
        wanted.extend(bounds.map(|(low, high)| low..high));
        let lengths: Vec<usize> = wanted.iter().map(Range::len).collect();
        let mut values = ArrayD::from_elem(lengths, T::default());
        if values.is_empty() {
            return Ok(values);
        }
        let edges = self.chunk.iter().zip(&self.chunks_per_file);
        let file_edges: Vec<usize> = edges.map(|(edge, count)| edge * count).collect();
        let mut packed = Vec::new();
        for index in blocks(&wanted, &file_edges) {
            let file = self
                .files
                .get(index.as_slice())
                .ok_or("the box is outside")?;
            let open = file.open()?;
            let inside: Vec<Range<usize>> = (wanted.iter().zip(&index).zip(&file_edges))
                .map(|((wanted, i), edge)| shared(wanted, i * edge, *edge))
                .collect();
            for index in blocks(&inside, &self.chunk) {
                let places = index.iter().zip(&self.chunks_per_file);
                let number = places.fold(0, |number, (i, count)| number * count + i % count);
                let part = Part {
                    wanted: &wanted,
                    start: (index.iter().zip(&self.chunk))
                        .map(|(i, edge)| i * edge)
                        .collect(),
                    chunk: &self.chunk,
                };
                if file.read_chunk(&open, number, &mut packed)? {
                    let bytes = self.unpacked(&packed).map_err(|e| file.damaged(&e))?;
                    part.copy(T::split(&bytes), values.view_mut())?;
                }
            }
        }
        Ok(values)
    }

    /// The bytes of a chunk.
    fn unpacked<'a>(&self, packed: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        // The codec knows how many there are.
        let size = BytesRepresentation::UnboundedSize;
        let options = CodecOptions::default();
        (self.codec.decode(Cow::Borrowed(packed), &size, &options)).map_err(display)
    }
}

/// The part of a chunk that is wanted.
struct Part<'a> {
    /// The box that is wanted, in voxels.
    wanted: &'a [Range<usize>],
    /// First voxel of the chunk.
    start: Vec<usize>,
    /// Its edges.
    chunk: &'a [usize],
}

impl Part<'_> {
    /// Copies it into its place in the box.
    fn copy<T: Stored>(
        &self,
        chunk: &[T::Bytes],
        mut values: ArrayViewMutD<'_, T>,
    ) -> Result<(), String> {
        let chunk = ArrayViewD::from_shape(self.chunk, chunk).map_err(display)?;
        let part = |axis: usize| {
            let (start, edge) = (self.start[axis], self.chunk[axis]);
            (
                start,
                self.wanted[axis].start,
                shared(&self.wanted[axis], start, edge),
            )
        };
        let source = chunk.slice_each_axis(|axis| {
            let (start, _, shared) = part(axis.axis.index());
            Slice::from(shared.start - start..shared.end - start)
        });
        let mut target = values.slice_each_axis_mut(|axis| {
            let (_, start, shared) = part(axis.axis.index());
            Slice::from(shared.start - start..shared.end - start)
        });
        Zip::from(target.rows_mut())
            .and(source.rows())
            .for_each(|mut target, row| {
                // Both are contiguous: their last axis is that of arrays in order.
                if let (Some(target), Some(row)) = (target.as_slice_mut(), row.as_slice()) {
                    let numbers = row.iter().map(|bytes| T::from_bytes(*bytes));
                    (target.iter_mut().zip(numbers)).for_each(|(out, number)| *out = number);
                }
            });
        Ok(())
    }
}

/// What a range shares with `edge` voxels from `start` on.
fn shared(range: &Range<usize>, start: usize, edge: usize) -> Range<usize> {
    range.start.max(start)..range.end.min(start + edge)
}

/// The indices of the blocks with these edges that a box touches.
fn blocks<'a>(
    wanted: &'a [Range<usize>],
    edges: &'a [usize],
) -> impl Iterator<Item = Vec<usize>> + 'a {
    let touched: Vec<Range<usize>> = (wanted.iter().zip(edges))
        .map(|(wanted, edge)| wanted.start / edge..wanted.end.div_ceil(*edge))
        .collect();
    let counts: Vec<usize> = touched.iter().map(Range::len).collect();
    ndarray::indices(counts).into_iter().map(move |offset| {
        let places = offset.slice().iter().zip(&touched);
        places.map(|(i, touched)| touched.start + i).collect()
    })
}

/// The codec of the chunks within the files, if they hold plain numbers, packed by Blosc.
fn chunk_codec(array: &Array<FilesystemStore>) -> Option<BloscCodec> {
    let metadata = serde_json::to_value(array.metadata()).ok()?;
    let codecs = metadata
        .pointer("/codecs/0/configuration/codecs")?
        .as_array()?;
    let [bytes, blosc] = codecs.as_slice() else {
        return None;
    };
    let is = |codec: &Value, name: &str| codec.get("name").and_then(Value::as_str) == Some(name);
    let little = bytes
        .pointer("/configuration/endian")
        .and_then(Value::as_str)
        == Some("little");
    if !is(bytes, "bytes") || !is(blosc, "blosc") || !little {
        return None;
    }
    let configuration = blosc.get("configuration")?.clone();
    let configuration: BloscCodecConfiguration = serde_json::from_value(configuration).ok()?;
    BloscCodec::new_with_configuration(&configuration).ok()
}
