//! The lists that the Python program logs, one entry per epoch.

use super::object::{Id, Object, Objects};
use super::value::{self, Converter};
use crate::metadata::{EpochRecord, TrainingLog};

/// Lists above this are no log.
const MAX_ENTRIES: usize = 1_000_000;

/// What the Python program logs, one entry per epoch; NaN for what has no value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PythonLog {
    /// Mean Dice over the foreground classes.
    pub mean_fg_dice: Vec<f64>,
    /// Its moving average.
    pub ema_fg_dice: Vec<f64>,
    /// Dice of each foreground class or region.
    pub dice_per_class_or_region: Vec<Vec<f64>>,
    /// Mean loss over the training iterations.
    pub train_losses: Vec<f64>,
    /// Mean loss over the validation iterations.
    pub val_losses: Vec<f64>,
    /// Learning rate.
    pub lrs: Vec<f64>,
    /// When the epoch began, seconds since 1970.
    pub epoch_start_timestamps: Vec<f64>,
    /// When it ended, seconds since 1970.
    pub epoch_end_timestamps: Vec<f64>,
}

impl PythonLog {
    pub(super) fn read(objects: &Objects, id: Id, converter: &mut Converter<'_>) -> Self {
        let mut log = Self::default();
        for (key, value) in objects.pairs(id).unwrap_or_default() {
            let key = objects.text(*key).unwrap_or_default();
            if key == "dice_per_class_or_region" {
                match nested(objects, *value) {
                    Some(lists) => log.dice_per_class_or_region = lists,
                    None => converter.skip(&format!("logging.{key}"), objects.kind(*value)),
                }
                continue;
            }
            match (log.list_mut(key), numbers(objects, *value)) {
                (Some(own), Some(list)) => *own = list,
                _ => converter.skip(&format!("logging.{key}"), objects.kind(*value)),
            }
        }
        log
    }

    fn list_mut(&mut self, key: &str) -> Option<&mut Vec<f64>> {
        let mut lists = self.lists_mut().into_iter();
        lists.find(|(name, _)| *name == key).map(|(_, list)| list)
    }

    fn lists_mut(&mut self) -> [(&'static str, &mut Vec<f64>); 7] {
        [
            ("mean_fg_dice", &mut self.mean_fg_dice),
            ("ema_fg_dice", &mut self.ema_fg_dice),
            ("train_losses", &mut self.train_losses),
            ("val_losses", &mut self.val_losses),
            ("lrs", &mut self.lrs),
            ("epoch_start_timestamps", &mut self.epoch_start_timestamps),
            ("epoch_end_timestamps", &mut self.epoch_end_timestamps),
        ]
    }

    /// The lists by the names that the Python program gives them, but for the nested one.
    pub(super) fn lists(&self) -> [(&'static str, &[f64]); 7] {
        [
            ("mean_fg_dice", &self.mean_fg_dice),
            ("ema_fg_dice", &self.ema_fg_dice),
            ("train_losses", &self.train_losses),
            ("val_losses", &self.val_losses),
            ("lrs", &self.lrs),
            ("epoch_start_timestamps", &self.epoch_start_timestamps),
            ("epoch_end_timestamps", &self.epoch_end_timestamps),
        ]
    }

    /// The first `epochs` entries as this project logs them; where a list is shorter, NaN or
    /// nothing.
    pub(super) fn to_log(&self, epochs: usize) -> TrainingLog {
        let longest = self.lists().into_iter().map(|(_, list)| list.len()).max();
        let record = |epoch: usize| {
            let at = |list: &[f64]| list.get(epoch).copied().unwrap_or(f64::NAN);
            let some = |value: f64| (!value.is_nan()).then_some(value);
            let classes = self.dice_per_class_or_region.get(epoch);
            EpochRecord {
                epoch,
                learning_rate: at(&self.lrs),
                train_loss: at(&self.train_losses),
                validation_loss: at(&self.val_losses),
                dice_per_class: (classes.into_iter().flatten())
                    .map(|value| some(*value))
                    .collect(),
                mean_dice: some(at(&self.mean_fg_dice)),
                ema_dice: some(at(&self.ema_fg_dice)),
                started: at(&self.epoch_start_timestamps),
                finished: at(&self.epoch_end_timestamps),
            }
        };
        TrainingLog {
            epochs: (0..epochs.min(longest.unwrap_or(0))).map(record).collect(),
        }
    }

    /// The lists of a log of this project.
    pub(super) fn of_log(log: &TrainingLog) -> Self {
        let list = |of: fn(&EpochRecord) -> f64| log.epochs.iter().map(of).collect();
        let classes = |epoch: &EpochRecord| {
            let values = epoch.dice_per_class.iter();
            values.map(|value| value.unwrap_or(f64::NAN)).collect()
        };
        Self {
            mean_fg_dice: list(|epoch| epoch.mean_dice.unwrap_or(f64::NAN)),
            ema_fg_dice: list(|epoch| epoch.ema_dice.unwrap_or(f64::NAN)),
            dice_per_class_or_region: log.epochs.iter().map(classes).collect(),
            train_losses: list(|epoch| epoch.train_loss),
            val_losses: list(|epoch| epoch.validation_loss),
            lrs: list(|epoch| epoch.learning_rate),
            epoch_start_timestamps: list(|epoch| epoch.started),
            epoch_end_timestamps: list(|epoch| epoch.finished),
        }
    }
}

fn numbers(objects: &Objects, id: Id) -> Option<Vec<f64>> {
    let elements = objects.sequence(id)?;
    let number = |id: &Id| match objects.get(*id) {
        Object::None => Some(f64::NAN),
        _ => value::number(objects, *id),
    };
    let elements = elements.get(..elements.len().min(MAX_ENTRIES))?;
    elements.iter().map(number).collect()
}

fn nested(objects: &Objects, id: Id) -> Option<Vec<Vec<f64>>> {
    let mut total = 0_usize;
    let elements = objects.sequence(id)?.iter();
    elements
        .map(|id| {
            // One list may stand in many places.
            total = total.saturating_add(objects.sequence(*id)?.len());
            (total <= MAX_ENTRIES * 10).then(|| numbers(objects, *id))?
        })
        .collect()
}
