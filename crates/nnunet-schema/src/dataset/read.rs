//! Reading `dataset.json` as people write it.

use std::fmt;

use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, Error, SeqAccess, Unexpected, Visitor};
use serde_json::{Map, Value};

use super::{DatasetDescription, LabelValue};
use crate::python_json;

const OLD_CHANNELS: &str = "modality";

/// The keys as they may stand in the file.
#[derive(Deserialize)]
pub(super) struct AsWritten {
    channel_names: Option<IndexMap<String, String>>,
    labels: IndexMap<String, LabelValue>,
    regions_class_order: Option<Vec<u16>>,
    #[serde(rename = "numTraining")]
    num_training: usize,
    file_ending: String,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

impl TryFrom<AsWritten> for DatasetDescription {
    type Error = String;

    fn try_from(mut written: AsWritten) -> Result<Self, String> {
        let channel_names = match written.channel_names {
            Some(names) => names,
            None => old_channels(&mut written.extra)?,
        };
        Ok(Self {
            channel_names,
            labels: written.labels,
            regions_class_order: written.regions_class_order,
            num_training: written.num_training,
            file_ending: written.file_ending,
            extra: written.extra,
        })
    }
}

/// The channels under the name that they had before version 2.
fn old_channels(extra: &mut Map<String, Value>) -> Result<IndexMap<String, String>, String> {
    let Some(channels) = extra.shift_remove(OLD_CHANNELS) else {
        return Err("missing field `channel_names`".to_owned());
    };
    serde_path_to_error::deserialize(channels).map_err(|error| {
        let place = match error.path().to_string().as_str() {
            "." => OLD_CHANNELS.to_owned(),
            place => format!("{OLD_CHANNELS}.{place}"),
        };
        format!("`{place}`: {}", python_json::describe(error.inner()))
    })
}

impl<'de> Deserialize<'de> for LabelValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LabelVisitor)
    }
}

struct LabelVisitor;

impl<'de> Visitor<'de> for LabelVisitor {
    type Value = LabelValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a label from 0 to 65535, or a list of labels that make up a region")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<LabelValue, E> {
        u16::try_from(value)
            .map(LabelValue::Single)
            .map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<LabelValue, E> {
        u16::try_from(value)
            .map(LabelValue::Single)
            .map_err(|_| E::invalid_value(Unexpected::Signed(value), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<LabelValue, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(LabelValue::Region)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<LabelValue, E> {
        if let Some(token) = python_json::unmarked(text) {
            return Err(E::custom(format_args!("found {token}, expected a label")));
        }
        Err(E::custom(format_args!(
            "found the text `{text}`, expected a label or a list of labels (number to name is how \
             nnU-Net v1 and the Medical Segmentation Decathlon write labels: turn it into name to \
             number)"
        )))
    }
}
