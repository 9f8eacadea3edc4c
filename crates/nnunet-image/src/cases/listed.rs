//! Cases that `dataset.json` lists itself, under the key `dataset`.

use std::env;
use std::path::{Path, PathBuf};

use nnunet_schema::{DatasetDescription, SchemaError};
use serde::Deserialize;
use serde_json::Value;

use super::RawCase;

#[derive(Deserialize)]
struct Entry {
    images: Vec<String>,
    label: String,
}

/// The cases in the order of the document; `None` if it lists none.
///
/// Environment variables in paths are replaced; relative paths start at the dataset's folder.
pub(super) fn cases(
    description: &DatasetDescription,
    folder: &Path,
) -> Result<Option<Vec<RawCase>>, SchemaError> {
    let Some(listed) = description.extra.get("dataset") else {
        return Ok(None);
    };
    let invalid = |json_path: String, message: String| SchemaError::Invalid {
        document: "dataset.json",
        json_path,
        message,
    };
    let Value::Object(entries) = listed else {
        let message = "is not an object: expected case names with `images` and `label`".to_owned();
        return Err(invalid("dataset".into(), message));
    };
    let resolve = |path: &str| folder.join(expand(path, |name| env::var(name).ok()));
    let case = |(id, entry): (&String, &Value)| {
        let place = format!("dataset.{id}");
        let entry = Entry::deserialize(entry)
            .map_err(|error| invalid(place.clone(), format!("is not a case: {error}")))?;
        if entry.images.is_empty() {
            return Err(invalid(place, "has no images".into()));
        }
        Ok(RawCase {
            id: id.clone(),
            images: entry.images.iter().map(|path| resolve(path)).collect(),
            label: Some(resolve(&entry.label)),
        })
    };
    entries.iter().map(case).collect::<Result<_, _>>().map(Some)
}

/// Replaces `$NAME` and `${NAME}`; what has no value stays as it is.
fn expand(text: &str, value: impl Fn(&str) -> Option<String>) -> PathBuf {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (name, after_name) = variable(after);
        match value(name).filter(|_| !name.is_empty()) {
            Some(value) => {
                out.push_str(&value);
                rest = after_name;
            }
            None => {
                out.push('$');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out.into()
}

/// The name at the start of the text behind a `$`, and what follows it; empty if there is none.
fn variable(text: &str) -> (&str, &str) {
    if let Some((name, after)) = text.strip_prefix('{').and_then(|t| t.split_once('}')) {
        return (name, after);
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split_at(text.find(|c| !is_name(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_as_python_does() {
        let value = |name: &str| (name == "DATA").then(|| "/d".to_owned());
        for (text, wanted) in [
            ("$DATA/a.nii", "/d/a.nii"),
            ("x/${DATA}a.nii", "x//da.nii"),
            ("$OTHER/$/${DATA", "$OTHER/$/${DATA"),
            ("plain", "plain"),
        ] {
            assert_eq!(expand(text, value), Path::new(wanted), "{text}");
        }
    }
}
