use std::io::{self, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use nnunet_schema::atomic;

use crate::formats::directions::{check_writable, column, is_flat};
use crate::formats::pair::{self, Storage};
use crate::formats::voxels::{Element, put_image, put_labels};
use crate::{Geometry, Image, ImageError, LabelMap};

pub(super) fn image(path: &Path, image: &Image, storage: Storage) -> Result<(), ImageError> {
    let (channels, z, y, x) = image.data.dim();
    let header = header(path, [z, y, x, channels], &image.geometry, Element::F32)?;
    // Channels side by side in each voxel, which is where ITK wants them.
    let voxels = image.data.view().permuted_axes([1, 2, 3, 0]);
    write(path, &header, storage, |out| put_image(out, &voxels))
}

pub(super) fn labels(path: &Path, map: &LabelMap, storage: Storage) -> Result<(), ImageError> {
    let element = Element::of_labels(map);
    let (z, y, x) = map.labels.dim();
    let header = header(path, [z, y, x, 1], &map.geometry, element)?;
    write(path, &header, storage, |out| put_labels(out, map, element))
}

/// All fields but the one that says where the voxels are.
fn header(
    path: &Path,
    shape: [usize; 4],
    geometry: &Geometry,
    element: Element,
) -> Result<String, ImageError> {
    check_writable(path, geometry, &shape)?;
    let [z, y, x, channels] = shape;
    let flat = is_flat(geometry, z);
    let axes = if flat { 2 } else { 3 };
    let [sz, sy, sx] = geometry.spacing.mm();
    let vector = |numbers: [f64; 3]| {
        let numbers: Vec<String> = numbers.iter().take(axes).map(f64::to_string).collect();
        format!("({})", numbers.join(","))
    };
    let steps = [(0, sx), (1, sy), (2, sz)]
        .map(|(axis, spacing)| vector(column(&geometry.direction, axis).map(|v| v * spacing)));
    let name = match element {
        Element::U8 => "unsigned char",
        Element::U16 => "unsigned short",
        Element::I16 => "short",
        _ => "float",
    };
    let space = if flat {
        "space dimension: 2"
    } else {
        "space: left-posterior-superior"
    };
    let sizes: Vec<String> = [x, y, z].iter().take(axes).map(usize::to_string).collect();
    let (mut sizes, mut steps) = (sizes.join(" "), steps[..axes].join(" "));
    let mut kinds = vec!["domain"; axes].join(" ");
    let mut dimension = axes;
    if channels > 1 {
        dimension += 1;
        sizes = format!("{channels} {sizes}");
        steps = format!("none {steps}");
        kinds = format!("vector {kinds}");
    }
    Ok(format!(
        "NRRD0004\n# Complete NRRD file format specification at:\n\
         # http://teem.sourceforge.net/nrrd/format.html\n\
         type: {name}\ndimension: {dimension}\n{space}\nsizes: {sizes}\n\
         space directions: {steps}\nkinds: {kinds}\nendian: little\nencoding: gzip\n\
         space origin: {}\n",
        vector(geometry.origin)
    ))
}

fn write(
    path: &Path,
    header: &str,
    storage: Storage,
    voxels: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), ImageError> {
    let pack = |file: &mut dyn Write| {
        let mut packed = GzEncoder::new(file, Compression::fast());
        voxels(&mut packed)?;
        packed.finish().map(|_| ())
    };
    match storage {
        Storage::Attached => atomic::write_with(path, |file| {
            writeln!(file, "{header}")?;
            pack(file)
        })
        .map_err(ImageError::from),
        Storage::Detached => pair::write(
            path,
            "raw.gz",
            |file| pack(file),
            |file, name| writeln!(file, "{header}data file: {name}\n"),
        ),
    }
}
