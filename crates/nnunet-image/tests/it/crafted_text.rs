//! What the readers make of files whose header is text, as other programs write them.

use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use nnunet_image::{FormatRegistry, Geometry, Image, ImageError};

use crate::raw::{gzip, save};

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read(path: &Path) -> Image {
    FormatRegistry::default().read_image(path).unwrap()
}

fn values(image: &Image) -> Vec<f32> {
    image.data.iter().copied().collect()
}

/// The values 0 to 5 in every type and both byte orders: MetaImage's, NRRD's and NumPy's names.
fn all_types() -> Vec<([&'static str; 3], bool, Vec<u8>)> {
    let mut all = Vec::new();
    macro_rules! add {
        ($($type:ty => $names:expr),+ $(,)?) => { $(
            for big_endian in [false, true] {
                let values = (0..6_u8).map(|v| <$type>::try_from(v).unwrap());
                let bytes = values.flat_map(|v| {
                    if big_endian { v.to_be_bytes() } else { v.to_le_bytes() }
                });
                all.push(($names, big_endian, bytes.collect()));
            }
        )+ };
    }
    add!(
        u8 => ["MET_UCHAR", "unsigned char", "u1"],
        i8 => ["MET_CHAR", "int8", "i1"],
        u16 => ["MET_USHORT", "ushort", "u2"],
        i16 => ["MET_SHORT", "short", "i2"],
        u32 => ["MET_UINT", "unsigned int", "u4"],
        i32 => ["MET_LONG", "int", "i4"],
        u64 => ["MET_ULONG_LONG", "uint64", "u8"],
        i64 => ["MET_LONG_LONG", "long long", "i8"],
        f32 => ["MET_FLOAT", "float", "f4"],
        f64 => ["MET_DOUBLE", "double", "f8"],
    );
    all
}

#[test]
fn every_type_is_read_in_both_byte_orders_plain_and_packed() {
    let dir = tempfile::tempdir().unwrap();
    for ([meta, nrrd, npy], big, voxels) in all_types() {
        let check = |path: PathBuf| {
            let image = read(&path);
            assert_eq!(image.data.dim(), (1, 1, 2, 3), "{path:?} {meta}");
            assert_eq!(
                values(&image),
                [0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
                "{path:?} {meta}"
            );
            let labels = FormatRegistry::default().read_labels(&path).unwrap();
            assert_eq!(labels.labels[[0, 1, 0]], 3, "{path:?} {meta}");
        };
        for packed in [false, true] {
            let data = if packed {
                zlib(&voxels)
            } else {
                voxels.clone()
            };
            let head = format!(
                "ObjectType = Image\nNDims = 3\nDimSize = 3 2 1\nElementType = {meta}\n\
                 BinaryDataByteOrderMSB = {big}\nCompressedData = {packed}\n\
                 ElementDataFile = LOCAL\n"
            );
            check(save(
                dir.path(),
                "a.mha",
                &[head.as_bytes(), &data].concat(),
            ));

            let (encoding, data) = if packed {
                ("gzip", gzip(&voxels))
            } else {
                ("raw", voxels.clone())
            };
            let endian = if big { "big" } else { "little" };
            let head = format!(
                "NRRD0004\n# comment\ntype: {nrrd}\ndimension: 3\nsizes: 3 2 1\nendian: {endian}\n\
                 encoding: {encoding}\nkey:=value\n\n"
            );
            check(save(
                dir.path(),
                "a.nrrd",
                &[head.as_bytes(), &data].concat(),
            ));
        }
        let order = if big { '>' } else { '<' };
        let head =
            format!("{{'descr': '{order}{npy}', 'fortran_order': False, 'shape': (1, 2, 3), }}\n");
        check(save(dir.path(), "a.npy", &npy_file(&head, &voxels)));
    }
}

pub(crate) fn npy_file(header: &str, voxels: &[u8]) -> Vec<u8> {
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), voxels].concat()
}

fn mha(dir: &Path, fields: &str, voxels: &[u8]) -> PathBuf {
    let head = format!("{fields}ElementType = MET_UCHAR\nElementDataFile = LOCAL\n");
    save(dir, "a.mha", &[head.as_bytes(), voxels].concat())
}

#[test]
fn a_metaimage_lies_where_its_header_says() {
    let dir = tempfile::tempdir().unwrap();
    let path = mha(
        dir.path(),
        "NDims = 3\nDimSize = 2 1 1\nElementSpacing = 2 -3 4\nPosition = 1 2 3\n\
         Orientation = 0 1 0 1 0 0 0 0 1\n",
        &[1, 2],
    );
    let wanted = Geometry {
        spacing: nnunet_schema::Spacing::new([4.0, 3.0, 2.0]).unwrap(),
        origin: [1.0, 2.0, 3.0],
        // Rows of the file are columns; the second axis is turned around by its spacing.
        direction: [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]],
        skew: 0.0,
    };
    assert_eq!(read(&path).geometry, wanted);
    // A third of the sides are in ElementSize, as in files of old programs.
    let path = mha(
        dir.path(),
        "NDims = 2\nDimSize = 2 1\nElementSize = 0.5 0.25\n",
        &[1, 2],
    );
    let image = read(&path);
    assert_eq!(image.data.dim(), (1, 1, 1, 2));
    assert_eq!(image.geometry.spacing.mm(), [499.5, 0.25, 0.5]);
}

#[test]
fn channels_of_a_metaimage_are_in_each_voxel_or_on_the_fourth_axis() {
    let dir = tempfile::tempdir().unwrap();
    let fields = "NDims = 3\nDimSize = 2 1 1\nElementNumberOfChannels = 3\n";
    let image = read(&mha(dir.path(), fields, &[1, 2, 3, 4, 5, 6]));
    assert_eq!(image.data.dim(), (3, 1, 1, 2));
    assert_eq!(values(&image), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    let fields = "NDims = 4\nDimSize = 2 1 1 3\nElementSpacing = 2 3 4 5\n";
    let image = read(&mha(dir.path(), fields, &[1, 2, 3, 4, 5, 6]));
    assert_eq!(values(&image), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(image.geometry.spacing.mm(), [4.0, 3.0, 2.0]);
    let labels = FormatRegistry::default().read_labels(&dir.path().join("a.mha"));
    assert!(matches!(
        labels,
        Err(ImageError::LabelChannels { channels: 3, .. })
    ));
}

#[test]
fn voxels_in_a_file_of_their_own_are_found_beside_the_header() {
    let dir = tempfile::tempdir().unwrap();
    save(dir.path(), "voxels.raw", &[9, 9, 9, 1, 2]);
    for skip in ["HeaderSize = -1\n", "HeaderSize = 3\n"] {
        let head = format!(
            "NDims = 3\nDimSize = 2 1 1\n{skip}ElementType = MET_UCHAR\n\
             ElementDataFile = voxels.raw\n"
        );
        assert_eq!(
            values(&read(&save(dir.path(), "a.mhd", head.as_bytes()))),
            [1.0, 2.0]
        );
    }
    for (skip, end) in [("byte skip: -1\n", "\n"), ("byte skip: 3\n", "")] {
        let head = format!(
            "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 1 1\nencoding: raw\n{skip}\
             data file: ./voxels.raw\n{end}"
        );
        assert_eq!(
            values(&read(&save(dir.path(), "a.nhdr", head.as_bytes()))),
            [1.0, 2.0]
        );
    }
    save(dir.path(), "voxels.raw", b"text\n\x01\x02");
    let head = "NRRD0004\ntype: uchar\ndimension: 2\nsizes: 2 1\nencoding: raw\nline skip: 1\n\
                datafile: voxels.raw\n";
    assert_eq!(
        values(&read(&save(dir.path(), "a.nhdr", head.as_bytes()))),
        [1.0, 2.0]
    );
}

fn nrrd(dir: &Path, fields: &str, voxels: &[u8]) -> PathBuf {
    let head = format!("NRRD0005\ntype: uchar\nencoding: raw\n{fields}\n");
    save(dir, "a.nrrd", &[head.as_bytes(), voxels].concat())
}

#[test]
fn an_nrrd_lies_where_its_header_says() {
    let dir = tempfile::tempdir().unwrap();
    let geometry = |fields: &str| {
        let fields = format!("dimension: 3\nsizes: 2 1 1\n{fields}\n");
        read(&nrrd(dir.path(), &fields, &[1, 2])).geometry
    };
    let place = "space directions: (0,2,0) (3,0,0) (0,0,-4)\nspace origin: (1,2,3)";
    let found = geometry(&format!("space: left-posterior-superior\n{place}"));
    assert_eq!(found.spacing.mm(), [4.0, 3.0, 2.0]);
    assert_eq!(found.origin, [1.0, 2.0, 3.0]);
    let axes = [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]];
    assert_eq!(found.direction, axes);
    assert_eq!(geometry(&format!("space dimension: 3\n{place}")), found);

    let found = geometry(&format!("space: RAS\n{place}"));
    assert_eq!(found.origin, [-1.0, -2.0, 3.0]);
    let axes = [[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]];
    assert_eq!(found.direction, axes);
    let found = geometry(&format!("space: left-anterior-superior\n{place}"));
    assert_eq!(found.origin, [1.0, -2.0, 3.0]);

    assert_eq!(geometry("spacings: 2 NaN 4").spacing.mm(), [4.0, 1.0, 2.0]);
}

#[test]
fn channels_of_an_nrrd_are_found_by_kind_direction_or_place() {
    let dir = tempfile::tempdir().unwrap();
    for (fields, wanted) in [
        (
            "sizes: 3 2 1 1\nkinds: RGB-color domain domain domain\n",
            [1, 4, 2, 5, 3, 6],
        ),
        (
            "sizes: 2 3 1 1\nkinds: space list space space\n",
            [1, 2, 3, 4, 5, 6],
        ),
        ("sizes: 2 1 1 3\nspacings: 1 1 1 NaN\n", [1, 2, 3, 4, 5, 6]),
        (
            "sizes: 3 2 1 1\nspace: LPS\nspace directions: none (1,0,0) (0,1,0) (0,0,1)\n",
            [1, 4, 2, 5, 3, 6],
        ),
    ] {
        let image = read(&nrrd(
            dir.path(),
            &format!("dimension: 4\n{fields}"),
            &[1, 2, 3, 4, 5, 6],
        ));
        assert_eq!(image.data.dim(), (3, 1, 1, 2), "{fields}");
        assert_eq!(values(&image), wanted.map(|v| v as f32), "{fields}");
    }
    let flat = "dimension: 3\nsizes: 3 2 1\nkinds: vector domain domain\n";
    let image = read(&nrrd(dir.path(), flat, &[1, 2, 3, 4, 5, 6]));
    assert_eq!(image.data.dim(), (3, 1, 1, 2));
    assert!(image.geometry.is_planar());
}
