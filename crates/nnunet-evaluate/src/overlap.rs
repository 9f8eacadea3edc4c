use std::iter::Sum;
use std::ops::{Add, AddAssign};

use nnunet_schema::summary::ClassMetrics;

/// How many voxels two maps agree and disagree on for one class.
///
/// Counts add up: over the cases of a batch or of a whole validation set they give the metrics
/// of all voxels as if they were one volume, which is nnU-Net's online "pseudo Dice".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overlap {
    /// Voxels that both have.
    pub true_positive: u64,
    /// Voxels of the prediction that the reference lacks.
    pub false_positive: u64,
    /// Voxels of the reference that the prediction misses.
    pub false_negative: u64,
    /// Voxels that neither has.
    pub true_negative: u64,
}

impl Overlap {
    /// 2·TP / (2·TP + FP + FN), in \[0, 1\]; NaN where neither map has the class.
    #[must_use]
    pub fn dice(self) -> f64 {
        ratio(
            2 * self.true_positive,
            2 * self.true_positive + self.false_positive + self.false_negative,
        )
    }

    /// TP / (TP + FP + FN), in \[0, 1\]; NaN where neither map has the class.
    #[must_use]
    pub fn iou(self) -> f64 {
        ratio(
            self.true_positive,
            self.true_positive + self.false_positive + self.false_negative,
        )
    }

    /// TP / (TP + FP), the share of the prediction that is right; NaN without a prediction.
    #[must_use]
    pub fn precision(self) -> f64 {
        ratio(self.true_positive, self.predicted())
    }

    /// TP / (TP + FN), the share of the reference that was found; NaN without a reference.
    #[must_use]
    pub fn recall(self) -> f64 {
        ratio(self.true_positive, self.referenced())
    }

    /// Voxels of the prediction.
    #[must_use]
    pub const fn predicted(self) -> u64 {
        self.true_positive + self.false_positive
    }

    /// Voxels of the reference.
    #[must_use]
    pub const fn referenced(self) -> u64 {
        self.true_positive + self.false_negative
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "voxel counts are far below 2^53"
)]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        f64::NAN
    } else {
        part as f64 / whole as f64
    }
}

impl Add for Overlap {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            true_positive: self.true_positive + other.true_positive,
            false_positive: self.false_positive + other.false_positive,
            false_negative: self.false_negative + other.false_negative,
            true_negative: self.true_negative + other.true_negative,
        }
    }
}

impl AddAssign for Overlap {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Overlap {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Self::add)
    }
}

impl From<Overlap> for ClassMetrics {
    fn from(overlap: Overlap) -> Self {
        Self {
            dice: overlap.dice(),
            false_negative: overlap.false_negative,
            false_positive: overlap.false_positive,
            iou: overlap.iou(),
            true_negative: overlap.true_negative,
            true_positive: overlap.true_positive,
            n_pred: overlap.predicted(),
            n_ref: overlap.referenced(),
        }
    }
}

/// The overlap of every class, accumulated over as many maps as one likes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    classes: Vec<Overlap>,
}

impl Tally {
    /// Nothing counted yet, for this many classes.
    #[must_use]
    pub fn new(classes: usize) -> Self {
        Self {
            classes: vec![Overlap::default(); classes],
        }
    }

    /// The overlap of each class so far.
    #[must_use]
    pub fn classes(&self) -> &[Overlap] {
        &self.classes
    }

    /// Adds the counts of one more map, class by class. Classes beyond those known so far start
    /// from zero.
    pub fn add(&mut self, counts: &[Overlap]) {
        if counts.len() > self.classes.len() {
            self.classes.resize(counts.len(), Overlap::default());
        }
        for (sum, count) in self.classes.iter_mut().zip(counts) {
            *sum += *count;
        }
    }

    /// Dice of each class over all voxels counted; NaN for a class that nothing has.
    #[must_use]
    pub fn dice(&self) -> Vec<f64> {
        self.classes.iter().map(|overlap| overlap.dice()).collect()
    }

    /// Mean of [`dice`](Self::dice) without the NaN ones; NaN if nothing is left.
    #[must_use]
    pub fn mean_dice(&self) -> f64 {
        crate::summarise::nan_mean(&self.dice())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_class_that_nobody_has_is_nan_and_a_missed_one_zero() {
        let absent = Overlap {
            true_negative: 5,
            ..Overlap::default()
        };
        assert!(absent.dice().is_nan() && absent.iou().is_nan());
        let missed = Overlap {
            false_negative: 5,
            ..Overlap::default()
        };
        assert_eq!((missed.dice(), missed.iou()), (0.0, 0.0));
    }

    #[test]
    fn the_mean_of_a_tally_leaves_absent_classes_out() {
        let mut tally = Tally::new(2);
        let half = Overlap {
            true_positive: 1,
            false_positive: 2,
            ..Overlap::default()
        };
        tally.add(&[half, Overlap::default()]);
        tally.add(&[half, Overlap::default()]);
        assert_eq!(tally.classes()[0].true_positive, 2);
        assert!((tally.mean_dice() - 0.5).abs() < 1e-15);
    }

    proptest! {
        #[test]
        fn dice_and_iou_are_bounded_and_linked(tp in 0_u64..99, fp in 0_u64..99, fneg in 0_u64..99) {
            let overlap = Overlap {
                true_positive: tp,
                false_positive: fp,
                false_negative: fneg,
                true_negative: 7,
            };
            let swapped = Overlap { false_positive: fneg, false_negative: fp, ..overlap };
            let (dice, iou) = (overlap.dice(), overlap.iou());
            if tp + fp + fneg > 0 {
                prop_assert!((0.0..=1.0).contains(&dice));
                prop_assert!((dice - 2.0 * iou / (1.0 + iou)).abs() < 1e-12);
                prop_assert_eq!(dice, swapped.dice());
            }
        }
    }
}
