//! What the readers make of pictures and NumPy's arrays as other programs write them.

use std::path::Path;

use nnunet_image::{FormatRegistry, Image};
use tiff::encoder::{TiffEncoder, colortype};
use tiff::tags::Tag;

use crate::crafted_text::npy_file;
use crate::raw::save;

fn read(path: &Path) -> Image {
    FormatRegistry::default().read_image(path).unwrap()
}

fn values(image: &Image) -> Vec<f32> {
    image.data.iter().copied().collect()
}

#[test]
fn arrays_of_numpy_have_two_to_four_axes_in_either_order() {
    let dir = tempfile::tempdir().unwrap();
    let array = |shape: &str, fortran: &str, spacing: [f64; 3]| {
        let head =
            format!("{{'descr': '|u1', 'fortran_order': {fortran}, 'shape': ({shape}), }}\n");
        let image = read(&save(
            dir.path(),
            "a.npy",
            &npy_file(&head, &[1, 2, 3, 4, 5, 6]),
        ));
        assert_eq!(image.geometry.spacing.mm(), spacing, "{shape}");
        (image.data.dim(), values(&image))
    };
    let upwards = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    assert_eq!(
        array("2, 3", "False", [999.0, 1.0, 1.0]),
        ((1, 1, 2, 3), upwards.clone())
    );
    assert_eq!(
        array("2, 3, 1", "False", [1.0; 3]),
        ((1, 2, 3, 1), upwards.clone())
    );
    assert_eq!(array("3,2,1,1", "False", [1.0; 3]), ((3, 2, 1, 1), upwards));
    let across = vec![1.0, 3.0, 5.0, 2.0, 4.0, 6.0];
    assert_eq!(array("2, 3, 1", "True", [1.0; 3]), ((1, 2, 3, 1), across));
}

#[test]
fn pages_of_a_tiff_are_slices_and_a_single_one_is_a_picture() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a_0000.tif");
    for (pages, spacing) in [(1, [999.0, 1.0, 1.0]), (2, [1.0; 3])] {
        let mut encoder = TiffEncoder::new(std::fs::File::create(&path).unwrap()).unwrap();
        for page in 0..pages {
            encoder
                .write_image::<colortype::Gray16>(2, 1, &[page, 700])
                .unwrap();
        }
        drop(encoder);
        let image = read(&path);
        assert_eq!(image.data.dim(), (1, usize::from(pages), 1, 2));
        assert_eq!(
            image.data[[0, usize::from(pages) - 1, 0, 0]],
            f32::from(pages - 1)
        );
        assert_eq!(image.geometry.spacing.mm(), spacing);
    }
    save(dir.path(), "a.json", br#"{"spacing": [3, 2.5, 2]}"#);
    assert_eq!(read(&path).geometry.spacing.mm(), [3.0, 2.5, 2.0]);
}

#[test]
fn a_stack_along_several_axes_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tif");
    let write = |description: &str| {
        let mut encoder = TiffEncoder::new(std::fs::File::create(&path).unwrap()).unwrap();
        for _ in 0..4 {
            let mut page = encoder.new_image::<colortype::Gray8>(2, 1).unwrap();
            page.encoder()
                .write_tag(Tag::ImageDescription, description)
                .unwrap();
            page.write_data(&[1, 2]).unwrap();
        }
    };
    for (description, refused) in [
        ("ImageJ=1.54f\nimages=4\nslices=4\n", None),
        (
            "ImageJ=1.54f\nimages=4\nchannels=2\nslices=2\n",
            Some("2 channels of 2 slices"),
        ),
        (
            "ImageJ=1.54f\nimages=9\nslices=9\n",
            Some("9 images, but has 4 pages"),
        ),
        ("{\"shape\": [2, 2, 1, 2]}", Some("[2, 2, 1, 2]")),
        (
            "<OME><Pixels SizeC=\"1\" SizeT=\"1\" SizeZ=\"4\"/></OME>",
            None,
        ),
        (
            "<OME><Pixels SizeC=\"1\" SizeT=\"2\" SizeZ=\"2\"/></OME>",
            Some("2 times"),
        ),
    ] {
        write(description);
        match (FormatRegistry::default().read_image(&path), refused) {
            (Ok(image), None) => assert_eq!(image.data.dim(), (1, 4, 1, 2)),
            (Err(error), Some(words)) => assert!(error.to_string().contains(words), "{error}"),
            (found, _) => panic!("{description}: {found:?}"),
        }
    }
}

#[test]
fn a_palette_is_colours_to_an_image_and_labels_to_a_label_map() {
    let dir = tempfile::tempdir().unwrap();
    let registry = FormatRegistry::default();
    let palette = [10, 20, 30, 40, 50, 60, 70, 80, 90];
    let path = dir.path().join("a.png");
    let mut encoder = png::Encoder::new(std::fs::File::create(&path).unwrap(), 3, 2);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Two);
    encoder.set_palette(&palette[..]);
    let mut writer = encoder.write_header().unwrap();
    writer
        .write_image_data(&[0b0001_1000, 0b1001_0000])
        .unwrap();
    writer.finish().unwrap();
    let labels = registry.read_labels(&path).unwrap().labels;
    assert_eq!(labels.as_slice().unwrap(), [0, 1, 2, 2, 1, 0]);
    let image = read(&path);
    assert_eq!(image.data.dim(), (3, 1, 2, 3));
    assert_eq!(values(&image)[..6], [10.0, 40.0, 70.0, 70.0, 40.0, 10.0]);

    // The same as a BMP of 4 bits, whose rows are upside down and padded.
    let colours = palette.chunks(3).flat_map(|c| [c[2], c[1], c[0], 0]);
    let mut bytes = b"BM".to_vec();
    for value in [
        0_u32,
        0,
        14 + 40 + 12,
        40,
        3,
        2,
        1 | 4 << 16,
        0,
        0,
        0,
        0,
        3,
        0,
    ] {
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend(colours);
    bytes.extend([0x21, 0x00, 0, 0, 0x01, 0x20, 0, 0]);
    let path = save(dir.path(), "a.bmp", &bytes);
    let labels = registry.read_labels(&path).unwrap().labels;
    assert_eq!(labels.as_slice().unwrap(), [0, 1, 2, 2, 1, 0]);
    assert_eq!(read(&path).data, image.data);
    // Rows from the top.
    bytes[22..26].copy_from_slice(&(-2_i32).to_le_bytes());
    let labels = registry
        .read_labels(&save(dir.path(), "b.bmp", &bytes))
        .unwrap()
        .labels;
    assert_eq!(labels.as_slice().unwrap(), [2, 1, 0, 0, 1, 2]);
}
