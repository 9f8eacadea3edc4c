use std::io::{self, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use nnunet_schema::{SchemaError, atomic};

use crate::formats::directions::{check_writable, column, is_flat};
use crate::formats::pair::{self, Storage};
use crate::formats::voxels::{Element, put_image, put_labels};
use crate::{Geometry, Image, ImageError, LabelMap};

pub(super) fn image(path: &Path, image: &Image, storage: Storage) -> Result<(), ImageError> {
    let (channels, z, y, x) = image.data.dim();
    let header = header(path, [z, y, x, channels], &image.geometry, Element::F32)?;
    // Channels side by side in each voxel.
    let voxels = image.data.view().permuted_axes([1, 2, 3, 0]);
    write(path, &header, storage, |out| put_image(out, &voxels))
}

pub(super) fn labels(path: &Path, map: &LabelMap, storage: Storage) -> Result<(), ImageError> {
    let element = Element::of_labels(map);
    let (z, y, x) = map.labels.dim();
    let header = header(path, [z, y, x, 1], &map.geometry, element)?;
    write(path, &header, storage, |out| put_labels(out, map, element))
}

/// All fields but those that say where the voxels are.
fn header(
    path: &Path,
    shape: [usize; 4],
    geometry: &Geometry,
    element: Element,
) -> Result<String, ImageError> {
    check_writable(path, geometry, &shape)?;
    let [z, y, x, channels] = shape;
    let axes = if is_flat(geometry, z) { 2 } else { 3 };
    let [sz, sy, sx] = geometry.spacing.mm();
    let rows = (0..axes).flat_map(|axis| column(&geometry.direction, axis).into_iter().take(axes));
    let mut text = format!(
        "ObjectType = Image\nNDims = {axes}\nBinaryData = True\nBinaryDataByteOrderMSB = False\n\
         TransformMatrix = {}\nOffset = {}\nCenterOfRotation = {}\nElementSpacing = {}\n\
         DimSize = {}\n",
        join(rows),
        join(geometry.origin.into_iter().take(axes)),
        join([0; 3].into_iter().take(axes)),
        join([sx, sy, sz].into_iter().take(axes)),
        join([x, y, z].into_iter().take(axes)),
    );
    if channels > 1 {
        text.push_str(&format!("ElementNumberOfChannels = {channels}\n"));
    }
    let name = match element {
        Element::U8 => "MET_UCHAR",
        Element::U16 => "MET_USHORT",
        Element::I16 => "MET_SHORT",
        _ => "MET_FLOAT",
    };
    text.push_str(&format!("ElementType = {name}\n"));
    Ok(text)
}

fn join<T: ToString>(numbers: impl Iterator<Item = T>) -> String {
    numbers.map(|n| n.to_string()).collect::<Vec<_>>().join(" ")
}

fn write(
    path: &Path,
    header: &str,
    storage: Storage,
    voxels: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), ImageError> {
    let io_error = |source| SchemaError::Io {
        action: "write",
        path: path.to_path_buf(),
        source,
    };
    // The header says how long the compressed voxels are, so they are made before it.
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    voxels(&mut packed).map_err(io_error)?;
    let packed = packed.finish().map_err(io_error)?;
    let header = format!(
        "{header}CompressedData = True\nCompressedDataSize = {}\n",
        packed.len()
    );
    match storage {
        Storage::Attached => atomic::write_with(path, |file| {
            file.write_all(header.as_bytes())?;
            file.write_all(b"ElementDataFile = LOCAL\n")?;
            file.write_all(&packed)
        })
        .map_err(ImageError::from),
        Storage::Detached => pair::write(
            path,
            "zraw",
            |file| file.write_all(&packed),
            |file, name| {
                file.write_all(header.as_bytes())?;
                writeln!(file, "ElementDataFile = {name}")
            },
        ),
    }
}
