use std::fmt;

use crate::{Classes, EvaluateError, Overlap};

/// Voxels looked at together: where all of them hold one pair of labels, as nearly everywhere in
/// a segmentation, they are counted in one step.
const RUN: usize = 32;

/// An element type of label maps.
pub trait Label: Copy + PartialEq + sealed::Sealed {
    /// The position of this label in a table; negative labels lie beyond every table.
    fn position(self) -> usize;
    /// The label as a number, for messages.
    fn number(self) -> i64;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for u8 {}
    impl Sealed for i16 {}
}

impl Label for u8 {
    fn position(self) -> usize {
        usize::from(self)
    }
    fn number(self) -> i64 {
        i64::from(self)
    }
}

impl Label for i16 {
    fn position(self) -> usize {
        usize::from(self.cast_unsigned())
    }
    fn number(self) -> i64 {
        i64::from(self)
    }
}

/// One of the two maps that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Map {
    /// The truth.
    Reference,
    /// What the model says.
    Prediction,
}

impl fmt::Display for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reference => "reference",
            Self::Prediction => "prediction",
        })
    }
}

/// How often each label of the reference meets each label of the prediction: one pass over the
/// voxels, from which the overlap of every label and region follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    /// Labels of the rows (reference) and columns (prediction), ascending.
    labels: Vec<u16>,
    /// Label to row; `labels.len()` for labels that the dataset does not have.
    table: Vec<u16>,
    /// `(labels.len() + 1)²`, row by row; the last row and column count unexpected labels.
    counts: Vec<u64>,
    ignore: Option<u16>,
}

impl Confusion {
    /// Nothing counted yet, for the labels of `classes`.
    #[must_use]
    pub fn new(classes: &Classes) -> Self {
        let labels = classes.labels().to_vec();
        let side = labels.len() + 1;
        let highest = labels.last().copied().map_or(0, usize::from);
        let unexpected = u16::try_from(labels.len()).unwrap_or(u16::MAX);
        let mut table = vec![unexpected; highest + 1];
        for (row, label) in (0_u16..).zip(&labels) {
            if let Some(entry) = table.get_mut(usize::from(*label)) {
                *entry = row;
            }
        }
        Self {
            labels,
            table,
            counts: vec![0; side * side],
            ignore: classes.ignore(),
        }
    }

    /// Adds the voxels of one pair of maps, which have the same shape and order.
    ///
    /// # Errors
    /// [`EvaluateError::Lengths`] if one has more voxels than the other, before anything is
    /// counted; [`EvaluateError::UnexpectedLabel`] for the first voxel with a label that the
    /// dataset does not have, after which the counts are of no use.
    pub fn count<R: Label, P: Label>(
        &mut self,
        reference: &[R],
        prediction: &[P],
    ) -> Result<(), EvaluateError> {
        if reference.len() != prediction.len() {
            return Err(EvaluateError::Lengths {
                reference: reference.len(),
                prediction: prediction.len(),
            });
        }
        let unexpected = self.labels.len();
        let side = unexpected + 1;
        let row = |position: usize| {
            (self.table.get(position)).map_or(unexpected, |row| usize::from(*row))
        };
        let cell = |r: R, p: P| row(r.position()) * side + row(p.position());

        for (r, p) in reference.chunks(RUN).zip(prediction.chunks(RUN)) {
            let (Some(first_r), Some(first_p)) = (r.first().copied(), p.first().copied()) else {
                continue;
            };
            // `&` rather than `all`: no early exit, so that it becomes vector instructions.
            let uniform = r.iter().fold(true, |same, v| same & (*v == first_r))
                & p.iter().fold(true, |same, v| same & (*v == first_p));
            if uniform {
                self.counts[cell(first_r, first_p)] += r.len() as u64;
            } else {
                let (mut last, mut run) = ((first_r, first_p), 0);
                for pair in r.iter().copied().zip(p.iter().copied()) {
                    if pair == last {
                        run += 1;
                    } else {
                        self.counts[cell(last.0, last.1)] += run;
                        (last, run) = (pair, 1);
                    }
                }
                self.counts[cell(last.0, last.1)] += run;
            }
        }
        self.check(reference, prediction)
    }

    /// Counts voxels that were counted before as if the prediction were background there.
    pub(crate) fn erase<R: Label, P: Label>(&mut self, reference: &[R], prediction: &[P]) {
        let unexpected = self.labels.len();
        let side = unexpected + 1;
        let row = |position: usize| {
            (self.table.get(position)).map_or(unexpected, |row| usize::from(*row))
        };
        let background = row(0);
        for (r, p) in reference.iter().zip(prediction) {
            let first = row(r.position()) * side;
            let (old, new) = (first + row(p.position()), first + background);
            self.counts[old] = self.counts[old].saturating_sub(1);
            self.counts[new] += 1;
        }
    }

    /// The overlap of each of `classes`, voxels of the ignore label of the reference left out.
    ///
    /// `classes` are those that the confusion was made for.
    #[must_use]
    pub fn overlaps(&self, classes: &Classes) -> Vec<Overlap> {
        (classes.classes().iter())
            .map(|class| self.overlap(class.members()))
            .collect()
    }

    /// The overlap of the union of `members`.
    #[must_use]
    pub fn overlap(&self, members: &[u16]) -> Overlap {
        let side = self.labels.len() + 1;
        let mut overlap = Overlap::default();
        for (reference, row) in self.labels.iter().zip(self.counts.chunks(side)) {
            if self.ignore == Some(*reference) {
                continue;
            }
            let in_reference = members.contains(reference);
            for (prediction, count) in self.labels.iter().zip(row) {
                let sum = match (in_reference, members.contains(prediction)) {
                    (true, true) => &mut overlap.true_positive,
                    (true, false) => &mut overlap.false_negative,
                    (false, true) => &mut overlap.false_positive,
                    (false, false) => &mut overlap.true_negative,
                };
                *sum += count;
            }
        }
        overlap
    }

    fn check<R: Label, P: Label>(
        &self,
        reference: &[R],
        prediction: &[P],
    ) -> Result<(), EvaluateError> {
        let side = self.labels.len() + 1;
        let all_known = (self.counts.iter().enumerate())
            .all(|(i, count)| *count == 0 || (i / side + 1 < side && i % side + 1 < side));
        if all_known {
            return Ok(());
        }
        let unknown = |position: usize, number: i64| {
            let row = self.table.get(position).copied().map(usize::from);
            (row.is_none_or(|row| row == self.labels.len())).then_some(number)
        };
        let in_reference = (reference.iter())
            .find_map(|v| unknown(v.position(), v.number()))
            .map(|label| (label, Map::Reference));
        let found = in_reference.or_else(|| {
            (prediction.iter())
                .find_map(|v| unknown(v.position(), v.number()))
                .map(|label| (label, Map::Prediction))
        });
        match found {
            Some((label, map)) => Err(EvaluateError::UnexpectedLabel {
                map,
                label,
                known: self.labels.clone(),
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::classes::tests::classes;

    fn regions() -> Classes {
        classes(
            r#"{"background": 0, "whole": [1, 2], "core": 2, "ignore": 3}"#,
            r#", "regions_class_order": [1, 2]"#,
        )
    }

    #[test]
    fn ignored_voxels_of_the_reference_count_for_nothing() {
        let classes = regions();
        let mut confusion = Confusion::new(&classes);
        confusion
            .count(&[0_u8, 1, 2, 3, 3], &[0_i16, 2, 2, 2, 0])
            .unwrap();
        let [whole, core] = confusion.overlaps(&classes)[..] else {
            panic!("two classes")
        };
        assert_eq!((whole.true_positive, whole.true_negative), (2, 1));
        assert_eq!(whole.false_positive + whole.false_negative, 0);
        assert_eq!((core.true_positive, core.false_positive), (1, 1));
    }

    #[test]
    fn an_unknown_label_is_named_with_its_map() {
        let mut confusion = Confusion::new(&regions());
        let error = confusion.count(&[0_i16, -1], &[0_i16, 0]).unwrap_err();
        assert!(
            error.to_string().contains("reference holds the label -1"),
            "{error}"
        );
        let mut confusion = Confusion::new(&regions());
        let error = confusion.count(&[0_u8, 1], &[0_u8, 9]).unwrap_err();
        assert!(
            error.to_string().contains("prediction holds the label 9"),
            "{error}"
        );
        assert!(error.to_string().contains("[0, 1, 2, 3]"), "{error}");
    }

    #[test]
    fn maps_of_different_length_are_refused() {
        let mut confusion = Confusion::new(&regions());
        assert!(confusion.count(&[0_u8], &[0_u8, 1]).is_err());
        assert_eq!(confusion, Confusion::new(&regions()));
    }

    proptest! {
        #[test]
        fn counting_by_runs_equals_counting_one_by_one(
            runs in proptest::collection::vec((0_i16..4, 0_i16..4, 1_usize..80), 1..12)
        ) {
            let reference: Vec<i16> =
                runs.iter().flat_map(|(r, _, n)| std::iter::repeat_n(*r, *n)).collect();
            let prediction: Vec<i16> =
                runs.iter().flat_map(|(_, p, n)| std::iter::repeat_n(*p, *n)).collect();
            let classes = regions();
            let mut confusion = Confusion::new(&classes);
            confusion.count(&reference, &prediction).unwrap();
            for (class, overlap) in classes.classes().iter().zip(confusion.overlaps(&classes)) {
                let mut wanted = Overlap::default();
                for (r, p) in reference.iter().zip(&prediction).filter(|(r, _)| **r != 3) {
                    let has = |v: i16| class.members().iter().any(|m| i64::from(*m) == i64::from(v));
                    match (has(*r), has(*p)) {
                        (true, true) => wanted.true_positive += 1,
                        (true, false) => wanted.false_negative += 1,
                        (false, true) => wanted.false_positive += 1,
                        (false, false) => wanted.true_negative += 1,
                    }
                }
                prop_assert_eq!(overlap, wanted);
            }
        }
    }
}
