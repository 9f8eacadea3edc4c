//! What the objects of a pickle mean, as far as that can be said without Python.

use std::fmt;

use serde_json::{Map, Number, Value};

use super::object::{Id, Object, Objects};
use super::tensor::TensorView;

/// Values inside values inside values: plans have about ten such levels.
const MAX_DEPTH: usize = 64;
/// An object that occurs in many places is copied to each.
const MAX_VALUES: usize = 5_000_000;
/// Bytes of text that count as one value.
const TEXT_UNIT: usize = 64;
/// Longer places are cut off.
const MAX_PLACE: usize = 200;
/// Reports above this help nobody.
const MAX_SKIPPED: usize = 1000;

/// Something in a checkpoint that means nothing here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedObject {
    /// Where it was, e.g. `init_args.plans.custom`.
    pub place: String,
    /// What it was, e.g. ``an object of `pathlib.PosixPath` ``.
    pub what: String,
}

impl fmt::Display for SkippedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is {}", self.place, self.what)
    }
}

/// A number of Python or numpy.
pub(super) fn number(objects: &Objects, id: Id) -> Option<f64> {
    match objects.get(id) {
        Object::Float(value) => Some(*value),
        Object::Int(value) => Some(*value as f64),
        Object::Bool(value) => Some(f64::from(u8::from(*value))),
        Object::Call(_) => match numpy_scalar(objects, id)? {
            Scalar::Float(value) => Some(value),
            Scalar::Int(value) => Some(value as f64),
        },
        _ => None,
    }
}

/// A whole number of Python or numpy.
pub(super) fn whole(objects: &Objects, id: Id) -> Option<i64> {
    match objects.get(id) {
        Object::Int(value) => Some(*value),
        Object::Call(_) => match numpy_scalar(objects, id)? {
            Scalar::Int(value) => Some(value),
            Scalar::Float(_) => None,
        },
        _ => None,
    }
}

enum Scalar {
    Float(f64),
    Int(i64),
}

/// A number that numpy wraps, such as `np.float32(0.5)`.
fn numpy_scalar(objects: &Objects, id: Id) -> Option<Scalar> {
    let (name, arguments, _) = objects.call(id)?;
    if !matches!(
        name,
        "numpy._core.multiarray.scalar" | "numpy.core.multiarray.scalar"
    ) {
        return None;
    }
    let [dtype, bytes] = arguments else {
        return None;
    };
    let (dtype, dtype_arguments, call) = objects.call(*dtype)?;
    if dtype != "numpy.dtype" {
        return None;
    }
    // The second entry of the state is the byte order.
    let order = objects.text(*objects.sequence(call.state?)?.get(1)?)?;
    if !matches!(order, "<" | "|" | "=") {
        return None;
    }
    let bytes = raw_bytes(objects, *bytes)?;
    let array = bytes.as_slice();
    let code = objects.text(*dtype_arguments.first()?)?;
    Some(match code {
        "f4" => Scalar::Float(f32::from_le_bytes(array.try_into().ok()?).into()),
        "f8" => Scalar::Float(f64::from_le_bytes(array.try_into().ok()?)),
        "i8" => Scalar::Int(i64::from_le_bytes(array.try_into().ok()?)),
        "i4" => Scalar::Int(i32::from_le_bytes(array.try_into().ok()?).into()),
        "i2" => Scalar::Int(i16::from_le_bytes(array.try_into().ok()?).into()),
        "i1" => Scalar::Int(i8::from_le_bytes(array.try_into().ok()?).into()),
        "u8" => Scalar::Int(u64::from_le_bytes(array.try_into().ok()?).try_into().ok()?),
        "u4" => Scalar::Int(u32::from_le_bytes(array.try_into().ok()?).into()),
        "u2" => Scalar::Int(u16::from_le_bytes(array.try_into().ok()?).into()),
        "u1" | "b1" => Scalar::Int(u8::from_le_bytes(array.try_into().ok()?).into()),
        _ => return None,
    })
}

/// Bytes; protocol 2 has none and writes a text, one character per byte, with a call around it.
fn raw_bytes(objects: &Objects, id: Id) -> Option<Vec<u8>> {
    if let Object::Bytes(bytes) = objects.get(id) {
        return Some(bytes.clone());
    }
    let (name, arguments, _) = objects.call(id)?;
    match (name, arguments) {
        ("_codecs.encode", [text, encoding])
            if matches!(objects.text(*encoding), Some("latin1" | "latin-1")) =>
        {
            let text = objects.text(*text)?;
            text.chars()
                .map(|c| u8::try_from(u32::from(c)).ok())
                .collect()
        }
        ("__builtin__.bytes" | "builtins.bytes", []) => Some(Vec::new()),
        _ => None,
    }
}

/// The name of a `torch.device`, e.g. `cuda:0`, or a text.
pub(super) fn device(objects: &Objects, id: Id) -> Option<String> {
    if let Some(text) = objects.text(id) {
        return Some(text.to_owned());
    }
    match objects.call(id)? {
        ("torch.device", [kind], _) => Some(objects.text(*kind)?.to_owned()),
        ("torch.device", [kind, index], _) => Some(format!(
            "{}:{}",
            objects.text(*kind)?,
            objects.count(*index)?
        )),
        _ => None,
    }
}

/// Turns objects into JSON, and notes what JSON has no word for.
pub(super) struct Converter<'a> {
    objects: &'a Objects,
    pub(super) skipped: Vec<SkippedObject>,
    values: usize,
}

impl<'a> Converter<'a> {
    pub(super) const fn new(objects: &'a Objects) -> Self {
        Self {
            objects,
            skipped: Vec::new(),
            values: 0,
        }
    }

    /// Notes something that is left out.
    pub(super) fn skip(&mut self, place: &str, what: impl Into<String>) {
        if self.skipped.len() < MAX_SKIPPED {
            self.skipped.push(SkippedObject {
                place: place.to_owned(),
                what: what.into(),
            });
        }
    }

    /// The object as JSON: tuples and sets as lists, keys as Python's `json` writes them, a
    /// device as its name, `null` for what is skipped, and for numbers that are not finite.
    pub(super) fn json(&mut self, id: Id, place: &str) -> Value {
        self.nested(id, place, 0)
    }

    fn nested(&mut self, id: Id, place: &str, depth: usize) -> Value {
        self.values += 1;
        if self.values > MAX_VALUES {
            self.skip(place, "after too many others");
            return Value::Null;
        }
        if depth > MAX_DEPTH {
            self.skip(place, "nested too deeply");
            return Value::Null;
        }
        let objects = self.objects;
        match objects.get(id) {
            Object::None => Value::Null,
            Object::Bool(value) => (*value).into(),
            Object::Int(value) => (*value).into(),
            Object::Float(value) => self.float(*value, place),
            Object::Text(text) => {
                self.values += text.len() / TEXT_UNIT;
                text.clone().into()
            }
            Object::List(elements) | Object::Tuple(elements) | Object::Set(elements) => {
                self.list(elements, place, depth)
            }
            Object::Dict(pairs) => self.map(pairs, place, depth),
            Object::Call(_) => self.call(id, place, depth),
            Object::BigInt | Object::Bytes(_) | Object::Global(_) | Object::Persistent(_) => {
                self.skip(place, objects.kind(id));
                Value::Null
            }
        }
    }

    fn float(&mut self, value: f64, place: &str) -> Value {
        let number = Number::from_f64(value);
        if number.is_none() {
            self.skip(place, format!("the number {value}"));
        }
        number.map_or(Value::Null, Value::Number)
    }

    fn list(&mut self, elements: &[Id], place: &str, depth: usize) -> Value {
        let mut list = Vec::new();
        for (i, element) in elements.iter().enumerate() {
            if self.values > MAX_VALUES {
                break;
            }
            list.push(self.nested(*element, &inside(place, &i.to_string()), depth + 1));
        }
        Value::Array(list)
    }

    fn map(&mut self, pairs: &[(Id, Id)], place: &str, depth: usize) -> Value {
        let mut map = Map::new();
        for (key, value) in pairs {
            if self.values > MAX_VALUES {
                break;
            }
            match key_text(self.objects, *key) {
                Some(key) => {
                    self.values += key.len() / TEXT_UNIT;
                    let value = self.nested(*value, &inside(place, &key), depth + 1);
                    map.insert(key, value);
                }
                None => {
                    let what = format!("a dictionary with {} as key", self.objects.kind(*key));
                    self.skip(place, what);
                }
            }
        }
        Value::Object(map)
    }

    fn call(&mut self, id: Id, place: &str, depth: usize) -> Value {
        let objects = self.objects;
        if let Some(pairs) = objects.pairs(id) {
            return self.map(pairs, place, depth);
        }
        if let Some(scalar) = numpy_scalar(objects, id) {
            return match scalar {
                Scalar::Float(value) => self.float(value, place),
                Scalar::Int(value) => value.into(),
            };
        }
        if let Some(device) = device(objects, id) {
            return device.into();
        }
        if let Some(("torch.Size" | "__builtin__.set" | "builtins.set", [elements], _)) =
            objects.call(id)
            && let Some(elements) = objects.sequence(*elements)
        {
            return self.list(elements, place, depth);
        }
        match TensorView::of(objects, id) {
            Some(tensor) => self.skip(place, format!("a tensor of shape {:?}", tensor.shape)),
            None => self.skip(place, objects.kind(id)),
        }
        Value::Null
    }
}

/// The place of something inside of something.
fn inside(place: &str, key: &str) -> String {
    match place.len() + key.len() < MAX_PLACE {
        true => format!("{place}.{key}"),
        false => place.to_owned(),
    }
}

/// A key of a dictionary as Python's `json` writes it.
fn key_text(objects: &Objects, id: Id) -> Option<String> {
    match objects.get(id) {
        Object::Text(text) => Some(text.clone()),
        Object::None => Some("null".to_owned()),
        Object::Bool(value) => Some(value.to_string()),
        Object::Float(value) => Some(value.to_string()),
        _ => whole(objects, id).map(|value| value.to_string()),
    }
}
