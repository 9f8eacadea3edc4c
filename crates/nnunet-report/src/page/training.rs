use maud::{Markup, html};

use super::words;
use crate::chart::{Curve, Lines, Stroke, lines};
use crate::data::{Epoch, Training};

pub(super) fn section(trainings: &[Training]) -> Markup {
    let mut models: Vec<&str> = Vec::new();
    for training in trainings {
        if !models.contains(&training.model.as_str()) {
            models.push(&training.model);
        }
    }
    html! {
        p {
            "Loss of the training patches and of patches of the held-out cases, and the Dice of the \
             latter, epoch by epoch. That Dice only guides; the cross-validation below judges whole \
             cases."
        }
        @for model in models {
            h3 { (model) }
            @for training in trainings.iter().filter(|training| training.model == model) {
                (figure(training))
            }
        }
    }
}

fn figure(training: &Training) -> Markup {
    let of = |value: fn(&Epoch) -> f64| -> Vec<[f64; 2]> {
        let epochs = training.epochs.iter();
        epochs
            .map(|epoch| [epoch.number as f64, value(epoch)])
            .collect()
    };
    let curve = |colour, stroke, points| Curve {
        colour,
        stroke,
        points,
    };
    let losses = [
        curve(0, Stroke::Line, of(|epoch| epoch.training_loss)),
        curve(5, Stroke::Line, of(|epoch| epoch.validation_loss)),
    ];
    let dice = [
        curve(2, Stroke::Dots, of(|epoch| epoch.dice)),
        curve(2, Stroke::Line, of(|epoch| epoch.dice_average)),
    ];
    let name = format!("{}, fold {}", training.model, training.fold);
    html! {
        figure.training {
            h4 { "Fold " (training.fold) }
            div { (lines(&Lines {
                description: &format!("Losses of {name} over the epochs. {}", ends(training)),
                x: "epoch",
                y: "loss",
                reaches: &[],
                curves: &losses,
            }))
            (words::legend([("c0".to_owned(), "training"), ("c5".to_owned(), "validation")].into_iter()))
            }
            div { (lines(&Lines {
                description: &format!("Dice of {name} over the epochs. {}", ends(training)),
                x: "epoch",
                y: "Dice",
                reaches: &[0.0, 1.0],
                curves: &dice,
            }))
            (words::legend([("c2 dot".to_owned(), "Dice"), ("c2".to_owned(), "moving average")].into_iter()))
            }
            figcaption { (ends(training)) }
        }
    }
}

/// How it ended, in words.
fn ends(training: &Training) -> String {
    let Some(last) = training.epochs.last() else {
        return "No epoch is finished.".to_owned();
    };
    let count = training.epochs.len();
    let seconds = training.seconds();
    format!(
        "{count} epochs in {} ({} each); at the end training loss {}, validation loss {}, Dice {}, \
         its moving average {}.",
        words::duration(seconds),
        words::duration(seconds / count as f64),
        words::number(last.training_loss),
        words::number(last.validation_loss),
        words::dice(last.dice),
        words::dice(last.dice_average),
    )
}
