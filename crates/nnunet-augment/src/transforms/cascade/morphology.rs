//! Growing and shrinking sets of voxels by a ball.
//!
//! A ball is a bundle of rows, each a run of voxels about the centre. Growing by a run is a few
//! shifts of whole words; the grown rows are then laid over each other. That is exact for any
//! radius and takes as many word operations per 64 voxels as the ball has rows.

use serde::{Deserialize, Serialize};

use super::bits::BitVolume;
use crate::setup::PatchGeometry;

/// What a ball does to a set of voxels. Nothing outside the patch is in the set when it grows,
/// everything outside is when it shrinks, so that the border of the patch does not eat into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BinaryOperator {
    /// Adds all voxels under balls about voxels of the set.
    Dilate,
    /// Keeps the voxels whose whole ball is in the set.
    Erode,
    /// Erodes, then dilates: what is thinner than the ball goes.
    Open,
    /// Dilates, then erodes: gaps narrower than the ball are filled.
    Close,
}

impl BinaryOperator {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Dilate, Self::Erode, Self::Open, Self::Close];

    /// Applies the operator with a ball.
    pub(super) fn apply(self, set: &BitVolume, ball: &Ball) -> BitVolume {
        if set.is_empty() {
            return set.clone();
        }
        match self {
            Self::Dilate => dilate(set, ball),
            Self::Erode => erode(set, ball),
            Self::Open => dilate(&erode(set, ball), &ball.reflected()),
            Self::Close => erode(&dilate(set, ball), &ball.reflected()),
        }
    }
}

/// A run of voxels through a ball: `before` and `after` its middle row position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    before: usize,
    after: usize,
}

/// A ball or disk, as rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ball {
    /// Where rows of the same length lie, relative to the centre: `(z, y)`.
    rows: Vec<(Run, Vec<(isize, isize)>)>,
}

impl Ball {
    /// The ball of a radius in voxels, which need not be whole; a disk for slices. As the
    /// reference makes them: the edge of a ball is 2 · radius + 1 voxels, cut off, and may be
    /// even, so that there is no voxel in its middle.
    pub(super) fn new(radius: f64, geometry: PatchGeometry) -> Self {
        let radius = radius.max(0.0);
        let (coordinates, limit): (Vec<f64>, f64) = match geometry {
            PatchGeometry::Slice => {
                let edge = (2.0 * radius + 1.0).ceil() as usize;
                let at = (0..edge).map(|k| k as f64 - radius).collect();
                (at, radius * radius)
            }
            // In units of half the distance between two voxels, all numbers are whole.
            PatchGeometry::Stack | PatchGeometry::Volume => {
                let last = (2.0 * radius + 1.0) as usize - 1;
                let at = (0..=last).map(|k| 2.0 * k as f64 - last as f64).collect();
                (at, (last * last) as f64)
            }
        };
        Self::of(&coordinates, limit, geometry == PatchGeometry::Slice)
    }

    /// The voxels at these coordinates along each axis whose squared distance from 0 is at most
    /// `limit`.
    fn of(coordinates: &[f64], limit: f64, flat: bool) -> Self {
        let centre = (coordinates.len() - 1) / 2;
        let offset = |k: usize| k as isize - centre as isize;
        let in_slice: &[f64] = if flat { &[0.0] } else { coordinates };
        let mut rows: Vec<(Run, Vec<_>)> = Vec::new();
        for (i, z) in in_slice.iter().enumerate() {
            for (j, y) in coordinates.iter().enumerate() {
                let inside = |x: &f64| z * z + y * y + x * x <= limit;
                let (Some(first), Some(last)) = (
                    coordinates.iter().position(inside),
                    coordinates.iter().rposition(inside),
                ) else {
                    continue;
                };
                let run = Run {
                    before: centre.saturating_sub(first),
                    after: last.saturating_sub(centre),
                };
                let at = (if flat { 0 } else { offset(i) }, offset(j));
                match rows.iter_mut().find(|(other, _)| *other == run) {
                    Some((_, places)) => places.push(at),
                    None => rows.push((run, vec![at])),
                }
            }
        }
        Self { rows }
    }

    /// The ball seen through its centre; itself if its edge is odd.
    fn reflected(&self) -> Self {
        let reflect = |(run, places): &(Run, Vec<(isize, isize)>)| {
            let run = Run {
                before: run.after,
                after: run.before,
            };
            (run, places.iter().map(|(z, y)| (-z, -y)).collect())
        };
        Self {
            rows: self.rows.iter().map(reflect).collect(),
        }
    }
}

/// All voxels from which the ball reaches a voxel of the set.
fn dilate(set: &BitVolume, ball: &Ball) -> BitVolume {
    let mut grown = BitVolume::empty(set.shape());
    let mut rows = set.clone();
    for (run, places) in &ball.rows {
        dilate_rows(set, *run, &mut rows);
        for place in places {
            lay_over(&mut grown, &rows, *place);
        }
    }
    grown
}

/// All voxels whose ball, as far as it lies in the volume, lies in the set.
fn erode(set: &BitVolume, ball: &Ball) -> BitVolume {
    let mut rest = set.clone();
    rest.complement();
    let mut grown = dilate(&rest, ball);
    grown.complement();
    grown
}

/// Voxels that have one of the set at most `before` before or `after` after them in their row.
fn dilate_rows(set: &BitVolume, run: Run, out: &mut BitVolume) {
    let per_row = set.words_per_row();
    let mut back = vec![0; per_row];
    let rows = set.words().chunks_exact(per_row);
    for (row, out) in rows.zip(out.words_mut().chunks_exact_mut(per_row)) {
        out.copy_from_slice(row);
        if row.iter().all(|word| *word == 0) {
            continue;
        }
        spread(out, run.after, or_from_above);
        back.copy_from_slice(row);
        spread(&mut back, run.before, or_from_below);
        out.iter_mut().zip(&back).for_each(|(o, b)| *o |= b);
    }
    out.clear_beyond_rows();
}

/// Repeats a step that takes over what is so many voxels away until `reach` is covered.
fn spread(row: &mut [u64], reach: usize, step: fn(&mut [u64], usize)) {
    let mut covered = 0;
    while covered < reach {
        let by = (covered + 1).min(reach - covered).min(63);
        step(row, by);
        covered += by;
    }
}

/// Adds to each voxel the one `by` (1 … 63) after it.
fn or_from_above(row: &mut [u64], by: usize) {
    for at in 0..row.len() {
        let next = row.get(at + 1).copied().unwrap_or(0);
        row[at] |= row[at] >> by | next << (64 - by);
    }
}

/// Adds to each voxel the one `by` (1 … 63) before it.
fn or_from_below(row: &mut [u64], by: usize) {
    for at in (0..row.len()).rev() {
        let before = if at == 0 { 0 } else { row[at - 1] };
        row[at] |= row[at] << by | before >> (64 - by);
    }
}

/// Adds to each row of `out` the row of `source` that lies `(z, y)` further.
fn lay_over(out: &mut BitVolume, source: &BitVolume, (dz, dy): (isize, isize)) {
    let [nz, ny, _] = source.shape();
    let per_row = source.words_per_row();
    let (Some((z, from_z, slices)), Some((y, from_y, rows))) = (overlap(nz, dz), overlap(ny, dy))
    else {
        return;
    };
    let length = rows * per_row;
    for slice in 0..slices {
        let to = ((z + slice) * ny + y) * per_row;
        let from = ((from_z + slice) * ny + from_y) * per_row;
        let source = &source.words()[from..from + length];
        let out = &mut out.words_mut()[to..to + length];
        out.iter_mut().zip(source).for_each(|(o, s)| *o |= s);
    }
}

/// Which positions of an edge have one `by` further on: the first of them, the first of the
/// others, and how many.
fn overlap(edge: usize, by: isize) -> Option<(usize, usize, usize)> {
    let distance = by.unsigned_abs();
    let count = edge.checked_sub(distance).filter(|count| *count > 0)?;
    Some(if by < 0 {
        (distance, 0, count)
    } else {
        (0, distance, count)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All offsets of a ball.
    fn offsets(ball: &Ball) -> Vec<[isize; 3]> {
        let mut all = Vec::new();
        for (run, places) in &ball.rows {
            for (z, y) in places {
                for x in -(run.before as isize)..=run.after as isize {
                    all.push([*z, *y, x]);
                }
            }
        }
        all
    }

    #[test]
    fn balls_are_the_references() {
        let counts = [1.0, 1.4, 1.5, 2.0, 2.7, 3.0, 5.0, 7.9, 8.0].map(|radius| {
            let ball = Ball::new(radius, PatchGeometry::Volume);
            offsets(&ball).len()
        });
        // skimage.morphology.ball(r).sum()
        assert_eq!(counts, BALLS);
        let counts = [1.0, 1.3, 1.5, 2.0, 2.7, 3.0, 5.0, 7.9, 8.0].map(|radius| {
            let disk = Ball::new(radius, PatchGeometry::Slice);
            offsets(&disk).len()
        });
        // skimage.morphology.disk(r).sum()
        assert_eq!(counts, DISKS);
    }

    const BALLS: [usize; 9] = [7, 7, 8, 33, 56, 123, 515, 1736, 2109];
    const DISKS: [usize; 9] = [5, 4, 4, 13, 22, 29, 81, 191, 197];

    fn set(shape: [usize; 3], members: &[bool]) -> BitVolume {
        let labels: Vec<i16> = members.iter().map(|m| i16::from(*m)).collect();
        BitVolume::of_label(&labels, shape, 1)
    }

    fn members(set: &BitVolume) -> Vec<bool> {
        let mut values = vec![0.0; set.shape().iter().product()];
        set.unpack(&mut values);
        values.into_iter().map(|v| v == 1.0).collect()
    }

    /// Voxel by voxel.
    fn defined(shape: [usize; 3], members: &[bool], ball: &Ball, grow: bool) -> Vec<bool> {
        let offsets = offsets(ball);
        (0..members.len())
            .map(|i| {
                let at = [
                    i / (shape[1] * shape[2]),
                    i / shape[2] % shape[1],
                    i % shape[2],
                ];
                let mut under = offsets.iter().filter_map(|offset| {
                    let mut index = 0;
                    for axis in 0..3 {
                        let position = at[axis] as isize + offset[axis];
                        if !(0..shape[axis] as isize).contains(&position) {
                            return None;
                        }
                        index = index * shape[axis] + position as usize;
                    }
                    Some(members[index])
                });
                if grow {
                    under.any(|member| member)
                } else {
                    under.all(|member| member)
                }
            })
            .collect()
    }

    proptest! {
        #[test]
        fn operators_are_those_of_the_definition(
            shape in [1_usize..8, 1_usize..10, 1_usize..140],
            radius in 0.0_f64..8.5,
            seed: u64,
            flat: bool,
        ) {
            let volume: usize = shape.iter().product();
            let mut state = seed;
            let members_before: Vec<bool> = (0..volume).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state >> 60 == 0
            }).collect();
            let geometry = if flat { PatchGeometry::Slice } else { PatchGeometry::Volume };
            let ball = Ball::new(radius, geometry);
            let before = set(shape, &members_before);
            let grown = defined(shape, &members_before, &ball, true);
            prop_assert_eq!(members(&dilate(&before, &ball)), grown);
            let dense: Vec<bool> = members_before.iter().map(|m| !m).collect();
            let shrunk = defined(shape, &dense, &ball, false);
            let dense = set(shape, &dense);
            prop_assert_eq!(members(&erode(&dense, &ball)), shrunk);
            // Opening only takes away, closing only adds, and a second time changes nothing.
            let opened = BinaryOperator::Open.apply(&dense, &ball);
            prop_assert_eq!(BinaryOperator::Open.apply(&opened, &ball), opened.clone());
            let closed = BinaryOperator::Close.apply(&before, &ball);
            prop_assert_eq!(BinaryOperator::Close.apply(&closed, &ball), closed.clone());
            prop_assert!(members(&opened).iter().zip(members(&dense)).all(|(o, d)| !o || d));
            prop_assert!(members(&closed).iter().zip(&members_before).all(|(c, b)| *c || !b));
        }
    }
}
