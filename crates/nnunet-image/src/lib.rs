//! Images and label maps with their physical geometry; cropping to the nonzero region and its
//! inverse; readers and writers of file formats behind one trait and a registry by file ending;
//! the folder of a raw dataset, and how one of the Medical Segmentation Decathlon becomes one.
//!
//! Arrays are `(channel, z, y, x)` for images and `(z, y, x)` for label maps, C order. The readers
//! do the reordering from a file's own axes, nobody else. A 2D image is a volume with one slice.
// `forbid` would refuse the `s!` macro of ndarray, which allows itself a vetted unsafe block.
#![deny(unsafe_code)]

pub mod cases;
mod crop;
mod error;
pub mod formats;
mod geometry;
mod holes;
mod msd;
mod volume;

pub use cases::{RawCase, RawDataset, find_cases};
pub use crop::{CropBox, nonzero_box, nonzero_mask};
pub use error::ImageError;
pub use formats::{
    BmpFormat, FormatRegistry, ImageFormat, MetaImageFormat, NiftiFormat, NpyFormat, NrrdFormat,
    PngFormat, TiffFormat,
};
pub use geometry::Geometry;
pub use holes::fill_holes;
pub use msd::{MsdConversion, convert_msd};
pub use volume::{Image, LabelMap};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_can_be_shared_between_threads() {
        const fn shareable<T: Send + Sync + 'static>() {}
        shareable::<FormatRegistry>();
        shareable::<RawDataset>();
        shareable::<ImageError>();
        shareable::<Image>();
    }
}
