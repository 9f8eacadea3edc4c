//! JSON as Python's `json` module reads and writes it: four spaces of indent, numbers and text
//! spelt as Python spells them, and the tokens `NaN`, `Infinity` and `-Infinity` for floats that
//! are not finite. A document of the Python program thus changes only where a value does.
//!
//! Reading is stricter in one thing: an object that names a key twice is refused, where Python
//! would silently use the last.

use std::borrow::Cow;
use std::fs;
use std::io::Write;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{SchemaError, atomic};

mod spelling;
mod unique;

pub mod float;

/// Inside our own text a token that JSON has no word for is a string with this prefix.
const MARK: &str = "@@float:";
const TOKENS: [&str; 3] = ["NaN", "-Infinity", "Infinity"];

/// Reads the document at `path`.
///
/// # Errors
/// [`SchemaError::Io`] if the file cannot be read, [`SchemaError::Malformed`] with the place in
/// the document if it is not what `T` wants.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, SchemaError> {
    parse(&read_text(path)?).map_err(|(json_path, message)| SchemaError::Malformed {
        path: path.to_path_buf(),
        json_path,
        message,
    })
}

/// The text of a file, without the byte order mark that some editors leave.
pub(crate) fn read_text(path: &Path) -> Result<String, SchemaError> {
    let text = fs::read_to_string(path).map_err(|source| SchemaError::Io {
        action: "read",
        path: path.to_path_buf(),
        source,
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// Reads a document from text; the error is the place in the document and what is wrong there.
///
/// # Errors
/// `(path in the document, message)`.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, (String, String)> {
    let text = mark_tokens(text);
    // Finds all that is wrong with the text itself, also after its end.
    from_marked::<unique::UniqueKeys>(&text)?;
    from_marked(&text)
}

fn from_marked<T: DeserializeOwned>(text: &str) -> Result<T, (String, String)> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| (place(error.path()), describe(error.inner())))?;
    (reader.end()).map_err(|error| (".".to_owned(), describe(&error)))?;
    Ok(value)
}

/// Python's token that the text stands for, if it is one.
pub(crate) fn unmarked(text: &str) -> Option<&str> {
    text.strip_prefix(MARK)
}

/// The path of an error, without the question mark that stands for a key that is none.
fn place(path: &serde_path_to_error::Path) -> String {
    let path = path.to_string();
    match path.strip_suffix('?') {
        None => path,
        Some("") => ".".to_owned(),
        Some(parent) => parent.trim_end_matches('.').to_owned(),
    }
}

/// The message of an error, with Python's tokens as they stand in the document.
pub(crate) fn describe(error: &serde_json::Error) -> String {
    let mut message = error.to_string();
    for token in TOKENS {
        message = message.replace(&format!("string \"{MARK}{token}\""), token);
    }
    message
}

/// The document as text, as `json.dump(…, indent=4)` lays it out.
///
/// # Errors
/// [`serde_json::Error`] if a map of `value` has keys that are not strings.
pub fn to_text<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    let mut serializer =
        serde_json::Serializer::with_formatter(&mut bytes, spelling::PythonFormatter::new());
    value.serialize(&mut serializer)?;
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    for token in TOKENS {
        text = text.replace(&format!("\"{MARK}{token}\""), token);
    }
    Ok(text)
}

/// The document as standard JSON has it: floats that are not finite are null.
///
/// # Errors
/// As [`to_text`].
pub fn to_standard<T: Serialize>(value: &T) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(value)?;
    without_marks(&mut value);
    Ok(value)
}

fn without_marks(value: &mut Value) {
    match value {
        Value::String(text) if unmarked(text).is_some() => *value = Value::Null,
        Value::Array(values) => values.iter_mut().for_each(without_marks),
        Value::Object(entries) => entries.values_mut().for_each(without_marks),
        _ => {}
    }
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
    fn standard_json_has_null_where_python_has_tokens() {
        let document = Document {
            a: f64::NAN,
            text: "NaN".to_owned(),
            list: vec![1],
        };
        let value = to_standard(&[document]).unwrap();
        assert_eq!(value.to_string(), r#"[{"a":null,"text":"NaN","list":[1]}]"#);
    }

    #[test]
    fn errors_say_where() {
        let (place, message) =
            parse::<Document>("{\"a\": 1, \"text\": \"\", \"list\": [1, \"x\"]}").unwrap_err();
        assert_eq!(place, "list[1]");
        assert!(message.contains("expected u8"), "{message}");
    }

    #[test]
    fn a_key_that_occurs_twice_is_refused() {
        let text = "{\"a\": 1, \"list\": [{\"b\": 1, \"c\": {}, \"b\": 2}]}";
        let (place, message) = parse::<serde_json::Value>(text).unwrap_err();
        assert_eq!(place, "list[0]");
        assert!(message.contains("the key `b` occurs twice"), "{message}");
    }

    #[test]
    fn a_token_in_the_wrong_place_is_named_as_it_stands() {
        let text = "{\"a\": 1, \"text\": \"\", \"list\": [NaN]}";
        let (place, message) = parse::<Document>(text).unwrap_err();
        assert_eq!(place, "list[0]");
        assert!(
            message.contains("invalid type: NaN, expected u8"),
            "{message}"
        );
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        std::fs::write(&path, "\u{feff}[1]").unwrap();
        assert_eq!(load::<Vec<u8>>(&path).unwrap(), [1]);
    }

    #[test]
    fn trailing_text_is_refused() {
        assert!(parse::<Vec<u8>>("[1] x").is_err());
    }
}
