//! Files that cannot be what they say, in all formats: errors that name them, no panics, no huge
//! allocations.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use ndarray::{Array3, Array4};
use nnunet_image::{FormatRegistry, Geometry, Image, LabelMap};
use nnunet_schema::Spacing;
use proptest::prelude::*;

use crate::raw::save;

fn error_of(path: &Path) -> String {
    let registry = FormatRegistry::default();
    let error = registry.read_image(path).unwrap_err();
    assert!(registry.read_labels(path).is_err());
    let text = error.to_string();
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    assert!(text.contains(&name), "{text} does not name {name}");
    text
}

fn mha(dir: &Path, fields: &str, rest: &[u8]) -> PathBuf {
    save(dir, "a.mha", &[fields.as_bytes(), rest].concat())
}

fn nrrd(dir: &Path, fields: &str, rest: &[u8]) -> PathBuf {
    let head = format!("NRRD0005\n{fields}\n");
    save(dir, "a.nrrd", &[head.as_bytes(), rest].concat())
}

#[test]
fn a_missing_file_is_named() {
    for ending in FormatRegistry::default().endings() {
        let path = format!("/nowhere/a{ending}");
        assert!(error_of(Path::new(&path)).contains("cannot open"));
    }
}

#[test]
fn files_cut_short_are_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let registry = FormatRegistry::default();
    let data = Array4::from_shape_fn((1, 1, 9, 9), |(_, _, y, x)| ((y * 9 + x) * 97 % 251) as f32);
    let geometry = Geometry::axis_aligned(Spacing::new([999.0, 1.0, 1.0]).unwrap());
    for ending in registry.endings() {
        let path = dir.path().join(format!("a{ending}"));
        let image = Image {
            data: data.clone(),
            geometry,
        };
        registry.write_image(&path, &image).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for keep in [0, 1, 3, 20, whole.len() / 2, whole.len() - 5] {
            let error = error_of(&save(dir.path(), &format!("b{ending}"), &whole[..keep]));
            assert!(error.contains("is damaged"), "{ending} {keep}: {error}");
        }
    }
}

#[test]
fn huge_sizes_are_refused_before_anything_is_allocated() {
    let dir = tempfile::tempdir().unwrap();
    for (size, packed) in [("90000 90000 90000", false), ("90000 90000 90000", true)] {
        let fields = format!(
            "NDims = 3\nDimSize = {size}\nElementType = MET_DOUBLE\nCompressedData = {packed}\n\
             ElementDataFile = LOCAL\n"
        );
        assert!(error_of(&mha(dir.path(), &fields, &[0; 9])).contains("asks for"));
        let encoding = if packed { "gzip" } else { "raw" };
        let fields = format!(
            "type: double\nendian: little\ndimension: 3\nsizes: {size}\nencoding: {encoding}\n"
        );
        assert!(error_of(&nrrd(dir.path(), &fields, &[0; 9])).contains("asks for"));
    }
    let npy = b"\x93NUMPY\x01\x00\x43\x00{'descr': '<f8', 'fortran_order': False, \
                'shape': (90000, 9000, 9)}  ";
    assert!(error_of(&save(dir.path(), "a.npy", npy)).contains("asks for"));

    let registry = FormatRegistry::default();
    let geometry = Geometry::axis_aligned(Spacing::new([999.0, 1.0, 1.0]).unwrap());
    let labels = Array3::zeros((1, 2, 2));
    for (name, width_at, big) in [("a.png", 16, true), ("a.bmp", 18, false)] {
        let path = dir.path().join(name);
        let map = LabelMap {
            labels: labels.clone(),
            geometry,
        };
        registry.write_labels(&path, &map).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        for offset in [width_at, width_at + 4] {
            let size = 0x7000_0000_u32;
            let size = if big {
                size.to_be_bytes()
            } else {
                size.to_le_bytes()
            };
            bytes[offset..offset + 4].copy_from_slice(&size);
        }
        error_of(&save(dir.path(), name, &bytes));
    }
    // Sizes that cannot be counted, and none at all.
    for size in ["9000000000 9000000000 9000000000", "3 0 3", "3 3", "3 -3 3"] {
        let fields = format!(
            "NDims = 3\nDimSize = {size}\nElementType = MET_CHAR\nElementDataFile = LOCAL\n"
        );
        assert!(
            error_of(&mha(dir.path(), &fields, &[0; 27])).contains("`DimSize`"),
            "{size}"
        );
        let fields = format!("type: int8\ndimension: 3\nsizes: {size}\nencoding: raw\n");
        assert!(
            error_of(&nrrd(dir.path(), &fields, &[0; 27])).contains("`sizes`"),
            "{size}"
        );
    }
}

#[test]
fn what_a_metaimage_cannot_be_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let error = |fields: &str, data: &str| {
        let fields =
            format!("ObjectType = Image\nDimSize = 1 1 1\n{fields}ElementDataFile = {data}\n");
        error_of(&mha(dir.path(), &fields, &[0]))
    };
    let good = "NDims = 3\nElementType = MET_UCHAR\n";
    for (fields, data, words) in [
        (good, "LIST", ["several files", "one .mha"]),
        (good, "a%03d.raw 1 3 1", ["several files", "one .mha"]),
        (
            good,
            "nowhere.raw",
            ["nowhere.raw", "keep header and voxels together"],
        ),
        (good, ".", ["no file", "together"]),
        ("NDims = 3\n", "LOCAL", ["no `ElementType`", "damaged"]),
        (
            "ElementType = MET_UCHAR\n",
            "LOCAL",
            ["no `NDims`", "damaged"],
        ),
        (
            "NDims = 3\nElementType = MET_STRING\n",
            "LOCAL",
            ["MET_STRING", "convert"],
        ),
        (
            "NDims = 5\nElementType = MET_UCHAR\n",
            "LOCAL",
            ["5 axes", "expected 2, 3"],
        ),
        (
            "NDims = x\nElementType = MET_UCHAR\n",
            "LOCAL",
            ["`NDims` is `x`", "1 number"],
        ),
        (
            "NDims = 3\nElementType = MET_UCHAR\nBinaryData = False\n",
            "LOCAL",
            ["text", "BinaryData"],
        ),
        (
            "NDims = 3\nElementType = MET_UCHAR\nOffset = 1 2\n",
            "LOCAL",
            ["`Offset`", "3 numbers"],
        ),
        (
            "NDims = 3\nElementType = MET_UCHAR\nElementSpacing = 0 1 1\n",
            "LOCAL",
            ["spacing", "above zero"],
        ),
        (
            "NDims = 3\nElementType = MET_UCHAR\nCompressedData = maybe\n",
            "LOCAL",
            ["maybe", "True or False"],
        ),
        (
            "NDims = 3\nElementType = MET_UCHAR\nHeaderSize = -7\n",
            "LOCAL",
            ["HeaderSize", "-7"],
        ),
    ] {
        let text = error(fields, data);
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }
    let four = "NDims = 4\nDimSize = 1 1 1 1\nElementNumberOfChannels = 2\nElementType = MET_UCHAR\n\
                ElementDataFile = LOCAL\n";
    assert!(error_of(&mha(dir.path(), four, &[0; 2])).contains("one file per channel"));
    assert!(error_of(&mha(dir.path(), "NDims = 3\n", &[])).contains("no `ElementDataFile`"));
    assert!(error_of(&mha(dir.path(), "", &[0xff; 90])).contains("no MetaImage header"));
}

#[test]
fn what_an_nrrd_cannot_be_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    for (fields, words) in [
        ("type: uchar\nencoding: bzip2\n", ["bzip2", "raw or gzip"]),
        ("type: uchar\nencoding: ascii\n", ["ascii", "convert"]),
        ("type: block\nencoding: raw\n", ["block", "convert"]),
        ("type: short\nencoding: raw\n", ["`endian`", "missing"]),
        ("type: uchar\n", ["no `encoding`", "damaged"]),
        ("encoding: raw\n", ["no `type`", "damaged"]),
        (
            "type: uchar\nencoding: raw\ndata file: LIST 2\n",
            ["several files", "one .nrrd"],
        ),
        (
            "type: uchar\nencoding: raw\ndata file: x.raw\n",
            ["x.raw", "together"],
        ),
        (
            "type: uchar\nencoding: raw\nbyte skip: -2\n",
            ["byte skip", "-2"],
        ),
        (
            "type: uchar\nencoding: raw\nspacings: 1 1\n",
            ["`spacings`", "3 numbers"],
        ),
        (
            "type: uchar\nencoding: raw\nspace directions: (1,0,0)\n",
            ["space directions", "none"],
        ),
        (
            "type: uchar\nencoding: raw\nspace origin: here\n",
            ["space origin", "here"],
        ),
        (
            "type: uchar\nencoding: raw\nkinds: list vector domain\n",
            ["list vector domain", "at most one"],
        ),
        (
            "type: uchar\nencoding: raw\nnonsense\n",
            ["nonsense", "name: value"],
        ),
    ] {
        let fields = format!("dimension: 3\nsizes: 1 1 1\n{fields}");
        let text = error_of(&nrrd(dir.path(), &fields, &[0]));
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }
    let five = "dimension: 5\nsizes: 1 1 1 1 1\ntype: uchar\nencoding: raw\n";
    assert!(error_of(&nrrd(dir.path(), five, &[0])).contains("5 axes"));
    assert!(error_of(&save(dir.path(), "a.nrrd", b"P5 1 1")).contains("no NRRD header"));
}

#[test]
fn what_the_other_formats_cannot_hold_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    for (header, words) in [
        (
            "{'descr': '<f2', 'fortran_order': False, 'shape': (1, 1, 1), }",
            ["<f2", "convert"],
        ),
        (
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
            ["('a'", "plain"],
        ),
        (
            "{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }",
            ["[1]", "(z, y, x)"],
        ),
        (
            "{'descr': '|u1', 'fortran_order': No, 'shape': (1, 1), }",
            ["order", "damaged"],
        ),
        (
            "{'descr': '|u1', 'fortran_order': True, 'shape': (1, -1), }",
            ["shape", "damaged"],
        ),
    ] {
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        let bytes = [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &[0]].concat();
        let text = error_of(&save(dir.path(), "a.npy", &bytes));
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }
    for name in ["a.npy", "a.png", "a.bmp", "a.tif"] {
        let text = error_of(&save(dir.path(), name, &[7; 300]));
        assert!(text.contains("is damaged"), "{text}");
    }
}

/// An image and a label map in each format, to be changed.
static ORIGINALS: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(originals);

fn originals() -> Vec<(String, Vec<u8>)> {
    let dir = tempfile::tempdir().unwrap();
    let registry = FormatRegistry::default();
    let data = Array4::from_shape_fn((3, 1, 4, 5), |(c, _, y, x)| (c * 20 + y * 5 + x) as f32);
    let geometry = Geometry::axis_aligned(Spacing::new([999.0, 1.0, 1.0]).unwrap());
    let mut all = Vec::new();
    for ending in registry.endings() {
        let path = dir.path().join(format!("a{ending}"));
        let image = Image {
            data: data.clone(),
            geometry,
        };
        registry.write_image(&path, &image).unwrap();
        all.push((format!("a{ending}"), std::fs::read(&path).unwrap()));
        let map = LabelMap {
            labels: data.slice(ndarray::s![0, .., .., ..]).mapv(|v| v as i16),
            geometry,
        };
        registry.write_labels(&path, &map).unwrap();
        all.push((format!("b{ending}"), std::fs::read(&path).unwrap()));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_change_of_a_few_bytes_makes_a_reader_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        cuts: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let registry = FormatRegistry::default();
        for (name, bytes) in ORIGINALS.iter() {
            let mut bytes = bytes.clone();
            for (place, value) in &changes {
                let place = place.index(bytes.len());
                bytes[place] = *value;
            }
            if cuts {
                bytes.truncate(cut.index(bytes.len()));
            }
            let path = save(dir.path(), name, &bytes);
            // Some changes leave a file that can be read.
            if let Ok(image) = registry.read_image(&path) {
                prop_assert!(image.data.len() < 1_000_000, "{name}");
            }
            let _ = registry.read_labels(&path);
        }
    }
}
