use comfy_table::Table;
use nnunet::evaluate::ScoreBasis;
use nnunet::evaluate::select::Candidate;
use nnunet::pipeline::{Contest, Ensembling, Existing, SelectRequest};
use serde_json::{Value, json};

use crate::args::SelectArgs;
use crate::context::{Context, Need};
use crate::{Outcome, output};

pub(crate) fn run(context: &Context, args: &SelectArgs) -> anyhow::Result<Outcome> {
    let pipeline = context.pipeline(Need::All)?;
    let request = SelectRequest {
        dataset: args.dataset.dataset.clone(),
        trainers: args.trainers.clone(),
        plans: args.plans.clone(),
        configurations: args.configurations.clone(),
        folds: args.folds.clone(),
        ensembling: if args.no_ensembling {
            Ensembling::Off
        } else {
            Ensembling::Pairs
        },
        existing: if args.resume {
            Existing::Keep
        } else {
            Existing::Replace
        },
        device: context.device(args.device.device),
    };
    let contest = pipeline.select(&request)?;
    if args.json.json {
        output::document(&document(&contest))?;
        return Ok(Outcome::Complete);
    }
    for one in &contest.unfinished {
        let folds: Vec<String> = one.folds.iter().map(ToString::to_string).collect();
        output::line(format!(
            "not considered: {}, which lacks the folds {}",
            one.model,
            folds.join(" ")
        ));
    }
    tell(&contest);
    Ok(Outcome::Complete)
}

fn document(contest: &Contest) -> Value {
    let winner = contest.winner();
    let best = &contest.information.best_model_or_ensemble;
    let ranking = contest.selection.ranking.iter();
    let unfinished = contest.unfinished.iter();
    let steps = contest.postprocessing.decisions.iter();
    json!({
        "file": contest.information_path,
        "dataset": contest.information.dataset_name_or_id,
        "folds": contest.information.folds,
        "cases": cases(contest),
        "best": {
            "name": contest.selection.name,
            "models": best.selected_model_or_models,
            "dice": best.result_on_crossval_pre_pp,
            "dice_postprocessed": best.result_on_crossval_post_pp,
            "predictions": winner.map(|winner| &winner.folder),
        },
        "ranking": ranking
            .map(|ranked| json!({ "name": ranked.name, "dice": ranked.score }))
            .collect::<Vec<_>>(),
        "classes_left_out": match &contest.selection.score_basis {
            ScoreBasis::AllClasses => Vec::new(),
            ScoreBasis::Without(keys) => keys.clone(),
        },
        "not_considered": unfinished
            .map(|one| json!({
                "model": one.model.to_string(),
                "missing_folds": one.folds.iter().map(ToString::to_string).collect::<Vec<_>>(),
            }))
            .collect::<Vec<_>>(),
        "postprocessing": steps
            .map(|step| json!({
                "labels": step.labels_or_regions.members(),
                "accepted": step.accepted,
                "foreground": step.foreground,
                "classes": step.classes,
            }))
            .collect::<Vec<_>>(),
    })
}

/// The ranking, what became of the winner, and how to go on.
fn tell(contest: &Contest) {
    output::line(ranking(contest));
    if let ScoreBasis::Without(keys) = &contest.selection.score_basis {
        output::line(format!(
            "without the classes {}, which have no Dice in every candidate",
            keys.join(", ")
        ));
    }
    if let [best, second, ..] = contest.selection.ranking.as_slice() {
        output::line(format!(
            "best: {}, by {:.4} before {}",
            best.name,
            best.score - second.score,
            second.name
        ));
    }
    let steps = &contest.postprocessing.decisions;
    for step in steps {
        let labels = step.labels_or_regions.members();
        let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
        output::line(format!(
            "only the largest component of {}: mean Dice {} ({:+.6}), {}",
            match labels.as_slice() {
                [one] => format!("label {one}"),
                several => format!("labels {} together", several.join(", ")),
            },
            output::score(step.foreground.after),
            step.foreground.after - step.foreground.before,
            if step.accepted {
                "accepted"
            } else {
                "rejected"
            }
        ));
    }
    output::line(format!("selection: {}", contest.information_path.display()));
    output::line("");
    output::line(contest.instructions.trim_end());
}

fn ranking(contest: &Contest) -> Table {
    let mut table = output::table(&["candidate", "mean Dice", "behind", "cases"]);
    for ranked in &contest.selection.ranking {
        let is_best = ranked.name == contest.selection.name;
        table.add_row([
            ranked.name.clone(),
            output::score(ranked.score),
            if is_best {
                "best".to_owned()
            } else {
                format!("{:.4}", contest.selection.score - ranked.score)
            },
            cases(contest).to_string(),
        ]);
    }
    table
}

/// Cases of the cross-validation, the same for all candidates.
fn cases(contest: &Contest) -> usize {
    let winner = contest.winner();
    winner.map_or(0, |winner| winner.summary.metric_per_case.len())
}

/// A candidate by its configurations: `2d`, `2d + 3d_fullres`.
pub(crate) fn short_name(candidate: &Candidate) -> String {
    let models = candidate.models();
    let names: Vec<&str> = models.iter().map(|m| m.configuration.as_str()).collect();
    names.join(" + ")
}
