//! The Mersenne Twister as numpy's legacy `RandomState(seed)` drives it.
//!
//! Documents of nnU-Net depend on its very numbers: the five-fold split, the class locations of
//! a preprocessed case, the sampled intensity statistics. Nothing else should use it.

const N: usize = 624;
const M: usize = 397;

/// A generator seeded with one 32-bit integer, equal to numpy's `RandomState(seed)`.
#[derive(Clone)]
pub struct Mt19937 {
    state: [u32; N],
    position: usize,
}

impl std::fmt::Debug for Mt19937 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mt19937")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl Mt19937 {
    /// Seeds the generator as numpy does for a plain integer (`init_genrand`).
    #[must_use]
    pub fn new(seed: u32) -> Self {
        let mut state = [0_u32; N];
        state[0] = seed;
        for i in 1..N {
            let previous = state[i - 1];
            state[i] = 1_812_433_253_u32
                .wrapping_mul(previous ^ (previous >> 30))
                .wrapping_add(i as u32);
        }
        Self { state, position: N }
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.position == N {
            self.regenerate();
        }
        let mut y = self.state[self.position];
        self.position += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn regenerate(&mut self) {
        for i in 0..N {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
            let twist = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + M) % N] ^ (y >> 1) ^ twist;
        }
        self.position = 0;
    }

    /// A uniform integer in `[0, max]` by masked rejection; `max = 0` consumes nothing.
    pub fn bounded(&mut self, max: u32) -> u32 {
        if max == 0 {
            return 0;
        }
        let mask = u32::MAX >> max.leading_zeros();
        loop {
            let value = self.next_u32() & mask;
            if value <= max {
                return value;
            }
        }
    }

    /// Shuffles in place, from the last element down.
    ///
    /// Lists of more than 2³² elements are beyond what an image holds and are shuffled only in
    /// their first 2³² elements.
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for i in (1..values.len()).rev() {
            let j = self.bounded(u32::try_from(i).unwrap_or(u32::MAX));
            values.swap(i, j as usize);
        }
    }

    /// The numbers `0..n` in random order.
    #[must_use]
    pub fn permutation(&mut self, n: u32) -> Vec<u32> {
        let mut values: Vec<u32> = (0..n).collect();
        self.shuffle(&mut values);
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_of_seed_5489_are_the_published_ones() {
        let mut generator = Mt19937::new(5489);
        let first: Vec<u32> = (0..3).map(|_| generator.next_u32()).collect();
        assert_eq!(first, [3_499_211_612, 581_869_302, 3_890_346_734]);
    }

    #[test]
    fn the_ten_thousandth_number_of_seed_5489_is_the_published_one() {
        let mut generator = Mt19937::new(5489);
        let last = (0..10_000).map(|_| generator.next_u32()).last();
        assert_eq!(last, Some(4_123_659_995));
    }
}
