//! Writes checkpoints that the Python program loads.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use nnunet_schema::atomic;
use safetensors::Dtype;
use serde_json::Value;
use tch::Tensor;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::encode::{Encoder, Memo};
use super::log::PythonLog;
use super::metadata::{InitArguments, PythonMetadata};
use super::names;
use crate::weights::plain_bytes;
use crate::{ModelError, UNet};

/// The folder in the archive; Python takes any name.
const FOLDER: &str = "checkpoint";
/// The version of the archive that PyTorch has written since 1.6.
const VERSION: &[u8] = b"3\n";
/// Storages start at multiples of this many bytes, as PyTorch writes them.
const ALIGNMENT: u16 = 64;

/// A tensor and the number of its storage.
struct Storages<'a> {
    tensors: Vec<&'a Tensor>,
}

impl<'a> Storages<'a> {
    /// Writes the call that rebuilds `tensor`, whose values will be in a storage of its own.
    fn write(&mut self, encoder: &mut Encoder, tensor: &'a Tensor) {
        let class = match tensor.kind() {
            tch::Kind::Int64 => "LongStorage",
            _ => "FloatStorage",
        };
        let key = self.tensors.len().to_string();
        self.tensors.push(tensor);
        let shape = tensor.size();
        encoder.call(("torch._utils", "_rebuild_tensor_v2"), |e| {
            e.persistent(|e| {
                e.text("storage");
                e.global("torch", class);
                e.text(&key);
                e.text("cpu");
                e.count(tensor.numel());
            });
            e.int(0);
            e.tuple(|e| shape.iter().for_each(|edge| e.int(*edge)));
            e.tuple(|e| strides(&shape).into_iter().for_each(|stride| e.int(stride)));
            e.bool(false);
            e.ordered_dict(|_| {});
        });
    }
}

/// Strides of a tensor in C order.
fn strides(shape: &[i64]) -> Vec<i64> {
    let mut stride = 1;
    let mut strides: Vec<i64> = (shape.iter().rev())
        .map(|edge| {
            let own = stride;
            stride *= edge.max(&1);
            own
        })
        .collect();
    strides.reverse();
    strides
}

/// As [`PythonCheckpoint::save`](super::PythonCheckpoint::save).
pub(super) fn save(
    path: &Path,
    network: &UNet,
    momentum: &HashMap<String, &Tensor>,
    metadata: &PythonMetadata,
) -> Result<(), ModelError> {
    for (name, tensor) in momentum {
        let own = network.parameters().get(name);
        if own.is_none_or(|own| own.size() != tensor.size()) {
            let problem = format!(
                "a momentum `{name}` of shape {:?} belongs to no parameter of the network",
                tensor.size()
            );
            return Err(ModelError::file(path, problem));
        }
    }
    let mut storages = Storages {
        tensors: Vec::new(),
    };
    let pickle = pickle(network, momentum, metadata, &mut storages);
    atomic::replace_with(path, |temporary| {
        let mut zip = ZipWriter::new(BufWriter::new(File::create(temporary)?));
        let mut entry = |name: &str, bytes: &[u8]| -> io::Result<()> {
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Stored)
                .with_alignment(ALIGNMENT)
                .large_file(u32::try_from(bytes.len()).is_err());
            zip.start_file(format!("{FOLDER}/{name}"), options)?;
            zip.write_all(bytes)
        };
        entry("data.pkl", &pickle)?;
        entry("byteorder", b"little")?;
        for (key, tensor) in storages.tensors.iter().enumerate() {
            let (_, bytes): (Dtype, _) = plain_bytes(tensor).map_err(io::Error::other)?;
            entry(&format!("data/{key}"), &bytes)?;
        }
        entry("version", VERSION)?;
        zip.finish()?.flush()
    })?;
    Ok(())
}

fn pickle<'a>(
    network: &'a UNet,
    momentum: &HashMap<String, &'a Tensor>,
    metadata: &PythonMetadata,
    storages: &mut Storages<'a>,
) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.dict(|e| {
        e.text("network_weights");
        network_weights(e, network, storages);
        e.text("optimizer_state");
        optimizer_state(e, network, momentum, metadata, storages);
        e.text("grad_scaler_state");
        e.json(&metadata.grad_scaler_state);
        e.text("logging");
        logging(e, &metadata.logging);
        e.text("_best_ema");
        optional(e, metadata.best_ema, |e, value| e.float(value));
        e.text("current_epoch");
        e.count(metadata.current_epoch);
        e.text("init_args");
        init_args(e, &metadata.init_args);
        e.text("trainer_name");
        optional(e, metadata.trainer_name.as_deref(), Encoder::text);
        e.text("inference_allowed_mirroring_axes");
        let axes = metadata.inference_allowed_mirroring_axes.as_deref();
        optional(e, axes, |e, axes| {
            e.tuple(|e| axes.iter().for_each(|axis| e.count(*axis)));
        });
    });
    encoder.finish()
}

fn optional<T>(e: &mut Encoder, value: Option<T>, write: impl FnOnce(&mut Encoder, T)) {
    match value {
        Some(value) => write(e, value),
        None => e.none(),
    }
}

fn network_weights<'a>(e: &mut Encoder, network: &'a UNet, storages: &mut Storages<'a>) {
    let tensors: HashMap<&str, &Tensor> = network.tensors().collect();
    let mut written: HashMap<String, Memo> = HashMap::new();
    e.ordered_dict(|e| {
        for (name, own) in names::state_dict(network) {
            let Some(tensor) = tensors.get(own.as_str()) else {
                continue;
            };
            e.text(&name);
            match written.get(&own) {
                Some(memo) => e.again(*memo),
                None => {
                    storages.write(e, tensor);
                    written.insert(own, e.remember());
                }
            }
        }
    });
}

/// As `torch.optim.SGD` saves itself: parameters are numbers in the order of the module.
fn optimizer_state<'a>(
    e: &mut Encoder,
    network: &UNet,
    momentum: &HashMap<String, &'a Tensor>,
    metadata: &PythonMetadata,
    storages: &mut Storages<'a>,
) {
    e.dict(|e| {
        e.text("state");
        e.dict(|e| {
            for (i, (name, _)) in network.parameters().iter().enumerate() {
                let Some(tensor) = momentum.get(name) else {
                    continue;
                };
                e.count(i);
                e.dict(|e| {
                    e.text("momentum_buffer");
                    storages.write(e, tensor);
                });
            }
        });
        e.text("param_groups");
        e.list(|e| {
            e.dict(|e| {
                for (key, value) in &metadata.param_group {
                    e.text(key);
                    e.json(value);
                }
                e.text("params");
                e.list(|e| (0..network.parameters().len()).for_each(|i| e.count(i)));
            });
        });
    });
}

fn logging(e: &mut Encoder, log: &PythonLog) {
    let floats = |e: &mut Encoder, list: &[f64]| {
        e.list(|e| list.iter().for_each(|value| e.float(*value)));
    };
    e.dict(|e| {
        for (key, list) in log.lists() {
            e.text(key);
            floats(e, list);
        }
        e.text("dice_per_class_or_region");
        e.list(|e| {
            log.dice_per_class_or_region
                .iter()
                .for_each(|l| floats(e, l))
        });
    });
}

fn init_args(e: &mut Encoder, arguments: &InitArguments) {
    e.dict(|e| {
        e.text("plans");
        e.json(&arguments.plans);
        e.text("configuration");
        optional(e, arguments.configuration.as_deref(), Encoder::text);
        e.text("fold");
        optional(e, arguments.fold.as_deref(), |e, fold| {
            match fold.parse::<i64>() {
                Ok(number) => e.int(number),
                Err(_) => e.text(fold),
            }
        });
        e.text("dataset_json");
        e.json(&arguments.dataset_json);
        e.text("device");
        optional(e, arguments.device.as_deref(), device);
        for (key, value) in &arguments.extra {
            e.text(key);
            e.json(value);
        }
    });
}

/// As `torch.device`, which has its number apart from its kind.
fn device(e: &mut Encoder, name: &str) {
    e.call(("torch", "device"), |e| match name.split_once(':') {
        None => e.text(name),
        Some((kind, index)) => {
            e.text(kind);
            e.json(&index.parse::<u64>().map_or(Value::Null, Value::from));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_are_those_of_c_order() {
        assert_eq!(strides(&[2, 3, 4]), [12, 4, 1]);
        assert_eq!(strides(&[]), [] as [i64; 0]);
        assert_eq!(strides(&[5]), [1]);
    }
}
