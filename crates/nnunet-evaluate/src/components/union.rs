//! Joining the runs of neighbouring rows.

use std::ops::Range;

use super::Connectivity;
use super::runs::{Run, RunRows};

/// For each run another one of the same component that does not come after it; the first run of
/// a component is its own.
pub(super) fn link(rows: &RunRows, connectivity: Connectivity) -> Vec<u32> {
    let [nz, ny, _] = rows.shape;
    let mut forest = Forest::new(rows.runs.len());
    for z in 0..nz {
        for y in 0..ny {
            let here = rows.row(z, y);
            if here.is_empty() {
                continue;
            }
            for (dz, dy, reach) in earlier_rows(connectivity) {
                let (Some(z), Some(y)) = (z.checked_sub(*dz), y.checked_add_signed(*dy)) else {
                    continue;
                };
                if y < ny {
                    forest.join(&rows.runs, here.clone(), rows.row(z, y), *reach);
                }
            }
        }
    }
    forest.parents
}

/// The neighbouring rows that a scan has seen before, as steps back along z and along y, and by
/// how many voxels their runs may miss each other along x.
const fn earlier_rows(connectivity: Connectivity) -> &'static [(usize, isize, u32)] {
    match connectivity {
        Connectivity::Face => &[(0, -1, 0), (1, 0, 0)],
        Connectivity::Edge => &[(0, -1, 1), (1, 0, 1), (1, -1, 0), (1, 1, 0)],
        Connectivity::Full => &[(0, -1, 1), (1, 0, 1), (1, -1, 1), (1, 1, 1)],
    }
}

/// Trees of runs; a parent never comes after its child.
#[derive(Debug)]
struct Forest {
    parents: Vec<u32>,
}

impl Forest {
    fn new(runs: usize) -> Self {
        Self {
            parents: (0..runs as u32).collect(),
        }
    }

    /// Joins the runs of two rows that touch and are of one class.
    fn join(&mut self, runs: &[Run], here: Range<usize>, there: Range<usize>, reach: u32) {
        let mut first = there.start;
        for a in here {
            let run = runs[a];
            while first < there.end && runs[first].end + reach <= run.start {
                first += 1;
            }
            let touching = (first..there.end).take_while(|b| runs[*b].start < run.end + reach);
            for b in touching {
                if runs[b].id == run.id {
                    self.unite(a as u32, b as u32);
                }
            }
        }
    }

    fn unite(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        self.parents[a.max(b) as usize] = a.min(b);
    }

    fn root(&mut self, mut run: u32) -> u32 {
        loop {
            let parent = self.parents[run as usize];
            if parent == run {
                return run;
            }
            let above = self.parents[parent as usize];
            self.parents[run as usize] = above;
            run = above;
        }
    }
}
