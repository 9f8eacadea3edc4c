use std::path::Path;
use std::sync::Arc;

use nnunet_schema::DatasetDescription;

use super::{
    BmpFormat, ImageFormat, MetaImageFormat, NiftiFormat, NpyFormat, NrrdFormat, PngFormat,
    TiffFormat,
};
use crate::{Image, ImageError, LabelMap};

/// The formats that a program knows, found by the ending of a file name.
///
/// Endings are compared without regard to case and the longest one wins: `scan.nii.gz` goes to
/// the format of `.nii.gz`, not to one of `.gz`. A format that is registered later takes over
/// the endings that it shares with an earlier one.
#[derive(Clone, Debug)]
pub struct FormatRegistry {
    formats: Vec<Arc<dyn ImageFormat>>,
}

impl Default for FormatRegistry {
    /// Every format of this crate: NIfTI-1 plain and compressed, MetaImage and NRRD in one file
    /// or two, TIFF, PNG, BMP, and NumPy's.
    fn default() -> Self {
        let mut registry = Self::empty();
        registry.register(Arc::new(NiftiFormat::plain()));
        registry.register(Arc::new(NiftiFormat::compressed()));
        registry.register(Arc::new(MetaImageFormat::attached()));
        registry.register(Arc::new(MetaImageFormat::detached()));
        registry.register(Arc::new(NrrdFormat::attached()));
        registry.register(Arc::new(NrrdFormat::detached()));
        registry.register(Arc::new(TiffFormat));
        registry.register(Arc::new(PngFormat));
        registry.register(Arc::new(BmpFormat));
        registry.register(Arc::new(NpyFormat));
        registry
    }
}

impl FormatRegistry {
    /// A registry that knows nothing yet.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            formats: Vec::new(),
        }
    }

    /// Adds a format.
    pub fn register(&mut self, format: Arc<dyn ImageFormat>) {
        self.formats.push(format);
    }

    /// The known endings, in the order of registration.
    pub fn endings(&self) -> impl Iterator<Item = &'static str> {
        self.formats.iter().flat_map(|f| f.endings()).copied()
    }

    /// The format of files with this ending (`.nii.gz`; a longer name that ends so will do).
    ///
    /// # Errors
    /// [`ImageError::UnknownEnding`] with the endings that are known.
    pub fn for_ending(&self, ending: &str) -> Result<&dyn ImageFormat, ImageError> {
        let name = ending.to_lowercase();
        let matching = |format: &dyn ImageFormat| {
            let endings = format.endings().iter();
            endings
                .filter(|e| name.ends_with(**e))
                .map(|e| e.len())
                .max()
        };
        self.formats
            .iter()
            .filter_map(|format| Some((matching(format.as_ref())?, format.as_ref())))
            .max_by_key(|(length, _)| *length)
            .map(|(_, format)| format)
            .ok_or_else(|| ImageError::UnknownEnding {
                asked: ending.to_owned(),
                known: self.endings().collect::<Vec<_>>().join(", "),
            })
    }

    /// The format of the file at `path`, by its name.
    ///
    /// # Errors
    /// [`ImageError::UnknownEnding`] with the endings that are known.
    pub fn for_path(&self, path: &Path) -> Result<&dyn ImageFormat, ImageError> {
        self.for_ending(&path.to_string_lossy())
    }

    /// The format of a dataset: that of its `file_ending`.
    ///
    /// # Errors
    /// [`ImageError::UnknownEnding`] with the endings that are known.
    pub fn for_dataset(
        &self,
        dataset: &DatasetDescription,
    ) -> Result<&dyn ImageFormat, ImageError> {
        self.for_ending(&dataset.file_ending)
    }

    /// Reads an image in the format that its name says.
    ///
    /// # Errors
    /// As [`for_path`](Self::for_path) and [`ImageFormat::read_image`].
    pub fn read_image(&self, path: &Path) -> Result<Image, ImageError> {
        self.for_path(path)?.read_image(path)
    }

    /// Reads a label map in the format that its name says.
    ///
    /// # Errors
    /// As [`for_path`](Self::for_path) and [`ImageFormat::read_labels`].
    pub fn read_labels(&self, path: &Path) -> Result<LabelMap, ImageError> {
        self.for_path(path)?.read_labels(path)
    }

    /// Writes an image in the format that its name says.
    ///
    /// # Errors
    /// As [`for_path`](Self::for_path) and [`ImageFormat::write_image`].
    pub fn write_image(&self, path: &Path, image: &Image) -> Result<(), ImageError> {
        self.for_path(path)?.write_image(path, image)
    }

    /// Writes a label map in the format that its name says.
    ///
    /// # Errors
    /// As [`for_path`](Self::for_path) and [`ImageFormat::write_labels`].
    pub fn write_labels(&self, path: &Path, labels: &LabelMap) -> Result<(), ImageError> {
        self.for_path(path)?.write_labels(path, labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Other(&'static [&'static str]);

    impl ImageFormat for Other {
        fn endings(&self) -> &[&'static str] {
            self.0
        }
        fn reader_name(&self) -> &'static str {
            "Other"
        }
        fn read_image(&self, path: &Path) -> Result<Image, ImageError> {
            Err(unsupported(path))
        }
        fn read_labels(&self, path: &Path) -> Result<LabelMap, ImageError> {
            Err(unsupported(path))
        }
        fn write_image(&self, path: &Path, _: &Image) -> Result<(), ImageError> {
            Err(unsupported(path))
        }
        fn write_labels(&self, path: &Path, _: &LabelMap) -> Result<(), ImageError> {
            Err(unsupported(path))
        }
    }

    fn unsupported(path: &Path) -> ImageError {
        ImageError::Unsupported {
            path: path.to_path_buf(),
            problem: "only a test".into(),
        }
    }

    #[test]
    fn the_longest_ending_wins_whatever_its_case() {
        let mut registry = FormatRegistry::default();
        registry.register(Arc::new(Other(&[".gz"])));
        let name = |path: &str| registry.for_path(Path::new(path)).unwrap().reader_name();
        assert_eq!(name("a/B_0000.NII.GZ"), "SimpleITKIO");
        assert_eq!(name("b.nii"), "NibabelIO");
        assert_eq!(name("b.mha.gz"), "Other");
    }

    #[test]
    fn a_later_format_takes_over_an_ending() {
        let mut registry = FormatRegistry::default();
        registry.register(Arc::new(Other(&[".nii"])));
        assert_eq!(registry.for_ending(".nii").unwrap().reader_name(), "Other");
    }

    #[test]
    fn an_unknown_ending_is_told_what_is_known() {
        let error = FormatRegistry::default().for_ending(".dcm").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`.dcm` has no known file ending; known are: .nii, .nii.gz, .mha, .mhd, .nrrd, .nhdr, \
             .tif, .tiff, .png, .bmp, .npy"
        );
    }
}
