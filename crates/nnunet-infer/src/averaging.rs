//! What is averaged over windows, mirrorings and folds.

use nnunet_schema::{LabelScheme, RuleSet};
use pulp::Arch;
use rayon::prelude::*;
use tch::{Kind, Tensor};

use crate::InferError;

/// Voxels of a plane that are decided at once.
const PART: usize = 1 << 12;

/// What is averaged over windows, mirrorings and folds, and resampled in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Averaging {
    /// Probabilities, as in the paper: softmax, or sigmoid for regions.
    Probabilities,
    /// Logits, as in nnU-Net v2.
    Logits,
}

impl Averaging {
    /// What models made with these rules average.
    #[must_use]
    pub const fn of(rules: RuleSet) -> Self {
        match rules {
            RuleSet::Paper => Self::Probabilities,
            _ => Self::Logits,
        }
    }

    /// Logits `(batch, class, …)` as the quantity that is averaged, single precision.
    pub(crate) fn apply(self, logits: &Tensor, classes: Classes) -> Result<Tensor, InferError> {
        Ok(match (self, classes) {
            (Self::Logits, _) => logits.f_to_kind(Kind::Float)?,
            (Self::Probabilities, Classes::Exclusive) => logits.f_softmax(1, Kind::Float)?,
            (Self::Probabilities, Classes::Regions) => {
                logits.f_to_kind(Kind::Float)?.f_sigmoid()?
            }
        })
    }

    /// The value above which a voxel belongs to a region.
    const fn threshold(self) -> f32 {
        match self {
            Self::Probabilities => 0.5,
            Self::Logits => 0.0,
        }
    }
}

/// Whether a voxel has one class or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Classes {
    /// One label per voxel, background among them.
    Exclusive,
    /// Regions that overlap.
    Regions,
}

/// How the averages at a voxel become its label.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decision {
    /// The label of the largest, the first of equals.
    Largest { labels: Vec<i16> },
    /// Each in turn writes its label where it is above the threshold.
    Above { labels: Vec<i16>, threshold: f32 },
}

/// Labels as label maps hold them.
pub(crate) fn label_values(labels: &[u16]) -> Result<Vec<i16>, InferError> {
    (labels.iter())
        .map(|v| i16::try_from(*v).map_err(|_| InferError::Label { found: *v }))
        .collect()
}

impl Decision {
    pub(crate) fn new(scheme: &LabelScheme, averaging: Averaging) -> Result<Self, InferError> {
        let values = match scheme.is_region_based() {
            true => scheme.output_values(),
            false => scheme.all_labels(),
        };
        let labels = label_values(values)?;
        Ok(match scheme.is_region_based() {
            true => Self::Above {
                labels,
                threshold: averaging.threshold(),
            },
            false => Self::Largest { labels },
        })
    }

    /// Number of network outputs.
    pub(crate) const fn heads(&self) -> usize {
        match self {
            Self::Largest { labels } | Self::Above { labels, .. } => labels.len(),
        }
    }

    pub(crate) const fn classes(&self) -> Classes {
        match self {
            Self::Largest { .. } => Classes::Exclusive,
            Self::Above { .. } => Classes::Regions,
        }
    }

    /// Takes one more class into account, which all voxels have these values of; `best` holds the
    /// highest so far and `decided` the labels so far.
    pub(crate) fn update(
        &self,
        class: usize,
        values: &[f32],
        best: &mut [f32],
        decided: &mut [i16],
    ) {
        let voxels = values.iter().zip(best).zip(decided);
        match self {
            Self::Largest { labels } => {
                let label = labels.get(class).copied().unwrap_or(0);
                for ((value, best), decided) in voxels {
                    let wins = *value > *best;
                    *best = if wins { *value } else { *best };
                    *decided = if wins { label } else { *decided };
                }
            }
            Self::Above { labels, threshold } => {
                let label = labels.get(class).copied().unwrap_or(0);
                for ((value, _), decided) in voxels {
                    *decided = if value > threshold { label } else { *decided };
                }
            }
        }
    }

    /// Decides a plane of voxels from the values `(class, voxel)`.
    pub(crate) fn decide_plane(&self, values: &[f32], decided: &mut [i16]) {
        let voxels = decided.len().max(1);
        let parts = decided.par_chunks_mut(PART).enumerate();
        parts.for_each_init(Vec::new, |best, (part, decided)| {
            let part = part * PART..part * PART + decided.len();
            let classes = values.chunks_exact(voxels);
            let rows = classes.filter_map(|class| class.get(part.clone()));
            self.decide(rows, best, decided);
        });
    }

    /// Decides a row of voxels. `class(i)` is the row of class `i`; `best` is scratch space.
    pub(crate) fn decide<'a>(
        &self,
        rows: impl Iterator<Item = &'a [f32]>,
        best: &mut Vec<f32>,
        decided: &mut [i16],
    ) {
        match self {
            Self::Largest { labels } => {
                best.clear();
                best.resize(decided.len(), f32::NEG_INFINITY);
                for (row, label) in rows.zip(labels) {
                    let voxels = row.iter().zip(best.iter_mut()).zip(decided.iter_mut());
                    Arch::new().dispatch(
                        #[inline(always)]
                        || {
                            for ((value, best), decided) in voxels {
                                let wins = *value > *best;
                                *best = if wins { *value } else { *best };
                                *decided = if wins { *label } else { *decided };
                            }
                        },
                    );
                }
            }
            Self::Above { labels, threshold } => {
                decided.fill(0);
                for (row, label) in rows.zip(labels) {
                    for (value, decided) in row.iter().zip(decided.iter_mut()) {
                        *decided = if value > threshold { *label } else { *decided };
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_is_decided_as_its_voxels_are() {
        let largest = Decision::Largest {
            labels: vec![0, 1, 2],
        };
        let above = Decision::Above {
            labels: vec![2, 1, 5],
            threshold: 0.5,
        };
        let voxels = 2 * PART + 17;
        let values: Vec<f32> = (0..3 * voxels)
            .map(|i| (i * 7919 % 101) as f32 / 101.0)
            .collect();
        let rows: Vec<&[f32]> = values.chunks_exact(voxels).collect();
        for decision in [largest, above] {
            let mut plane = vec![9; voxels];
            decision.decide_plane(&values, &mut plane);
            assert_eq!(plane, decide(&decision, &rows));
        }
    }

    fn decide(decision: &Decision, rows: &[&[f32]]) -> Vec<i16> {
        let mut decided = vec![7; rows[0].len()];
        decision.decide(rows.iter().copied(), &mut Vec::new(), &mut decided);
        decided
    }

    #[test]
    fn the_first_of_equals_wins() {
        let largest = Decision::Largest {
            labels: vec![0, 1, 4],
        };
        let rows: [&[f32]; 3] = [&[1.0, 0.0, -2.0], &[1.0, 3.0, -1.0], &[1.0, 2.0, -1.0]];
        assert_eq!(decide(&largest, &rows), [0, 1, 1]);
    }

    #[test]
    fn later_regions_overwrite_earlier_ones_and_the_threshold_is_strict() {
        let above = Decision::Above {
            labels: vec![2, 1],
            threshold: 0.5,
        };
        let rows: [&[f32]; 2] = [&[0.9, 0.9, 0.5], &[0.6, 0.4, 0.5]];
        assert_eq!(decide(&above, &rows), [1, 2, 0]);
    }

    #[test]
    fn only_the_paper_averages_probabilities() {
        assert_eq!(Averaging::of(RuleSet::Paper), Averaging::Probabilities);
        assert_eq!(Averaging::of(RuleSet::V2), Averaging::Logits);
        assert_eq!(Averaging::of(RuleSet::ResencL), Averaging::Logits);
    }
}
