//! Models and ensembles with the scores of the cases that were held out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nnunet_evaluate::select::Candidate;
use nnunet_evaluate::{Classes, merge};
use nnunet_report::data::{self, CaseScores, CrossValidation, Members, Part, Verdict};
use nnunet_schema::{Fold, Summary, layout};

use super::Sources;
use super::models::{Model, candidate_name, fold_list};
use crate::pipeline::PipelineError;

/// A model or an ensemble that is validated.
#[derive(Clone, Debug)]
pub(super) struct Validated {
    pub(super) candidate: Candidate,
    pub(super) folds: Vec<Fold>,
    pub(super) summary: Summary,
    pub(super) verdict: Verdict,
    /// The predicted label map of each case.
    pub(super) predictions: BTreeMap<String, PathBuf>,
}

impl Validated {
    pub(super) fn name(&self) -> String {
        candidate_name(&self.candidate)
    }

    /// Dice of every case, in the order of the classes.
    pub(super) fn scores(&self, classes: &Classes) -> Vec<CaseScores> {
        let dice = |case: &nnunet_schema::summary::CaseMetrics, key: &str| {
            case.metrics.get(key).map_or(f64::NAN, |found| found.dice)
        };
        (self.summary.metric_per_case.iter())
            .map(|case| CaseScores {
                case: case_name(&case.prediction_file),
                dice: (classes.classes().iter())
                    .map(|class| dice(case, class.key()))
                    .collect(),
            })
            .collect()
    }
}

impl Sources<'_> {
    /// Those of the selection first, as it ranked them by; then models that are validated on some
    /// folds and took no part.
    pub(super) fn validated(&self) -> Vec<Validated> {
        let mut found = Vec::new();
        if let Part::Present(chosen) = &self.chosen {
            for candidate in &chosen.candidates {
                let folder = candidate.collected(&self.results(), &chosen.folds);
                let read = Summary::load(&layout::summary(&folder));
                let Some(summary) = self.told(read.map_err(Into::into)) else {
                    continue;
                };
                let verdict = match *candidate == chosen.winner {
                    true => Verdict::Selected,
                    false => Verdict::Outdone,
                };
                found.push(Validated {
                    candidate: candidate.clone(),
                    folds: chosen.folds.clone(),
                    predictions: predictions_in(&folder, &summary),
                    summary,
                    verdict,
                });
            }
        }
        for model in &self.models {
            let candidate = Candidate::Single(model.name.clone());
            if found.iter().all(|known| known.candidate != candidate) {
                found.extend(self.told(of_folds(model, candidate)).flatten());
            }
        }
        found
    }

    pub(super) fn validation(&self, validated: &[Validated]) -> Part<CrossValidation> {
        if validated.is_empty() {
            return Part::missing(format!(
                "No fold is validated yet: `nnunet run {0}`, or `nnunet train {0} CONFIGURATION FOLD`, \
                 validates each after its training.",
                self.dataset
            ));
        }
        self.classes()
            .map(|classes| CrossValidation {
                candidates: validated.iter().map(|one| row(one, &classes)).collect(),
                classes: (classes.classes().iter())
                    .map(|class| class.name().to_owned())
                    .collect(),
            })
            .into()
    }
}

fn row(validated: &Validated, classes: &Classes) -> data::Candidate {
    let mean = &validated.summary.mean;
    let class_dice = (classes.classes().iter())
        .map(|class| mean.get(class.key()).map_or(f64::NAN, |found| found.dice));
    data::Candidate {
        name: validated.name(),
        members: match validated.candidate {
            Candidate::Single(_) => Members::Single,
            Candidate::Pair(..) => Members::Pair,
        },
        folds: fold_list(&validated.folds),
        dice: validated.summary.foreground_mean.dice,
        class_dice: class_dice.collect(),
        cases: validated.scores(classes),
        verdict: validated.verdict,
    }
}

/// A model on the folds that are validated; `None` if none is.
fn of_folds(model: &Model, candidate: Candidate) -> Result<Option<Validated>, PipelineError> {
    // Fold `all` holds nothing out: what it says of its own cases is no validation.
    let is_held_out = |fold: &Fold| *fold != Fold::All;
    let folds: Vec<Fold> = (model.validated_folds().into_iter())
        .filter(is_held_out)
        .collect();
    let mut predictions = BTreeMap::new();
    let mut summaries = Vec::with_capacity(folds.len());
    for fold in &folds {
        let folder = model.validation(*fold);
        let summary = Summary::load(&layout::summary(&folder))?;
        predictions.extend(predictions_in(&folder, &summary));
        summaries.push(summary);
    }
    if folds.is_empty() {
        return Ok(None);
    }
    let summary = merge(&summaries)?;
    Ok(Some(Validated {
        candidate,
        folds,
        summary,
        verdict: Verdict::Undecided,
        predictions,
    }))
}

/// The label maps of a summary, in the folder where it lies: it may have moved since.
pub(super) fn predictions_in(folder: &Path, summary: &Summary) -> BTreeMap<String, PathBuf> {
    (summary.metric_per_case.iter())
        .map(|case| {
            let file = file_name(&case.prediction_file);
            (case_name(&case.prediction_file), folder.join(file))
        })
        .collect()
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// The case of a label map: the name of the file without its ending, of which `.nii.gz` is one.
pub(super) fn case_name(path: &str) -> String {
    let file = file_name(path);
    let stem = file.strip_suffix(".gz").unwrap_or(file);
    let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
    stem.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_case_of_a_file_is_its_name_without_ending() {
        for (path, case) in [
            ("/a/b.c/liver_1.nii.gz", "liver_1"),
            ("p.1.tif", "p.1"),
            (r"C:\x\a.nii.gz", "a"),
            ("plain", "plain"),
        ] {
            assert_eq!(case_name(path), case);
        }
    }
}
