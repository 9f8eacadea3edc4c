//! NIfTI files byte by byte, independent of the crate's own writer.

use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// The fields of a header that a reader looks at.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) header_size: i32,
    pub(crate) dim: [i16; 8],
    pub(crate) datatype: i16,
    pub(crate) pixdim: [f32; 8],
    pub(crate) vox_offset: f32,
    pub(crate) slope: f32,
    pub(crate) intercept: f32,
    pub(crate) magic: [u8; 4],
    pub(crate) big_endian: bool,
    pub(crate) voxels: Vec<u8>,
}

impl Raw {
    /// Little-endian, without scaling and transforms; dimensions in the file's order.
    pub(crate) fn new(dimensions: &[i16], datatype: i16, voxels: Vec<u8>) -> Self {
        let mut dim = [1; 8];
        dim[0] = dimensions.len() as i16;
        dim[1..=dimensions.len()].copy_from_slice(dimensions);
        Self {
            header_size: 348,
            dim,
            datatype,
            pixdim: [1.0; 8],
            vox_offset: 352.0,
            slope: 0.0,
            intercept: 0.0,
            magic: *b"n+1\0",
            big_endian: false,
            voxels,
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; 352];
        let mut put = |offset: usize, little: &[u8]| {
            let mut value = little.to_vec();
            if self.big_endian {
                value.reverse();
            }
            bytes[offset..offset + value.len()].copy_from_slice(&value);
        };
        put(0, &self.header_size.to_le_bytes());
        for (i, n) in self.dim.iter().enumerate() {
            put(40 + 2 * i, &n.to_le_bytes());
        }
        put(70, &self.datatype.to_le_bytes());
        for (i, v) in self.pixdim.iter().enumerate() {
            put(76 + 4 * i, &v.to_le_bytes());
        }
        put(108, &self.vox_offset.to_le_bytes());
        put(112, &self.slope.to_le_bytes());
        put(116, &self.intercept.to_le_bytes());
        bytes[344..348].copy_from_slice(&self.magic);
        bytes.extend_from_slice(&self.voxels);
        bytes
    }

    /// Writes the file, compressed if its name ends in `gz`.
    pub(crate) fn save(&self, folder: &Path, name: &str) -> PathBuf {
        let bytes = self.bytes();
        save(
            folder,
            name,
            &if name.ends_with("gz") {
                gzip(&bytes)
            } else {
                bytes
            },
        )
    }
}

pub(crate) fn save(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
