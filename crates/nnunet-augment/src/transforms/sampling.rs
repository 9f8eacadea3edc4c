//! Where the points of a row lie between voxels, along a straight path.
//!
//! A row is worked on a few voxels at a time: where they lie and how their neighbours weigh is
//! computed for all of them at once, which the compiler turns into vector instructions.
#![expect(
    clippy::needless_range_loop,
    reason = "loops over lanes become vector instructions"
)]

use std::ops::Range;

/// Voxels that are worked on at a time.
pub(super) const LANES: usize = 16;

/// The points under a part of a row of output voxels: that of voxel `j` of the row is
/// `start + j · step`, counted in voxels from the first one that a kernel at that place touches.
#[derive(Clone, Debug)]
pub(super) struct RowPath {
    pub(super) start: [f32; 3],
    pub(super) step: [f32; 3],
    /// The voxels of the row that the part consists of.
    pub(super) part: Range<usize>,
    /// Those of them whose points lie inside the image.
    pub(super) inside: Range<usize>,
}

impl RowPath {
    /// The voxels inside, in groups: the first one, and where the group lies in the part.
    #[inline(always)]
    pub(super) fn groups(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let (first, end) = (self.part.start, self.inside.end);
        self.inside.clone().step_by(LANES).map(move |j| {
            let last = end.min(j + LANES);
            (j, j - first..last - first)
        })
    }

    /// Coordinates along an axis from voxel `j` on, each split into the first voxel of a kernel,
    /// at most `last`, and the rest.
    #[inline(always)]
    fn split(&self, axis: usize, j: usize, last: usize) -> Split {
        let (start, step) = (self.start[axis], self.step[axis]);
        let (first, last) = (j as f32, last as f32);
        let mut split = Split {
            floor: [0.0; LANES],
            rest: [0.0; LANES],
        };
        for lane in 0..LANES {
            let at = start + (first + LANE[lane]) * step;
            let rounded = (at + WHOLE) - WHOLE;
            let floor = if rounded > at { rounded - 1.0 } else { rounded };
            let floor = if floor > 0.0 { floor } else { 0.0 };
            let floor = if floor < last { floor } else { last };
            split.floor[lane] = floor;
            split.rest[lane] = at - floor;
        }
        split
    }
}

/// Numbers from here to twice this have no fraction, and their lowest bits are that of the
/// whole number above it.
const WHOLE: f32 = 8_388_608.0; // 2²³
/// The number of each lane.
const LANE: [f32; LANES] = {
    let mut lanes = [0.0; LANES];
    let mut lane = 0;
    while lane < LANES {
        lanes[lane] = lane as f32;
        lane += 1;
    }
    lanes
};

/// Coordinates along one axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    /// First voxels of kernels.
    floor: [f32; LANES],
    /// How far the points are beyond them.
    pub(super) rest: [f32; LANES],
}

impl Split {
    /// The first voxel of one lane's kernel.
    #[inline(always)]
    pub(super) fn index(&self, lane: usize) -> u32 {
        (self.floor[lane] + WHOLE).to_bits() & 0x007f_ffff
    }
}

/// A contiguous volume.
#[derive(Clone, Copy, Debug)]
pub(super) struct Volume<'a, T> {
    pub(super) values: &'a [T],
    pub(super) shape: [usize; 3],
}

/// The kernels along a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Points {
    /// The first voxel of each, counted through the volume.
    pub(super) corner: [u32; LANES],
    pub(super) z: Split,
    pub(super) y: Split,
    pub(super) x: Split,
}

impl Points {
    /// Points of a volume from voxel `j` of a row on, for kernels of `taps` voxels.
    #[inline(always)]
    pub(super) fn in_volume(shape: [usize; 3], path: &RowPath, j: usize, taps: usize) -> Self {
        let last = shape.map(|n| n.saturating_sub(taps));
        let z = path.split(0, j, last[0]);
        Self::at(shape, z, path, j, last)
    }

    /// Points of slice `z`, likewise.
    #[inline(always)]
    pub(super) fn in_slice(
        shape: [usize; 3],
        z: usize,
        path: &RowPath,
        j: usize,
        taps: usize,
    ) -> Self {
        let last = shape.map(|n| n.saturating_sub(taps));
        let z = Split {
            floor: [z as f32; LANES],
            rest: [0.0; LANES],
        };
        Self::at(shape, z, path, j, last)
    }

    #[inline(always)]
    fn at(shape: [usize; 3], z: Split, path: &RowPath, j: usize, last: [usize; 3]) -> Self {
        let y = path.split(1, j, last[1]);
        let x = path.split(2, j, last[2]);
        // A window of 2³² voxels would not fit into memory.
        let (ny, nx) = (shape[1] as u32, shape[2] as u32);
        let mut corner = [0; LANES];
        for lane in 0..LANES {
            let row = z.index(lane).wrapping_mul(ny).wrapping_add(y.index(lane));
            corner[lane] = row.wrapping_mul(nx).wrapping_add(x.index(lane));
        }
        Self { corner, z, y, x }
    }
}
