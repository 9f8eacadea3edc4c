//! Pictures: 2D images of 8 or 16 bits (`.png`, `.bmp`).

mod bmp;
mod png;

use std::path::Path;

use ndarray::{Array3, Array4};
use nnunet_schema::Spacing;

use super::ImageFormat;
use super::source::{damaged, not_writable};
use crate::{Geometry, Image, ImageError, LabelMap};

/// The spacing `(z, y, x)` of an image in a format that knows of none, as nnU-Net v2 sets it.
const SPACING: [f64; 3] = [999.0, 1.0, 1.0];

/// Reader and writer of PNG files.
///
/// * Grey, grey with alpha, RGB and RGBA, 1 to 16 bits, as 1, 2, 3 and 4 channels. Values are
///   those of the file; nothing is scaled to a common range.
/// * A palette is looked up for an image, which gets three channels. A label map is the indices.
/// * The spacing is (999, 1, 1) for every file, as in nnU-Net v2. Nothing else is kept of a
///   geometry.
/// * An image is written in 8 bits if that will do, else in 16; one with fractions, negative or
///   larger values, or several slices, is refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct PngFormat;

/// Reader and writer of BMP files.
///
/// * Grey, RGB and RGBA of 8 bits. Palettes, spacing and values as for [`PngFormat`]. Files that
///   are compressed, or have 16 bits per pixel, are refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct BmpFormat;

impl ImageFormat for PngFormat {
    fn endings(&self) -> &[&'static str] {
        &[".png"]
    }

    fn reader_name(&self) -> &'static str {
        "NaturalImage2DIO"
    }

    fn read_image(&self, path: &Path) -> Result<Image, ImageError> {
        png::read(path, Palette::Colours)?.image(path)
    }

    fn read_labels(&self, path: &Path) -> Result<LabelMap, ImageError> {
        png::read(path, Palette::Indices)?.labels(path)
    }

    fn write_image(&self, path: &Path, image: &Image) -> Result<(), ImageError> {
        png::write(path, &Picture::of_image(path, image)?)
    }

    fn write_labels(&self, path: &Path, labels: &LabelMap) -> Result<(), ImageError> {
        png::write(path, &Picture::of_labels(path, labels)?)
    }
}

impl ImageFormat for BmpFormat {
    fn endings(&self) -> &[&'static str] {
        &[".bmp"]
    }

    fn reader_name(&self) -> &'static str {
        "NaturalImage2DIO"
    }

    fn read_image(&self, path: &Path) -> Result<Image, ImageError> {
        bmp::read(path, Palette::Colours)?.image(path)
    }

    fn read_labels(&self, path: &Path) -> Result<LabelMap, ImageError> {
        bmp::read(path, Palette::Indices)?.labels(path)
    }

    fn write_image(&self, path: &Path, image: &Image) -> Result<(), ImageError> {
        bmp::write(path, &Picture::of_image(path, image)?)
    }

    fn write_labels(&self, path: &Path, labels: &LabelMap) -> Result<(), ImageError> {
        bmp::write(path, &Picture::of_labels(path, labels)?)
    }
}

/// What becomes of a pixel that is an index into a palette.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Palette {
    Colours,
    Indices,
}

/// Rows from top to bottom, the channels of a pixel side by side.
#[derive(Debug)]
struct Picture {
    height: usize,
    width: usize,
    channels: usize,
    samples: Vec<u16>,
    /// Whether a sample takes two bytes when it is written.
    wide: bool,
}

impl Picture {
    fn image(self, path: &Path) -> Result<Image, ImageError> {
        let values = self.samples.into_iter().map(f32::from).collect();
        let data = Array4::from_shape_vec((1, self.height, self.width, self.channels), values)
            .map_err(|error| damaged(path, error.to_string()))?
            .permuted_axes([3, 0, 1, 2]);
        Ok(Image {
            data: data.as_standard_layout().into_owned(),
            geometry: geometry()?,
        })
    }

    fn labels(self, path: &Path) -> Result<LabelMap, ImageError> {
        if self.channels != 1 {
            return Err(ImageError::LabelChannels {
                path: path.to_path_buf(),
                channels: self.channels,
            });
        }
        let width = self.width.max(1);
        let label = |(i, value): (usize, u16)| {
            i16::try_from(value).map_err(|_| ImageError::LabelValue {
                path: path.to_path_buf(),
                voxel: [0, i / width, i % width],
                value: value.into(),
            })
        };
        let labels: Result<Vec<i16>, _> = self.samples.into_iter().enumerate().map(label).collect();
        let labels = Array3::from_shape_vec((1, self.height, self.width), labels?)
            .map_err(|error| damaged(path, error.to_string()))?;
        Ok(LabelMap {
            labels,
            geometry: geometry()?,
        })
    }

    fn of_image(path: &Path, image: &Image) -> Result<Self, ImageError> {
        let (channels, slices, height, width) = image.data.dim();
        check_shape(path, slices, height, width)?;
        let sample = |value: &f32| {
            let whole = value.fract() == 0.0 && (0.0..=f32::from(u16::MAX)).contains(value);
            whole.then_some(*value as u16).ok_or_else(|| {
                not_writable(
                    path,
                    format!(
                        "it holds {value}, a picture holds whole numbers from 0 to 65535: write \
                         it as .tif or .nii.gz"
                    ),
                )
            })
        };
        let pixels = image.data.view().permuted_axes([1, 2, 3, 0]);
        let samples: Result<Vec<u16>, _> = pixels.iter().map(sample).collect();
        let samples = samples?;
        Ok(Self {
            height,
            width,
            channels,
            wide: samples.iter().any(|v| *v > u16::from(u8::MAX)),
            samples,
        })
    }

    /// Eight bits for labels below 255, as nnU-Net v2 chooses them.
    fn of_labels(path: &Path, map: &LabelMap) -> Result<Self, ImageError> {
        let (slices, height, width) = map.labels.dim();
        check_shape(path, slices, height, width)?;
        let sample = |label: &i16| {
            u16::try_from(*label).map_err(|_| {
                let problem = format!("it holds the label {label}, a picture holds none below 0");
                not_writable(path, problem)
            })
        };
        let samples: Result<Vec<u16>, _> = map.labels.iter().map(sample).collect();
        let samples = samples?;
        Ok(Self {
            height,
            width,
            channels: 1,
            wide: samples.iter().any(|v| *v >= u16::from(u8::MAX)),
            samples,
        })
    }
}

fn check_shape(path: &Path, slices: usize, height: usize, width: usize) -> Result<(), ImageError> {
    let most = i32::MAX as usize;
    if slices != 1 || !(1..=most).contains(&height) || !(1..=most).contains(&width) {
        return Err(not_writable(
            path,
            format!(
                "a picture has one slice of pixels, this has {slices} of {height}×{width}: write \
                 it as .tif or .nii.gz"
            ),
        ));
    }
    Ok(())
}

fn geometry() -> Result<Geometry, ImageError> {
    Ok(Geometry::axis_aligned(Spacing::new(SPACING)?))
}
