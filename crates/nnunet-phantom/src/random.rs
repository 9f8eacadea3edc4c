//! Random numbers, noise fields and rotations from additions, multiplications and square roots
//! alone: IEEE 754 fixes these to the last bit, so a seed gives the same phantom on every
//! machine, which sines and logarithms of a system's own library would not.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;

/// A point or vector in millimetres, axes `(z, y, x)`.
pub(crate) type Vector = [f64; 3];

/// What a random stream is for: streams of one case do not overlap.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Frame = 1,
    Anatomy = 2,
    Noise = 3,
}

/// A stream of random numbers with an address instead of a history.
#[derive(Debug)]
pub(crate) struct Stream(Pcg64);

impl Stream {
    /// The stream of one case, channel and purpose.
    pub(crate) fn new(seed: u64, case: u64, channel: usize, purpose: Purpose) -> Self {
        let address = [seed, case, channel as u64, purpose as u64];
        let mut state = [0; 32];
        let mut mixed = 0;
        for (word, part) in state.chunks_exact_mut(8).zip(address) {
            mixed = mix(mixed ^ part);
            word.copy_from_slice(&mixed.to_le_bytes());
        }
        Self(Pcg64::from_seed(state))
    }

    /// Uniform over \[0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        to_unit(self.0.next_u64())
    }

    /// Uniform over the range.
    pub(crate) fn within(&mut self, [low, high]: [f64; 2]) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform over (−1, 1).
    pub(crate) fn signed(&mut self) -> f64 {
        self.within([-1.0, 1.0])
    }

    /// A seed for something else.
    pub(crate) fn seed(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Normal with mean 0 and variance 1: the sum of twelve uniform numbers less its mean, which
    /// is close enough for noise and needs no logarithm.
    pub(crate) fn normal(&mut self) -> f64 {
        let mut sum = 0_u64;
        for _ in 0..3 {
            let bits = self.0.next_u64();
            sum += (0..4)
                .map(|part| (bits >> (16 * part)) & 0xffff)
                .sum::<u64>();
        }
        (sum as f64 + 6.0) / 65536.0 - 6.0
    }

    /// Uniform over the points of the unit circle.
    pub(crate) fn direction(&mut self) -> [f64; 2] {
        loop {
            let (a, b) = (self.signed(), self.signed());
            let length = (a * a + b * b).sqrt();
            if (0.1..=1.0).contains(&length) {
                return [a / length, b / length];
            }
        }
    }

    /// Uniform over all rotations.
    pub(crate) fn rotation(&mut self) -> Rotation {
        loop {
            let q = [self.signed(), self.signed(), self.signed(), self.signed()];
            let squares: f64 = q.iter().map(|v| v * v).sum();
            if (0.01..=1.0).contains(&squares) {
                return Rotation::from_quaternion(q);
            }
        }
    }

    /// A small rotation, up to about `radians` about each axis.
    pub(crate) fn tilt(&mut self, radians: f64) -> Rotation {
        let half = radians / 2.0;
        let mut angle = || half * self.signed();
        Rotation::from_quaternion([1.0, angle(), angle(), angle()])
    }

    /// A random order of four things.
    pub(crate) fn order(&mut self) -> [usize; 4] {
        let mut order = [0, 1, 2, 3];
        for last in (1..4_usize).rev() {
            let other = (self.unit() * (last + 1) as f64) as usize;
            order.swap(last, other.min(last));
        }
        order
    }
}

/// The finaliser of `splitmix64`: every bit of the result depends on every bit of the input.
const fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The top 53 bits as a number in \[0, 1).
fn to_unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// A rotation matrix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rotation([Vector; 3]);

impl Rotation {
    /// From a quaternion of any length but 0.
    fn from_quaternion(q: [f64; 4]) -> Self {
        let length = q.iter().map(|v| v * v).sum::<f64>().sqrt();
        let [w, x, y, z] = q.map(|v| v / length);
        Self([
            [
                1.0 - 2.0 * (y * y + z * z),
                2.0 * (x * y - w * z),
                2.0 * (x * z + w * y),
            ],
            [
                2.0 * (x * y + w * z),
                1.0 - 2.0 * (x * x + z * z),
                2.0 * (y * z - w * x),
            ],
            [
                2.0 * (x * z - w * y),
                2.0 * (y * z + w * x),
                1.0 - 2.0 * (x * x + y * y),
            ],
        ])
    }

    /// The rotated vector.
    pub(crate) fn apply(&self, v: Vector) -> Vector {
        self.0.map(|row| dot(row, v))
    }
}

/// A smooth random field with values in about (−1, 1): random numbers on a lattice, blended
/// between its points.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    seed: u64,
    /// Distance of the lattice points in mm, about half a wavelength.
    cell: f64,
}

impl Field {
    pub(crate) const fn new(seed: u64, cell: f64) -> Self {
        Self { seed, cell }
    }

    pub(crate) fn at(&self, p: Vector) -> f64 {
        let scaled = p.map(|v| v / self.cell);
        let corner = scaled.map(f64::floor);
        let [tz, ty, tx] = [0, 1, 2].map(|a| {
            let t = scaled[a] - corner[a];
            t * t * (3.0 - 2.0 * t)
        });
        let [z, y, x] = corner.map(|v| v as i64);
        let lattice = |dz: i64, dy: i64, dx: i64| {
            let row = mix(self.seed ^ (z + dz).cast_unsigned());
            let row = mix(row ^ (y + dy).cast_unsigned());
            2.0 * to_unit(mix(row ^ (x + dx).cast_unsigned())) - 1.0
        };
        let blend = |a: f64, b: f64, t: f64| a + (b - a) * t;
        let line = |dz, dy| blend(lattice(dz, dy, 0), lattice(dz, dy, 1), tx);
        let plane = |dz| blend(line(dz, 0), line(dz, 1), ty);
        blend(plane(0), plane(1), tz)
    }
}

pub(crate) fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn add(a: Vector, b: Vector) -> Vector {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub(crate) fn sub(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(crate) fn scale(a: Vector, factor: f64) -> Vector {
    a.map(|v| v * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_addressed() {
        let first = |case, purpose| Stream::new(1, case, 0, purpose).seed();
        assert_eq!(first(3, Purpose::Noise), first(3, Purpose::Noise));
        assert_ne!(first(3, Purpose::Noise), first(4, Purpose::Noise));
        assert_ne!(first(3, Purpose::Noise), first(3, Purpose::Anatomy));
    }

    #[test]
    fn normal_numbers_have_mean_0_and_variance_1() {
        let mut stream = Stream::new(7, 0, 0, Purpose::Noise);
        let values: Vec<f64> = (0..20_000).map(|_| stream.normal()).collect();
        let mean = values.iter().sum::<f64>() / 20_000.0;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03, "{mean}");
        assert!((variance - 1.0).abs() < 0.05, "{variance}");
    }

    #[test]
    fn rotations_keep_lengths_and_angles() {
        let mut stream = Stream::new(5, 0, 0, Purpose::Anatomy);
        for rotation in [stream.rotation(), stream.tilt(0.2)] {
            let (a, b) = (
                rotation.apply([1.0, 2.0, 3.0]),
                rotation.apply([-2.0, 0.5, 1.0]),
            );
            assert!((dot(a, a) - 14.0).abs() < 1e-12);
            assert!((dot(a, b) - 2.0).abs() < 1e-12);
        }
    }

    #[test]
    fn a_field_is_smooth_and_bounded() {
        let field = Field::new(11, 4.0);
        for i in 0..1000 {
            let x = f64::from(i) * 0.05 - 20.0;
            let (here, there) = (field.at([0.3, -7.0, x]), field.at([0.3, -7.0, x + 0.05]));
            assert!(here.abs() <= 1.0 && (here - there).abs() < 0.05);
        }
    }

    #[test]
    fn orders_are_permutations_and_vary() {
        let mut stream = Stream::new(5, 0, 0, Purpose::Anatomy);
        let orders: std::collections::BTreeSet<_> = (0..200).map(|_| stream.order()).collect();
        assert_eq!(orders.len(), 24);
    }
}
