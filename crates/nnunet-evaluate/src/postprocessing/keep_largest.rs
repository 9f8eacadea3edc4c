use ndarray::{Array3, ArrayView3};
use serde::{Deserialize, Serialize};

use crate::components::{ComponentRun, Connectivity, connected_components_of};
use crate::{Class, EvaluateError};

/// All but the largest component of a mask become background; equally large ones all stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeepLargest {
    /// The mask: the union of these.
    pub labels_or_regions: LabelsOrRegions,
}

/// A label, or a list of labels and regions, as the Python program writes them. Only their union
/// matters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LabelsOrRegions {
    /// One label.
    Label(u16),
    /// A region, or several labels and regions.
    Union(Vec<LabelsOrRegions>),
}

impl LabelsOrRegions {
    /// The labels of the union, ascending.
    #[must_use]
    pub fn members(&self) -> Vec<u16> {
        let mut members = match self {
            Self::Label(label) => vec![*label],
            Self::Union(parts) => parts.iter().flat_map(Self::members).collect(),
        };
        members.sort_unstable();
        members.dedup();
        members
    }
}

impl From<&Class> for LabelsOrRegions {
    fn from(class: &Class) -> Self {
        match class.members() {
            [label] if !class.key().starts_with('(') => Self::Label(*label),
            members => Self::Union(members.iter().map(|label| Self::Label(*label)).collect()),
        }
    }
}

impl KeepLargest {
    /// For one class.
    #[must_use]
    pub fn of_class(class: &Class) -> Self {
        Self {
            labels_or_regions: class.into(),
        }
    }

    /// For the union of classes, as one object.
    #[must_use]
    pub fn of_all(classes: &[Class]) -> Self {
        Self {
            labels_or_regions: LabelsOrRegions::Union(classes.iter().map(Into::into).collect()),
        }
    }

    /// Sets the voxels of the smaller components to 0; returns how many there were.
    ///
    /// # Errors
    /// [`EvaluateError::TooManyRuns`].
    pub fn apply(
        &self,
        labels: &mut Array3<i16>,
        connectivity: Connectivity,
    ) -> Result<u64, EvaluateError> {
        let mut removed = 0;
        for run in self.smaller(labels.view(), connectivity)? {
            for x in run.start..run.end {
                labels[[run.z, run.y, x]] = 0;
            }
            removed += (run.end - run.start) as u64;
        }
        Ok(removed)
    }

    /// The runs of the components that are not the largest.
    pub(super) fn smaller(
        &self,
        labels: ArrayView3<'_, i16>,
        connectivity: Connectivity,
    ) -> Result<Vec<ComponentRun>, EvaluateError> {
        let members = self.labels_or_regions.members();
        let components = connected_components_of(labels, &members, connectivity)?;
        let largest = components.largest();
        Ok((components.runs())
            .filter(|run| !largest[run.component])
            .collect())
    }
}
