//! Labels between voxels: the neighbours vote.

use super::sampling::{LANES, Points, RowPath, Split, Volume};
use crate::augmentation::LabelVote;

/// The label of what lies outside.
pub(crate) const OUTSIDE: i16 = -1;

/// Single-precision sums of weights that should be a half may fall short by this much.
const TOLERANCE: f32 = 1e-6;

/// Votes of the eight voxels around each point. Voxels whose points lie outside become `-1`.
#[inline(always)]
pub(super) fn vote_volume_row(
    volume: Volume<'_, i16>,
    path: &RowPath,
    vote: LabelVote,
    out: &mut [i16],
) {
    let Volume { values, shape } = volume;
    let (row, plane) = (shape[2], shape[1] * shape[2]);
    if path.inside != path.part {
        out.fill(OUTSIDE);
    }
    let Some(rows) = Rows::new(values, [0, row, plane, plane + row]) else {
        out.fill(OUTSIDE);
        return;
    };
    for (j, place) in path.groups() {
        let points = Points::in_volume(shape, path, j, 2);
        let Points { z, y, x, .. } = &points;
        let weight = |n, lane: usize| {
            side(z.rest[lane], n & 4) * side(y.rest[lane], n & 2) * side(x.rest[lane], n & 1)
        };
        let nearest = |lane| 4 * upper(z, lane) + 2 * upper(y, lane) + upper(x, lane);
        let pairs = rows.pairs(&points);
        elect::<4, 8>(&pairs, weight, nearest, vote, &mut out[place]);
    }
}

/// Votes of the four voxels of slice `z` around each point. Voxels whose points lie outside
/// become `-1`.
pub(super) fn vote_slice_row(
    volume: Volume<'_, i16>,
    z: usize,
    path: &RowPath,
    vote: LabelVote,
    out: &mut [i16],
) {
    let Volume { values, shape } = volume;
    if path.inside != path.part {
        out.fill(OUTSIDE);
    }
    let Some(rows) = Rows::new(values, [0, shape[2]]) else {
        out.fill(OUTSIDE);
        return;
    };
    for (j, place) in path.groups() {
        let points = Points::in_slice(shape, z, path, j, 2);
        let Points { y, x, .. } = &points;
        let weight = |n, lane: usize| side(y.rest[lane], n & 2) * side(x.rest[lane], n & 1);
        let nearest = |lane| 2 * upper(y, lane) + upper(x, lane);
        let pairs = rows.pairs(&points);
        elect::<2, 4>(&pairs, weight, nearest, vote, &mut out[place]);
    }
}

/// A volume of labels from each of the rows of a kernel on.
#[derive(Clone, Copy, Debug)]
struct Rows<'a, const R: usize>([&'a [i16]; R]);

impl<'a, const R: usize> Rows<'a, R> {
    /// `None` if the volume is smaller than a kernel.
    fn new(values: &'a [i16], offsets: [usize; R]) -> Option<Self> {
        let length = values.len().checked_sub(offsets[R - 1])?;
        Some(Self(offsets.map(|at| &values[at..at + length])))
    }

    /// The labels of each kernel, two in each row, as one word.
    #[inline(always)]
    fn pairs(&self, points: &Points) -> [[u32; LANES]; R] {
        let mut pairs = [[u32::MAX; LANES]; R];
        for (row, pairs) in self.0.iter().zip(&mut pairs) {
            for (pair, corner) in pairs.iter_mut().zip(&points.corner) {
                let found = (row.get(*corner as usize..)).and_then(|rest| rest.first_chunk::<2>());
                if let Some(&[a, b]) = found {
                    *pair = u32::from(a as u16) | u32::from(b as u16) << 16;
                }
            }
        }
        pairs
    }
}

/// Elects the label of each voxel of a group. `weight` gives the weight of a neighbour of a
/// voxel, `nearest` says which neighbour is the nearest.
#[inline(always)]
fn elect<const R: usize, const N: usize>(
    pairs: &[[u32; LANES]; R],
    weight: impl Fn(usize, usize) -> f32,
    nearest: impl Fn(usize) -> usize,
    vote: LabelVote,
    out: &mut [i16],
) {
    // Most voxels are among voxels of one label.
    let mut labels = [0_i16; LANES];
    let mut differences = [0_u32; LANES];
    for lane in 0..LANES {
        let first = pairs[0][lane];
        labels[lane] = first as i16;
        differences[lane] = (first ^ (first >> 16)) & 0xffff;
    }
    for pairs in &pairs[1..] {
        for lane in 0..LANES {
            differences[lane] |= pairs[lane] ^ (u32::from(labels[lane] as u16) * 0x1_0001);
        }
    }
    out.copy_from_slice(&labels[..out.len()]);
    if differences == [0; LANES] {
        return;
    }
    // Most of the others are among voxels of two.
    let label = |n: usize, lane: usize| (pairs[n / 2][lane] >> (n % 2 * 16)) & 0xffff;
    let one: [u32; LANES] = std::array::from_fn(|lane| label(0, lane));
    let mut other = one;
    for n in 1..N {
        for lane in 0..LANES {
            let label = label(n, lane);
            other[lane] = if label == one[lane] {
                other[lane]
            } else {
                label
            };
        }
    }
    let (mut for_one, mut for_other) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let mut more = [0_u32; LANES];
    for n in 0..N {
        for lane in 0..LANES {
            let (label, weight) = (label(n, lane), weight(n, lane));
            let is_one = label == one[lane];
            for_one[lane] += if is_one { weight } else { 0.0 };
            for_other[lane] += if is_one { 0.0 } else { weight };
            more[lane] |= u32::from(!is_one & (label != other[lane]));
        }
    }
    for (lane, out) in out.iter_mut().enumerate() {
        if differences[lane] == 0 {
            continue;
        }
        let labels = |n| label(n, lane) as i16;
        *out = if more[lane] == 0 {
            let votes = [
                (labels(0), for_one[lane]),
                (other[lane] as i16, for_other[lane]),
            ];
            winner(votes, || labels(nearest(lane)), vote)
        } else {
            let weights = std::array::from_fn(|n| weight(n, lane));
            winner_of_many::<N>(std::array::from_fn(labels), weights, nearest(lane), vote)
        };
    }
}

/// Which of two labels wins, given the votes for each; `nearest` is the label of the nearest voxel.
#[inline(always)]
fn winner(
    [(one, for_one), (other, for_other)]: [(i16, f32); 2],
    nearest: impl Fn() -> i16,
    vote: LabelVote,
) -> i16 {
    match vote {
        LabelVote::Half => {
            let enough = 0.5 - TOLERANCE;
            match (for_one >= enough, for_other >= enough) {
                (true, true) => one.max(other),
                (true, false) => one,
                (false, true) => other,
                (false, false) => 0,
            }
        }
        LabelVote::Most => {
            let for_one = half_precision(1000.0 * for_one);
            let for_other = half_precision(1000.0 * for_other);
            if for_one == for_other {
                nearest()
            } else if for_one > for_other {
                one
            } else {
                other
            }
        }
    }
}

/// The label that wins the vote if there are more than two.
#[inline(never)]
fn winner_of_many<const N: usize>(
    labels: [i16; N],
    weights: [f32; N],
    nearest: usize,
    vote: LabelVote,
) -> i16 {
    // Each label's votes are collected at its first occurrence.
    let mut votes = [0.0_f32; N];
    for (label, weight) in labels.into_iter().zip(weights) {
        let first = labels.iter().position(|other| *other == label);
        votes[first.unwrap_or(0)] += weight;
    }
    match vote {
        LabelVote::Half => (labels.into_iter().zip(votes))
            .filter(|(_, votes)| *votes >= 0.5 - TOLERANCE)
            .map(|(label, _)| label)
            .max()
            .unwrap_or(0),
        LabelVote::Most => {
            let scores = votes.map(|votes| half_precision(1000.0 * votes));
            let best = scores.into_iter().fold(0.0, f32::max);
            let preferred = labels[nearest];
            let tied = (labels.into_iter().zip(scores))
                .filter(|(_, score)| *score == best)
                .map(|(label, _)| label);
            if tied.clone().any(|label| label == preferred) {
                return preferred;
            }
            tied.min().unwrap_or(OUTSIDE)
        }
    }
}

/// Whether the second of two neighbours is the nearer one; a tie goes to the even coordinate.
/// Coordinates count from a voxel that may have any parity in the crop; only exact ties between
/// labels that also tie in votes are affected.
#[inline(always)]
fn upper(split: &Split, lane: usize) -> usize {
    let t = split.rest[lane];
    usize::from(t > 0.5 || (t == 0.5 && split.index(lane) % 2 == 1))
}

#[inline(always)]
fn side(t: f32, upper: usize) -> f32 {
    if upper == 0 { 1.0 - t } else { t }
}

/// Rounds to eleven significant bits, half to even: what a number of moderate size becomes in
/// half precision.
fn half_precision(value: f32) -> f32 {
    let bits = value.to_bits();
    let odd = (bits >> 13) & 1;
    f32::from_bits((bits + 0x0fff + odd) & !0x1fff)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The label of one voxel among four.
    fn elected(labels: [i16; 4], weights: [f32; 4], nearest: usize, vote: LabelVote) -> i16 {
        let pair = |n| u32::from(labels[n] as u16) | u32::from(labels[n + 1] as u16) << 16;
        let pairs = [0, 2].map(|n| [pair(n); LANES]);
        let mut out = [0; 3];
        let weight = |n: usize, _| weights[n];
        elect::<2, 4>(&pairs, weight, |_| nearest, vote, &mut out);
        assert!(out[1..].iter().all(|label| *label == out[0]));
        out[0]
    }

    proptest! {
        /// The short way for two labels is the long way.
        #[test]
        fn two_labels_are_a_case_of_many(
            labels in proptest::array::uniform4(-1_i16..2),
            tenths in proptest::array::uniform4(0_u8..4),
            nearest in 0_usize..4,
            most: bool,
        ) {
            let total = tenths.iter().sum::<u8>().max(1);
            let weights = tenths.map(|tenth| f32::from(tenth) / f32::from(total));
            let vote = if most { LabelVote::Most } else { LabelVote::Half };
            prop_assume!(weights[nearest] > 0.0);
            prop_assert_eq!(
                elected(labels, weights, nearest, vote),
                winner_of_many(labels, weights, nearest, vote)
            );
        }
    }

    #[test]
    fn half_precision_keeps_eleven_bits() {
        assert_eq!(half_precision(1000.0), 1000.0);
        assert_eq!(half_precision(600.2), 600.0);
        assert_eq!(half_precision(600.25), 600.0);
        assert_eq!(half_precision(600.75), 601.0);
        assert_eq!(half_precision(0.0), 0.0);
    }

    #[test]
    fn most_votes_win_and_ties_go_to_the_nearest() {
        let most = |labels, weights, nearest| elected(labels, weights, nearest, LabelVote::Most);
        assert_eq!(most([0, 1, 1, 2], [0.4, 0.25, 0.2, 0.15], 0), 1);
        assert_eq!(most([2, 1, 1, 2], [0.25; 4], 0), 2);
        assert_eq!(most([2, 1, 3, 2], [0.3, 0.3, 0.3, 0.1], 2), 2);
        assert_eq!(most([2, 1, 3, 4], [0.3, 0.3, 0.1, 0.3], 2), 1);
        assert_eq!(most([-1, -1, 3, 4], [0.3, 0.3, 0.1, 0.3], 2), -1);
    }

    #[test]
    fn without_a_majority_there_is_background() {
        let half = |labels, weights| elected(labels, weights, 0, LabelVote::Half);
        assert_eq!(half([1, 2, 3, 3], [0.4, 0.3, 0.2, 0.1]), 0);
        assert_eq!(half([1, 2, 1, 3], [0.4, 0.3, 0.2, 0.1]), 1);
        assert_eq!(half([1, 2, 1, 2], [0.25; 4]), 2);
        assert_eq!(half([-1, -1, 1, 2], [0.25; 4]), -1);
    }
}
