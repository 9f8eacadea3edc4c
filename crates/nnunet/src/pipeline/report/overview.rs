//! What stands at the top of a report.

use nnunet_infer::LIBTORCH;
use nnunet_report::data::{Fact, Outcome, Overview, Part, Verdict};

use super::candidates::Validated;
use super::models::{candidate_name, fold_list};
use super::{Sources, clock};

impl Sources<'_> {
    pub(super) fn overview(&self, validated: &[Validated]) -> Overview {
        Overview {
            dataset: self.dataset.clone(),
            made: clock::now(),
            facts: self.facts(),
            versions: vec![
                Fact::new("nnU-Net in Rust", env!("CARGO_PKG_VERSION")),
                Fact::new("libtorch", LIBTORCH),
            ],
            outcome: self.outcome(validated),
        }
    }

    fn facts(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        if let Part::Present(description) = &self.description {
            let channels = description.ordered_channel_names();
            facts.push(Fact::new(
                "training cases",
                description.num_training.to_string(),
            ));
            facts.push(Fact::new(
                numbered("channel", channels.len()),
                channels.join(", "),
            ));
        }
        if let Ok(classes) = self.classes() {
            let names: Vec<&str> = classes.classes().iter().map(|class| class.name()).collect();
            let word = match names.len() {
                1 => "class".to_owned(),
                count => format!("{count} classes"),
            };
            facts.push(Fact::new(word, names.join(", ")));
        }
        facts.push(Fact::new("plans", &self.request.plans_name));
        facts
    }

    fn outcome(&self, validated: &[Validated]) -> Option<Outcome> {
        let chosen = self.chosen.present()?;
        let winner = validated
            .iter()
            .find(|one| one.verdict == Verdict::Selected);
        Some(Outcome {
            selected: candidate_name(&chosen.winner),
            folds: fold_list(&chosen.folds),
            cases: winner.map_or(0, |winner| winner.summary.metric_per_case.len()),
            dice: chosen.dice[1],
            dice_before_postprocessing: chosen.dice[0],
        })
    }
}

fn numbered(word: &str, count: usize) -> String {
    match count {
        1 => word.to_owned(),
        _ => format!("{count} {word}s"),
    }
}
