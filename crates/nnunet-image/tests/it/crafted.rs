//! What the reader makes of files of every kind.

use nnunet_image::{FormatRegistry, ImageError};

use crate::raw::{Raw, gzip, save};

/// The values 0 to 5 in every type and both byte orders.
fn files_of_all_types() -> Vec<(i16, Raw)> {
    let mut files = Vec::new();
    macro_rules! add {
        ($($type:ty => $code:expr),+) => { $(
            for big_endian in [false, true] {
                let values = (0..6_u8).map(|v| <$type>::try_from(v).unwrap());
                let voxels = values.flat_map(|v| {
                    if big_endian { v.to_be_bytes() } else { v.to_le_bytes() }
                });
                let mut raw = Raw::new(&[3, 2, 1], $code, voxels.collect());
                raw.big_endian = big_endian;
                files.push(($code, raw));
            }
        )+ };
    }
    add!(u8 => 2, i16 => 4, i32 => 8, f32 => 16, f64 => 64);
    add!(u16 => 512, u32 => 768, i64 => 1024, u64 => 1280);
    files.push((256, Raw::new(&[3, 2, 1], 256, (0..6).collect())));
    files
}

#[test]
fn every_integer_and_float_type_is_read_in_both_byte_orders() {
    let dir = tempfile::tempdir().unwrap();
    let registry = FormatRegistry::default();
    for (code, raw) in files_of_all_types() {
        let path = raw.save(dir.path(), "a.nii");
        let image = registry.read_image(&path).unwrap();
        assert_eq!(image.data.dim(), (1, 1, 2, 3), "{code}");
        let values: Vec<f32> = image.data.iter().copied().collect();
        assert_eq!(values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "{code}");
        let labels = registry.read_labels(&path).unwrap();
        assert_eq!(labels.labels[[0, 1, 0]], 3, "{code}");
    }
}

#[test]
fn values_are_scaled_unless_the_slope_is_zero() {
    let dir = tempfile::tempdir().unwrap();
    let registry = FormatRegistry::default();
    let mut raw = Raw::new(&[2, 1, 1], 2, vec![0, 10]);
    for (slope, intercept, wanted) in [
        (0.5, -3.0, [-3.0, 2.0]),
        (0.0, 7.0, [0.0, 10.0]),
        (f32::NAN, 7.0, [0.0, 10.0]),
        (1.0, 7.0, [7.0, 17.0]),
    ] {
        (raw.slope, raw.intercept) = (slope, intercept);
        let path = raw.save(dir.path(), "a.nii.gz");
        let image = registry.read_image(&path).unwrap();
        assert_eq!(
            image.data.as_slice().unwrap(),
            wanted,
            "{slope} {intercept}"
        );
    }
}

#[test]
fn a_negative_pixdim_is_a_positive_spacing() {
    let dir = tempfile::tempdir().unwrap();
    let mut raw = Raw::new(&[1, 1, 1], 2, vec![0]);
    raw.pixdim = [-1.0, 0.5, -0.75, 3.0, 0.0, 0.0, 0.0, 0.0];
    let path = raw.save(dir.path(), "a.nii");
    let image = FormatRegistry::default().read_image(&path).unwrap();
    assert_eq!(image.geometry.spacing.mm(), [3.0, 0.75, 0.5]);
}

#[test]
fn a_2d_file_is_a_volume_with_one_slice() {
    let dir = tempfile::tempdir().unwrap();
    let mut raw = Raw::new(&[3, 2], 2, vec![1, 2, 3, 4, 5, 6]);
    raw.pixdim = [1.0, 0.5, 0.25, 9.0, 1.0, 1.0, 1.0, 1.0];
    let path = raw.save(dir.path(), "a.nii");
    let image = FormatRegistry::default().read_image(&path).unwrap();
    assert_eq!(image.data.dim(), (1, 1, 2, 3));
    assert_eq!(image.geometry.spacing.mm(), [499.5, 0.25, 0.5]);
}

#[test]
fn the_fourth_axis_is_the_channels_and_empty_axes_beyond_do_not_count() {
    let dir = tempfile::tempdir().unwrap();
    let registry = FormatRegistry::default();
    let raw = Raw::new(&[1, 2, 1, 2, 1], 2, vec![1, 2, 3, 4]);
    let path = raw.save(dir.path(), "a.nii");
    let image = registry.read_image(&path).unwrap();
    assert_eq!(image.data.dim(), (2, 1, 2, 1));
    assert_eq!(image.data[[1, 0, 0, 0]], 3.0);
    let error = registry.read_labels(&path).unwrap_err();
    assert!(
        matches!(error, ImageError::LabelChannels { channels: 2, .. }),
        "{error}"
    );

    let path = Raw::new(&[1, 1, 1, 1, 3], 2, vec![1, 2, 3]).save(dir.path(), "b.nii");
    let error = registry.read_image(&path).unwrap_err();
    assert!(matches!(error, ImageError::Unsupported { .. }), "{error}");
}

#[test]
fn labels_must_be_integers_in_range() {
    let dir = tempfile::tempdir().unwrap();
    let registry = FormatRegistry::default();
    let floats = |values: [f32; 4]| {
        let voxels = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Raw::new(&[2, 2, 1], 16, voxels).save(dir.path(), "a.nii")
    };
    let labels = registry
        .read_labels(&floats([0.0, 1.0004, 2.0, -1.0]))
        .unwrap();
    assert_eq!(labels.labels.as_slice().unwrap(), [0, 1, 2, -1]);
    for bad in [0.5, f32::NAN, f32::INFINITY, 40_000.0] {
        let error = registry
            .read_labels(&floats([0.0, 1.0, bad, 0.0]))
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("[0, 1, 0]") && text.contains("a.nii"),
            "{text}"
        );
        let shown = format!("label {}", f64::from(bad));
        assert!(text.contains(&shown), "{text}");
    }
}

#[test]
fn whether_a_file_is_compressed_is_seen_from_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let registry = FormatRegistry::default();
    let bytes = Raw::new(&[2, 1, 1], 2, vec![4, 5]).bytes();
    let plain = save(dir.path(), "plain.nii.gz", &bytes);
    let compressed = save(dir.path(), "compressed.nii", &gzip(&bytes));
    let (first, second) = bytes.split_at(200);
    let members = [gzip(first), gzip(second)].concat();
    let members = save(dir.path(), "members.nii.gz", &members);
    let padded = [gzip(&bytes), vec![0; 700]].concat();
    let padded = save(dir.path(), "padded.nii.gz", &padded);
    for path in [plain, compressed, members, padded] {
        let image = registry.read_image(&path).unwrap();
        assert_eq!(image.data.as_slice().unwrap(), [4.0, 5.0], "{path:?}");
    }
}

#[test]
fn voxels_start_where_the_header_says() {
    let dir = tempfile::tempdir().unwrap();
    let registry = FormatRegistry::default();
    let mut raw = Raw::new(&[2, 1, 1], 2, vec![9; 16]);
    raw.voxels.extend([1, 2]);
    raw.vox_offset = 368.0;
    let image = registry
        .read_image(&raw.save(dir.path(), "a.nii.gz"))
        .unwrap();
    assert_eq!(image.data.as_slice().unwrap(), [1.0, 2.0]);
    raw.vox_offset = 0.0;
    let image = registry.read_image(&raw.save(dir.path(), "a.nii")).unwrap();
    assert_eq!(image.data.as_slice().unwrap(), [9.0, 9.0]);
}
