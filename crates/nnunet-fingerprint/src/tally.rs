//! How often each value occurs, in bounded memory.

use crate::statistics;

/// Most distinct values that a tally keeps apart: 12 bytes each.
pub(crate) const MOST_VALUES: usize = 1 << 24;
/// The whole mantissa.
const MOST_DROPPED_BITS: u32 = 23;

/// Values in ascending order with their numbers, from which percentiles are read.
///
/// Intensities repeat (a CT has some four thousand different ones), so this is far smaller than
/// the values themselves. If there are more distinct values than the limit, the last bits of
/// their mantissas are dropped until there are not. With sixteen million values left, that is a
/// relative error of about 1e-6 even if they spread evenly over ten powers of two. How many bits
/// are dropped depends on the values alone, not on the order in which tallies are merged.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// The values as integers of the same order, the dropped bits zero.
    keys: Vec<u32>,
    counts: Vec<u64>,
    dropped_bits: u32,
    most_values: usize,
}

impl Tally {
    pub(crate) const fn empty(most_values: usize) -> Self {
        Self {
            keys: Vec::new(),
            counts: Vec::new(),
            dropped_bits: 0,
            most_values,
        }
    }

    /// Of values that each count once.
    pub(crate) fn of(values: &[f32], most_values: usize) -> Self {
        let mut keys: Vec<u32> = values.iter().map(|v| to_key(*v)).collect();
        keys.sort_unstable();
        let mut tally = Self::empty(most_values);
        tally.extend(keys.into_iter().map(|key| (key, 1)));
        tally
    }

    /// Of values and how often each counts.
    pub(crate) fn weighted(values: impl Iterator<Item = (f32, u32)>, most_values: usize) -> Self {
        let mut pairs: Vec<(u32, u32)> = (values.filter(|(_, count)| *count > 0))
            .map(|(value, count)| (to_key(value), count))
            .collect();
        pairs.sort_unstable();
        let mut tally = Self::empty(most_values);
        tally.extend(
            pairs
                .into_iter()
                .map(|(key, count)| (key, u64::from(count))),
        );
        tally
    }

    /// Number of distinct values.
    pub(crate) fn distinct(&self) -> usize {
        self.keys.len()
    }

    /// Both together.
    pub(crate) fn merge(self, other: Self) -> Self {
        let mut merged = Self::empty(self.most_values);
        merged.dropped_bits = self.dropped_bits.max(other.dropped_bits);
        let (mut a, mut b) = (self.pairs().peekable(), other.pairs().peekable());
        let ascending = std::iter::from_fn(|| match (a.peek(), b.peek()) {
            (Some(x), Some(y)) if y.0 < x.0 => b.next(),
            (Some(_), _) => a.next(),
            (None, _) => b.next(),
        });
        merged.extend(ascending);
        merged
    }

    /// The `q`-th percentile, `q` from 0 to 100; `None` if nothing was counted.
    pub(crate) fn percentile(&self, q: f64) -> Option<f64> {
        let (rank, fraction) = statistics::rank(self.counts.iter().sum(), q)?;
        let low = self.value_of_rank(rank)?;
        let high = self.value_of_rank(rank + 1).unwrap_or(low);
        // numpy subtracts in the type of the values and goes on in double precision.
        let difference = f64::from(high - low);
        Some(statistics::interpolate(
            f64::from(low),
            f64::from(high),
            difference,
            fraction,
        ))
    }

    fn value_of_rank(&self, rank: u64) -> Option<f32> {
        let mut counted = 0;
        let mut pairs = self.pairs();
        let (key, _) = pairs.find(|(_, count)| {
            counted += count;
            counted > rank
        })?;
        // The middle of the values that share what is left of the key.
        let middle = if self.dropped_bits == 0 {
            0
        } else {
            1 << (self.dropped_bits - 1)
        };
        Some(from_key(key | middle))
    }

    fn pairs(&self) -> impl Iterator<Item = (u32, u64)> {
        self.keys.iter().copied().zip(self.counts.iter().copied())
    }

    /// Adds pairs with ascending keys, none below those already there.
    fn extend(&mut self, ascending: impl Iterator<Item = (u32, u64)>) {
        for (key, count) in ascending {
            // Drop no more bits than needed, or the result would depend on the order of merging.
            while self.keys.len() >= self.most_values
                && self.keys.last() != Some(&self.shorten(key))
                && self.dropped_bits < MOST_DROPPED_BITS
            {
                self.drop_bit();
            }
            self.append(key, count);
        }
    }

    fn append(&mut self, key: u32, count: u64) {
        let key = self.shorten(key);
        match (self.keys.last(), self.counts.last_mut()) {
            (Some(last), Some(total)) if *last == key => *total += count,
            _ => {
                self.keys.push(key);
                self.counts.push(count);
            }
        }
    }

    fn drop_bit(&mut self) {
        self.dropped_bits += 1;
        let keys = std::mem::take(&mut self.keys);
        let counts = std::mem::take(&mut self.counts);
        for (key, count) in keys.into_iter().zip(counts) {
            self.append(key, count);
        }
    }

    const fn shorten(&self, key: u32) -> u32 {
        key >> self.dropped_bits << self.dropped_bits
    }
}

const SIGN: u32 = 1 << 31;

/// An integer that orders as the value does; both zeros become the same one.
fn to_key(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

fn from_key(key: u32) -> f32 {
    f32::from_bits(if key & SIGN == 0 { !key } else { key & !SIGN })
}

/// Tallies that are merged in pairs of similar size, so that adding many small ones to a large
/// one stays cheap.
#[derive(Clone, Debug, Default)]
pub(crate) struct TallyStack(Vec<Tally>);

impl TallyStack {
    pub(crate) fn push(&mut self, mut tally: Tally) {
        while let Some(last) = self
            .0
            .pop_if(|last| last.distinct() <= 2 * tally.distinct())
        {
            tally = last.merge(tally);
        }
        self.0.push(tally);
    }

    pub(crate) fn append(&mut self, other: Self) {
        for tally in other.0 {
            self.push(tally);
        }
    }

    pub(crate) fn total(self) -> Option<Tally> {
        self.0.into_iter().rev().reduce(|a, b| b.merge(a))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(mut values: Vec<f64>, q: f64) -> f64 {
        values.sort_unstable_by(f64::total_cmp);
        statistics::percentile(&values, q).unwrap()
    }

    fn split(values: &[f32], parts: usize, most: usize) -> Tally {
        let mut stack = TallyStack::default();
        for part in values.chunks(values.len().div_ceil(parts)) {
            stack.push(Tally::of(part, most));
        }
        stack.total().unwrap()
    }

    #[test]
    fn keys_order_as_values_do() {
        let values = [f32::MIN, -1.5, -1e-40, 0.0, 1e-40, 1.0, f32::MAX];
        assert!(values.map(to_key).is_sorted());
        assert_eq!(values.map(|v| from_key(to_key(v))), values);
        assert_eq!(to_key(-0.0), to_key(0.0));
    }

    #[test]
    fn weights_count_as_repetitions() {
        let weighted = Tally::weighted([(2.0, 3), (1.0, 1), (9.0, 0)].into_iter(), 10);
        let repeated = Tally::of(&[2.0, 1.0, 2.0, 2.0], 10);
        assert_eq!(weighted.keys, repeated.keys);
        assert_eq!(weighted.counts, repeated.counts);
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(Tally::empty(10).percentile(50.0), None);
    }

    #[test]
    fn beyond_the_limit_values_are_close_and_memory_is_bounded() {
        let values: Vec<f32> = (0_u32..20_000)
            .map(|i| (i.wrapping_mul(2_654_435_761) % 1_000_003) as f32 / 100.0)
            .collect();
        let most = 5_000;
        let tally = split(&values, 7, most);
        assert!(tally.distinct() <= most && tally.dropped_bits > 0);
        for q in [0.5, 10.0, 50.0, 99.5] {
            let wanted = plain(values.iter().map(|v| f64::from(*v)).collect(), q);
            let found = tally.percentile(q).unwrap();
            assert!(
                (found / wanted - 1.0).abs() < 1e-3,
                "{q}: {found} for {wanted}"
            );
        }
    }

    proptest! {
        #[test]
        fn percentiles_are_those_of_the_values(
            values in proptest::collection::vec(-50_i16..50, 1..300),
            q in 0.0_f64..100.0,
            parts in 1_usize..5,
        ) {
            let values: Vec<f32> = values.into_iter().map(|v| f32::from(v) / 4.0).collect();
            let found = split(&values, parts, 1 << 20).percentile(q).unwrap();
            let wanted = plain(values.iter().map(|v| f64::from(*v)).collect(), q);
            prop_assert!((found - wanted).abs() < 1e-12);
        }

        #[test]
        fn how_the_values_are_split_does_not_matter(
            values in proptest::collection::vec(-1e3_f32..1e3, 50..300),
            parts in 1_usize..9,
        ) {
            let whole = split(&values, 1, 16);
            let parts = split(&values, parts, 16);
            prop_assert_eq!(&whole.keys, &parts.keys);
            prop_assert_eq!(&whole.counts, &parts.counts);
            prop_assert_eq!(whole.dropped_bits, parts.dropped_bits);
        }
    }
}
