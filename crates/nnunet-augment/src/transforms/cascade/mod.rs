//! The segmentation of the previous stage of a cascade: as channels, and how it is disturbed so
//! that the network does not learn to trust it blindly.

mod bits;
mod components;
mod morphology;

use serde::{Deserialize, Serialize};

use crate::setup::PatchGeometry;
use bits::BitVolume;
use components::Components;
use morphology::Ball;

pub use morphology::BinaryOperator;

/// One disturbance of one label of the previous stage, as drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CascadeDraw {
    /// Grows, shrinks, opens or closes the label; voxels that it gains are lost to the others.
    Operator {
        /// Number of the label's channel, from 0.
        label: usize,
        /// What is done.
        operator: BinaryOperator,
        /// Radius of the ball, in voxels; of a disk in 2D.
        radius: f64,
    },
    /// Makes one connected component of the label background.
    RemoveComponent {
        /// Number of the label's channel, from 0.
        label: usize,
        /// Only components that cover less than this share of the patch are chosen from.
        largest_share: f64,
        /// Which of them, 0 … 1: the part of the list that lies before it. The list is in the
        /// order of the components' first voxels.
        choice: f64,
    },
}

/// Writes one channel of zeros and ones per label of the previous stage, and disturbs them.
///
/// `previous` holds the labels `(z, y, x)` of the previous stage, `channels` as many volumes of
/// that shape as there are `labels`. Disturbances of labels that are not there are left out.
pub fn encode_previous_stage(
    previous: &[i16],
    shape: [usize; 3],
    labels: &[u16],
    draws: &[CascadeDraw],
    geometry: PatchGeometry,
    channels: &mut [f32],
) {
    let volume = previous.len();
    if volume == 0 {
        return;
    }
    if draws.is_empty() {
        for (channel, label) in channels.chunks_exact_mut(volume).zip(labels) {
            let wanted = as_stored(*label);
            for (value, found) in channel.iter_mut().zip(previous) {
                *value = f32::from(u8::from(*found == wanted));
            }
        }
        return;
    }
    let mut sets: Vec<BitVolume> = (labels.iter())
        .map(|label| BitVolume::of_label(previous, shape, as_stored(*label)))
        .collect();
    for draw in draws {
        draw.apply(&mut sets, volume, geometry);
    }
    for (channel, set) in channels.chunks_exact_mut(volume).zip(&sets) {
        set.unpack(channel);
    }
}

/// A label as label maps hold it; one beyond their range occurs nowhere.
fn as_stored(label: u16) -> i16 {
    i16::try_from(label).unwrap_or(i16::MIN)
}

impl CascadeDraw {
    fn apply(&self, sets: &mut [BitVolume], volume: usize, geometry: PatchGeometry) {
        match *self {
            Self::Operator {
                label,
                operator,
                radius,
            } => {
                let Some(before) = sets.get(label) else {
                    return;
                };
                let after = operator.apply(before, &Ball::new(radius, geometry));
                let before = std::mem::replace(&mut sets[label], after.clone());
                for (number, other) in sets.iter_mut().enumerate() {
                    if number != label {
                        other.remove_new(&after, &before);
                    }
                }
            }
            Self::RemoveComponent {
                label,
                largest_share,
                choice,
            } => {
                let Some(set) = sets.get_mut(label) else {
                    return;
                };
                let components = Components::of(set);
                let candidates = components.smaller_than(largest_share * volume as f64);
                let chosen = (choice * candidates.len() as f64) as usize;
                if let Some(component) = candidates.get(chosen) {
                    components.remove_from(set, *component);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [usize; 3] = [12, 14, 70];

    /// Two boxes of label 1 and 3 that touch, and a lone voxel of label 1.
    fn previous() -> Vec<i16> {
        let [nz, ny, nx] = SHAPE;
        (0..nz * ny * nx)
            .map(|i| {
                let (z, y, x) = (i / (ny * nx), i / nx % ny, i % nx);
                let tall = (3..9).contains(&z) && (4..10).contains(&y);
                match x {
                    20..30 if tall => 1,
                    30..40 if tall => 3,
                    60 if z == 1 && y == 1 => 1,
                    _ if z == 0 => -1,
                    _ => 0,
                }
            })
            .collect()
    }

    fn encode(draws: &[CascadeDraw]) -> [Vec<f32>; 2] {
        let previous = previous();
        let mut channels = vec![7.0; 2 * previous.len()];
        let geometry = PatchGeometry::Volume;
        encode_previous_stage(&previous, SHAPE, &[1, 3], draws, geometry, &mut channels);
        let (one, three) = channels.split_at(previous.len());
        [one.to_vec(), three.to_vec()]
    }

    fn count(channel: &[f32]) -> usize {
        assert!(channel.iter().all(|v| *v == 0.0 || *v == 1.0));
        channel.iter().filter(|v| **v == 1.0).count()
    }

    fn operator(label: usize, operator: BinaryOperator, radius: f64) -> CascadeDraw {
        CascadeDraw::Operator {
            label,
            operator,
            radius,
        }
    }

    #[test]
    fn labels_become_channels_with_or_without_disturbance() {
        let plain = encode(&[]);
        assert_eq!(plain.each_ref().map(|c| count(c)), [361, 360]);
        // An operator with a ball of one voxel does nothing.
        assert_eq!(encode(&[operator(0, BinaryOperator::Open, 0.2)]), plain);
        assert_eq!(encode(&[operator(9, BinaryOperator::Erode, 3.0)]), plain);
    }

    #[test]
    fn what_one_label_gains_the_others_lose() {
        let [one, three] = encode(&[]);
        let [grown, pushed] = encode(&[operator(0, BinaryOperator::Dilate, 1.0)]);
        // Faces of a 6×6×10 box and of a lone voxel; one face lies against the other label.
        assert_eq!(count(&grown), 361 + 2 * 36 + 4 * 60 + 6);
        assert_eq!(count(&pushed), count(&three) - 36);
        assert!((grown.iter().zip(&pushed)).all(|(a, b)| a * b == 0.0));
        // The order matters.
        let both = [
            operator(0, BinaryOperator::Dilate, 1.0),
            operator(1, BinaryOperator::Dilate, 1.0),
        ];
        let swapped = [both[1], both[0]];
        assert_ne!(encode(&both), encode(&swapped));
        // What a label loses nobody gains.
        let [shrunk, same] = encode(&[operator(0, BinaryOperator::Erode, 1.0)]);
        assert_eq!((count(&shrunk), &same), (4 * 4 * 8, &three));
        assert!(
            one.iter()
                .zip(&shrunk)
                .all(|(before, after)| after <= before)
        );
    }

    #[test]
    fn one_small_component_goes() {
        let remove = |choice, largest_share| {
            let draw = CascadeDraw::RemoveComponent {
                label: 0,
                largest_share,
                choice,
            };
            encode(&[draw]).map(|channel| count(&channel))
        };
        let volume = previous().len() as f64;
        // The lone voxel comes first.
        assert_eq!(remove(0.0, 0.15), [360, 360]);
        assert_eq!(remove(0.499, 0.15), [360, 360]);
        assert_eq!(remove(0.5, 0.15), [1, 360]);
        assert_eq!(remove(0.999_999, 0.15), [1, 360]);
        // The box is not smaller than its own size.
        assert_eq!(remove(0.9, 360.0 / volume), [360, 360]);
        assert_eq!(remove(0.9, 361.0 / volume), [1, 360]);
        assert_eq!(remove(0.9, 0.0), [361, 360]);
    }
}
