//! Cases in the preprocessed store.

use ndarray::{Array3, Array4};
use nnunet_image::CropBox;
use nnunet_preprocess::{ClassVoxels, StoredCase};
use nnunet_schema::Shape;

use crate::{CaseSource, SourceError, VoxelGroup};

/// Classes are numbered in the order of the dataset's targets, from 0.
impl CaseSource for StoredCase {
    fn id(&self) -> &str {
        Self::id(self)
    }

    fn channels(&self) -> usize {
        Self::channels(self)
    }

    fn shape(&self) -> Shape {
        Self::shape(self)
    }

    fn voxel_groups(&self) -> Vec<(VoxelGroup, usize)> {
        let locations = &self.properties().class_locations;
        let classes = locations.classes.iter().enumerate();
        let annotated = locations.annotated.iter();
        classes
            .map(|(number, class)| (VoxelGroup::Class(number), class.voxels.len()))
            .chain(annotated.map(|class| (VoxelGroup::Annotated, class.voxels.len())))
            .collect()
    }

    fn voxel(&self, group: VoxelGroup, index: usize) -> Result<[usize; 3], SourceError> {
        let locations = &self.properties().class_locations;
        let class: Option<&ClassVoxels> = match group {
            VoxelGroup::Class(number) => locations.classes.get(number),
            VoxelGroup::Annotated => locations.annotated.as_ref(),
        };
        (class.and_then(|class| class.voxels.get(index)))
            .map(|voxel| voxel.map(|v| v as usize))
            .ok_or_else(|| format!("there is no voxel {index} of {group:?}").into())
    }

    fn read_data(&self, region: CropBox) -> Result<Array4<f32>, SourceError> {
        Ok(Self::read_data(self, region)?)
    }

    fn read_labels(&self, region: CropBox) -> Result<Array3<i16>, SourceError> {
        Ok(Self::read_labels(self, region)?)
    }
}
