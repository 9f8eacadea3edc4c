//! A set of voxels, one bit each.

/// A set of voxels of a volume `(z, y, x)`. Each row is a whole number of words, voxel `x` of a
/// row being bit `x % 64` of word `x / 64`; bits beyond the row are 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BitVolume {
    shape: [usize; 3],
    words: Vec<u64>,
}

impl BitVolume {
    /// The empty set.
    pub(super) fn empty(shape: [usize; 3]) -> Self {
        Self {
            shape,
            words: vec![0; shape[0] * shape[1] * words_of(shape[2])],
        }
    }

    /// The voxels of one label.
    pub(super) fn of_label(labels: &[i16], shape: [usize; 3], label: i16) -> Self {
        let mut found = Self::empty(shape);
        let rows = labels.chunks_exact(shape[2]);
        for (row, words) in rows.zip(found.words.chunks_exact_mut(words_of(shape[2]))) {
            for (part, word) in row.chunks(u64::BITS as usize).zip(words) {
                *word = pack(part, label);
            }
        }
        found
    }

    pub(super) fn shape(&self) -> [usize; 3] {
        self.shape
    }

    pub(super) fn words_per_row(&self) -> usize {
        words_of(self.shape[2])
    }

    pub(super) fn words(&self) -> &[u64] {
        &self.words
    }

    pub(super) fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Writes 1 where a voxel belongs to the set, 0 elsewhere.
    pub(super) fn unpack(&self, out: &mut [f32]) {
        let rows = self.words.chunks_exact(self.words_per_row());
        for (words, row) in rows.zip(out.chunks_exact_mut(self.shape[2])) {
            for (word, part) in words.iter().zip(row.chunks_mut(u64::BITS as usize)) {
                for (bit, value) in part.iter_mut().enumerate() {
                    *value = f32::from((word >> bit & 1) as u8);
                }
            }
        }
    }

    /// All other voxels of the volume.
    pub(super) fn complement(&mut self) {
        for word in &mut self.words {
            *word = !*word;
        }
        self.clear_beyond_rows();
    }

    /// Takes the voxels of `added` that were not in `before` out of this set.
    pub(super) fn remove_new(&mut self, added: &Self, before: &Self) {
        let sources = added.words.iter().zip(&before.words);
        for (word, (added, before)) in self.words.iter_mut().zip(sources) {
            *word &= !(added & !before);
        }
    }

    /// Takes the voxels `x` of row number `row` (counted over slices) out of the set.
    pub(super) fn remove_run(&mut self, row: usize, x: std::ops::Range<usize>) {
        let first = row * self.words_per_row();
        for x in x {
            self.words[first + x / 64] &= !(1 << (x % 64));
        }
    }

    /// The bits beyond each row become 0.
    pub(super) fn clear_beyond_rows(&mut self) {
        let used = self.shape[2] % u64::BITS as usize;
        if used == 0 {
            return;
        }
        let mask = (1 << used) - 1;
        let per_row = self.words_per_row();
        for last in self.words.iter_mut().skip(per_row - 1).step_by(per_row) {
            *last &= mask;
        }
    }
}

fn words_of(row: usize) -> usize {
    row.div_ceil(u64::BITS as usize)
}

/// Bit `i`: whether entry `i` is the label.
fn pack(part: &[i16], label: i16) -> u64 {
    (part.iter().enumerate()).fold(0, |word, (bit, found)| {
        word | u64::from(*found == label) << bit
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_and_unpacking_is_a_round_trip() {
        for nx in [1, 5, 63, 64, 65, 130] {
            let shape = [2, 3, nx];
            let labels: Vec<i16> = (0..6 * nx).map(|i| (i * i % 3) as i16).collect();
            let mut bits = BitVolume::of_label(&labels, shape, 1);
            let mut out = vec![9.0; labels.len()];
            bits.unpack(&mut out);
            assert!((labels.iter().zip(&out)).all(|(l, v)| f32::from(u8::from(*l == 1)) == *v));
            bits.complement();
            bits.unpack(&mut out);
            assert!((labels.iter().zip(&out)).all(|(l, v)| f32::from(u8::from(*l != 1)) == *v));
            bits.complement();
            assert_eq!(bits, BitVolume::of_label(&labels, shape, 1));
        }
    }
}
