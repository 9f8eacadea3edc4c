use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use ndarray::{Array4, Axis};
use nnunet_schema::Spacing;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::{PlanarConfiguration, Tag};
use tiff::{ColorType, TiffError};

use super::description::Description;
use crate::formats::sidecar;
use crate::formats::source::{damaged, io_error, unsupported};
use crate::formats::voxels::as_label;
use crate::{Geometry, Image, ImageError, LabelMap};

/// The encodings that are read cannot shrink anything by more than this factor (LZW; deflate
/// comes to 1032).
const MOST_COMPRESSION: u64 = 1400;
/// Bits of a page's `NewSubfileType`: a thumbnail, and a mask of another page.
const NO_SLICE: u32 = 1 | 4;

pub(super) fn image(path: &Path) -> Result<Image, ImageError> {
    let stack = Stack::read(path, |_, value| Ok(value as f32))?;
    Ok(Image {
        geometry: stack.geometry,
        data: stack.data,
    })
}

pub(super) fn labels(path: &Path) -> Result<LabelMap, ImageError> {
    let stack = Stack::read(path, |voxel, value| {
        as_label(value).ok_or_else(|| ImageError::LabelValue {
            path: path.to_path_buf(),
            voxel,
            value,
        })
    })?;
    let channels = stack.data.dim().0;
    if channels != 1 {
        return Err(ImageError::LabelChannels {
            path: path.to_path_buf(),
            channels,
        });
    }
    Ok(LabelMap {
        geometry: stack.geometry,
        labels: stack.data.index_axis_move(Axis(0), 0),
    })
}

/// All pages of a file.
struct Stack<T> {
    /// `(channel, z, y, x)`.
    data: Array4<T>,
    geometry: Geometry,
}

/// What all pages have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Page {
    width: usize,
    height: usize,
    colour: ColorType,
    /// Samples of a pixel.
    samples: usize,
    /// Whether the samples are planes of their own instead of side by side.
    planar: bool,
}

impl<T: Clone> Stack<T> {
    /// `convert` is given the voxel `(z, y, x)` of a value.
    fn read(
        path: &Path,
        convert: impl Fn([usize; 3], f64) -> Result<T, ImageError>,
    ) -> Result<Self, ImageError> {
        let mut file = TiffFile::open(path)?;
        let first = file.page()?;
        let description = file.description();
        let mut values = Vec::new();
        let mut pages = 0;
        loop {
            let page = file.page()?;
            if page != first {
                return Err(unsupported(
                    path,
                    format!(
                        "page {pages} has {}×{} pixels of {:?}, the first has {}×{} of {:?}: keep \
                         the pages of one image only",
                        page.height,
                        page.width,
                        page.colour,
                        first.height,
                        first.width,
                        first.colour
                    ),
                ));
            }
            file.values(&page, pages, &mut values, &convert)?;
            pages += 1;
            if !file.next_page()? {
                break;
            }
        }
        let planes_are_slices = check(path, &description, &first, pages)?;
        let (height, width, samples) = (first.height, first.width, first.samples);
        let (shape, axes) = match (first.planar, planes_are_slices) {
            (true, true) => ([1, pages * samples, height, width], [0, 1, 2, 3]),
            (true, false) => ([pages, samples, height, width], [1, 0, 2, 3]),
            _ => ([pages, height, width, samples], [3, 0, 1, 2]),
        };
        let data = Array4::from_shape_vec(shape, values)
            .map_err(|error| damaged(path, error.to_string()))?
            .permuted_axes(axes);
        let data = if data.is_standard_layout() {
            data
        } else {
            data.as_standard_layout().into_owned()
        };
        let is_volume = (description.shape).is_some_and(|shape| shape.len() == 3 && samples == 1);
        let usual = if data.dim().1 == 1 && !is_volume {
            Geometry::planar_spacing(1.0, 1.0)?
        } else {
            Spacing::ISOTROPIC_1MM
        };
        let spacing = sidecar::spacing(path)?.unwrap_or(usual);
        Ok(Self {
            data,
            geometry: Geometry::axis_aligned(spacing),
        })
    }
}

/// Refuses what the description of a file says that its pages do not; otherwise says whether
/// what looks like colours is really slices: `tifffile` writes three or four slices so.
fn check(
    path: &Path,
    description: &Description,
    page: &Page,
    pages: usize,
) -> Result<bool, ImageError> {
    let advice = "write each channel and time to a file of its own";
    let [mut channels, slices, times] = description.axes;
    if channels == page.samples {
        // They are in each page.
        channels = 1;
    }
    // A stack along one axis is a volume, whatever that axis is called.
    if [channels, slices, times].iter().filter(|n| **n > 1).count() > 1 {
        let problem = format!(
            "its pages are {channels} channels of {slices} slices at {times} times: {advice}"
        );
        return Err(unsupported(path, problem));
    }
    if let Some(images) = description.images.filter(|images| *images > pages) {
        let problem = format!(
            "it is said to hold {images} images, but has {pages} pages: save it as a plain TIFF"
        );
        return Err(unsupported(path, problem));
    }
    match description.shape.as_deref() {
        Some(&[z, y, x]) if page.planar => {
            Ok([z, y, x] == [pages * page.samples, page.height, page.width])
        }
        Some(shape) if shape.len() > 4 || (shape.len() == 4 && page.samples == 1) => {
            let problem = format!("its array has the shape {shape:?}: {advice}");
            Err(unsupported(path, problem))
        }
        _ => Ok(false),
    }
}

/// An open file that stands at one of its pages.
struct TiffFile<'a> {
    path: &'a Path,
    decoder: Decoder<BufReader<File>>,
    /// Decoded bytes that the file may still ask for.
    left: u64,
    on_disk: u64,
    buffer: DecodingResult,
}

impl<'a> TiffFile<'a> {
    fn open(path: &'a Path) -> Result<Self, ImageError> {
        let file = File::open(path).map_err(io_error("open", path))?;
        let on_disk = file.metadata().map_err(io_error("read", path))?.len();
        let decoder = Decoder::new(BufReader::new(file)).map_err(|error| explain(path, error))?;
        let mut limits = Limits::unlimited();
        // What a page asks for is checked before it is decoded. Lists of offsets, which take more
        // room in memory than in the file, cannot be longer than the file.
        let bytes = usize::try_from(on_disk).unwrap_or(usize::MAX);
        limits.intermediate_buffer_size = bytes;
        limits.decoding_buffer_size = bytes.saturating_mul(16).max(1 << 20);
        Ok(Self {
            path,
            decoder: decoder.with_limits(limits),
            left: on_disk.saturating_mul(MOST_COMPRESSION),
            on_disk,
            buffer: DecodingResult::U8(Vec::new()),
        })
    }

    fn failed(&self, error: TiffError) -> ImageError {
        explain(self.path, error)
    }

    fn page(&mut self) -> Result<Page, ImageError> {
        let path = self.path;
        let failed = |error| explain(path, error);
        let (width, height) = self.decoder.dimensions().map_err(failed)?;
        let colour = self.decoder.colortype().map_err(failed)?;
        let planar: Option<u16> = self
            .decoder
            .find_tag_unsigned(Tag::PlanarConfiguration)
            .map_err(failed)?;
        let bits = colour.bit_depth();
        if !matches!(bits, 8 | 16 | 32 | 64) {
            let problem = format!("it has {bits} bits per sample, expected 8, 16, 32 or 64");
            return Err(unsupported(path, problem));
        }
        let samples = usize::from(colour.num_samples());
        Ok(Page {
            width: width as usize,
            height: height as usize,
            colour,
            samples,
            planar: samples > 1 && planar == Some(PlanarConfiguration::Planar.to_u16()),
        })
    }

    fn description(&mut self) -> Description {
        let text = self.decoder.get_tag_ascii_string(Tag::ImageDescription);
        Description::parse(&text.unwrap_or_default())
    }

    /// Decodes the current page and appends its values.
    fn values<T>(
        &mut self,
        page: &Page,
        number: usize,
        out: &mut Vec<T>,
        convert: &impl Fn([usize; 3], f64) -> Result<T, ImageError>,
    ) -> Result<(), ImageError> {
        let layout = self.decoder.image_buffer_layout();
        let layout = layout.map_err(|error| self.failed(error))?;
        let bytes = layout.complete_len;
        self.left = self.left.checked_sub(bytes as u64).ok_or_else(|| {
            let problem = format!(
                "its header asks for {bytes} bytes for page {number}, too many for a file of {}",
                self.on_disk
            );
            damaged(self.path, problem)
        })?;
        let values = page.width.saturating_mul(page.height);
        let values = values.saturating_mul(page.samples);
        out.try_reserve(values)
            .map_err(|_| ImageError::OutOfMemory {
                path: self.path.to_path_buf(),
                bytes,
            })?;
        (self.buffer)
            .resize_to(&layout, &Limits::unlimited())
            .and_then(|()| {
                let mut buffer = self.buffer.as_buffer(0);
                self.decoder.read_image_bytes(buffer.as_bytes_mut())
            })
            .map_err(|error| explain(self.path, error))?;

        let (width, height) = (page.width.max(1), page.height.max(1));
        let samples = if page.planar { 1 } else { page.samples.max(1) };
        let planes = if page.planar { page.samples } else { 1 };
        let voxel = |i: usize| {
            let pixel = i / samples;
            let plane = number * planes + pixel / (width * height);
            [plane, pixel / width % height, pixel % width]
        };
        macro_rules! push {
            ($values:expr, $number:expr) => {
                for (i, value) in $values.iter().enumerate() {
                    out.push(convert(voxel(i), $number(*value))?);
                }
            };
        }
        match &self.buffer {
            DecodingResult::U8(values) => push!(values, f64::from),
            DecodingResult::U16(values) => push!(values, f64::from),
            DecodingResult::U32(values) => push!(values, f64::from),
            DecodingResult::U64(values) => push!(values, |v| v as f64),
            DecodingResult::I8(values) => push!(values, f64::from),
            DecodingResult::I16(values) => push!(values, f64::from),
            DecodingResult::I32(values) => push!(values, f64::from),
            DecodingResult::I64(values) => push!(values, |v| v as f64),
            DecodingResult::F16(values) => push!(values, f64::from),
            DecodingResult::F32(values) => push!(values, f64::from),
            DecodingResult::F64(values) => push!(values, |v| v),
        }
        Ok(())
    }

    /// Goes to the next page that is a slice; false if there is none.
    fn next_page(&mut self) -> Result<bool, ImageError> {
        while self.decoder.more_images() {
            let before = self.decoder.ifd_pointer();
            let result = self.decoder.next_image();
            let here = self
                .decoder
                .ifd_pointer()
                .filter(|_| self.decoder.ifd_pointer() != before);
            // What is no slice may be of a kind that cannot be decoded.
            let kind = match here {
                Some(pointer) => self.decoder.read_directory(pointer).and_then(|directory| {
                    let mut tags = self.decoder.read_directory_tags(&directory);
                    tags.find_tag_unsigned::<u32>(Tag::NewSubfileType)
                }),
                None => Ok(None),
            };
            match (result, kind) {
                (_, Ok(Some(kind))) if kind & NO_SLICE != 0 => {}
                (Err(error), _) | (Ok(()), Err(error)) => return Err(self.failed(error)),
                (Ok(()), Ok(_)) => return Ok(true),
            }
        }
        Ok(false)
    }
}

fn explain(path: &Path, error: TiffError) -> ImageError {
    match error {
        TiffError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            damaged(path, "it ends early".to_owned())
        }
        TiffError::IoError(error) if error.raw_os_error().is_some() => {
            io_error("read", path)(error)
        }
        TiffError::UnsupportedError(what) => {
            let problem = format!("{what}: convert it to a plain TIFF of integers or floats");
            unsupported(path, problem)
        }
        other => damaged(path, other.to_string()),
    }
}
