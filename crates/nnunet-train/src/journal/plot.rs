//! `progress.png`: how a training went, at a glance.

use nnunet_draw::{Axis, Chart, DrawError, Panel, Picture, Series, Stroke};
use nnunet_model::checkpoint::EpochRecord;

const BLUE: [u8; 3] = [31, 119, 180];
const RED: [u8; 3] = [214, 39, 40];
const GREEN: [u8; 3] = [44, 160, 44];
const GREY: [u8; 3] = [110, 115, 125];

/// Losses with the Dice, time per epoch, learning rate; over the epochs.
pub(super) fn draw(records: &[EpochRecord]) -> Result<Picture, DrawError> {
    let series = |name: &str, colour, stroke, axis, value: &dyn Fn(&EpochRecord) -> f64| Series {
        name: name.to_owned(),
        colour,
        stroke,
        axis,
        points: (records.iter())
            .map(|record| [record.epoch as f64, value(record)])
            .collect(),
    };
    let dice = |dice: Option<f64>| dice.unwrap_or(f64::NAN);
    let panel = |title: &str, series| Panel {
        title: title.to_owned(),
        series,
    };
    let (line, left) = (Stroke::Line, Axis::Left);
    let losses = vec![
        series("training", BLUE, line, left, &|r| r.train_loss),
        series("validation", RED, line, left, &|r| r.validation_loss),
        series("Dice (right)", GREEN, Stroke::Dots, Axis::Right, &|r| {
            dice(r.mean_dice)
        }),
        series("its moving average", GREEN, line, Axis::Right, &|r| {
            dice(r.ema_dice)
        }),
    ];
    let time = series("", GREY, line, left, &|r| r.finished - r.started);
    let rate = series("", GREY, line, left, &|r| r.learning_rate);
    let chart = Chart {
        panels: vec![
            panel("loss", losses),
            panel("seconds per epoch", vec![time]),
            panel("learning rate", vec![rate]),
        ],
        x: "epoch".to_owned(),
        width: 1200,
        panel_height: 340,
    };
    chart.draw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_training_of_any_length_has_a_picture() {
        let record = |epoch: usize| EpochRecord {
            epoch,
            learning_rate: 0.01,
            train_loss: -0.1 * epoch as f64,
            validation_loss: 0.2,
            dice_per_class: vec![None],
            mean_dice: (epoch > 1).then_some(0.5),
            ema_dice: None,
            started: 10.0,
            finished: 12.0,
        };
        for epochs in [0, 1, 2, 30] {
            let records: Vec<EpochRecord> = (0..epochs).map(record).collect();
            assert_eq!(draw(&records).unwrap().width(), 1200);
        }
    }
}
