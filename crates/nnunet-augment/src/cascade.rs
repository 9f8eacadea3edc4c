//! Cases of the second stage of a cascade.

use std::sync::Arc;

use ndarray::{Array3, Array4, ArrayView3, ArrayView4};
use nnunet_image::CropBox;
use nnunet_preprocess::CaseStore;
use nnunet_schema::Shape;

use crate::source::check_shape;
use crate::{AugmentError, CaseSource, SourceError, Stage, VoxelGroup};

/// A case together with the segmentation that the previous stage of a cascade made of it.
#[derive(Clone, Debug)]
pub struct CascadeCase {
    case: Arc<dyn CaseSource>,
    previous: Arc<dyn CaseSource>,
}

impl CascadeCase {
    /// A case whose previous stage is the label map of another source on the same grid.
    ///
    /// # Errors
    /// [`AugmentError::Shape`] if the two have different shapes.
    pub fn new(
        case: Arc<dyn CaseSource>,
        previous: Arc<dyn CaseSource>,
    ) -> Result<Self, AugmentError> {
        let what = "segmentation by the previous stage";
        check_shape(case.id(), what, previous.shape(), case.shape())?;
        Ok(Self { case, previous })
    }

    /// A case of a store, and the case of the same name of a second store whose label maps are
    /// the previous stage's segmentations, resampled to the grid of the first.
    ///
    /// # Errors
    /// [`AugmentError::Source`] if either cannot be opened, [`AugmentError::Shape`] as
    /// [`new`](Self::new).
    pub fn open(
        cases: &CaseStore,
        previous: &CaseStore,
        case_id: &str,
    ) -> Result<Self, AugmentError> {
        let open = |store: &CaseStore| -> Result<Arc<dyn CaseSource>, AugmentError> {
            let opened = store.open_case(case_id);
            let opened = opened.map_err(|source| AugmentError::Source {
                case: case_id.to_owned(),
                stage: Stage::Open,
                source: source.into(),
            })?;
            Ok(Arc::new(opened))
        };
        Self::new(open(cases)?, open(previous)?)
    }
}

impl CaseSource for CascadeCase {
    fn id(&self) -> &str {
        self.case.id()
    }

    fn channels(&self) -> usize {
        self.case.channels()
    }

    fn shape(&self) -> Shape {
        self.case.shape()
    }

    fn voxel_groups(&self) -> Vec<(VoxelGroup, usize)> {
        self.case.voxel_groups()
    }

    fn voxel(&self, group: VoxelGroup, index: usize) -> Result<[usize; 3], SourceError> {
        self.case.voxel(group, index)
    }

    fn read_data(&self, region: CropBox) -> Result<Array4<f32>, SourceError> {
        self.case.read_data(region)
    }

    fn read_labels(&self, region: CropBox) -> Result<Array3<i16>, SourceError> {
        self.case.read_labels(region)
    }

    fn view_data(&self, region: CropBox) -> Option<ArrayView4<'_, f32>> {
        self.case.view_data(region)
    }

    fn view_labels(&self, region: CropBox) -> Option<ArrayView3<'_, i16>> {
        self.case.view_labels(region)
    }

    fn has_previous_stage(&self) -> bool {
        true
    }

    fn read_previous_stage(&self, region: CropBox) -> Result<Array3<i16>, SourceError> {
        self.previous.read_labels(region)
    }
}
