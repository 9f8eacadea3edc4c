//! How the trainings went, from their logs.

use std::path::Path;

use nnunet_report::data::{Epoch, Part, Training};
use nnunet_train::{LoggedEpoch, log_path, read_log};

use super::Sources;
use super::models::short_name;
use crate::pipeline::PipelineError;

impl Sources<'_> {
    pub(super) fn trainings(&self) -> Part<Vec<Training>> {
        let mut trainings = Vec::new();
        for model in &self.models {
            for fold in &model.folds {
                let folder = model.fold_folder(*fold);
                // Another program's trainings have none.
                if !log_path(&folder).is_file() {
                    continue;
                }
                let epochs = self.told(logged(&folder)).unwrap_or_default();
                if !epochs.is_empty() {
                    trainings.push(Training {
                        model: short_name(&model.name),
                        fold: fold.to_string(),
                        epochs,
                    });
                }
            }
        }
        if trainings.is_empty() {
            let dataset = &self.dataset;
            return Part::missing(match self.models.is_empty() {
                true => format!(
                    "No model of the plans {} is trained yet: `nnunet run {dataset}` trains them all.",
                    self.request.plans_name
                ),
                false => "No training of this program has finished an epoch: there is no log, or \
                          another program trained these models."
                    .to_owned(),
            });
        }
        Part::Present(trainings)
    }
}

/// The epochs of a fold.
pub(super) fn logged(fold_folder: &Path) -> Result<Vec<Epoch>, PipelineError> {
    let epochs = read_log(&log_path(fold_folder))?;
    Ok(epochs.iter().map(epoch).collect())
}

fn epoch(logged: &LoggedEpoch) -> Epoch {
    let known = |value: Option<f64>| value.unwrap_or(f64::NAN);
    Epoch {
        number: logged.epoch,
        training_loss: known(logged.train_loss),
        validation_loss: known(logged.validation_loss),
        dice: known(logged.mean_dice),
        dice_average: known(logged.ema_dice),
        seconds: logged.finished - logged.started,
    }
}
