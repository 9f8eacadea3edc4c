//! The cases that went best and worst, slice by slice.

use nnunet_draw::colour;
use nnunet_draw::overlay::{Overlay, StackOptions, draw_stack, label_names};
use nnunet_image::RawDataset;
use nnunet_report::data::{
    CaseGallery, CaseScores, CaseView, ClassDice, LabelColour, Part, Png, Rank, Slice, SliceStack,
    Verdict,
};
use nnunet_schema::{DatasetDescription, Summary, layout};

use super::candidates::{Validated, predictions_in};
use super::{Sources, described};
use crate::pipeline::PipelineError;

/// Bytes of all images of a page, before they become text, which takes a third more.
const MOST_BYTES: usize = 12_000_000;
/// Folder of the selected one's predictions after postprocessing, below the others.
const POSTPROCESSED: &str = "postprocessed";
/// The channel that is shown.
const CHANNEL: usize = 0;

impl Sources<'_> {
    /// Of the selected model, else of the one with the highest mean Dice.
    pub(super) fn gallery(&self, validated: &[Validated]) -> Part<CaseGallery> {
        let dice = |one: &&Validated| one.summary.foreground_mean.dice;
        let best = (validated.iter())
            .filter(|one| !dice(one).is_nan())
            .max_by(|a, b| dice(a).total_cmp(&dice(b)));
        let selected = validated
            .iter()
            .find(|one| one.verdict == Verdict::Selected);
        let Some(shown) = selected.or(best) else {
            return Part::missing("Cases can be shown when a fold is validated.");
        };
        let read = || -> Result<CaseGallery, String> {
            let description = described(&self.description)?;
            let labels = label_names(description).map_err(|error| error.to_string())?;
            let (shown, predicted_by) = self.as_delivered(shown);
            let classes = self.classes()?;
            let ranked = ranked(shown.scores(&classes), self.request.cases);
            let most_bytes = MOST_BYTES / ranked.len().max(1);
            let names: Vec<String> = (classes.classes().iter())
                .map(|class| class.name().to_owned())
                .collect();
            let task = self.pipeline.progress.start("slices", ranked.len());
            let view = |(rank, scores): (Rank, CaseScores)| {
                task.step(&scores.case);
                CaseView {
                    rank,
                    dice: scores.mean(),
                    classes: (names.iter().cloned().zip(&scores.dice))
                        .map(|(class, dice)| ClassDice { class, dice: *dice })
                        .collect(),
                    stack: (self.stack(&scores.case, &shown, description, &labels, most_bytes))
                        .into(),
                    case: scores.case,
                }
            };
            let channels = description.ordered_channel_names();
            Ok(CaseGallery {
                predicted_by,
                channel: channels.get(CHANNEL).map_or("0", |name| name).to_owned(),
                labels: (labels.iter().enumerate())
                    .map(|(number, (_, name))| LabelColour {
                        label: name.clone(),
                        colour: colour(number),
                    })
                    .collect(),
                cases: ranked.into_iter().map(view).collect(),
            })
        };
        read().into()
    }

    /// The predictions as the selected model delivers them, postprocessed; and whose they are.
    fn as_delivered(&self, shown: &Validated) -> (Validated, String) {
        let folder = (self.chosen.present())
            .filter(|_| shown.verdict == Verdict::Selected)
            .map(|chosen| chosen.folder.join(POSTPROCESSED));
        let postprocessed = folder.and_then(|folder| {
            let summary = Summary::load(&layout::summary(&folder)).ok()?;
            Some(Validated {
                predictions: predictions_in(&folder, &summary),
                summary,
                ..shown.clone()
            })
        });
        match postprocessed {
            Some(postprocessed) => (postprocessed, format!("{}, postprocessed", shown.name())),
            None => (shown.clone(), shown.name()),
        }
    }

    fn stack(
        &self,
        case: &str,
        shown: &Validated,
        description: &DatasetDescription,
        labels: &[(i16, String)],
        most_bytes: usize,
    ) -> Result<SliceStack, PipelineError> {
        let formats = &self.pipeline.formats;
        let raw = RawDataset::scan(&self.pipeline.layout.raw_dataset(&self.dataset))?;
        let Some(found) = raw.case(case) else {
            return Err(PipelineError::NoCase {
                folder: raw.folder,
                asked: case.to_owned(),
                cases: raw.cases.len(),
            });
        };
        let image = found.read_image(formats)?;
        // Where the raw dataset lacks the labels there are the Python program's copies.
        let file = format!("{case}{}", description.file_ending);
        let copy = self.pipeline.references(&self.dataset).join(&file);
        let reference = match &found.label {
            Some(label) if label.is_file() => formats.read_labels(label)?,
            _ => formats.read_labels(&copy)?,
        };
        let prediction = shown.predictions.get(case).cloned();
        let prediction = formats.read_labels(&prediction.unwrap_or_else(|| file.into()))?;
        let overlay = Overlay {
            image: &image,
            reference: Some(&reference),
            prediction: Some(&prediction),
            labels,
        };
        let options = StackOptions {
            most_bytes,
            ..StackOptions::default()
        };
        let stack = draw_stack(&overlay, &options)?;
        Ok(SliceStack {
            extent_mm: stack.extent_mm,
            slices_in_case: stack.slices_in_case,
            first_shown: stack.best,
            slices: (stack.slices.into_iter())
                .map(|slice| Slice {
                    number: slice.number,
                    image: Png(slice.image),
                    reference: Png(slice.reference.unwrap_or_default()),
                    prediction: Png(slice.prediction.unwrap_or_default()),
                })
                .collect(),
        })
    }
}

/// So many of the best cases and so many of the worst, the best first, none twice. Cases without a
/// Dice are neither.
fn ranked(mut scores: Vec<CaseScores>, each: usize) -> Vec<(Rank, CaseScores)> {
    scores.retain(|case| !case.mean().is_nan());
    scores.sort_by(|a, b| b.mean().total_cmp(&a.mean()));
    let count = scores.len();
    let best = each.min(count.div_ceil(2));
    let worst = each.min(count - best);
    (scores.into_iter().enumerate())
        .filter_map(|(place, case)| {
            if place < best {
                return Some((Rank::Best(place + 1), case));
            }
            (place >= count - worst).then_some((Rank::Worst(count - place), case))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranks(dice: &[f64], each: usize) -> Vec<(Rank, String)> {
        let scores = dice.iter().enumerate().map(|(number, dice)| CaseScores {
            case: number.to_string(),
            dice: vec![*dice, f64::NAN],
        });
        let ranked = ranked(scores.collect(), each).into_iter();
        ranked.map(|(rank, case)| (rank, case.case)).collect()
    }

    #[test]
    fn the_best_come_first_and_no_case_twice() {
        let found = ranks(&[0.1, 0.9, 0.5, f64::NAN, 0.7, 0.3], 2);
        let expected = [
            (Rank::Best(1), "1"),
            (Rank::Best(2), "4"),
            (Rank::Worst(2), "5"),
            (Rank::Worst(1), "0"),
        ];
        let expected = expected.map(|(rank, case)| (rank, case.to_owned()));
        assert_eq!(found, expected);
        let few = ranks(&[0.2, 0.4, 0.6], 3);
        let places: Vec<Rank> = few.into_iter().map(|(rank, _)| rank).collect();
        assert_eq!(places, [Rank::Best(1), Rank::Best(2), Rank::Worst(1)]);
        assert!(ranks(&[0.2], 0).is_empty() && ranks(&[], 3).is_empty());
    }
}
