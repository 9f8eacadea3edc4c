//! JSON as Python's `json` module reads and writes it: four spaces of indent, and the tokens
//! `NaN`, `Infinity` and `-Infinity` for floats that are not finite.

use std::borrow::Cow;
use std::fs;
use std::io::Write;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{SchemaError, atomic};

/// Inside our own text a token that JSON has no word for is a string with this prefix.
const MARK: &str = "@@float:";
const TOKENS: [&str; 3] = ["NaN", "-Infinity", "Infinity"];

/// Reads the document at `path`.
///
/// # Errors
/// [`SchemaError::Io`] if the file cannot be read, [`SchemaError::Malformed`] with the place in
/// the document if it is not what `T` wants.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, SchemaError> {
    let text = fs::read_to_string(path).map_err(|source| SchemaError::Io {
        action: "read",
        path: path.to_path_buf(),
        source,
    })?;
    parse(&text).map_err(|(json_path, message)| SchemaError::Malformed {
        path: path.to_path_buf(),
        json_path,
        message,
    })
}

/// Reads a document from text; the error is the place in the document and what is wrong there.
///
/// # Errors
/// `(path in the document, message)`.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, (String, String)> {
    let text = mark_tokens(text);
    let mut reader = serde_json::Deserializer::from_str(&text);
    let value = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| (error.path().to_string(), error.inner().to_string()))?;
    reader
        .end()
        .map_err(|error| (".".to_owned(), error.to_string()))?;
    Ok(value)
}

/// The document as text, as `json.dump(…, indent=4)` lays it out.
///
/// # Errors
/// [`serde_json::Error`] if a map of `value` has keys that are not strings.
pub fn to_text<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    value.serialize(&mut serializer)?;
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    for token in TOKENS {
        text = text.replace(&format!("\"{MARK}{token}\""), token);
    }
    Ok(text)
}

/// Writes the document atomically, as [`to_text`] lays it out.
///
/// # Errors
/// [`SchemaError::Io`] if it cannot be written.
pub fn save<T: Serialize>(path: &Path, value: &T) -> Result<(), SchemaError> {
    let text = to_text(value).map_err(|source| SchemaError::Io {
        action: "write",
        path: path.to_path_buf(),
        source: source.into(),
    })?;
    atomic::write_with(path, |file| file.write_all(text.as_bytes()))
}

/// Turns the bare tokens of Python into marked strings, leaving strings alone.
fn mark_tokens(text: &str) -> Cow<'_, str> {
    if !text.contains("NaN") && !text.contains("Infinity") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    let mut in_string = false;
    while let Some(c) = rest.chars().next() {
        let token = TOKENS.iter().find(|token| rest.starts_with(**token));
        let taken = match (in_string, c, token) {
            (true, '\\', _) => rest.chars().take(2).map(char::len_utf8).sum(),
            (_, '"', _) => {
                in_string = !in_string;
                1
            }
            (false, _, Some(token)) => {
                out.push_str(&format!("\"{MARK}{token}\""));
                rest = &rest[token.len()..];
                continue;
            }
            _ => c.len_utf8(),
        };
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    Cow::Owned(out)
}

/// For `#[serde(with = "python_json::float")]`: an `f64` that may be NaN or infinite.
pub mod float {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::MARK;

    /// Writes the number, or its token if it is not finite.
    ///
    /// # Errors
    /// As the serializer's.
    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            return serializer.serialize_f64(*value);
        }
        let token = match (value.is_nan(), *value > 0.0) {
            (true, _) => "NaN",
            (false, true) => "Infinity",
            (false, false) => "-Infinity",
        };
        serializer.serialize_str(&format!("{MARK}{token}"))
    }

    /// Reads a number, one of Python's tokens, or `null` as NaN.
    ///
    /// # Errors
    /// If it is something else.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Float {
            Number(f64),
            Text(String),
            Null(()),
        }
        match Float::deserialize(deserializer)? {
            Float::Number(value) => Ok(value),
            Float::Null(()) => Ok(f64::NAN),
            Float::Text(text) => match text.strip_prefix(MARK).unwrap_or(&text) {
                "NaN" => Ok(f64::NAN),
                "Infinity" => Ok(f64::INFINITY),
                "-Infinity" => Ok(f64::NEG_INFINITY),
                other => Err(de::Error::custom(format!(
                    "expected a number, found the text `{other}`"
                ))),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    struct Document {
        #[serde(with = "float")]
        a: f64,
        text: String,
        list: Vec<u8>,
    }

    #[test]
    fn python_tokens_are_read_and_written_but_not_inside_strings() {
        let text = "{\"a\": -Infinity, \"text\": \"NaN \\\" NaN é\", \"list\": [1]}";
        let document: Document = parse(text).unwrap();
        assert_eq!(document.a, f64::NEG_INFINITY);
        assert_eq!(document.text, "NaN \" NaN é");
        let back = to_text(&document).unwrap();
        assert!(back.contains("    \"a\": -Infinity,\n"), "{back}");
        assert!(back.contains("[\n        1\n    ]"), "{back}");
    }

    #[test]
    fn errors_say_where() {
        let (place, message) =
            parse::<Document>("{\"a\": 1, \"text\": \"\", \"list\": [1, \"x\"]}").unwrap_err();
        assert_eq!(place, "list[1]");
        assert!(message.contains("expected u8"), "{message}");
    }

    #[test]
    fn trailing_text_is_refused() {
        assert!(parse::<Vec<u8>>("[1] x").is_err());
    }
}
