//! Writes pickles of protocol 2, as `torch.save` does.

use serde_json::{Number, Value};

/// A pickle that grows.
#[derive(Debug)]
pub(super) struct Encoder {
    bytes: Vec<u8>,
    memo: u32,
}

/// The place of an object that the pickle can refer to again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memo(u32);

impl Encoder {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0x80, 2],
            memo: 0,
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.push(b'.');
        self.bytes
    }

    pub(super) fn none(&mut self) {
        self.bytes.push(b'N');
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.bytes.push(if value { 0x88 } else { 0x89 });
    }

    pub(super) fn int(&mut self, value: i64) {
        match i32::try_from(value) {
            Ok(value) => {
                self.bytes.push(b'J');
                self.bytes.extend(value.to_le_bytes());
            }
            Err(_) => self.long(&value.to_le_bytes()),
        }
    }

    fn long(&mut self, little_endian: &[u8]) {
        self.bytes.extend([0x8a, little_endian.len() as u8]);
        self.bytes.extend(little_endian);
    }

    pub(super) fn count(&mut self, value: usize) {
        match i64::try_from(value) {
            Ok(value) => self.int(value),
            Err(_) => self.unsigned(value as u64),
        }
    }

    fn unsigned(&mut self, value: u64) {
        // A ninth byte keeps the sign apart.
        let mut bytes = [0; 9];
        bytes[..8].copy_from_slice(&value.to_le_bytes());
        self.long(&bytes);
    }

    pub(super) fn float(&mut self, value: f64) {
        self.bytes.push(b'G');
        self.bytes.extend(value.to_be_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        // Protocol 2 has no longer texts; nothing that is written here comes near.
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.bytes.push(b'X');
        self.bytes.extend(length.to_le_bytes());
        self.bytes
            .extend(text.as_bytes().iter().take(length as usize));
    }

    /// A class or function.
    pub(super) fn global(&mut self, module: &str, name: &str) {
        self.bytes.extend(format!("c{module}\n{name}\n").bytes());
    }

    pub(super) fn tuple(&mut self, elements: impl FnOnce(&mut Self)) {
        self.bytes.push(b'(');
        elements(self);
        self.bytes.push(b't');
    }

    pub(super) fn list(&mut self, elements: impl FnOnce(&mut Self)) {
        self.bytes.extend(b"](");
        elements(self);
        self.bytes.push(b'e');
    }

    /// A dictionary of the keys and values that `pairs` writes in turn.
    pub(super) fn dict(&mut self, pairs: impl FnOnce(&mut Self)) {
        self.bytes.extend(b"}(");
        pairs(self);
        self.bytes.push(b'u');
    }

    /// The same as a `collections.OrderedDict`.
    pub(super) fn ordered_dict(&mut self, pairs: impl FnOnce(&mut Self)) {
        self.global("collections", "OrderedDict");
        self.bytes.extend(b")R(");
        pairs(self);
        self.bytes.push(b'u');
    }

    /// What the function that `function` writes makes of the arguments.
    pub(super) fn call(&mut self, function: (&str, &str), arguments: impl FnOnce(&mut Self)) {
        self.global(function.0, function.1);
        self.tuple(arguments);
        self.bytes.push(b'R');
    }

    /// A reference to something outside of the pickle.
    pub(super) fn persistent(&mut self, reference: impl FnOnce(&mut Self)) {
        self.tuple(reference);
        self.bytes.push(b'Q');
    }

    /// Makes the object that was written last one that [`Self::again`] can repeat.
    pub(super) fn remember(&mut self) -> Memo {
        let memo = self.memo;
        self.memo += 1;
        self.bytes.push(b'r');
        self.bytes.extend(memo.to_le_bytes());
        Memo(memo)
    }

    pub(super) fn again(&mut self, memo: Memo) {
        self.bytes.push(b'j');
        self.bytes.extend(memo.0.to_le_bytes());
    }

    pub(super) fn json(&mut self, value: &Value) {
        match value {
            Value::Null => self.none(),
            Value::Bool(value) => self.bool(*value),
            Value::Number(number) => self.number(number),
            Value::String(text) => self.text(text),
            Value::Array(elements) => self.list(|e| elements.iter().for_each(|v| e.json(v))),
            Value::Object(map) => self.dict(|e| {
                for (key, value) in map {
                    e.text(key);
                    e.json(value);
                }
            }),
        }
    }

    fn number(&mut self, number: &Number) {
        if let Some(value) = number.as_i64() {
            self.int(value);
        } else if let Some(value) = number.as_u64() {
            self.unsigned(value);
        } else {
            self.float(number.as_f64().unwrap_or(f64::NAN));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::python::pickle;
    use crate::python::value::Converter;

    #[test]
    fn json_comes_back() {
        let value = json!({
            "none": null, "yes": true, "no": false, "small": -3, "large": i64::MIN,
            "half": 0.5, "text": "Größe", "list": [1, [2, []], {}], "empty": "",
        });
        let mut encoder = Encoder::new();
        encoder.json(&value);
        let (objects, root) = pickle::read(&encoder.finish()).unwrap();
        let mut converter = Converter::new(&objects);
        assert_eq!(converter.json(root, ""), value);
        assert_eq!(converter.skipped, []);
    }
}
