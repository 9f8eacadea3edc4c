//! One-dimensional resampling of many adjacent lines at once.
//!
//! A block holds [`LANES`] lines side by side, so that every step of the recursive prefilter and
//! of the interpolation is one operation on adjacent numbers that the compiler vectorises.

use super::axis::{PADDING, Taps, cubic_taps, linear_taps};

/// Lines that are resampled together.
pub(super) const LANES: usize = 32;

/// One voxel of each line of a block.
pub(super) type Lanes = [f32; LANES];

/// The pole of the cubic B-spline's prefilter, `√3 − 2`.
const POLE: f32 = -0.267_949_2;

/// How the lines of one axis are resampled.
#[derive(Clone, Debug)]
pub(super) struct AxisFilter {
    from: usize,
    to: usize,
    kernel: Kernel,
}

#[derive(Clone, Debug)]
enum Kernel {
    Linear(Vec<Taps<2>>),
    Cubic(Vec<Taps<4>>),
}

impl AxisFilter {
    /// Linear interpolation from `from` to `to` voxels.
    pub(super) fn linear(from: usize, to: usize) -> Self {
        Self {
            from,
            to,
            kernel: Kernel::Linear(linear_taps(from, to)),
        }
    }

    /// Cubic B-spline interpolation from `from` to `to` voxels.
    pub(super) fn cubic(from: usize, to: usize) -> Self {
        Self {
            from,
            to,
            kernel: Kernel::Cubic(cubic_taps(from, to)),
        }
    }

    /// Voxels of an input line.
    pub(super) const fn from(&self) -> usize {
        self.from
    }

    /// Voxels of an output line.
    pub(super) const fn to(&self) -> usize {
        self.to
    }

    /// Takes one block into `buffer`, which is scratch space that is reused: `load(i, lanes)`
    /// provides input voxel `i` of all lines.
    pub(super) fn load(&self, buffer: &mut Vec<Lanes>, mut load: impl FnMut(usize, &mut Lanes)) {
        buffer.resize(self.from + 2 * PADDING, [0.0; LANES]);
        let line = buffer.iter_mut().skip(PADDING).take(self.from);
        line.enumerate().for_each(|(i, lanes)| load(i, lanes));
        extend_edges(buffer);
    }

    /// Resamples the block that was loaded: `store(k, lanes)` takes output voxel `k`.
    ///
    /// Nothing is stored before everything is loaded, so that both may be the same memory.
    pub(super) fn resample(&self, buffer: &mut [Lanes], mut store: impl FnMut(usize, &Lanes)) {
        match &self.kernel {
            Kernel::Linear(taps) => interpolate(buffer, taps, &mut store),
            Kernel::Cubic(taps) => {
                prefilter(buffer);
                interpolate(buffer, taps, &mut store);
            }
        }
    }
}

/// Repeats the first and the last voxel of the line in its padding.
fn extend_edges(line: &mut [Lanes]) {
    let last = line.len().saturating_sub(PADDING + 1);
    for i in 0..PADDING {
        line.copy_within(PADDING..=PADDING, i);
        line.copy_within(last..=last, last + 1 + i);
    }
}

/// Turns samples into a sixth of their cubic B-spline coefficients, in place.
///
/// The line continues for ever with its edge values: the reference extends it by twelve of them
/// and then mirrors, which differs by less than `POLE^20`. With the infinite extension the
/// state of both recursions at the ends has a closed form.
fn prefilter(line: &mut [Lanes]) {
    // The state of the causal recursion where the line has been constant for ever.
    let steady = 1.0 / (1.0 - POLE);
    let Some((first, rest)) = line.split_first_mut() else {
        return;
    };
    for value in first.iter_mut() {
        *value *= steady;
    }
    let mut edge = *rest.last().unwrap_or(first);
    let mut previous = *first;
    for lanes in rest.iter_mut() {
        for (value, before) in lanes.iter_mut().zip(&mut previous) {
            *value += POLE * *before;
            *before = *value;
        }
    }
    // At the end: the steady part continues for ever, the rest dies away geometrically.
    let Some((last, rest)) = line.split_last_mut() else {
        return;
    };
    for (value, edge) in last.iter_mut().zip(&mut edge) {
        let constant = *edge * steady;
        let transient = *value - constant;
        *value = -POLE * steady * constant - POLE / (1.0 - POLE * POLE) * transient;
    }
    let mut next = *last;
    for lanes in rest.iter_mut().rev() {
        for (value, after) in lanes.iter_mut().zip(&mut next) {
            *value = POLE * (*after - *value);
            *after = *value;
        }
    }
}

fn interpolate<const N: usize>(
    line: &[Lanes],
    taps: &[Taps<N>],
    store: &mut impl FnMut(usize, &Lanes),
) {
    for (k, taps) in taps.iter().enumerate() {
        let mut sum = [0.0; LANES];
        let window = line.iter().skip(taps.start);
        for (lanes, weight) in window.zip(&taps.weight) {
            for (s, value) in sum.iter_mut().zip(lanes) {
                *s += weight * value;
            }
        }
        store(k, &sum);
    }
}
