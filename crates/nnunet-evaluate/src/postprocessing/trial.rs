//! What steps would do to the metrics, without doing them.

use std::borrow::Cow;

use indexmap::IndexMap;
use ndarray::{Array3, Axis, Slice};
use nnunet_image::FormatRegistry;
use nnunet_schema::summary::{CaseMetrics, ClassMetrics};
use nnunet_schema::{Progress, Summary};

use super::KeepLargest;
use crate::case::count;
use crate::components::Connectivity;
use crate::{CasePair, Classes, Confusion, EvaluateError, LabelPair, summarise};

/// The predictions of a cross-validation and how to look at them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trials<'a> {
    pub(super) pairs: &'a [CasePair],
    pub(super) classes: &'a Classes,
    pub(super) connectivity: Connectivity,
    pub(super) formats: &'a FormatRegistry,
    pub(super) progress: &'a dyn Progress,
}

impl Trials<'_> {
    /// The metrics after the steps of `base`, and those after each of `trials` on top of these.
    pub(super) fn measure(
        &self,
        what: &str,
        base: &[KeepLargest],
        trials: &[KeepLargest],
    ) -> Result<(Summary, Vec<Summary>), EvaluateError> {
        let cases = CasePair::process(
            self.pairs,
            self.formats,
            self.progress,
            what,
            |case, pair| {
                let confusions = self.confusions(pair, base, trials)?;
                Ok((confusions.iter())
                    .map(|confusion| CaseMetrics {
                        metrics: self.metrics(confusion),
                        prediction_file: case.prediction.to_string_lossy().into_owned(),
                        reference_file: case.reference.to_string_lossy().into_owned(),
                    })
                    .collect::<Vec<_>>())
            },
        )?;
        let mut summaries = (0..=trials.len()).map(|i| {
            let column = cases.iter().filter_map(|case| case.get(i).cloned());
            summarise(column.collect())
        });
        let first = summaries.next().unwrap_or_else(|| summarise(Vec::new()))?;
        Ok((first, summaries.collect::<Result<_, _>>()?))
    }

    /// Of one case: the base first, then each trial.
    fn confusions(
        &self,
        pair: LabelPair<'_>,
        base: &[KeepLargest],
        trials: &[KeepLargest],
    ) -> Result<Vec<Confusion>, EvaluateError> {
        if pair.reference.shape() != pair.prediction.shape() {
            return Err(EvaluateError::Shapes {
                reference: pair.reference.shape(),
                prediction: pair.prediction.shape(),
            });
        }
        let reference = &pair.reference.labels;
        let mut prediction = Cow::Borrowed(&pair.prediction.labels);
        for step in base {
            step.apply(prediction.to_mut(), self.connectivity)?;
        }
        let mut plain = Confusion::new(self.classes);
        count(&mut plain, reference.view(), prediction.view())?;
        let mut confusions = vec![plain.clone()];
        for step in trials {
            let mut changed = plain.clone();
            for run in step.smaller(prediction.view(), self.connectivity)? {
                let voxels = |labels: &Array3<i16>| {
                    let slice = labels.index_axis(Axis(0), run.z);
                    let row = slice.index_axis(Axis(0), run.y);
                    row.slice_axis(Axis(0), Slice::from(run.start..run.end))
                        .to_vec()
                };
                changed.erase(&voxels(reference), &voxels(&prediction));
            }
            confusions.push(changed);
        }
        Ok(confusions)
    }

    fn metrics(&self, confusion: &Confusion) -> IndexMap<String, ClassMetrics> {
        (self.classes.classes().iter())
            .zip(confusion.overlaps(self.classes))
            .map(|(class, overlap)| (class.key().to_owned(), overlap.into()))
            .collect()
    }
}
