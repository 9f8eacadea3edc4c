//! Connected components: which voxels of a label hang together.
//!
//! [`connected_components`] finds those of every label at once, [`connected_components_of`] those
//! of a union of labels. Both look at each voxel once and then only at runs, stretches of equal
//! voxels in a row, of which a segmentation has few: the time is linear in the voxels and the
//! memory 16 bytes per run, whatever the size of the image.

mod runs;
mod union;

use ndarray::{Array3, ArrayView3};
use nnunet_image::CropBox;
use serde::{Deserialize, Serialize};

use crate::boxes::around_both;
use crate::{EvaluateError, Label};
use runs::{Run, RunRows};

/// Which voxels touch each other. In an image of one slice the neighbours are those in the plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Connectivity {
    /// Voxels that share a face: 6 neighbours (4 in a plane).
    Face,
    /// Voxels that share a face or an edge: 18 neighbours (8 in a plane).
    Edge,
    /// Voxels that share a face, an edge or a corner: 26 neighbours (8 in a plane).
    #[default]
    Full,
}

/// One connected component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    /// The label of its voxels; of a union of labels the first of them.
    pub label: u16,
    /// Number of voxels.
    pub voxels: u64,
    /// The smallest box around it.
    pub bounds: CropBox,
}

/// Voxels of one component that follow each other along x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComponentRun {
    /// Slice.
    pub z: usize,
    /// Row.
    pub y: usize,
    /// First voxel.
    pub start: usize,
    /// First voxel beyond.
    pub end: usize,
    /// Index into [`Components::components`].
    pub component: usize,
}

/// The connected components of a label map, numbered in the order in which a scan along
/// `(z, y, x)` meets them.
#[derive(Clone, Debug)]
pub struct Components {
    rows: RunRows,
    components: Vec<Component>,
}

/// The components of each label above 0, `(z, y, x)`; neighbours are connected if their labels
/// are equal. Negative labels are background.
///
/// # Errors
/// [`EvaluateError::TooManyRuns`] for maps beyond 2³² runs, which hold no objects but noise.
pub fn connected_components<T: Label>(
    labels: ArrayView3<'_, T>,
    connectivity: Connectivity,
) -> Result<Components, EvaluateError> {
    // Labels beyond the positive half are the negative ones of an `i16`.
    let class = |label: T| match u16::try_from(label.position()) {
        Ok(label) if label <= i16::MAX.cast_unsigned() => label,
        _ => 0,
    };
    Components::find(labels, class, connectivity)
}

/// The components of the union of `members`, `(z, y, x)`: voxels of any of these labels are
/// connected to each other.
///
/// # Errors
/// As [`connected_components`].
pub fn connected_components_of<T: Label>(
    labels: ArrayView3<'_, T>,
    members: &[u16],
    connectivity: Connectivity,
) -> Result<Components, EvaluateError> {
    let first = members.first().copied().unwrap_or(0).max(1);
    let is_member = |label: T| members.iter().any(|m| usize::from(*m) == label.position());
    let class = |label: T| if is_member(label) { first } else { 0 };
    Components::find(labels, class, connectivity)
}

impl Components {
    fn find<T: Label>(
        labels: ArrayView3<'_, T>,
        class: impl Fn(T) -> u16,
        connectivity: Connectivity,
    ) -> Result<Self, EvaluateError> {
        let mut rows = RunRows::scan(labels, class)?;
        let parents = union::link(&rows, connectivity);
        let mut components: Vec<Component> = Vec::new();
        for (z, y, range) in rows.ranges() {
            for i in range {
                let Run { start, end, id } = rows.runs[i];
                let (start, end) = (start as usize, end as usize);
                // A parent comes before its children, so that it has its number by now.
                let parent = parents[i] as usize;
                let component = if parent == i {
                    components.len()
                } else {
                    rows.runs[parent].id as usize
                };
                let bounds = CropBox::between([z, y, start], [z + 1, y + 1, end]);
                let (Some(bounds), Ok(label)) = (bounds, u16::try_from(id)) else {
                    continue;
                };
                let voxels = (end - start) as u64;
                match components.get_mut(component) {
                    Some(known) => known.extend(voxels, bounds),
                    None => components.push(Component {
                        label,
                        voxels,
                        bounds,
                    }),
                }
                rows.runs[i].id = component as u32;
            }
        }
        Ok(Self { rows, components })
    }

    /// The components in scan order.
    #[must_use]
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// Every stretch of voxels with its component, in scan order.
    pub fn runs(&self) -> impl Iterator<Item = ComponentRun> + '_ {
        (self.rows.ranges()).flat_map(|(z, y, range)| {
            self.rows.runs[range].iter().map(move |run| ComponentRun {
                z,
                y,
                start: run.start as usize,
                end: run.end as usize,
                component: run.id as usize,
            })
        })
    }

    /// The number of each voxel's component, `(z, y, x)`: 0 for background, then from 1 on in
    /// the order of [`components`](Self::components).
    #[must_use]
    pub fn to_array(&self) -> Array3<u32> {
        let [nz, ny, nx] = self.rows.shape;
        let mut numbers = Array3::zeros((nz, ny, nx));
        if let Some(voxels) = numbers.as_slice_mut() {
            for run in self.runs() {
                let row = (run.z * ny + run.y) * nx;
                voxels[row + run.start..row + run.end].fill(run.component as u32 + 1);
            }
        }
        numbers
    }

    /// For each component whether it is the largest of its label; of equally large ones all are.
    #[must_use]
    pub fn largest(&self) -> Vec<bool> {
        let mut most: std::collections::BTreeMap<u16, u64> = std::collections::BTreeMap::new();
        for component in &self.components {
            let most = most.entry(component.label).or_default();
            *most = component.voxels.max(*most);
        }
        (self.components.iter())
            .map(|component| most.get(&component.label) == Some(&component.voxels))
            .collect()
    }
}

impl Component {
    fn extend(&mut self, voxels: u64, bounds: CropBox) {
        self.voxels += voxels;
        self.bounds = around_both(self.bounds, bounds);
    }
}

#[cfg(test)]
mod tests;
