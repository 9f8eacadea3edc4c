//! Documents that name places, on their way from one machine to another.

use std::path::Path;

use nnunet_evaluate::select::{Candidate, InferenceInformation, ModelName};

use super::place::DATASET_PLANS;
use crate::pipeline::select::POSTPROCESSING;

/// The candidate that these models are, if there are one or two.
pub(super) fn models_of(models: &[ModelName]) -> Option<Candidate> {
    match models {
        [one] => Some(Candidate::Single(one.clone())),
        [first, second] => Some(Candidate::Pair(first.clone(), second.clone())),
        _ => None,
    }
}

/// The outcome of a selection whose winner's cross-validation is collected in this folder.
/// `is_there` tells which files there are.
pub(super) fn relocated(
    mut information: InferenceInformation,
    collected: &Path,
    is_there: impl Fn(&Path) -> bool,
) -> InferenceInformation {
    let document = collected.join(POSTPROCESSING);
    let pickle = document.with_extension("pkl");
    let best = &mut information.best_model_or_ensemble;
    let postprocessing = if is_there(&pickle) { pickle } else { document };
    best.postprocessing_file = postprocessing.to_string_lossy().into_owned();
    let plans = collected.join(DATASET_PLANS);
    if is_there(&plans) {
        best.some_plans_file = plans.to_string_lossy().into_owned();
    }
    information
}
