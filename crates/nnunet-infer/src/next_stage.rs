//! What the second stage of a cascade is trained with: the labels that the first stage gives a
//! held-out case, on the grid of the second stage's preprocessed case.
//!
//! Both stages crop a case to the same box, so that the averaged outputs are resampled from one
//! preprocessed grid to the other and never see the grid of the image.

use ndarray::Array3;
use nnunet_image::{CropBox, Geometry, LabelMap};
use nnunet_preprocess::resample::{ResampleMethod, SplineOrder};
use nnunet_preprocess::{CaseProperties, ClassLocations, PreprocessedCase};
use nnunet_schema::{AxisPermutation, Shape};

use crate::accumulator::SliceSink;
use crate::export::LabelExport;
use crate::predict::Wanted;
use crate::{Averaging, InferError, Predictor, Recipe};

/// A preprocessed grid of another configuration, and how outputs get there.
#[derive(Debug)]
pub(crate) struct NextGrid {
    properties: CaseProperties,
    method: ResampleMethod,
}

impl Recipe {
    /// The grid of `shape` voxels `(z, y, x)`, axes as transposed by the plans, over the box that
    /// a case with these properties was cropped to.
    pub(crate) fn next_grid(
        &self,
        properties: &CaseProperties,
        shape: Shape,
    ) -> Result<NextGrid, InferError> {
        let own = (properties.transpose_forward).apply_spacing(properties.spacing);
        // The reference judges anisotropy by the first stage's spacing on either side.
        let spacing = self.configuration().target_spacing(own)?;
        let properties = CaseProperties {
            spacing,
            geometry: Geometry::axis_aligned(spacing),
            transpose_forward: AxisPermutation::IDENTITY,
            shape_before_cropping: shape,
            bbox_used_for_cropping: CropBox::whole(shape),
            shape_after_cropping_and_before_resampling: shape,
            shape_after_resampling: properties.shape_after_resampling,
            class_locations: ClassLocations::default(),
        };
        let method = match self.averaging() {
            // The paper's code never handles a coarse axis apart here.
            Averaging::Probabilities => ResampleMethod::all_axes(SplineOrder::Linear),
            Averaging::Logits => self.resampling(&properties)?,
        };
        Ok(NextGrid { properties, method })
    }
}

impl NextGrid {
    pub(crate) fn export<'a>(&'a self, recipe: &'a Recipe, case: &'a str) -> LabelExport<'a> {
        LabelExport::new(case, &self.properties, &recipe.decision, self.method)
    }
}

/// Hands every slice to several exports.
#[derive(Debug)]
pub(crate) struct Exports<'a> {
    first: LabelExport<'a>,
    others: Vec<LabelExport<'a>>,
    /// Buffers that the others gave back.
    spare: Vec<Vec<f32>>,
}

impl<'a> Exports<'a> {
    pub(crate) const fn new(first: LabelExport<'a>, others: Vec<LabelExport<'a>>) -> Self {
        Self {
            first,
            others,
            spare: Vec::new(),
        }
    }

    /// The label maps of all exports, once all slices have come.
    pub(crate) fn finish(self) -> Result<(LabelMap, Vec<Array3<i16>>), InferError> {
        let others = (self.others.into_iter()).map(|export| Ok(export.finish()?.labels));
        let others = others.collect::<Result<_, InferError>>()?;
        Ok((self.first.finish()?, others))
    }
}

impl SliceSink for Exports<'_> {
    fn take(&mut self, slice: Vec<f32>) -> Result<Option<Vec<f32>>, InferError> {
        for other in &mut self.others {
            let mut copy = self.spare.pop().unwrap_or_default();
            copy.clear();
            copy.extend_from_slice(&slice);
            self.spare.extend(other.take(copy)?);
        }
        self.first.take(slice)
    }
}

impl Predictor {
    /// As [`Self::predict_preprocessed`], and from the same passes through the networks the labels
    /// `(z, y, x)` on other preprocessed grids of the case: `next_shapes` are its shapes in the
    /// configurations that continue this one, axes as transposed by the plans. Outputs are
    /// resampled linearly; with the paper's rules along all axes alike, otherwise as the plans
    /// resample them, a coarse axis judged by this configuration's spacing.
    ///
    /// # Errors
    /// As [`Self::predict_preprocessed`].
    pub fn predict_for_next_stages(
        &self,
        case: &str,
        prepared: &PreprocessedCase,
        next_shapes: &[Shape],
    ) -> Result<(LabelMap, Vec<Array3<i16>>), InferError> {
        let wanted = Wanted {
            next_shapes,
            ..Wanted::default()
        };
        let predicted = self.run(case, prepared, wanted)?;
        Ok((predicted.labels, predicted.next_stages))
    }
}
