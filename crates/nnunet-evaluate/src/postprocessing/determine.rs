use indexmap::IndexMap;
use nnunet_image::FormatRegistry;
use nnunet_schema::Progress;

use super::trial::Trials;
use super::{
    Change, ClassCriterion, Decision, KeepLargest, Means, Postprocessing, PostprocessingRules,
};
use crate::summarise::{mean_over_classes, nan_mean};
use crate::{CasePair, Class, Classes, EvaluateError};

/// Finds out on the predictions of a cross-validation which steps help.
///
/// First the whole foreground is taken as one object: the step is accepted if the mean Dice over
/// the classes rises and that of no class falls. Then, if there is more than one class, each in
/// its order on what the accepted steps left, by [`PostprocessingRules::class_criterion`]. Nothing
/// is written. Every case is read once per step, or twice in all if the classes are labels, which
/// don't depend on each other; in parallel in the rayon pool of the caller, memory bounded by
/// three label maps per thread.
///
/// # Errors
/// [`EvaluateError::NothingToSelect`] without predictions; [`EvaluateError::Case`] and
/// [`EvaluateError::Several`] for cases that cannot be evaluated.
pub fn determine_postprocessing(
    pairs: &[CasePair],
    classes: &Classes,
    rules: &PostprocessingRules,
    formats: &FormatRegistry,
    progress: &dyn Progress,
) -> Result<Postprocessing, EvaluateError> {
    if pairs.is_empty() {
        return Err(EvaluateError::NothingToSelect {
            reason: "there are no predictions to decide the postprocessing on".to_owned(),
        });
    }
    let trials = Trials {
        pairs,
        classes,
        connectivity: rules.connectivity,
        formats,
        progress,
    };
    let foreground = KeepLargest::of_all(classes.classes());
    let (input, tried) = trials.measure(
        "postprocessing of the foreground",
        &[],
        std::slice::from_ref(&foreground),
    )?;
    let mut course = Course {
        steps: Vec::new(),
        decisions: Vec::new(),
        state: input.clone().into(),
    };
    if let Some(after) = tried.into_iter().next() {
        let after = Means::from(after);
        let accepted = improves(&course.state, &after, rules.absent_class_vetoes);
        course.decide(foreground, after, accepted);
    }
    if classes.classes().len() > 1 {
        course.try_classes(&trials, rules)?;
    }
    Ok(Postprocessing::new(
        rules.connectivity,
        course.decisions,
        [input.into(), course.state],
        course.steps,
    ))
}

/// What was accepted so far.
#[derive(Debug)]
struct Course {
    steps: Vec<KeepLargest>,
    decisions: Vec<Decision>,
    state: Means,
}

impl Course {
    fn try_classes(
        &mut self,
        trials: &Trials<'_>,
        rules: &PostprocessingRules,
    ) -> Result<(), EvaluateError> {
        let what = "postprocessing of the classes";
        let classes = trials.classes.classes();
        let accepts = |class: &Class, before: &Means, after: &Means| match rules.class_criterion {
            ClassCriterion::MeanImproves => improves(before, after, rules.absent_class_vetoes),
            ClassCriterion::OwnDiceImproves => {
                let dice = |means: &Means| means.mean.get(class.key()).map(|mean| mean.dice);
                dice(after) > dice(before)
            }
        };
        // A step for a label takes voxels of that label alone, so that all can be tried at once.
        if classes.iter().all(|class| class.members().len() == 1) {
            let steps: Vec<KeepLargest> = classes.iter().map(KeepLargest::of_class).collect();
            let (_, tried) = trials.measure(what, &self.steps, &steps)?;
            for ((class, step), tried) in classes.iter().zip(steps).zip(tried) {
                let mut after = self.state.clone();
                if let (Some(now), Some(then)) =
                    (after.mean.get_mut(class.key()), tried.mean.get(class.key()))
                {
                    *now = *then;
                }
                after.foreground_mean = mean_over_classes(&after.mean);
                let accepted = accepts(class, &self.state, &after);
                self.decide(step, after, accepted);
            }
            return Ok(());
        }
        for class in classes {
            let step = KeepLargest::of_class(class);
            let (_, tried) = trials.measure(what, &self.steps, std::slice::from_ref(&step))?;
            for after in tried.into_iter().map(Means::from) {
                let accepted = accepts(class, &self.state, &after);
                self.decide(step.clone(), after, accepted);
            }
        }
        Ok(())
    }

    fn decide(&mut self, step: KeepLargest, after: Means, accepted: bool) {
        let changes = (self.state.mean.iter())
            .filter_map(|(key, before)| Some((key, before.dice, after.mean.get(key)?.dice)))
            .map(|(key, before, after)| (key.clone(), Change { before, after }))
            .collect::<IndexMap<_, _>>();
        self.decisions.push(Decision {
            labels_or_regions: step.labels_or_regions.clone(),
            accepted,
            foreground: Change {
                before: self.state.foreground_mean.dice,
                after: after.foreground_mean.dice,
            },
            classes: changes,
        });
        if accepted {
            self.steps.push(step);
            self.state = after;
        }
    }
}

/// Whether the mean over the classes rises and no class falls; comparisons with NaN are false.
fn improves(before: &Means, after: &Means, absent_class_vetoes: bool) -> bool {
    let pairs: Vec<(f64, f64)> = (before.mean.iter())
        .filter(|(key, _)| *key != "0")
        .filter_map(|(key, mean)| Some((mean.dice, after.mean.get(key)?.dice)))
        .collect();
    if pairs.iter().any(|(before, after)| after < before) {
        return false;
    }
    if absent_class_vetoes {
        return after.foreground_mean.dice > before.foreground_mean.dice;
    }
    let known: Vec<(f64, f64)> = (pairs.into_iter())
        .filter(|(before, after)| !before.is_nan() && !after.is_nan())
        .collect();
    let (before, after): (Vec<f64>, Vec<f64>) = known.into_iter().unzip();
    nan_mean(&after) > nan_mean(&before)
}
