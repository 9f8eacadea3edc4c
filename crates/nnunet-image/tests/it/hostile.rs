//! Files that cannot be what they say: errors that name them, no panics, no huge allocations.

use std::path::Path;

use nnunet_image::{FormatRegistry, ImageError};
use proptest::prelude::*;

use crate::raw::{Raw, gzip, save};

fn error_of(path: &Path) -> String {
    let registry = FormatRegistry::default();
    let error = registry.read_image(path).unwrap_err();
    assert!(registry.read_labels(path).is_err());
    let text = error.to_string();
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    assert!(text.contains(&name), "{text} does not name {name}");
    text
}

#[test]
fn a_missing_file_is_named() {
    assert!(error_of(Path::new("/nowhere/a.nii.gz")).contains("cannot open"));
}

#[test]
fn a_file_cut_short_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let whole = Raw::new(
        &[8, 8, 8],
        4,
        (0..1024_u32).map(|v| ((v * 97) >> 3) as u8).collect(),
    );
    let compressed = gzip(&whole.bytes());
    for keep in [
        0,
        5,
        100,
        compressed.len() / 2,
        compressed.len() - 9,
        compressed.len() - 1,
    ] {
        let path = save(dir.path(), "a.nii.gz", &compressed[..keep]);
        assert!(error_of(&path).contains("is damaged"), "{keep}");
    }
    let plain = whole.bytes();
    for keep in [0, 347, 348, plain.len() - 1] {
        let path = save(dir.path(), "a.nii", &plain[..keep]);
        assert!(error_of(&path).contains("is damaged"), "{keep}");
    }
}

#[test]
fn a_flipped_bit_in_a_compressed_file_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let whole = Raw::new(
        &[8, 8, 8],
        4,
        (0..1024_u32).map(|v| ((v * 97) >> 3) as u8).collect(),
    );
    let mut compressed = gzip(&whole.bytes());
    let checksum = compressed.len() - 8;
    compressed[checksum] ^= 1;
    error_of(&save(dir.path(), "a.nii.gz", &compressed));
}

#[test]
fn huge_dimensions_are_refused_before_anything_is_allocated() {
    let dir = tempfile::tempdir().unwrap();
    let huge = Raw::new(&[32_767, 32_767, 32_767], 64, vec![0; 64]);
    for name in ["a.nii", "a.nii.gz"] {
        assert!(error_of(&huge.save(dir.path(), name)).contains("asks for"));
    }
    let overflowing = Raw::new(&[32_767, 32_767, 32_767, 32_767], 64, vec![0; 64]);
    assert!(error_of(&overflowing.save(dir.path(), "b.nii.gz")).contains("is damaged"));
}

#[test]
fn headers_that_make_no_sense_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let good = Raw::new(&[2, 1, 1], 2, vec![0, 1]);
    let bad = |change: fn(&mut Raw)| {
        let mut raw = good.clone();
        change(&mut raw);
        error_of(&raw.save(dir.path(), "a.nii"))
    };
    assert!(bad(|r| r.header_size = 540).contains("540"));
    assert!(bad(|r| r.magic = *b"abc\0").contains("no NIfTI-1 header"));
    assert!(bad(|r| r.magic = *b"ni1\0").contains(".hdr"));
    assert!(bad(|r| r.dim[0] = 0).contains("is damaged"));
    assert!(bad(|r| r.dim[0] = 1).contains("expected 2, 3"));
    assert!(bad(|r| r.dim[2] = 0).contains("is damaged"));
    assert!(bad(|r| r.dim[2] = -5).contains("is damaged"));
    assert!(bad(|r| r.datatype = 7).contains("unknown code 7"));
    assert!(bad(|r| r.datatype = 1).contains("unknown code 1"));
    assert!(bad(|r| r.vox_offset = f32::NAN).contains("NaN"));
    assert!(bad(|r| r.vox_offset = -4.0).contains("-4"));
    assert!(bad(|r| r.vox_offset = 1e9).contains("asks for"));
    for (code, what) in [
        (128, "RGB"),
        (2304, "RGB"),
        (32, "complex"),
        (1536, "128-bit"),
    ] {
        let mut raw = good.clone();
        raw.datatype = code;
        let text = error_of(&raw.save(dir.path(), "a.nii"));
        assert!(
            text.contains(what) && text.contains("cannot be used"),
            "{text}"
        );
    }
}

#[test]
fn a_folder_is_not_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.nii");
    std::fs::create_dir(&path).unwrap();
    let error = FormatRegistry::default().read_image(&path).unwrap_err();
    assert!(matches!(error, ImageError::Io { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_header_makes_the_reader_panic(
        changes in proptest::collection::vec((0_usize..348, any::<u8>()), 1..12),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = Raw::new(&[4, 3, 2], 4, vec![1; 48]).bytes();
        for (offset, value) in changes {
            bytes[offset] = value;
        }
        let path = save(dir.path(), "a.nii", &bytes);
        let registry = FormatRegistry::default();
        // Some changes leave a file that can be read.
        if let Ok(image) = registry.read_image(&path) {
            prop_assert!(image.data.len() * 2 <= 48 || image.data.len() <= 400);
        }
        let _ = registry.read_labels(&path);
    }
}
