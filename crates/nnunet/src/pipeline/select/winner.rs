//! What follows from a selection: the winner's postprocessing, and the documents.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nnunet_evaluate::postprocessing::{
    PickleOutcome, Postprocessing, PostprocessingRules, apply_to_folder, determine_postprocessing,
};
use nnunet_evaluate::select::{Candidate, InferenceInformation, NumberOrName, WinnerFiles};
use nnunet_evaluate::{
    CasePair, Classes, EvaluateError, EvaluateOptions, Selection, evaluate_pairs,
};
use nnunet_schema::{DatasetDescription, Plans, SchemaError, layout};
use tracing::info;

use super::instructions::instructions;
use super::{Contestant, POSTPROCESSING, SelectRequest};
use crate::pipeline::compare::write_text;
use crate::pipeline::{Pipeline, PipelineError};

/// What the selection leaves.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) postprocessing: Postprocessing,
    pub(super) information: InferenceInformation,
    pub(super) information_path: PathBuf,
    pub(super) instructions: String,
}

impl Pipeline {
    /// `inference_information.json` of a dataset: the outcome of its selection.
    pub(in crate::pipeline) fn information_path(&self, dataset: &str) -> PathBuf {
        let results = self.layout.results.join(dataset);
        results.join("inference_information.json")
    }

    /// Determines the postprocessing of the winner on its predictions, carries it out on them
    /// (folder `postprocessed`), and writes all documents.
    pub(super) fn settle(
        &self,
        dataset: &str,
        request: &SelectRequest,
        contestants: &[Contestant],
        selection: &Selection,
    ) -> Result<Outcome, PipelineError> {
        let winner =
            (contestants.get(selection.index)).ok_or_else(|| EvaluateError::NothingToSelect {
                reason: format!("`{}` did not take part", selection.name),
            })?;
        let cleaned = self.clean_winner(dataset, &winner.folder)?;
        let candidates: Vec<Candidate> = contestants.iter().map(|c| c.candidate.clone()).collect();
        let files = WinnerFiles {
            postprocessing: cleaned.document.to_string_lossy().into_owned(),
            plans: (layout::model_plans(&winner.folder).to_string_lossy()).into_owned(),
            score_after: cleaned.score,
        };
        let name = NumberOrName::Name(dataset.to_owned());
        let information =
            InferenceInformation::new(name, &request.folds, &candidates, selection, files)?;
        let information_path = self.information_path(dataset);
        information.save(&information_path)?;
        let instructions = instructions(
            dataset,
            &self.layout,
            request,
            winner,
            &cleaned.postprocessing,
        );
        write_text(
            &information_path.with_file_name("inference_instructions.txt"),
            &instructions,
        )?;
        Ok(Outcome {
            postprocessing: cleaned.postprocessing,
            information,
            information_path,
            instructions,
        })
    }

    /// Determines the postprocessing of the predictions in a folder and carries it out on them.
    fn clean_winner(&self, dataset: &str, folder: &Path) -> Result<Cleaned, PipelineError> {
        let (formats, progress) = (&self.formats, self.progress.as_ref());
        let plans = Plans::load(&layout::model_plans(folder))?;
        let description = DatasetDescription::load(&layout::dataset_json(folder))?;
        let classes = Classes::of(&description)?;
        let (references, ending) = (self.references(dataset), &description.file_ending);
        let options = EvaluateOptions::default();
        let pairs = CasePair::find(&references, folder, ending, &options)?;
        let rules = PostprocessingRules::of(plans.rule_set());
        let postprocessing = determine_postprocessing(&pairs, &classes, &rules, formats, progress)?;

        for step in &postprocessing.decisions {
            info!(
                labels = ?step.labels_or_regions.members(),
                before = step.foreground.before,
                after = step.foreground.after,
                accepted = step.accepted,
                "largest component only"
            );
        }
        let document = folder.join(POSTPROCESSING);
        postprocessing.save(&document)?;
        let pickle = document.with_extension("pkl");
        // An older one must not stand for what was decided now.
        remove_file(&pickle)?;
        let document = match postprocessing.save_pickle(&pickle)? {
            PickleOutcome::Written => pickle,
            PickleOutcome::OtherNeighbourhood => document,
        };

        let cleaned = folder.join("postprocessed");
        apply_to_folder(&postprocessing, folder, &cleaned, ending, formats, progress)?;
        let pairs = CasePair::find(&references, &cleaned, ending, &options)?;
        let after = evaluate_pairs(&pairs, &classes, formats, progress)?;
        after.save(&layout::summary(&cleaned))?;
        Ok(Cleaned {
            postprocessing,
            document,
            score: after.foreground_mean.dice,
        })
    }
}

/// The winner's postprocessing.
#[derive(Debug)]
struct Cleaned {
    postprocessing: Postprocessing,
    /// The file that the Python program would name: its own, if there is one.
    document: PathBuf,
    /// Foreground mean Dice with it.
    score: f64,
}

fn remove_file(path: &Path) -> Result<(), SchemaError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(SchemaError::Io {
            action: "remove",
            path: path.to_path_buf(),
            source,
        }),
        _ => Ok(()),
    }
}
