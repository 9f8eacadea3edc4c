//! The outcome of a selection as commands for people.

use std::fmt::Write as _;

use nnunet_evaluate::postprocessing::Postprocessing;
use nnunet_schema::{Fold, Layout};

use super::POSTPROCESSING;
use super::{Contestant, SelectRequest};

/// How to predict with the winner, by one command or step by step.
pub(super) fn instructions(
    dataset: &str,
    layout: &Layout,
    request: &SelectRequest,
    winner: &Contestant,
    postprocessing: &Postprocessing,
) -> String {
    let folds: Vec<String> = request.folds.iter().map(Fold::to_string).collect();
    let models = winner.candidate.models();
    let is_pair = models.len() > 1;
    let last = if postprocessing.steps().is_empty() {
        "OUTPUT"
    } else {
        "BEFORE_POSTPROCESSING"
    };
    let mut text = format!(
        "Predict with the best model, {}:\n\n  nnunet predict --selected {dataset} -i INPUT -o \
         OUTPUT\n\nThe same step by step:\n\n",
        winner.candidate.name(&request.folds)
    );
    let mut members = Vec::new();
    for (number, model) in (1..).zip(&models) {
        let folder = layout.results.join(dataset).join(model.to_string());
        let output = match is_pair {
            true => format!("MEMBER_{number}"),
            false => last.to_owned(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  nnunet predict -m {} -f {} -i INPUT -o {output}{}",
            folder.display(),
            folds.join(" "),
            if is_pair { " --save-probabilities" } else { "" }
        );
        members.push(output);
    }
    if is_pair {
        let _ = writeln!(text, "  nnunet ensemble -i {} -o {last}", members.join(" "));
    }
    if !postprocessing.steps().is_empty() {
        let _ = writeln!(
            text,
            "  nnunet postprocess -i {last} -o OUTPUT --postprocessing {}",
            winner.folder.join(POSTPROCESSING).display()
        );
    }
    text
}
