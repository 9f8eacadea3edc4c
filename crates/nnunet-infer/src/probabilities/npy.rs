//! The header of NumPy's array files, of four axes.

use std::io::{self, Read};

/// Begin of the file.
const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// The length of the header is a multiple of this.
const ALIGNMENT: usize = 64;
/// Headers above this are no array's of four axes.
const MAX_HEADER: usize = 1 << 16;

/// How numbers lie in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Single,
    Half,
}

/// The header of a single-precision array in C order.
pub(super) fn header(shape: [usize; 4]) -> Vec<u8> {
    let [c, z, y, x] = shape;
    let text =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({c}, {z}, {y}, {x}), }}");
    let prefix = MAGIC.len() + 4;
    // With the line feed.
    let length = (prefix + text.len() + 1).next_multiple_of(ALIGNMENT) - prefix;
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.resize(prefix + length - 1, b' ');
    bytes.push(b'\n');
    bytes
}

/// Reads a header; what follows are the numbers.
pub(super) fn read_header(from: &mut impl Read) -> io::Result<(Number, [usize; 4])> {
    let fail = |problem: String| io::Error::new(io::ErrorKind::InvalidData, problem);
    let mut start = [0; 8];
    from.read_exact(&mut start)?;
    if !start.starts_with(MAGIC) {
        return Err(fail("it does not begin as an array of NumPy".into()));
    }
    let length = match start {
        [.., 1, _] => {
            let mut length = [0; 2];
            from.read_exact(&mut length)?;
            usize::from(u16::from_le_bytes(length))
        }
        _ => {
            let mut length = [0; 4];
            from.read_exact(&mut length)?;
            u32::from_le_bytes(length) as usize
        }
    };
    if length > MAX_HEADER {
        return Err(fail(format!("its header has {length} bytes")));
    }
    let mut text = vec![0; length];
    from.read_exact(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let entry = |key: &str| {
        let (_, rest) = text.split_once(&format!("'{key}':"))?;
        Some(rest.trim_start())
    };
    let number = match entry("descr") {
        Some(rest) if rest.starts_with("'<f4'") => Number::Single,
        Some(rest) if rest.starts_with("'<f2'") => Number::Half,
        _ => {
            let problem = "expected numbers of the type `<f4` or `<f2`";
            return Err(fail(format!("its header is `{}`, {problem}", text.trim())));
        }
    };
    if !entry("fortran_order").is_some_and(|rest| rest.starts_with("False")) {
        return Err(fail(
            "its numbers are in Fortran order, expected C order".into(),
        ));
    }
    let shape = entry("shape").and_then(|rest| {
        let (inside, _) = rest.strip_prefix('(')?.split_once(')')?;
        let edges: Vec<usize> = (inside.split(',').map(str::trim))
            .filter(|edge| !edge.is_empty())
            .map(|edge| edge.parse().ok())
            .collect::<Option<_>>()?;
        <[usize; 4]>::try_from(edges).ok()
    });
    let shape = shape.ok_or_else(|| {
        let problem = "expected four axes (class, z, y, x)";
        fail(format!("its header is `{}`, {problem}", text.trim()))
    })?;
    Ok((number, shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let bytes = header([104, 300, 7, 12_345]);
        assert_eq!(bytes.len() % ALIGNMENT, 0);
        let (number, shape) = read_header(&mut bytes.as_slice()).unwrap();
        assert_eq!((number, shape), (Number::Single, [104, 300, 7, 12_345]));
    }

    #[test]
    fn other_headers_say_what_is_wrong() {
        let good = header([1, 2, 3, 4]);
        let with = |from: &str, to: &str| {
            let text = String::from_utf8_lossy(&good[10..]).replace(from, to);
            let bytes = [&good[..10], text.as_bytes()].concat();
            read_header(&mut bytes.as_slice()).unwrap_err().to_string()
        };
        assert!(with("<f4", "<i4").contains("<f2"));
        assert!(with("False", "True ").contains("C order"));
        assert!(with("(1, 2, 3, 4)", "(2, 3, 4)   ").contains("four axes"));
        let mut cut = &good[..40];
        assert!(read_header(&mut cut).is_err());
    }
}
