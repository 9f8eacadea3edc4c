//! Labels between voxels: the neighbours vote.

use super::sampling::{RowPath, Volume, split};
use crate::augmentation::LabelVote;

/// The label of what lies outside.
pub(crate) const OUTSIDE: i16 = -1;

/// Single-precision sums of weights that should be a half may fall short by this much.
const TOLERANCE: f32 = 1e-6;

/// Votes of the eight voxels around each point. Voxels whose points lie outside become `-1`.
pub(super) fn vote_volume_row(
    volume: Volume<'_, i16>,
    path: &RowPath,
    vote: LabelVote,
    out: &mut [i16],
) {
    let Volume { values, shape } = volume;
    let (row, plane) = (shape[2], shape[1] * shape[2]);
    let last = shape.map(|n| n.saturating_sub(2));
    out.fill(OUTSIDE);
    for j in path.inside.clone() {
        let step = j as f32;
        let (z, tz) = split(path.start[0] + step * path.step[0], last[0]);
        let (y, ty) = split(path.start[1] + step * path.step[1], last[1]);
        let (x, tx) = split(path.start[2] + step * path.step[2], last[2]);
        let corner = z * plane + y * row + x;
        let [a, b] = pair(values, corner);
        let [c, d] = pair(values, corner + row);
        let [e, f] = pair(values, corner + plane);
        let [g, h] = pair(values, corner + plane + row);
        let labels = [a, b, c, d, e, f, g, h];
        out[j] = if labels == [a; 8] {
            a
        } else {
            let nearest = 4 * upper(z, tz) + 2 * upper(y, ty) + upper(x, tx);
            let weights =
                std::array::from_fn(|n| side(tz, n & 4) * side(ty, n & 2) * side(tx, n & 1));
            winner(labels, weights, nearest, vote)
        };
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
    let row = shape[2];
    let last = shape.map(|n| n.saturating_sub(2));
    out.fill(OUTSIDE);
    for j in path.inside.clone() {
        let step = j as f32;
        let (y, ty) = split(path.start[1] + step * path.step[1], last[1]);
        let (x, tx) = split(path.start[2] + step * path.step[2], last[2]);
        let corner = (z * shape[1] + y) * row + x;
        let [a, b] = pair(values, corner);
        let [c, d] = pair(values, corner + row);
        let labels = [a, b, c, d];
        out[j] = if labels == [a; 4] {
            a
        } else {
            let nearest = 2 * upper(y, ty) + upper(x, tx);
            let weights = std::array::from_fn(|n| side(ty, n & 2) * side(tx, n & 1));
            winner(labels, weights, nearest, vote)
        };
    }
}

#[inline(always)]
fn pair(values: &[i16], at: usize) -> [i16; 2] {
    (values.get(at..))
        .and_then(|rest| rest.first_chunk::<2>())
        .copied()
        .unwrap_or([OUTSIDE; 2])
}

/// Whether the second of two neighbours is the nearer one; a tie goes to the even coordinate.
/// Coordinates count from a voxel that may have any parity in the crop; only exact ties between
/// labels that also tie in votes are affected.
#[inline(always)]
fn upper(index: usize, t: f32) -> usize {
    usize::from(t > 0.5 || (t == 0.5 && index % 2 == 1))
}

#[inline(always)]
fn side(t: f32, upper: usize) -> f32 {
    if upper == 0 { 1.0 - t } else { t }
}

/// The label that wins the vote.
fn winner<const N: usize>(
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
    let candidates = labels.into_iter().zip(votes);
    match vote {
        LabelVote::Half => candidates
            .filter(|(_, votes)| *votes >= 0.5 - TOLERANCE)
            .map(|(label, _)| label)
            .max()
            .unwrap_or(0),
        LabelVote::Most => {
            let scores = votes.map(|votes| half_precision(1000.0 * votes));
            let best = scores.into_iter().fold(0.0, f32::max);
            let mut tied = (labels.into_iter().zip(scores))
                .filter(|(_, score)| *score == best)
                .map(|(label, _)| label);
            let first = tied.next().unwrap_or(OUTSIDE);
            let Some(second) = tied.next() else {
                return first;
            };
            let preferred = labels[nearest];
            let mut lowest = first.min(second);
            let mut found = first == preferred || second == preferred;
            for label in tied {
                lowest = lowest.min(label);
                found |= label == preferred;
            }
            if found { preferred } else { lowest }
        }
    }
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
    use super::*;

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
        let most = |labels, weights, nearest| winner(labels, weights, nearest, LabelVote::Most);
        assert_eq!(most([0, 1, 1, 2], [0.4, 0.25, 0.2, 0.15], 0), 1);
        assert_eq!(most([2, 1, 1, 2], [0.25; 4], 0), 2);
        assert_eq!(most([2, 1, 3, 2], [0.3, 0.3, 0.3, 0.1], 2), 2);
        assert_eq!(most([2, 1, 3, 4], [0.3, 0.3, 0.1, 0.3], 2), 1);
    }

    #[test]
    fn without_a_majority_there_is_background() {
        let half = |labels, weights| winner(labels, weights, 0, LabelVote::Half);
        assert_eq!(half([1, 2, 3, 3], [0.4, 0.3, 0.2, 0.1]), 0);
        assert_eq!(half([1, 2, 1, 3], [0.4, 0.3, 0.2, 0.1]), 1);
        assert_eq!(half([1, 2, 1, 2], [0.25; 4]), 2);
    }
}
