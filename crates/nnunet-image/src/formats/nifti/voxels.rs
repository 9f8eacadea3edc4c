use nifti::NiftiType;

use super::header::Header;
use super::source::Source;
use crate::ImageError;

/// Values decoded at a time.
const CHUNK: usize = 1 << 15;

/// Reads all values in the order of the file, scaled, each turned into a `T` by `convert`, which
/// is given the index of the value.
///
/// The file's order (first axis fastest) is the order of an array `(channel, z, y, x)`.
pub(super) fn read<T>(
    source: &mut Source,
    header: &Header,
    convert: impl Fn(usize, f64) -> Result<T, ImageError>,
) -> Result<Vec<T>, ImageError> {
    let mut values = Vec::new();
    values
        .try_reserve_exact(header.values)
        .map_err(|_| ImageError::OutOfMemory {
            path: source.path().to_path_buf(),
            bytes: header.values.saturating_mul(size_of::<T>()),
        })?;
    let size = header.datatype.size_of();
    let mut buffer = vec![0; CHUNK * size];
    let mut left = header.values;
    while left > 0 {
        let count = left.min(CHUNK);
        let bytes = buffer.get_mut(..count * size).unwrap_or_default();
        source.fill(bytes, "within its voxels")?;
        decode(bytes, header, &mut values, &convert)?;
        left -= count;
    }
    source.finish()?;
    Ok(values)
}

fn decode<T>(
    bytes: &[u8],
    header: &Header,
    out: &mut Vec<T>,
    convert: &impl Fn(usize, f64) -> Result<T, ImageError>,
) -> Result<(), ImageError> {
    // One loop per type, byte order and scaling, so that the inner loop has no branches on them.
    macro_rules! decode_as {
        ($type:ty) => {{
            let (values, _) = bytes.as_chunks::<{ size_of::<$type>() }>();
            if header.big_endian {
                let values = values.iter().map(|v| <$type>::from_be_bytes(*v) as f64);
                push(values, header.scaling, out, convert)
            } else {
                let values = values.iter().map(|v| <$type>::from_le_bytes(*v) as f64);
                push(values, header.scaling, out, convert)
            }
        }};
    }
    match header.datatype {
        NiftiType::Uint8 => decode_as!(u8),
        NiftiType::Int8 => decode_as!(i8),
        NiftiType::Uint16 => decode_as!(u16),
        NiftiType::Int16 => decode_as!(i16),
        NiftiType::Uint32 => decode_as!(u32),
        NiftiType::Int32 => decode_as!(i32),
        NiftiType::Uint64 => decode_as!(u64),
        NiftiType::Int64 => decode_as!(i64),
        NiftiType::Float32 => decode_as!(f32),
        NiftiType::Float64 => decode_as!(f64),
        // Refused when the header was checked.
        _ => Ok(()),
    }
}

fn push<T>(
    values: impl Iterator<Item = f64>,
    scaling: Option<(f64, f64)>,
    out: &mut Vec<T>,
    convert: &impl Fn(usize, f64) -> Result<T, ImageError>,
) -> Result<(), ImageError> {
    let first = out.len();
    match scaling {
        None => {
            for (i, value) in values.enumerate() {
                out.push(convert(first + i, value)?);
            }
        }
        Some((slope, intercept)) => {
            for (i, value) in values.enumerate() {
                out.push(convert(first + i, value * slope + intercept)?);
            }
        }
    }
    Ok(())
}
