//! Addressed randomness: a sample's random numbers follow from where it stands in the training,
//! not from what was drawn before it.

use nnunet_schema::Fold;
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

/// The generator behind every draw of this crate.
pub type Generator = Pcg64Mcg;

/// Which sample of which training run.
///
/// Two runs with the same addresses see the same samples, whatever the number of threads and
/// wherever they were interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SampleAddress {
    /// Seed of the training run.
    pub seed: u64,
    /// Fold that is trained.
    pub fold: Fold,
    /// Epoch, from 0.
    pub epoch: u64,
    /// Iteration within the epoch, from 0.
    pub iteration: u64,
    /// Sample within the batch, from 0.
    pub sample: u64,
}

/// What random numbers are for; each purpose has a stream of its own, so that a change of one
/// (another transform, say) leaves the others as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Case and crop position of a training sample.
    TrainingCrop,
    /// Augmentation of a training sample.
    TrainingTransforms,
    /// Case and crop position of a validation sample.
    ValidationCrop,
    /// Disturbance of the previous stage's segmentation of a training sample.
    TrainingCascade,
}

impl SampleAddress {
    /// The generator of this sample for one purpose.
    #[must_use]
    pub fn generator(&self, purpose: Purpose) -> Generator {
        let fold = match self.fold {
            Fold::Number(n) => u64::from(n),
            Fold::All => u64::MAX,
        };
        let words = [
            self.seed,
            fold,
            self.epoch,
            self.iteration,
            self.sample,
            purpose as u64,
        ];
        let hash = words
            .into_iter()
            .fold(0, |hash, word| split_mix(hash ^ split_mix(word)));
        Generator::seed_from_u64(hash)
    }
}

/// One step of the splitmix64 generator: a bijection of the 64-bit numbers that mixes well.
fn split_mix(word: u64) -> u64 {
    let z = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::Rng;

    use super::*;

    const ORIGIN: SampleAddress = SampleAddress {
        seed: 0,
        fold: Fold::Number(0),
        epoch: 0,
        iteration: 0,
        sample: 0,
    };

    #[test]
    fn every_part_of_the_address_counts() {
        let mut seen = HashSet::new();
        for n in 0..4 {
            let addresses = [
                SampleAddress { seed: n, ..ORIGIN },
                SampleAddress { epoch: n, ..ORIGIN },
                SampleAddress {
                    iteration: n,
                    ..ORIGIN
                },
                SampleAddress {
                    sample: n,
                    ..ORIGIN
                },
                SampleAddress {
                    fold: Fold::Number(n as u32),
                    ..ORIGIN
                },
            ];
            for address in addresses {
                for purpose in [
                    Purpose::TrainingCrop,
                    Purpose::TrainingTransforms,
                    Purpose::ValidationCrop,
                    Purpose::TrainingCascade,
                ] {
                    seen.insert(address.generator(purpose).next_u64());
                }
            }
        }
        // The origin is five times among them for n = 0.
        assert_eq!(seen.len(), 4 * (4 * 5 - 4));
    }

    #[test]
    fn an_address_gives_the_same_numbers_for_ever() {
        let mut generator = ORIGIN.generator(Purpose::TrainingCrop);
        let first = generator.next_u64();
        assert_eq!(ORIGIN.generator(Purpose::TrainingCrop).next_u64(), first);
        let fold_all = SampleAddress {
            fold: Fold::All,
            ..ORIGIN
        };
        assert_ne!(fold_all.generator(Purpose::TrainingCrop).next_u64(), first);
    }
}
