use ndarray::{Array3, Array4};
use nnunet_image::{CropBox, Geometry};
use nnunet_schema::{AxisPermutation, Shape, Spacing};
use serde::{Deserialize, Serialize};

use crate::ClassLocations;

/// What was done to a case, enough to undo it and to sample patches from it.
///
/// Stored as JSON beside the arrays; the names are those of nnU-Net v2's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseProperties {
    /// Spacing of the file, axes as in the file (not transposed), millimetres.
    pub spacing: Spacing,
    /// Geometry of the file, axes as in the file.
    pub geometry: Geometry,
    /// The reordering from the file's axes to those of everything below.
    pub transpose_forward: AxisPermutation,
    /// Shape of the whole image, transposed.
    pub shape_before_cropping: Shape,
    /// The box that was cut out of it, transposed.
    pub bbox_used_for_cropping: CropBox,
    /// Shape of that box, transposed.
    pub shape_after_cropping_and_before_resampling: Shape,
    /// Shape of the preprocessed case.
    pub shape_after_resampling: Shape,
    /// Where the foreground classes are, in voxels of the preprocessed case; empty without labels.
    pub class_locations: ClassLocations,
}

/// A case as the network sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct PreprocessedCase {
    /// Normalised intensities, `(channel, z, y, x)`, axes as transposed by the plan.
    pub data: Array4<f32>,
    /// Labels `(z, y, x)`; `-1` is background outside the nonzero region. A case without labels
    /// has `0` inside and `-1` outside.
    pub labels: Array3<i16>,
    /// What was done to get here.
    pub properties: CaseProperties,
}

impl PreprocessedCase {
    /// Voxels along `(z, y, x)`.
    #[must_use]
    pub fn shape(&self) -> Shape {
        let (z, y, x) = self.labels.dim();
        Shape::new([z, y, x])
    }
}
