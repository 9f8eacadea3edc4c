//! Connected components of a set of voxels, found run by run.

use std::ops::Range;

use super::bits::BitVolume;

/// A maximal run of voxels in one row.
#[derive(Clone, Debug)]
struct Run {
    /// Number of the row, counted over slices.
    row: usize,
    x: Range<usize>,
}

/// The components of a set: voxels that share a face, an edge or a corner belong together.
#[derive(Debug)]
pub(super) struct Components {
    runs: Vec<Run>,
    /// The first run of the component that each run belongs to.
    component: Vec<usize>,
}

impl Components {
    pub(super) fn of(set: &BitVolume) -> Self {
        let [_, ny, _] = set.shape();
        let (runs, first_of_row) = find_runs(set);
        let mut forest = Forest((0..runs.len()).collect());
        let row_runs = |row: usize| first_of_row[row]..first_of_row[row + 1];
        for row in 0..first_of_row.len() - 1 {
            let (z, y) = (row / ny, row % ny);
            let earlier = [
                (y > 0).then(|| row - 1),
                (z > 0 && y > 0).then(|| row - ny - 1),
                (z > 0).then(|| row - ny),
                (z > 0 && y + 1 < ny).then(|| row - ny + 1),
            ];
            for other in earlier.into_iter().flatten() {
                join_rows(&runs, row_runs(row), row_runs(other), &mut forest);
            }
        }
        let component = (0..runs.len()).map(|run| forest.root(run)).collect();
        Self { runs, component }
    }

    /// The components of fewer than `limit` voxels, in the order of their first voxels.
    pub(super) fn smaller_than(&self, limit: f64) -> Vec<usize> {
        let mut sizes = vec![0_usize; self.runs.len()];
        for (run, component) in self.runs.iter().zip(&self.component) {
            sizes[*component] += run.x.len();
        }
        (sizes.into_iter().enumerate())
            .filter(|(_, size)| *size > 0 && (*size as f64) < limit)
            .map(|(component, _)| component)
            .collect()
    }

    /// Takes one component out of the set that these are of.
    pub(super) fn remove_from(&self, set: &mut BitVolume, component: usize) {
        for (run, of) in self.runs.iter().zip(&self.component) {
            if *of == component {
                set.remove_run(run.row, run.x.clone());
            }
        }
    }
}

/// The runs in C order, and the number of the first one of each row, with an end.
fn find_runs(set: &BitVolume) -> (Vec<Run>, Vec<usize>) {
    let mut runs: Vec<Run> = Vec::new();
    let mut first_of_row = vec![0];
    for (row, words) in set.words().chunks_exact(set.words_per_row()).enumerate() {
        let first = runs.len();
        for (number, word) in words.iter().enumerate() {
            let mut rest = *word;
            while rest != 0 {
                let low = rest.trailing_zeros() as usize;
                let length = (rest >> low).trailing_ones() as usize;
                let start = number * 64 + low;
                match runs[first..].last_mut() {
                    Some(before) if before.x.end == start => before.x.end += length,
                    _ => runs.push(Run {
                        row,
                        x: start..start + length,
                    }),
                }
                let end = low + length;
                rest = if end == 64 { 0 } else { rest >> end << end };
            }
        }
        first_of_row.push(runs.len());
    }
    (runs, first_of_row)
}

/// Joins the runs of two neighbouring rows that touch.
fn join_rows(runs: &[Run], one: Range<usize>, other: Range<usize>, forest: &mut Forest) {
    let (mut a, mut b) = (one.start, other.start);
    while a < one.end && b < other.end {
        let (x, y) = (&runs[a].x, &runs[b].x);
        if x.start <= y.end && y.start <= x.end {
            forest.join(a, b);
        }
        if x.end < y.end {
            a += 1;
        } else {
            b += 1;
        }
    }
}

/// Which runs belong together: each points to an earlier one or to itself.
struct Forest(Vec<usize>);

impl Forest {
    fn root(&mut self, mut run: usize) -> usize {
        while self.0[run] != run {
            self.0[run] = self.0[self.0[run]];
            run = self.0[run];
        }
        run
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Labels by flooding, voxel by voxel; 0 is not in the set.
    fn flooded(shape: [usize; 3], members: &[bool]) -> Vec<usize> {
        let mut found = vec![0; members.len()];
        let mut count = 0;
        for start in 0..members.len() {
            if !members[start] || found[start] > 0 {
                continue;
            }
            count += 1;
            found[start] = count;
            let mut open = vec![start];
            while let Some(i) = open.pop() {
                let at = [
                    i / (shape[1] * shape[2]),
                    i / shape[2] % shape[1],
                    i % shape[2],
                ];
                for n in 0..27_usize {
                    let offset = [n / 9, n / 3 % 3, n % 3];
                    let to: [usize; 3] =
                        std::array::from_fn(|a| (at[a] + offset[a]).wrapping_sub(1));
                    if (0..3).all(|a| to[a] < shape[a]) {
                        let j = (to[0] * shape[1] + to[1]) * shape[2] + to[2];
                        if members[j] && found[j] == 0 {
                            found[j] = count;
                            open.push(j);
                        }
                    }
                }
            }
        }
        found
    }

    proptest! {
        #[test]
        fn they_are_those_of_a_flood(
            shape in [1_usize..5, 1_usize..7, 1_usize..140],
            seed: u64,
            one_in in 2_u64..16,
        ) {
            let mut state = seed;
            let members: Vec<bool> = (0..shape.iter().product()).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33).is_multiple_of(one_in)
            }).collect();
            let expected = flooded(shape, &members);
            let labels: Vec<i16> = members.iter().map(|m| i16::from(*m)).collect();
            let set = BitVolume::of_label(&labels, shape, 1);
            let components = Components::of(&set);
            let all = components.smaller_than(f64::INFINITY);
            let count = expected.iter().copied().max().unwrap_or(0);
            prop_assert_eq!(all.len(), count);
            for (number, component) in all.into_iter().enumerate() {
                let mut without = set.clone();
                components.remove_from(&mut without, component);
                let mut left = vec![0.0; members.len()];
                without.unpack(&mut left);
                for (expected, left) in expected.iter().zip(left) {
                    let stays = *expected > 0 && *expected != number + 1;
                    prop_assert_eq!(left == 1.0, stays);
                }
                let size = expected.iter().filter(|e| **e == number + 1).count();
                prop_assert!(!components.smaller_than(size as f64).contains(&component));
                prop_assert!(components.smaller_than(size as f64 + 0.5).contains(&component));
            }
        }
    }
}
