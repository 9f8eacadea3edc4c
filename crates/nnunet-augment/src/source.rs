use std::collections::BTreeMap;
use std::fmt::Debug;

use ndarray::{Array3, Array4, ArrayView3, ArrayView4};
use nnunet_image::CropBox;
use nnunet_schema::Shape;

use crate::{AugmentError, SourceError};

/// A set of voxels of a case that a crop can be centred on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VoxelGroup {
    /// Voxels of one foreground class, by whatever number the source gives its classes.
    Class(usize),
    /// All voxels that carry an annotation, of a dataset with an ignore label.
    Annotated,
}

/// A preprocessed case that patches can be read from.
///
/// Implemented by whatever holds cases: a file that is read chunk by chunk, an array in memory
/// ([`MemoryCase`]), a generator. One case is read by several threads at a time.
pub trait CaseSource: Debug + Send + Sync {
    /// The case's identifier, for messages.
    fn id(&self) -> &str;

    /// Number of channels.
    fn channels(&self) -> usize;

    /// Voxels along `(z, y, x)`.
    fn shape(&self) -> Shape;

    /// The groups of voxels that are known, each with the number of voxels stored for it, in
    /// an order that never changes. Groups without voxels may be left out.
    fn voxel_groups(&self) -> Vec<(VoxelGroup, usize)>;

    /// Voxel number `index` `(z, y, x)` of a group; `index` is below the number that
    /// [`voxel_groups`](Self::voxel_groups) gave.
    ///
    /// # Errors
    /// Whatever kept the source from finding it.
    fn voxel(&self, group: VoxelGroup, index: usize) -> Result<[usize; 3], SourceError>;

    /// Intensities `(channel, z, y, x)` inside a box that fits the case.
    ///
    /// # Errors
    /// Whatever kept the source from reading.
    fn read_data(&self, region: CropBox) -> Result<Array4<f32>, SourceError>;

    /// Labels `(z, y, x)` inside a box that fits the case; `-1` is background outside the
    /// nonzero region.
    ///
    /// # Errors
    /// Whatever kept the source from reading.
    fn read_labels(&self, region: CropBox) -> Result<Array3<i16>, SourceError>;

    /// The same as [`read_data`](Self::read_data) without a copy, from a source that holds the
    /// case in memory; `None` from others, or if the box does not fit.
    fn view_data(&self, _region: CropBox) -> Option<ArrayView4<'_, f32>> {
        None
    }

    /// The same as [`read_labels`](Self::read_labels) without a copy, likewise.
    fn view_labels(&self, _region: CropBox) -> Option<ArrayView3<'_, i16>> {
        None
    }

    /// Whether there is a segmentation by the previous stage of a cascade.
    fn has_previous_stage(&self) -> bool {
        false
    }

    /// Labels `(z, y, x)` of the previous stage of a cascade, on the grid of the case, inside a
    /// box that fits the case.
    ///
    /// # Errors
    /// Whatever kept the source from reading; that there is none, unless overridden.
    fn read_previous_stage(&self, _region: CropBox) -> Result<Array3<i16>, SourceError> {
        Err("it has no segmentation by the previous stage of a cascade".into())
    }
}

/// A case held in memory.
#[derive(Clone, Debug)]
pub struct MemoryCase {
    id: String,
    data: Array4<f32>,
    labels: Array3<i16>,
    previous: Option<Array3<i16>>,
    groups: BTreeMap<VoxelGroup, Vec<[usize; 3]>>,
}

impl MemoryCase {
    /// A case of intensities `(channel, z, y, x)` and labels `(z, y, x)`; crops can be centred
    /// on every voxel whose label is above 0, class by class; a class's number is its label.
    ///
    /// # Errors
    /// [`AugmentError::Shape`] if the two shapes differ.
    pub fn new(
        id: impl Into<String>,
        data: Array4<f32>,
        labels: Array3<i16>,
    ) -> Result<Self, AugmentError> {
        let id = id.into();
        let (_, z, y, x) = data.dim();
        let found: [usize; 3] = labels.dim().into();
        check_shape(&id, "label map", found.into(), Shape::new([z, y, x]))?;
        let mut groups = BTreeMap::<_, Vec<_>>::new();
        for ((z, y, x), label) in labels.indexed_iter() {
            if let Ok(class @ 1..) = usize::try_from(*label) {
                let group = VoxelGroup::Class(class);
                groups.entry(group).or_default().push([z, y, x]);
            }
        }
        Ok(Self {
            id,
            data,
            labels,
            previous: None,
            groups,
        })
    }

    /// Adds the labels `(z, y, x)` that the previous stage of a cascade gave the case.
    ///
    /// # Errors
    /// [`AugmentError::Shape`] if the shape is not the case's.
    pub fn with_previous_stage(mut self, previous: Array3<i16>) -> Result<Self, AugmentError> {
        let found: [usize; 3] = previous.dim().into();
        let what = "segmentation by the previous stage";
        check_shape(&self.id, what, found.into(), self.shape())?;
        self.previous = Some(previous);
        Ok(self)
    }

    /// Sets the voxels of one group.
    #[must_use]
    pub fn with_group(mut self, group: VoxelGroup, voxels: Vec<[usize; 3]>) -> Self {
        self.groups.insert(group, voxels);
        self
    }
}

impl CaseSource for MemoryCase {
    fn id(&self) -> &str {
        &self.id
    }

    fn channels(&self) -> usize {
        self.data.dim().0
    }

    fn shape(&self) -> Shape {
        let (z, y, x) = self.labels.dim();
        Shape::new([z, y, x])
    }

    fn voxel_groups(&self) -> Vec<(VoxelGroup, usize)> {
        (self.groups.iter())
            .map(|(group, voxels)| (*group, voxels.len()))
            .collect()
    }

    fn voxel(&self, group: VoxelGroup, index: usize) -> Result<[usize; 3], SourceError> {
        (self.groups.get(&group))
            .and_then(|voxels| voxels.get(index).copied())
            .ok_or_else(|| format!("there is no voxel {index} of {group:?}").into())
    }

    fn read_data(&self, region: CropBox) -> Result<Array4<f32>, SourceError> {
        self.fits(region)?;
        Ok(region.view_channels(&self.data.view()).to_owned())
    }

    fn read_labels(&self, region: CropBox) -> Result<Array3<i16>, SourceError> {
        self.fits(region)?;
        Ok(region.view(&self.labels.view()).to_owned())
    }

    fn view_data(&self, region: CropBox) -> Option<ArrayView4<'_, f32>> {
        let fits = region.fits(self.shape());
        fits.then(|| region.view_channels(&self.data.view()))
    }

    fn view_labels(&self, region: CropBox) -> Option<ArrayView3<'_, i16>> {
        let fits = region.fits(self.shape());
        fits.then(|| region.view(&self.labels.view()))
    }

    fn has_previous_stage(&self) -> bool {
        self.previous.is_some()
    }

    fn read_previous_stage(&self, region: CropBox) -> Result<Array3<i16>, SourceError> {
        self.fits(region)?;
        let previous = self.previous.as_ref().ok_or("it was given none")?;
        Ok(region.view(&previous.view()).to_owned())
    }
}

impl MemoryCase {
    fn fits(&self, region: CropBox) -> Result<(), SourceError> {
        if region.fits(self.shape()) {
            return Ok(());
        }
        let shape = self.shape();
        Err(format!("the region {region:?} does not fit the shape {shape}").into())
    }
}

/// Fails unless two shapes are the same.
pub(crate) fn check_shape(
    case: &str,
    what: &'static str,
    found: Shape,
    expected: Shape,
) -> Result<(), AugmentError> {
    if found == expected {
        return Ok(());
    }
    Err(AugmentError::Shape {
        case: case.to_owned(),
        what,
        found,
        expected,
    })
}
