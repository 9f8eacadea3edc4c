use ndarray::{Array3, Array4};
use nnunet_schema::Shape;

use crate::Geometry;

/// A scalar or multi-channel image.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// Intensities, `(channel, z, y, x)`.
    pub data: Array4<f32>,
    /// Where the voxels lie.
    pub geometry: Geometry,
}

/// A segmentation: one label per voxel.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelMap {
    /// Labels, `(z, y, x)`; `-1` stands for "outside the nonzero region" after cropping.
    pub labels: Array3<i16>,
    /// Where the voxels lie.
    pub geometry: Geometry,
}

impl Image {
    /// Number of channels.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.data.dim().0
    }

    /// Voxels along `(z, y, x)`.
    #[must_use]
    pub fn shape(&self) -> Shape {
        let (_, z, y, x) = self.data.dim();
        Shape::new([z, y, x])
    }
}

impl LabelMap {
    /// Voxels along `(z, y, x)`.
    #[must_use]
    pub fn shape(&self) -> Shape {
        let (z, y, x) = self.labels.dim();
        Shape::new([z, y, x])
    }
}
