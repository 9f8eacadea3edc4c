//! What a case must be before anything is done to it.

use ndarray::ArrayView3;
use nnunet_image::{Image, LabelMap};

use super::CasePipeline;
use crate::PreprocessError;

impl CasePipeline {
    /// Refuses a case that the rest of the pipeline could not handle.
    pub(super) fn check(
        &self,
        case_id: &str,
        image: &Image,
        labels: Option<&LabelMap>,
    ) -> Result<(), PreprocessError> {
        let case = || case_id.to_owned();
        if image.channels() != self.channels.len() {
            return Err(PreprocessError::Channels {
                case: case(),
                found: image.channels(),
                expected: self.channels.len(),
            });
        }
        if image.shape().volume() == 0 {
            return Err(PreprocessError::NoVoxels {
                case: case(),
                found: image.shape(),
            });
        }
        for (channel, values) in image.data.outer_iter().enumerate() {
            if let Some((voxels, first)) = occurrences(values, |v| !v.is_finite()) {
                return Err(PreprocessError::NonFinite {
                    case: case(),
                    file: None,
                    channel,
                    voxels,
                    first,
                });
            }
        }
        let Some(labels) = labels else {
            return Ok(());
        };
        if labels.shape() != image.shape() {
            return Err(PreprocessError::LabelShape {
                case: case(),
                file: None,
                found: labels.shape(),
                expected: image.shape(),
            });
        }
        self.check_labels(case_id, labels.labels.view())
    }

    fn check_labels(
        &self,
        case_id: &str,
        labels: ArrayView3<'_, i16>,
    ) -> Result<(), PreprocessError> {
        let mut last_allowed = 0;
        let unknown = labels.iter().find(|label| {
            let allowed = **label == last_allowed || self.labels.allows(i64::from(**label));
            if allowed {
                last_allowed = **label;
            }
            !allowed
        });
        let Some(&found) = unknown else {
            return Ok(());
        };
        let (voxels, first) = occurrences(labels, |l| *l == found).unwrap_or_default();
        let ignore = (self.labels.ignore_label())
            .map(|label| format!(" and {label} (ignore)"))
            .unwrap_or_default();
        Err(PreprocessError::LabelValue {
            case: case_id.to_owned(),
            file: None,
            found,
            voxels,
            first,
            expected: format!("{:?}{ignore}", self.labels.all_labels()),
        })
    }
}

/// How many voxels fulfil `wanted`, and the first of them; `None` if there are none.
fn occurrences<T>(
    volume: ArrayView3<'_, T>,
    wanted: impl Fn(&T) -> bool,
) -> Option<(usize, [usize; 3])> {
    if !volume.iter().any(&wanted) {
        return None;
    }
    let mut found = volume.indexed_iter().filter(|(_, value)| wanted(value));
    let ((z, y, x), _) = found.next()?;
    Some((1 + found.count(), [z, y, x]))
}
