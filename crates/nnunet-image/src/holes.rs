//! Filling of holes.

use ndarray::Array3;

/// What is known of a voxel while the outside is being flooded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Inside,
    Hole,
    Outside,
}

/// Sets every `false` voxel that is not connected through faces to the border of the array.
///
/// In an array of one slice every voxel touches the border, so nothing is filled; holes that
/// open to the first or last slice stay open. Both are what nnU-Net's crop does.
pub fn fill_holes(mask: &mut Array3<bool>) {
    let (nz, ny, nx) = mask.dim();
    let state = |inside: &bool| if *inside { State::Inside } else { State::Hole };
    let mut flood = Flood {
        states: mask.iter().map(state).collect(),
        size: [nz, ny, nx],
        seeds: Vec::new(),
    };
    for z in 0..nz {
        for y in 0..ny {
            let at_border = z == 0 || y == 0 || z + 1 == nz || y + 1 == ny;
            if at_border {
                flood.seed(z, y, 0, nx);
            } else {
                flood.seed(z, y, 0, nx.min(1));
                flood.seed(z, y, nx.saturating_sub(1), nx);
            }
            flood.run();
        }
    }
    for (inside, state) in mask.iter_mut().zip(flood.states) {
        *inside = state != State::Outside;
    }
}

/// The flood goes from run to run along the rows of memory, not from voxel to voxel.
struct Flood {
    states: Vec<State>,
    size: [usize; 3],
    /// Voxels from which runs are to be flooded, `(z, y, x)`.
    seeds: Vec<[usize; 3]>,
}

impl Flood {
    fn row(&mut self, z: usize, y: usize) -> &mut [State] {
        let [_, ny, nx] = self.size;
        let start = (z * ny + y) * nx;
        self.states.get_mut(start..start + nx).unwrap_or_default()
    }

    /// Seeds every run of the row that begins between `low` and `high`, or began before.
    fn seed(&mut self, z: usize, y: usize, low: usize, high: usize) {
        let mut before = State::Inside;
        for x in low..high {
            let now = self.row(z, y).get(x).copied().unwrap_or(State::Inside);
            if now == State::Hole && before != State::Hole {
                self.seeds.push([z, y, x]);
            }
            before = now;
        }
    }

    fn run(&mut self) {
        while let Some([z, y, x]) = self.seeds.pop() {
            let [nz, ny, _] = self.size;
            let row = self.row(z, y);
            if row.get(x) != Some(&State::Hole) {
                continue;
            }
            let (before, after) = row.split_at(x);
            let low = before
                .iter()
                .rposition(|s| *s != State::Hole)
                .map_or(0, |i| i + 1);
            let length = after.iter().position(|s| *s != State::Hole);
            let high = length.map_or(row.len(), |length| x + length);
            if let Some(run) = row.get_mut(low..high) {
                run.fill(State::Outside);
            }
            if z > 0 {
                self.seed(z - 1, y, low, high);
            }
            if z + 1 < nz {
                self.seed(z + 1, y, low, high);
            }
            if y > 0 {
                self.seed(z, y - 1, low, high);
            }
            if y + 1 < ny {
                self.seed(z, y + 1, low, high);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::arr3;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_filled_in_one_slice() {
        let mut mask = arr3(&[[[true, true, true], [true, false, true], [true, true, true]]]);
        fill_holes(&mut mask);
        assert!(!mask[[0, 1, 1]]);
    }

    #[test]
    fn an_empty_array_stays_empty() {
        for shape in [(0, 0, 0), (3, 0, 2), (2, 3, 0)] {
            fill_holes(&mut Array3::from_elem(shape, false));
        }
    }

    /// From voxel to voxel, as slow and plain as can be.
    fn plain(mask: &Array3<bool>) -> Array3<bool> {
        let (nz, ny, nx) = mask.dim();
        let mut outside = Array3::from_elem((nz, ny, nx), false);
        loop {
            let mut changed = false;
            for z in 0..nz {
                for y in 0..ny {
                    for x in 0..nx {
                        if mask[[z, y, x]] || outside[[z, y, x]] {
                            continue;
                        }
                        let neighbours = [
                            (z.wrapping_sub(1), y, x),
                            (z + 1, y, x),
                            (z, y.wrapping_sub(1), x),
                            (z, y + 1, x),
                            (z, y, x.wrapping_sub(1)),
                            (z, y, x + 1),
                        ];
                        let reached = |n: &(usize, usize, usize)| *outside.get(*n).unwrap_or(&true);
                        if neighbours.iter().any(reached) {
                            outside[[z, y, x]] = true;
                            changed = true;
                        }
                    }
                }
            }
            if !changed {
                return outside.mapv(|o| !o);
            }
        }
    }

    proptest! {
        #[test]
        fn the_flood_reaches_what_the_plain_one_reaches(
            voxels in proptest::collection::vec(proptest::bool::weighted(0.6), 5 * 6 * 7),
        ) {
            let mut mask = Array3::from_shape_vec((5, 6, 7), voxels).unwrap();
            let wanted = plain(&mask);
            fill_holes(&mut mask);
            prop_assert_eq!(mask, wanted);
        }
    }
}
