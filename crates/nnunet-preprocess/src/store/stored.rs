use std::path::{Path, PathBuf};

use ndarray::{Array3, Array4, Ix3, Ix4};
use nnunet_image::CropBox;
use nnunet_schema::Shape;

use super::reading::StoredArray;
use crate::{CaseProperties, PreprocessError};

/// A preprocessed case on disk, open for reading boxes of it from any number of threads.
#[derive(Debug)]
pub struct StoredCase {
    id: String,
    folder: PathBuf,
    properties: CaseProperties,
    channels: usize,
    data: StoredArray,
    labels: StoredArray,
}

impl StoredCase {
    pub(super) fn open(
        case_id: &str,
        properties: &Path,
        folder: &Path,
    ) -> Result<Self, PreprocessError> {
        let failed = |path: &Path, problem: String| PreprocessError::Array {
            action: "read",
            path: path.to_path_buf(),
            problem,
        };
        let bytes = std::fs::read(properties).map_err(|source| PreprocessError::Io {
            action: "read",
            path: properties.to_path_buf(),
            source,
        })?;
        let parsed: CaseProperties =
            serde_json::from_slice(&bytes).map_err(|e| failed(properties, e.to_string()))?;
        let data = StoredArray::open(folder, "data")?;
        let labels = StoredArray::open(folder, "labels")?;
        let shape = parsed.shape_after_resampling.voxels();
        let data_shape = data.shape();
        let (channels, spatial) = data_shape.split_first().unwrap_or((&0, &[]));
        if spatial != shape || labels.shape() != shape {
            let problem = format!(
                "the data are {spatial:?} and the labels {:?}, expected {shape:?}",
                labels.shape()
            );
            return Err(failed(folder, problem));
        }
        Ok(Self {
            id: case_id.to_owned(),
            folder: folder.to_path_buf(),
            channels: *channels,
            properties: parsed,
            data,
            labels,
        })
    }

    /// Name of the case.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Number of image channels.
    #[must_use]
    pub const fn channels(&self) -> usize {
        self.channels
    }

    /// Voxels along `(z, y, x)`, axes as transposed by the plan.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.properties.shape_after_resampling
    }

    /// What was done to the case, and where its classes are.
    #[must_use]
    pub const fn properties(&self) -> &CaseProperties {
        &self.properties
    }

    /// Reads the intensities `(channel, z, y, x)` inside a box, as `f32` also where they are stored
    /// in half precision. Only the chunks that the box
    /// touches are read and decompressed, on the calling thread.
    ///
    /// # Errors
    /// [`PreprocessError::BoxOutside`] if the box does not lie inside the case;
    /// [`PreprocessError::Array`] if the files are damaged or gone.
    pub fn read_data(&self, region: CropBox) -> Result<Array4<f32>, PreprocessError> {
        self.check(region)?;
        let values = self.data.read_intensities(region);
        (values.and_then(|v| v.into_dimensionality::<Ix4>().map_err(|e| e.to_string())))
            .map_err(|problem| self.damaged("data", problem))
    }

    /// Reads the labels `(z, y, x)` inside a box, as [`Self::read_data`] does.
    ///
    /// # Errors
    /// As [`Self::read_data`].
    pub fn read_labels(&self, region: CropBox) -> Result<Array3<i16>, PreprocessError> {
        self.check(region)?;
        let values = self.labels.read::<i16>(region);
        (values.and_then(|v| v.into_dimensionality::<Ix3>().map_err(|e| e.to_string())))
            .map_err(|problem| self.damaged("labels", problem))
    }

    fn check(&self, region: CropBox) -> Result<(), PreprocessError> {
        // A chunk that is not there reads as zeros in Zarr, so a case that was deleted while it
        // was open would go unnoticed.
        if !self.folder.is_dir() {
            return Err(self.damaged("data", "the folder is gone".to_owned()));
        }
        if region.fits(self.shape()) {
            return Ok(());
        }
        Err(PreprocessError::BoxOutside {
            case: self.id.clone(),
            asked: region,
            shape: self.shape(),
        })
    }

    fn damaged(&self, array: &str, problem: String) -> PreprocessError {
        PreprocessError::Array {
            action: "read",
            path: self.folder.join(array),
            problem,
        }
    }
}
