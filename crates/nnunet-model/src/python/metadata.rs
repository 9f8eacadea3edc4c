//! What a checkpoint of the Python program says beside its tensors.

use std::path::Path;

use nnunet_schema::{DatasetDescription, Plans};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::log::PythonLog;
use super::object::{Id, Objects};
use super::value::{self, Converter};
use crate::metadata::{CheckpointMetadata, FORMAT_VERSION, LossScaleState};
use crate::{ModelError, NetworkSpec};

/// Settings of an optimiser that the Python program's default trainer has.
const LEARNING_RATE: f64 = 0.01;
const MOMENTUM: f64 = 0.99;
const WEIGHT_DECAY: f64 = 3e-5;

/// What a checkpoint of the Python program says beside its tensors. What a checkpoint lacks is
/// empty; only its weights must be there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PythonMetadata {
    /// The class of the trainer, e.g. `nnUNetTrainer`.
    pub trainer_name: Option<String>,
    /// What the trainer was made with.
    pub init_args: InitArguments,
    /// Number of finished epochs.
    pub current_epoch: usize,
    /// The highest moving average of the validation Dice (`_best_ema`).
    pub best_ema: Option<f64>,
    /// Spatial axes that inference may mirror, 0 the first of the network's; none if it may not.
    pub inference_allowed_mirroring_axes: Option<Vec<usize>>,
    /// What was logged, one entry per epoch.
    pub logging: PythonLog,
    /// State of the loss scaling, `null` without mixed precision.
    pub grad_scaler_state: Value,
    /// The settings of the optimiser: its first and only group, without the list of parameters.
    pub param_group: Map<String, Value>,
}

/// The arguments that the Python trainer was made with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InitArguments {
    /// The whole plans; `null` if absent.
    pub plans: Value,
    /// The configuration, e.g. `3d_fullres`.
    pub configuration: Option<String>,
    /// The fold: a number, or `all`.
    pub fold: Option<String>,
    /// The whole `dataset.json`; `null` if absent.
    pub dataset_json: Value,
    /// The device, e.g. `cuda:0`.
    pub device: Option<String>,
    /// Everything else.
    pub extra: Map<String, Value>,
}

impl PythonMetadata {
    pub(super) fn read(objects: &Objects, root: Id, converter: &mut Converter<'_>) -> Self {
        let entry = |key| objects.entry(root, key);
        let text = |key| {
            entry(key)
                .and_then(|id| objects.text(id))
                .map(str::to_owned)
        };
        let count = |id| value::whole(objects, id).and_then(|v| usize::try_from(v).ok());
        let axes = entry("inference_allowed_mirroring_axes");
        let axes = axes.and_then(|id| objects.sequence(id));
        let scaler = entry("grad_scaler_state");
        let scaler = scaler.map(|id| converter.json(id, "grad_scaler_state"));
        let group = entry("optimizer_state")
            .and_then(|id| objects.entry(id, "param_groups"))
            .and_then(|id| objects.sequence(id)?.first().copied())
            .map(|id| converter.json(id, "optimizer_state.param_groups.0"));
        let mut param_group = match group {
            Some(Value::Object(map)) => map,
            _ => Map::new(),
        };
        param_group.remove("params");
        Self {
            trainer_name: text("trainer_name"),
            init_args: entry("init_args")
                .map(|id| InitArguments::read(id, converter))
                .unwrap_or_default(),
            current_epoch: entry("current_epoch").and_then(count).unwrap_or(0),
            best_ema: entry("_best_ema")
                .and_then(|id| value::number(objects, id))
                .filter(|value| !value.is_nan()),
            inference_allowed_mirroring_axes: axes
                .and_then(|axes| axes.iter().map(|id| count(*id)).collect()),
            logging: entry("logging")
                .map(|id| PythonLog::read(objects, id, converter))
                .unwrap_or_default(),
            grad_scaler_state: scaler.unwrap_or_default(),
            param_group,
        }
    }

    /// The network that the checkpoint is of; `path` names the file in errors.
    ///
    /// # Errors
    /// [`ModelError::File`] if the plans, the configuration or the description of the dataset is
    /// missing or wrong, and as [`NetworkSpec::of_model`].
    pub fn network_spec(&self, path: &Path) -> Result<NetworkSpec, ModelError> {
        let configuration = required(
            path,
            "init_args.configuration",
            &self.init_args.configuration,
        )?;
        let plans: Plans = document(path, "init_args.plans", &self.init_args.plans)?;
        let dataset: DatasetDescription =
            document(path, "init_args.dataset_json", &self.init_args.dataset_json)?;
        NetworkSpec::of_model(&plans, &configuration, &dataset)
    }

    /// The same for a checkpoint of this project; `path` names the file in errors. Of the settings
    /// of the training the fold and those of the optimiser are known.
    ///
    /// # Errors
    /// [`ModelError::File`] if the name of the trainer, the configuration or the fold is missing.
    pub fn to_checkpoint(&self, path: &Path) -> Result<CheckpointMetadata, ModelError> {
        let mut checkpoint = CheckpointMetadata {
            format_version: FORMAT_VERSION,
            trainer_name: required(path, "trainer_name", &self.trainer_name)?,
            configuration: required(
                path,
                "init_args.configuration",
                &self.init_args.configuration,
            )?,
            fold: required(path, "init_args.fold", &self.init_args.fold)?,
            current_epoch: self.current_epoch,
            inference_allowed_mirroring_axes: (self.inference_allowed_mirroring_axes.clone())
                .unwrap_or_default(),
            best_ema: self.best_ema,
            log: self.logging.to_log(self.current_epoch),
            training: self.known_settings(),
            extra: Map::new(),
        };
        if let Some(state) = self.loss_scale() {
            state.store(&mut checkpoint);
        }
        Ok(checkpoint)
    }

    /// The settings of the training that the checkpoint tells, by the names that they have here.
    fn known_settings(&self) -> Value {
        let names = [
            ("initial_learning_rate", "initial_lr"),
            ("momentum", "momentum"),
            ("weight_decay", "weight_decay"),
        ];
        let mut settings = Map::new();
        for (own, theirs) in names {
            if let Some(number) = self.param_group.get(theirs).and_then(Value::as_f64) {
                settings.insert(own.to_owned(), json!(number));
            }
        }
        if let Some(fold) = &self.init_args.fold {
            settings.insert("fold".to_owned(), json!(fold));
        }
        Value::Object(settings)
    }

    /// The state of the loss scaling, if it is one as `torch.amp.GradScaler` saves it.
    fn loss_scale(&self) -> Option<LossScaleState> {
        let scale = self.grad_scaler_state.get("scale")?.as_f64()?;
        let steps = self.grad_scaler_state.get("_growth_tracker")?.as_u64()?;
        Some(LossScaleState {
            scale,
            steps: u32::try_from(steps).ok()?,
        })
    }

    /// What the Python program wants to know about a checkpoint of this project. `plans` and
    /// `dataset_json` are the whole documents.
    #[must_use]
    pub fn of_checkpoint(metadata: &CheckpointMetadata, plans: Value, dataset_json: Value) -> Self {
        let setting = |key: &str, default: f64| {
            let found = metadata.training.get(key).and_then(Value::as_f64);
            json!(found.unwrap_or(default))
        };
        let last = metadata.log.epochs.last();
        let rate = last.map_or(LEARNING_RATE, |epoch| epoch.learning_rate);
        let initial = metadata.log.epochs.first();
        let initial = initial.map_or(LEARNING_RATE, |epoch| epoch.learning_rate);
        let group = json!({
            "lr": rate, "momentum": setting("momentum", MOMENTUM), "dampening": 0,
            "weight_decay": setting("weight_decay", WEIGHT_DECAY), "nesterov": true,
            "maximize": false, "foreach": null, "differentiable": false, "fused": null,
            "initial_lr": initial,
        });
        Self {
            trainer_name: Some(metadata.trainer_name.clone()),
            init_args: InitArguments {
                plans,
                configuration: Some(metadata.configuration.clone()),
                fold: Some(metadata.fold.clone()),
                dataset_json,
                device: Some("cpu".to_owned()),
                extra: Map::new(),
            },
            current_epoch: metadata.current_epoch,
            best_ema: metadata.best_ema,
            inference_allowed_mirroring_axes: Some(
                metadata.inference_allowed_mirroring_axes.clone(),
            ),
            logging: PythonLog::of_log(&metadata.log),
            grad_scaler_state: match LossScaleState::read(metadata) {
                None => Value::Null,
                // With the constants of the Python program, which are ours too.
                Some(LossScaleState { scale, steps }) => json!({
                    "scale": scale, "growth_factor": 2.0, "backoff_factor": 0.5,
                    "growth_interval": 2000, "_growth_tracker": steps,
                }),
            },
            param_group: match group {
                Value::Object(map) => map,
                _ => Map::new(),
            },
        }
    }
}

/// What a checkpoint must say to be more than weights.
fn required(path: &Path, key: &str, value: &Option<String>) -> Result<String, ModelError> {
    value.clone().ok_or_else(|| {
        let problem = format!(
            "it does not say its `{key}`, as checkpoints of nnU-Net v2 do: only its weights can \
             be used"
        );
        ModelError::file(path, problem)
    })
}

/// A document that a checkpoint holds whole.
fn document<T: DeserializeOwned>(path: &Path, key: &str, value: &Value) -> Result<T, ModelError> {
    T::deserialize(value)
        .map_err(|error| ModelError::file(path, format!("its `{key}` cannot be used: {error}")))
}

impl InitArguments {
    fn read(id: Id, converter: &mut Converter<'_>) -> Self {
        let mut arguments = Self::default();
        let value = converter.json(id, "init_args");
        let Value::Object(map) = value else {
            return arguments;
        };
        let text = |value: Value| match value {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        for (key, value) in map {
            match key.as_str() {
                "plans" => arguments.plans = value,
                "dataset_json" => arguments.dataset_json = value,
                "configuration" => arguments.configuration = text(value),
                "fold" => arguments.fold = text(value),
                "device" => arguments.device = text(value),
                _ => {
                    arguments.extra.insert(key, value);
                }
            }
        }
        arguments
    }
}
