//! Fields of a header that is text: their numbers, and errors that name the file and the field.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::source::{OpenFile, damaged};
use crate::ImageError;

/// The longest piece of a file that a message shows.
const SHOWN: usize = 40;

/// The fields in the order of the file.
#[derive(Debug)]
pub(super) struct Fields {
    path: PathBuf,
    entries: Vec<(String, String)>,
}

impl Fields {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            entries: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, name: &str, value: &str) {
        let entry = (name.trim().to_owned(), value.trim().to_owned());
        self.entries.push(entry);
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file is not what it should be.
    pub(super) fn damaged(&self, problem: String) -> ImageError {
        damaged(&self.path, problem)
    }

    /// The value of the first of these names that the header has.
    pub(super) fn get(&self, names: &[&str]) -> Option<&str> {
        let find = |name: &&str| self.entries.iter().find(|(n, _)| n == name);
        let (_, value) = names.iter().find_map(find)?;
        Some(value)
    }

    /// The value of a field that a header cannot do without.
    pub(super) fn required(&self, name: &str) -> Result<&str, ImageError> {
        self.get(&[name])
            .ok_or_else(|| self.damaged(format!("its header has no `{name}`")))
    }

    /// The numbers of a field, as many as there should be; `None` if there is no such field.
    pub(super) fn numbers<T: FromStr>(
        &self,
        names: &[&str],
        count: usize,
    ) -> Result<Option<Vec<T>>, ImageError> {
        let Some(text) = self.get(names) else {
            return Ok(None);
        };
        let numbers: Option<Vec<T>> = text.split_whitespace().map(|n| n.parse().ok()).collect();
        match numbers {
            Some(numbers) if numbers.len() == count => Ok(Some(numbers)),
            _ => {
                let name = names.iter().find(|name| self.get(&[name]).is_some());
                Err(self.damaged(format!(
                    "`{}` is `{}`, expected {count} number{}",
                    name.copied().unwrap_or_default(),
                    shown(text),
                    if count == 1 { "" } else { "s" }
                )))
            }
        }
    }

    /// A field with one number.
    pub(super) fn number<T: FromStr>(&self, names: &[&str]) -> Result<Option<T>, ImageError> {
        Ok(self.numbers(names, 1)?.and_then(|mut one| one.pop()))
    }
}

/// The start of a text, without what would upset a terminal.
pub(super) fn shown(text: &str) -> String {
    let mut start: String = text.chars().take(SHOWN).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start.replace(char::is_control, "\u{fffd}")
}

/// Opens the file that a header says its voxels are in, beside the header unless it says where.
pub(super) fn open_data_file(header: &Path, name: &str) -> Result<OpenFile, ImageError> {
    let folder = header.parent().unwrap_or(Path::new(""));
    let path = folder.join(name);
    let problem = |what: String| {
        damaged(
            header,
            format!(
                "its voxels should be in {}, {what}: keep header and voxels together",
                path.display()
            ),
        )
    };
    match path.metadata() {
        // A pipe would keep us waiting for ever.
        Ok(metadata) if !metadata.is_file() => Err(problem("which is no file".to_owned())),
        Ok(_) => OpenFile::open(&path),
        Err(error) => Err(problem(format!("which cannot be opened ({error})"))),
    }
}
